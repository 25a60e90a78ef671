"""`outlay spend`: the contract that other programs read, and figures that are the ledger's own to the nano-dollar."""

import csv
import io
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from tests.cli.conftest import NOW
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Door, Served, behind, connecting

ALL = ("from", "2026-10-01", "to", "2026-11-21")
ALL_TIME = (NOW - timedelta(days=35)).replace(hour=0, minute=0, second=0)  # where the first poll begins
EXACT = re.compile(r"-?\d+\.\d{9}")
TOKENS = {"input", "cache_read", "cache_write_5m", "cache_write_1h", "output"}
FIGURES = {"usd", "requests", "tokens", "unpriced_tokens", "status", "basis"}
FRAME = {
    "query", "time_zone", "as_of", "rows", "total_usd", "residual_usd", "adjustments_usd", "byok_usd",
    "unpriced_tokens", "coverage", "saved_by_cache_usd", "fresh_until",
}  # fmt: skip


@pytest.fixture(scope="module")
def old_company() -> Company:
    """A company that was there before the first poll reaches back."""
    return Company(now=NOW, days=37)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory, place: tuple[Door, str], old_company: Company) -> Terminal:
    """A machine that has read all the ledger tells. Nothing below changes it."""
    clock, data_dir = FakeClock(NOW), tmp_path_factory.mktemp("old") / "data"
    with behind(place, old_company, clock) as found:
        machine = Terminal(data_dir, clock, KEY=found.key)
        machine.done(*connecting(found))
        machine.done("poll")
    return machine


def nano(usd: str) -> int:
    """A decimal string of the contract in nano-dollars, without a float in between."""
    assert EXACT.fullmatch(usd), usd
    return int(usd.replace(".", ""))


def truth(company: Company, *by: str, start: datetime = ALL_TIME, end: datetime = NOW) -> dict[tuple[str, ...], int]:
    """What the ledger says."""
    return company.truth(start, end, by=by, of="paid_nano_usd")


def check_frame(found: dict[str, Any]) -> None:
    """Every answer has every field of the contract, of its type."""
    assert set(found) >= FRAME
    assert isinstance(found["query"], dict)
    assert found["time_zone"] == "UTC"
    assert found["as_of"] == "2026-11-21T14:05:30Z"
    for name in ("total_usd", "residual_usd", "adjustments_usd", "byok_usd"):
        assert EXACT.fullmatch(found[name]), name
    assert isinstance(found["unpriced_tokens"], int)
    assert isinstance(found["coverage"], float)
    assert 0 <= found["coverage"] <= 1
    assert found["fresh_until"] == {"main": "2026-11-21T13:55:30Z"}  # less the lag of its freshest report


def check_row(row: dict[str, Any], by: tuple[str, ...]) -> None:
    """A row has a field for each grouping, the figures, and a reason where nobody can be named."""
    reason = {"reason", "owner", "key"} if "reason" in row else set()
    assert set(row) == {*by, *FIGURES, *reason}
    if row["usd"] is not None:
        assert EXACT.fullmatch(row["usd"])
    assert row["requests"] is None or isinstance(row["requests"], int)
    assert set(row["tokens"]) == TOKENS
    assert all(isinstance(count, int) and count >= 0 for count in row["tokens"].values())
    assert isinstance(row["unpriced_tokens"], int)
    assert row["status"] in {"provisional", "settled", "closed", "adjustment", "mixed"}
    assert row["basis"] in {"billed", "computed", "unpriced", "mixed"}
    if reason:
        assert row["reason"]
        assert row["owner"] == {"id": "unattributed", "name": "unattributed", "kind": "unattributed"}
        assert row["key"] is None


DIMENSIONS = ("owner", "key", "model", "ledger", "connection", "project", "day", "hour")


