"""Who did what, from where: the same deeds by a person in Slack, at the terminal and by the clock, in one chain."""

from datetime import timedelta
from pathlib import Path

from outlay.fakes.company.company import Company
from tests.cli.threaded_fakes import Door
from tests.journeys.running_bot import BRUNO, NOW, opened
from tests.journeys.test_incident import run_away
from tests.workspace import ALICE, GENERAL


async def test_slack_the_terminal_and_the_clock_are_told_apart(tmp_path: Path, place: tuple[Door, str]) -> None:
    company = Company(now=NOW, days=1)
    async with opened(place, tmp_path / "data", company=company, OUTLAY_ALERT_CHANNEL=GENERAL) as home:
        await home.connect()
        await home.later(minutes=5)
        run_away(home)
        await home.later(minutes=5)
        (message,) = [one for one in home.slack.messages(GENERAL) if not one.thread_ts]
        await home.slack.click(message, "alerts:acknowledge", user=BRUNO)
        key = (await home.outlay("owners", "--format", "json")).json()[0]["keys"][0]["id"]
        await home.outlay("own", key, "agent:ci")
        home.clock.advance(timedelta(days=16))
        november = int(NOW.replace(day=1, hour=0, minute=0, second=0).timestamp())
        await home.bot.services.bookkeeping.close(await home.bot.services.workspace(), november, force=True)
        found = (await home.outlay("audit", "--trail", "--format", "json")).json()

    assert found["ok"]
    deeds = {row["deed"]: (row["origin"], row["who"]) for row in found["rows"]}
    assert deeds["connection.connect"] == ("slack", ALICE)
    assert deeds["incident.acknowledge"] == ("slack", BRUNO)
    assert deeds["owner.set"][0] == "command line"
    assert deeds["owner.set"][1]
    assert deeds["month.close"] == ("clock", "")
