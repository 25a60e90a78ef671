"""Questions in Slack, over real books: the figures are the ledger's, and the command line says the same."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from outlay import wording
from outlay.fakes.company.company import Company
from tests.cli.threaded_fakes import Door
from tests.journeys.read_answer import nano, spent, table, truth_by
from tests.journeys.running_bot import BRUNO, DANA, NOW, House, opened
from tests.workspace import ALICE, GUEST

pytestmark = pytest.mark.asyncio(loop_scope="module")
TODAY = NOW.replace(hour=0, minute=0, second=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory, place: tuple[Door, str]) -> AsyncIterator[House]:
    """A house that has read two days and a half of the company. Nothing below changes it."""
    company = Company(now=NOW, days=2)
    async with opened(place, tmp_path_factory.mktemp("answers") / "data", company=company) as found:
        await found.connect()
        await found.tick()
        yield found


def truth(home: House, name: str, start: datetime | None = None) -> dict[str, int]:
    """What the ledger says."""
    return truth_by(home.company, name, start or home.company.start, NOW)


async def test_spend_by_owner_names_people_as_slack_does_and_agents_by_name(home: House) -> None:
    reply = await home.slack.command("/spend", user=BRUNO)

    assert reply.ephemeral
    expected: dict[str, int] = {}
    for key in home.company.keys:
        name = key.name if key.name.startswith("agent-") else home.slack.world.people[key.creator.slack_id].name
        if amount := truth(home, "key").get(key.hash):
            expected[name] = expected.get(name, 0) + amount
    biggest = sorted(expected.items(), key=lambda pair: -pair[1])
    shown = spent(reply, "Owner")
    assert list(shown.items())[:10] == biggest[:10]
    total = sum(expected.values())
    assert reply.text.startswith(f"{wording.money(total)} this month so far")
    rest = sum(amount for _, amount in biggest[10:])
    assert list(shown.values())[10:] == ([rest] if rest else [])


@pytest.mark.parametrize("period", ["", "7d", "mtd", "2026-11", "last month", "yesterday", "today"])
async def test_slack_and_the_command_line_say_the_same_of_every_period(home: House, period: str) -> None:
    reply = await home.slack.command(f"/spend {period} by model", user=BRUNO)
    found = await home.spend(*period.split(), "by", "model")

    start, end = (datetime.fromisoformat(found["query"][name] + "T00:00:00+00:00") for name in ("from", "to"))
    expected = truth_by(home.company, "model", start, min(end + timedelta(days=1), NOW))
    total = sum(expected.values())
    assert nano(found["total_usd"]) == total
    assert reply.text.startswith(f"{wording.money(total)} ")
    rows = {row["model"]["id"]: nano(row["usd"]) for row in found["rows"]}
    assert {model: amount for model, amount in rows.items() if amount} == expected
    if period != "last month":
        assert spent(reply, "Model") == rows
    else:
        assert "nothing was spent that a connected ledger knows of" in reply.text


async def test_auto_shows_the_model_that_really_ran(home: House) -> None:
    models = spent(await home.slack.command("/spend by model", user=BRUNO), "Model")

    assert "openrouter/auto" not in models
    assert {model: amount for model, amount in models.items() if amount} == truth(home, "model")
    requested = truth_by(home.company, "requested", home.company.start, NOW)
    assert requested["openrouter/auto"] > 0


async def test_by_key_tells_namesakes_and_the_nameless_apart(home: House) -> None:
    reply = await home.slack.command("/spend by key top 50", user=BRUNO)

    expected = truth(home, "key")
    assert sorted(amount for amount in spent(reply, "Key").values() if amount) == sorted(expected.values())
    names = list(spent(reply, "Key"))
    laptops = [key for key in home.company.keys if key.name == "laptop"]
    for key in laptops:
        row = next(name for name in names if name.startswith("laptop") and key.hash[-4:] in name)
        assert spent(reply, "Key")[row] == expected[key.hash]
    nameless = next(key for key in home.company.keys if not key.name)
    assert spent(reply, "Key")[nameless.label] == expected[nameless.hash]


async def test_by_day_and_by_hour_come_in_order_of_time(home: House) -> None:
    days = table(await home.slack.command("/spend 7d by day", user=BRUNO))
    found = await home.spend("7d", "by", "day")

    assert [int(row["Spend (USD)"].scaleb(9)) for row in days] == [nano(row["usd"]) for row in found["rows"]]
    assert {row["day"]: nano(row["usd"]) for row in found["rows"]} == truth(home, "day")
    hours = table(await home.slack.command("/spend today by hour", user=BRUNO))
    expected = truth(home, "hour", TODAY)
    assert [int(row["Spend (USD)"].scaleb(9)) for row in hours] == [amount for _, amount in sorted(expected.items())]


async def test_me_and_a_mention_are_about_that_person(home: House) -> None:
    mine = await home.slack.command("/spend me by key", user=DANA)
    hers = await home.slack.command("/spend @dana by key", user=BRUNO)
    theirs = await home.spend(f"owner:{DANA}", "by", "key")

    key = home.company.key("dana-ide")
    expected = truth(home, "key")[key.hash]
    assert spent(mine, "Key") == spent(hers, "Key") == {"dana-ide": expected}
    assert nano(theirs["total_usd"]) == expected


async def test_every_answer_says_what_its_figures_are(home: House) -> None:
    reply = await home.slack.command("/spend 7d by model", user=BRUNO)

    for said in ("billed by the ledger", "provisional", "all tokens priced", "main read up to", "days in UTC"):
        assert said in reply.words
    byok = home.company.truth(home.company.start, NOW, of="byok_nano_usd")[()]
    assert f"{wording.money(byok)} of it went to upstream providers on your own keys (BYOK)" in reply.words
    assert nano((await home.spend("7d"))["byok_usd"]) == byok


async def test_help_shows_what_can_be_asked_and_connecting_to_admins(home: House) -> None:
    member = await home.slack.command("/spend help", user=BRUNO)
    admin = await home.slack.command("/spend help", user=ALICE)

    assert member.ephemeral
    assert "by model" in member.words
    assert "/spend connect" not in member.words
    assert "/spend connect" in admin.words


@pytest.mark.parametrize(
    ("typed", "word", "hint"),
    [
        ("by modle", "`modle`", "`/spend by model`"),
        ("7x", "`7x`", "`/spend 7d`"),
        ("models today foo", "`foo`", "`/spend help`"),
        ("ownr:dana", "`ownr:`", "`/spend owner:dana`"),
        ("2026-13", "`2026-13`", "`/spend 2026-10-01`"),
    ],
)
async def test_a_word_that_is_not_understood_is_named_with_what_would_work(
    home: House, typed: str, word: str, hint: str
) -> None:
    reply = await home.slack.command(f"/spend {typed}", user=BRUNO)

    assert reply.ephemeral
    assert word in reply.text
    assert hint in reply.text


async def test_guests_are_told_nothing(home: House) -> None:
    for line in ("/spend", "/spend by key", "/spend help", "/spend connect"):
        reply = await home.slack.command(line, user=GUEST)
        assert reply.ephemeral
        assert "$" not in reply.words
        assert reply.modal is None
    tab = await home.slack.home(GUEST)
    assert "main" not in tab.words


async def test_the_home_tab_tells_ones_own_month_and_an_admin_what_is_connected(home: House) -> None:
    own = (await home.slack.command("/spend mtd me by model", user=BRUNO)).text.split(" this month")[0]
    tab, admins = await home.slack.home(BRUNO), await home.slack.home(ALICE)

    assert f"{own} so far. No forecast yet: too little history" in tab.words
    assert "main read up to" in tab.words
    assert "Connect a Ledger" not in tab.words
    total = (await home.slack.command("/spend", user=ALICE)).text.split(" this month")[0]
    assert f"The workspace {total} so far" in " ".join(admins.words.split())
    assert "main (OpenRouter, management key) is read up to" in admins.words
    assert "Connect a Ledger" in admins.words
    reply = await admins.click("budget:add")
    assert reply.modal is not None
    await reply.modal.submit({"budget:limit": "600"})
    await home.slack.settle()
    assert "$600.00" in admins.words
    assert "There is no budget yet" not in admins.words


async def test_a_comparison_in_slack_is_the_two_questions_asked_apart(home: House) -> None:
    reply = await home.slack.command("/spend today vs yesterday by model", user=BRUNO)
    today, before = truth(home, "model", TODAY), truth_by(home.company, "model", TODAY - timedelta(days=1), TODAY)

    rows = {row["Model"]: row for row in table(reply)}
    assert {name: _nano(row["Spend (USD)"]) for name, row in rows.items() if _nano(row["Spend (USD)"])} == today
    assert {name: _nano(row["Before (USD)"]) for name, row in rows.items() if _nano(row["Before (USD)"])} == before
    assert wording.money(sum(before.values())) in reply.text
    assert "yesterday" in reply.text
    assert "Today is not over." in reply.words


async def test_a_trend_in_slack_is_a_chart_of_the_ledgers_own_hours(home: House) -> None:
    reply = await home.slack.command("/spend today trend", user=BRUNO)

    chart = next(block for block in reply.blocks if block["type"] == "data_visualization")["chart"]
    hours = {int(hour[11:13]): amount for hour, amount in truth(home, "hour", TODAY).items()}
    drawn = [round(point["value"] * 100) for point in chart["series"][0]["data"]]
    assert drawn == [round(hours.get(hour, 0) / 10_000_000) for hour in range(len(drawn))]
    assert len(drawn) == NOW.hour + 1


async def test_an_answer_is_shared_with_the_figures_of_the_asker_and_opened_as_csv(home: House) -> None:
    private = await home.slack.command("/spend me 7d by key", user=DANA)
    await private.click("spend:share")
    await private.click("spend:csv")

    shared = home.slack.messages()[-1]
    expected = truth(home, "key")[home.company.key("dana-ide").hash]
    assert shared.text.startswith(f"{wording.money(expected)} in the last 7 days, only owner")
    assert "Shared by" in str(shared.blocks)
    (row,) = csv.DictReader(io.StringIO(list(home.slack.world.files.values())[-1]["bytes"].decode()))
    assert (row["key_name"], nano(row["usd"])) == ("dana-ide", expected)
    assert home.slack.dms(DANA)
    assert not home.slack.dms(BRUNO)


async def test_a_mention_asks_the_same_books(home: House) -> None:
    asked = await home.slack.command("/spend 7d by model", user=BRUNO)
    mentioned = await home.slack.mention("by model 7d", user=BRUNO)

    assert mentioned.ephemeral
    assert mentioned.text == asked.text
    assert spent(mentioned, "Model") == spent(asked, "Model")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("2027-01", "$0 in January 2027: that has not begun."),
        ("model:claud-sonet", "Did you mean `/spend model:anthropic/claude-sonnet"),
        ("team:nobody", "no key belongs to team:nobody"),
        ("@gone last month", "no key belongs to gone"),
        ("auto yesterday", "no ledger tells of requests to openrouter/auto"),
        ("by key " * 1_400, "a question has at most 1,000"),
    ],
)
async def test_what_cannot_be_answered_is_said_in_words_that_help(home: House, typed: str, said: str) -> None:
    reply = await home.slack.command(f"/spend {typed}", user=BRUNO)

    assert reply.ephemeral
    assert said in reply.text


def _nano(cell: Any) -> int:
    return int(cell.scaleb(9)) if isinstance(cell, Decimal) else 0