@pytest.mark.parametrize("by", [*((one,) for one in DIMENSIONS), ("owner", "model"), ("key", "day"), ("model", "hour")])
def test_the_answer_has_the_shape_of_the_contract_and_its_rows_add_up(books: Terminal, by: tuple[str, ...]) -> None:
    found = books.spend("7d", "by", *by)

    check_frame(found)
    assert found["query"]["by"] == list(by)
    assert (found["query"]["from"], found["query"]["to"]) == ("2026-11-15", "2026-11-21")
    assert found["rows"]
    for row in found["rows"]:
        check_row(row, by)
    assert sum(nano(row["usd"]) for row in found["rows"] if row["usd"] is not None) == nano(found["total_usd"])
    assert nano(found["total_usd"]) > 0


def test_each_dimension_has_the_fields_of_the_contract(books: Terminal) -> None:
    by_key = books.spend("7d", "by", "key", "owner")["rows"]
    keys = [row["key"] for row in by_key if row["key"]]
    owners = [row["owner"] for row in by_key]
    models = [row["model"] for row in books.spend("7d", "by", "model")["rows"]]
    named = books.spend("7d", "by", "ledger", "connection")["rows"][0]

    assert all(set(key) == {"id", "name", "ledger", "connection"} for key in keys)
    assert all((key["ledger"], key["connection"]) == ("openrouter", "main") for key in keys)
    assert all(set(owner) == {"id", "name", "kind"} for owner in owners)
    assert {owner["kind"] for owner in owners} == {"person", "agent"}
    assert all(set(model) == {"id", "names"} and model["names"] for model in models)
    assert (named["ledger"], named["connection"]) == ("openrouter", "main")
    assert all(re.fullmatch(r"2026-11-\d\d", row["day"]) for row in books.spend("7d", "by", "day")["rows"])
    hours = [row["hour"] for row in books.spend("today", "by", "hour")["rows"]]
    assert hours == sorted(hours)
    assert all(re.fullmatch(r"2026-11-21T\d\d:00:00Z", hour) for hour in hours)
    projects = {row["project"] for row in books.spend("7d", "by", "project")["rows"]}
    assert projects == {"Brightloom", "Research"}


def test_the_total_is_the_ledgers_own_to_the_nano_dollar(books: Terminal, old_company: Company) -> None:
    found = books.spend(*ALL)

    assert nano(found["total_usd"]) == truth(old_company)[()]
    assert nano(found["byok_usd"]) == old_company.truth(ALL_TIME, NOW, of="byok_nano_usd")[()]
    assert nano(found["residual_usd"]) == 0
    assert found["coverage"] == 1.0


def test_every_model_that_really_ran_has_its_own_dollars(books: Terminal, old_company: Company) -> None:
    rows = books.spend(*ALL, "by", "model")["rows"]

    spent = {row["model"]["id"]: nano(row["usd"]) for row in rows}
    assert {model: usd for model, usd in spent.items() if usd} == {
        model: usd for (model,), usd in truth(old_company, "model").items()
    }
    assert "openrouter/auto" not in spent
    requests = {row["model"]["id"]: row["requests"] for row in rows}
    assert requests == {
        model: count for (model,), count in old_company.truth(ALL_TIME, NOW, by=("model",), of="requests").items()
    }


def test_every_key_has_its_own_dollars_and_a_deleted_one_still_counts(books: Terminal, old_company: Company) -> None:
    rows = books.spend(*ALL, "by", "key")["rows"]

    expected = {key: usd for (key,), usd in truth(old_company, "key").items()}
    gone = {key.hash: expected.pop(key.hash) for key in old_company.keys if key.deleted}
    assert {row["key"]["id"]: nano(row["usd"]) for row in rows if row["key"] and nano(row["usd"])} == expected
    nobodys = [row for row in rows if row["key"] is None]
    assert sum(nano(row["usd"]) for row in nobodys) == sum(gone.values()) > 0
    assert all(row["reason"] for row in nobodys)


def test_namesakes_and_a_key_without_a_name_are_told_apart_by_id(books: Terminal, old_company: Company) -> None:
    names = Counter(row["key"]["name"] for row in books.spend("7d", "by", "key")["rows"] if row["key"])

    assert names["laptop"] == 2
    nameless = next(key for key in old_company.keys if not key.name)
    assert names[nameless.label] == 1


