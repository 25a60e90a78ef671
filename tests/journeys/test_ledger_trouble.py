"""A ledger that answers badly: the connection says what happened, the books stay true, and it mends by itself."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from outlay.fakes.company.company import Company
from outlay_plugins.openrouter import OpenRouter
from tests.journeys.conftest import Open
from tests.journeys.read_answer import nano, spent, truth_by
from tests.journeys.running_bot import BRUNO, NOW, House
from tests.workspace import ALICE

TROUBLE: dict[str, tuple[tuple[Any, ...], str]] = {
    "status": ((500,), "OpenRouter has trouble of its own (500)"),
    "half_json": ((), "OpenRouter answered with broken or cut-off JSON"),
    "html": ((), "OpenRouter answered with a web page instead of JSON"),
    "drop": ((), "OpenRouter dropped the connection"),
    "cut": ((), "OpenRouter dropped the connection"),
    "body": (('{"data": 7}',), "OpenRouter"),
}
TODAY = NOW.replace(hour=0, minute=0, second=0)


@pytest.mark.parametrize("path", ["/keys", "/analytics/query"])
@pytest.mark.parametrize("trouble", TROUBLE)
async def test_trouble_is_said_the_books_stand_still_and_mend_by_themselves(
    connected: House, trouble: str, path: str
) -> None:
    how, said = TROUBLE[trouble]
    before = await connected.spend("7d", "by", "key", "model")
    getattr(connected.faults, trouble)(path, *how, times=20)

    await connected.later(minutes=2)

    view = (await connected.connections())["main"]
    assert view.state == "failing"
    assert said in view.error
    assert view.next_poll is not None
    assert view.next_poll > connected.clock.now()
    after = await connected.spend("7d", "by", "key", "model")
    assert [row for row in after["rows"] if row["model"]] == before["rows"]
    fresher = connected.company.truth(connected.company.start, connected.clock.now(), of="paid_nano_usd")[
        ()
    ]  # by the keys' counters
    assert nano(after["total_usd"]) in (nano(before["total_usd"]), fresher)
    assert "main (OpenRouter, management key) cannot be read right now" in (await connected.slack.home(ALICE)).words
    assert connected.slack.dms(ALICE) == []
    connected.faults.clear()
    await connected.later(minutes=2)
    view = (await connected.connections())["main"]
    assert (view.state, view.error) == ("ok", "")
    await connected.truth_holds()


async def test_one_hiccup_is_not_even_noticed(connected: House) -> None:
    connected.faults.status("/keys", 502)
    connected.faults.drop("/analytics/query")

    await connected.later(minutes=2)

    assert (await connected.connections())["main"].state == "ok"
    await connected.truth_holds()


async def test_ever_longer_pauses_between_failures_and_never_beyond_a_quarter_of_an_hour(connected: House) -> None:
    waits = []
    for _ in range(6):
        connected.faults.status("*", 503, times=10)
        await connected.later(minutes=16)
        connected.faults.clear()
        view = (await connected.connections())["main"]
        assert view.next_poll is not None
        waits.append((view.next_poll - connected.clock.now()).total_seconds())

    assert waits[0] == 60
    assert waits == sorted(waits)
    assert waits[-1] == 900


async def test_a_short_429_is_waited_out(connected: House) -> None:
    connected.faults.status("/analytics/query", 429, headers={"retry-after": "9"})

    await connected.later(minutes=2)

    assert 9 in connected.ledger_clock.slept_seconds
    assert (await connected.connections())["main"].state == "ok"
    await connected.truth_holds()


async def test_after_a_long_429_nobody_asks_before_the_time_that_was_told(connected: House) -> None:
    connected.faults.status("/keys", 429, headers={"retry-after": "1800"})
    await connected.later(minutes=2)
    view = (await connected.connections())["main"]
    asked = len(connected.openrouter.journal.asked)

    await connected.later(minutes=29)
    assert len(connected.openrouter.journal.asked) == asked
    await connected.later(minutes=2)

    assert view.state == "failing"
    assert "asks us to wait (429) until 2026-11-21 14:37:30 UTC" in view.error
    assert (await connected.connections())["main"].state == "ok"
    await connected.truth_holds()


async def test_a_published_limit_is_kept_so_that_nobody_has_to_say_429(
    open_connected: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlay.fakes.openrouter.server.QUERIES_A_MINUTE", 4)
    (pace,) = OpenRouter.paces
    monkeypatch.setattr(OpenRouter, "paces", (replace(pace, calls=3),))
    async with open_connected() as home:
        await home.later(days=1)

        queries = [one.status for one in home.openrouter.journal.asked if one.path == "/analytics/query"]
        assert len(queries) > 4
        assert set(queries) == {200}
        assert sum(home.ledger_clock.slept_seconds) > 50


@pytest.fixture
async def restating(open_connected: Open) -> AsyncIterator[House]:
    """A house whose ledger may change its mind."""
    async with open_connected(company=Company(now=NOW, days=1)) as found:
        yield found


async def test_buckets_that_shrink_or_vanish_are_followed(restating: House) -> None:
    hour = TODAY + timedelta(hours=9)
    before = await restating.truth_holds()

    restating.company.restate(hour, hour + timedelta(hours=2), Fraction(1, 3))
    await restating.later(hours=1)
    smaller = await restating.truth_holds()
    key = restating.company.key("dana-ide")
    restating.company.restate(hour, hour + timedelta(hours=3), 0, key_hash=key.hash)
    await restating.later(hours=1)

    assert smaller < before
    await restating.truth_holds()
    reply = await restating.slack.command("/spend today by key top 50", user=BRUNO)
    expected = truth_by(restating.company, "key", TODAY, restating.clock.now())[key.hash]
    assert spent(reply, "Key")["dana-ide"] == expected


async def test_a_settled_day_that_changes_later_is_read_again(restating: House) -> None:
    day = restating.company.start
    restating.company.restate(day, day + timedelta(days=1), 2)

    await restating.later(hours=7)

    expected = restating.company.truth(day, day + timedelta(days=1), of="paid_nano_usd")[()]
    assert nano((await restating.spend(f"{day:%Y-%m-%d}"))["total_usd"]) == expected


async def test_a_model_never_seen_before_is_shown_by_its_own_name(connected: House) -> None:
    connected.faults.called["openai/gpt-5"] = "newlab/zephyr-9"

    await connected.later(hours=1)

    models = spent(await connected.slack.command("/spend today by model", user=BRUNO), "Model")
    expected = truth_by(connected.company, "model", TODAY, connected.clock.now())
    shown = {model: amount for model, amount in models.items() if amount}
    assert shown["newlab/zephyr-9"] + shown.get("openai/gpt-5", 0) == expected["openai/gpt-5"]
    assert sum(shown.values()) == sum(expected.values())


async def test_what_has_no_price_is_not_priced_and_lowers_the_coverage(connected: House) -> None:
    connected.faults.called["openai/gpt-5-mini"] = "newlab/zephyr-9"
    connected.faults.unpriced.add("openai/gpt-5-mini")

    await connected.later(days=1)

    found = await connected.spend("today", "by", "model")
    row = next(row for row in found["rows"] if row["model"] and row["model"]["id"] == "newlab/zephyr-9")
    assert (row["usd"], row["basis"]) == (None, "unpriced")
    assert row["unpriced_tokens"] == found["unpriced_tokens"] > 0
    assert found["coverage"] < 1
    reply = await connected.slack.command("/spend today by model", user=BRUNO)
    assert spent(reply, "Model")["newlab/zephyr-9"] is None
    assert "have no known price and are not in the total" in reply.words
    assert "all tokens priced" not in reply.words
    expected = truth_by(connected.company, "model", TODAY + timedelta(days=1), connected.clock.now())
    priced = {row["model"]["id"]: nano(row["usd"]) for row in found["rows"] if row["model"] and row["usd"]}
    del expected["openai/gpt-5-mini"]
    assert {model: amount for model, amount in priced.items() if amount} == expected


async def test_where_the_ledger_has_no_dollars_those_of_the_list_are_called_computed(connected: House) -> None:
    connected.faults.unpriced.add("openai/gpt-5-mini")

    await connected.later(days=1)

    found = await connected.spend("today", "by", "model")
    basis = {row["model"]["id"]: row["basis"] for row in found["rows"] if row["model"]}
    assert basis["openai/gpt-5-mini"] == "computed"
    assert basis["anthropic/claude-sonnet-4.5"] == "billed"
    assert found["coverage"] == 1.0


async def test_a_key_that_is_renamed_keeps_its_money(connected: House) -> None:
    key = connected.company.key("dana-ide")
    connected.faults.renamed[key.hash] = "dana-new-laptop"

    await connected.later(hours=1)

    shown = spent(await connected.slack.command("/spend today by key top 50", user=BRUNO), "Key")
    assert shown["dana-new-laptop"] == truth_by(connected.company, "key", TODAY, connected.clock.now())[key.hash]
    assert "dana-ide" not in shown


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_key_that_is_deleted_still_counts(connected: House, forgets: bool) -> None:
    key = connected.company.key("dana-ide")
    connected.faults.deleted.add(key.hash)
    connected.faults.forgets_deleted = forgets

    await connected.later(hours=1)

    await connected.truth_holds()


@pytest.mark.parametrize("oddity", ["extra_fields", "nulls", "numbers_as_strings", "counts_as_numbers"])
async def test_odd_spellings_change_no_figure(connected: House, oddity: Any) -> None:
    connected.faults.oddities.add(oddity)

    await connected.later(hours=7)

    assert (await connected.connections())["main"].state == "ok"
    found = await connected.spend("7d")
    credit = connected.company.truth(connected.company.start, connected.clock.now())[()]
    assert nano(found["total_usd"]) - nano(found["byok_usd"]) == credit
    if oddity != "nulls":  # which hide what went upstream
        await connected.truth_holds()


async def test_figures_that_come_late_are_never_more_than_the_truth_and_in_time_all_of_it(home: House) -> None:
    home.faults.analytics_lag, home.faults.counters_lag = timedelta(minutes=25), timedelta(minutes=2)
    await home.connect()
    await home.tick()
    for _ in range(2):
        await home.later(minutes=9)
        so_far = nano((await home.spend("7d"))["total_usd"])
        assert 0 < so_far <= home.company.truth(home.company.start, home.clock.now(), of="paid_nano_usd")[()]
    home.faults.analytics_lag = home.faults.counters_lag = timedelta(0)

    await home.later(minutes=1)

    await home.truth_holds()


async def test_after_a_night_without_the_bot_nothing_is_missing(connected: House) -> None:
    await connected.later(days=2, hours=3)

    await connected.truth_holds()
    days = {row["day"] for row in (await connected.spend("7d", "by", "day"))["rows"]}
    assert {"2026-11-21", "2026-11-22", "2026-11-23"} <= days