def test_every_owner_has_what_their_keys_spent(books: Terminal, old_company: Company) -> None:
    rows = books.spend("7d", "by", "owner")["rows"]

    start = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=6)
    spent: Counter[str] = Counter()
    for key in old_company.keys:
        agent = key.name.startswith("agent-")
        spent[f"agent:{key.name}" if agent else key.creator.email] += sum(
            amount for (found,), amount in truth(old_company, "key", start=start).items() if found == key.hash
        )
    assert {row["owner"]["id"]: nano(row["usd"]) for row in rows} == {name: usd for name, usd in spent.items() if usd}


def test_days_and_hours_are_the_ledgers_own(books: Terminal, old_company: Company) -> None:
    days = {row["day"]: nano(row["usd"]) for row in books.spend(*ALL, "by", "day")["rows"]}
    hours = {row["hour"]: nano(row["usd"]) for row in books.spend("2d", "by", "hour")["rows"]}

    assert days == {day: usd for (day,), usd in truth(old_company, "day").items()}
    assert len(days) == 36
    yesterday = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=1)
    told = {hour: usd for (hour,), usd in truth(old_company, "hour", start=yesterday).items()}
    today = f"{NOW:%Y-%m-%d}"
    assert {hour: usd for hour, usd in hours.items() if hour.startswith(today)} == {
        hour: usd for hour, usd in told.items() if hour.startswith(today)
    }
    # Yesterday is billed by the day and laid over its hours: their sum is exact, their shape that of the credits.
    assert sum(hours.values()) == sum(told.values())


@pytest.mark.parametrize("by", ["owner", "key", "model", "project", "connection"])
def test_whoever_splits_the_same_period_otherwise_gets_the_same_total(books: Terminal, by: str) -> None:
    assert books.spend("mtd", "by", by)["total_usd"] == books.spend("mtd")["total_usd"]


def test_past_days_are_settled_once_the_window_is_over_and_today_is_provisional(books: Terminal) -> None:
    status = {row["day"]: row["status"] for row in books.spend("7d", "by", "day")["rows"]}

    assert status["2026-11-15"] == "settled"
    assert status["2026-11-21"] == "provisional"
    assert {row["basis"] for row in books.spend("7d", "by", "day")["rows"]} == {"billed"}


def test_filters_narrow_the_rows_and_the_total_alike(books: Terminal, old_company: Company) -> None:
    sonnet = books.spend("7d", "model:*sonnet*", "by", "key")
    dana = books.spend("7d", "owner:dana@brightloom.example", "by", "model")
    both = books.spend("7d", "key:dana-ide", "model:anthropic/claude-haiku-4.5")

    start = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=6)
    expected = truth(old_company, "key_name", "model", start=start)
    assert nano(sonnet["total_usd"]) == sum(usd for (_, model), usd in expected.items() if "sonnet" in model)
    assert sum(nano(row["usd"]) for row in sonnet["rows"]) == nano(sonnet["total_usd"])
    triage = "agent-triage"  # hers by its creator's address, but an agent's by its name
    assert triage not in {row["owner"]["id"] for row in books.spend("7d", "owner:dana@*")["rows"]}
    assert nano(dana["total_usd"]) == sum(usd for (key, _), usd in expected.items() if key == "dana-ide")
    assert nano(both["total_usd"]) == expected["dana-ide", "anthropic/claude-haiku-4.5"]
    assert books.spend("7d", "model:nobody*")["total_usd"] == "0.000000000"


def test_top_shows_so_many_and_never_hides_money(books: Terminal) -> None:
    whole, top = books.spend("7d", "by", "model"), books.spend("7d", "by", "model", "top", "2")

    assert top["rows"] == whole["rows"][:2]
    assert top["total_usd"] == whole["total_usd"]
    left = sum(nano(row["usd"]) for row in whole["rows"][2:])
    assert top["rest"] == {"rows": len(whole["rows"]) - 2, "usd": f"{left // 10**9}.{left % 10**9:09}"}


def test_a_period_without_anything_is_zero_and_says_so(books: Terminal) -> None:
    found = books.spend("2026-01")

    check_frame(found)
    assert (found["rows"], found["total_usd"], found["coverage"]) == ([], "0.000000000", 1.0)


def test_csv_has_the_same_rows_flat(books: Terminal) -> None:
    document = books.spend("7d", "by", "key", "model")

    ran = books.done("spend", "7d", "by", "key", "model", "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert len(rows) == len(document["rows"])
    for flat, row in zip(rows, document["rows"], strict=True):
        assert flat["usd"] == row["usd"]
        assert flat["model_id"] == row["model"]["id"]
        assert flat["key_id"] == (row["key"]["id"] if row["key"] else "")
        assert flat["tokens_output"] == str(row["tokens"]["output"])
        assert (flat["status"], flat["basis"]) == (row["status"], row["basis"])


def test_the_answer_for_people_says_what_the_figures_are(books: Terminal) -> None:
    out = books.done("spend", "7d", "by", "model").out

    assert out.startswith("$")
    assert "in the last 7 days" in out.splitlines()[0]
    for word in ("anthropic/claude-sonnet-4.5", "billed", "provisional", "all tokens priced", "main read up to"):
        assert word in out


def test_the_words_may_be_one_argument_or_many(books: Terminal) -> None:
    assert books.spend("7d by model top 3") == books.spend("7d", "by", "model", "top", "3")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["7x"], "I do not understand «7x»"),
        (["by", "modle"], "I cannot group by «modle». Did you mean: outlay spend by model"),
        (["by", "key", "model", "day"], "At most two groupings at once"),
        (["me"], "«me» works in Slack"),
        (["7d", "mtd"], "Two periods"),
        (["top", "0"], "«top» needs a number from 1 to 100"),
        (["from", "2026-11-02", "to", "2026-11-01"], "is before"),
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_word_that_is_not_understood_is_named_with_what_would_work(
    books: Terminal, words: list[str], said: str, form: str
) -> None:
    ran = books("spend", *words, "--format", form)

    assert ran.code == 2
    assert said in ran.complaint


def test_before_anything_is_connected_the_first_step_is_shown(terminal: Terminal) -> None:
    assert terminal.done("spend").out.startswith("Nothing is connected yet: outlay connect openrouter --name main")
    found = terminal.spend()
    assert (found["rows"], found["total_usd"], found["fresh_until"]) == ([], "0.000000000", {})


def test_a_model_without_a_price_lowers_the_coverage_and_is_never_zero(terminal: Terminal, openrouter: Served) -> None:
    openrouter.faults.called["openai/gpt-5-mini"] = "newlab/zephyr-9"
    openrouter.faults.unpriced.add("openai/gpt-5-mini")
    terminal.done(*connecting(openrouter))
    terminal.done("poll")

    found = terminal.spend("2d", "by", "model")

    row = next(row for row in found["rows"] if row["model"]["id"] == "newlab/zephyr-9")
    assert (row["usd"], row["basis"]) == (None, "unpriced")
    assert row["unpriced_tokens"] == sum(row["tokens"].values()) == found["unpriced_tokens"] > 0
    counted = sum(sum(one["tokens"].values()) for one in found["rows"])
    assert found["coverage"] == pytest.approx(1 - found["unpriced_tokens"] / counted, abs=1e-6)
    assert "not priced" in terminal.done("spend", "2d", "by", "model").out
    owners = terminal.spend("2d", "by", "owner")["rows"]
    assert "mixed" in {one["basis"] for one in owners}


def test_a_comparison_has_both_sums_and_the_change_in_json_and_csv(books: Terminal) -> None:
    asked = ("last", "7", "days", "vs", "previous", "by", "model")
    found = books.spend(*asked)
    before = books.spend("from", "2026-11-08", "to", "2026-11-14", "by", "model")

    assert found["query"]["versus"] == {
        "from": "2026-11-08", "to": "2026-11-14", "period": "from 2026-11-08 to 2026-11-14",
    }  # fmt: skip
    assert found["compared"]["total_usd"] == before["total_usd"]
    assert nano(found["compared"]["change_usd"]) == nano(found["total_usd"]) - nano(before["total_usd"])
    then = {row["model"]["id"]: row["usd"] for row in before["rows"]}
    assert {row["model"]["id"]: row["before_usd"] for row in found["rows"] if row["before_usd"] != "0.000000000"} == {
        model: usd for model, usd in then.items() if usd != "0.000000000"
    }
    for row in found["rows"]:
        assert nano(row["change_usd"]) == nano(row["usd"]) - nano(row["before_usd"])
    flat = list(csv.DictReader(io.StringIO(books.done("spend", *asked, "--format", "csv").out)))
    assert [(row["model_id"], row["usd"], row["before_usd"], row["change_usd"]) for row in flat] == [
        (row["model"]["id"], row["usd"], row["before_usd"], row["change_usd"]) for row in found["rows"]
    ]


def test_nothing_is_compared_where_nothing_was_to_be(books: Terminal) -> None:
    found = books.spend("7d")

    assert found["compared"] is None
    assert found["query"]["versus"] is None
    assert "before_usd" not in found["rows"][0]
    assert "before_usd" not in books.done("spend", "7d", "--format", "csv").out


def test_the_month_under_way_says_where_it_will_end_and_no_other_period_does(books: Terminal) -> None:
    found = books.spend("mtd")

    foreseen = found["forecast"]
    assert nano(foreseen["low_usd"]) <= nano(foreseen["likely_usd"]) <= nano(foreseen["high_usd"])
    assert nano(foreseen["low_usd"]) > nano(found["total_usd"])
    assert books.spend("7d")["forecast"] is None
    assert books.spend("last", "month")["forecast"] is None
    one = books.spend("mtd", "model:*sonnet*")["forecast"]
    assert 0 < nano(one["likely_usd"]) < nano(foreseen["likely_usd"])


def test_people_read_the_comparison_the_course_and_the_forecast_in_words(books: Terminal) -> None:
    compared = books.done("spend", "7d", "vs", "before", "by", "model").out
    assert re.search(
        r"in the last 7 days, .* than \$[\d,.]+ from 8 Nov to 14 Nov 2026 · biggest: .* · moved most: ", compared
    )
    assert "Before (USD)" in compared
    course = books.done("spend", "trend").out
    assert re.search(r"[▁▂▃▄▅▆▇█]{21}  1 Nov to 21 Nov, highest \d+ Nov, \$", course)
    assert "November 2026 is likely to end at $" in course
    assert "<" not in compared + course
    assert "*" not in compared + course


def test_a_trend_keeps_the_biggest_over_all_of_its_days(books: Terminal) -> None:
    every = Counter[str]()
    for row in books.spend("7d", "by", "model", "day")["rows"]:
        every[row["model"]["id"]] += nano(row["usd"])
    found = books.spend("7d", "trend", "by", "model", "top", "2")

    assert found["query"]["by"] == ["model", "day"]
    assert {row["model"]["id"] for row in found["rows"]} == {model for model, _ in every.most_common(2)}
    assert len(found["rows"]) > 2


def test_a_name_that_is_not_there_is_not_said_to_have_cost_nothing(books: Terminal) -> None:
    said = books.done("spend", "7d", "model:claud-sonet").out

    assert re.search(
        r"no model in the books is called claud-sonet\. Did you mean «outlay spend model:anthropic/claude-", said
    )
    (unknown,) = books.spend("7d", "model:claud-sonet")["unknown"]
    assert (unknown["field"], unknown["pattern"]) == ("model", "claud-sonet")
    assert unknown["near"].startswith("anthropic/claude-")
    assert books.spend("7d")["unknown"] == []
