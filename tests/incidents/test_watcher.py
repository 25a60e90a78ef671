"""From what changed in the books to incidents: found within minutes, explained, grown, told once, over by itself."""

import asyncio
import itertools
from datetime import timedelta
from decimal import Decimal

import pytest

from outlay.incidents.service import IncidentService
from outlay.incidents.store import verdict_of
from outlay.incidents.watcher import IncidentWatcher
from tests.books.factories import Books
from tests.books.weeks import say_owner
from tests.office_fixture import TUESDAY, USUAL, Office

NANO = 1_000_000_000
NIGHT = TUESDAY + timedelta(hours=1, minutes=30)
on_one = pytest.mark.parametrize("empty_books", ["sqlite"], indirect=True)  # nothing here depends on the database


@pytest.fixture
async def office(books: Books) -> Office:
    return await Office.opened(books, start=NIGHT)


@on_one
async def test_an_ordinary_day_rings_for_nobody(books: Books) -> None:
    office = await Office.opened(books, start=TUESDAY + timedelta(hours=7))
    await office.until(hour=19)
    assert office.verdicts == []
    assert await office.incidents() == []
    assert await office.books.rows("SELECT * FROM touched_hour") == []


async def test_a_key_that_runs_away_at_night_is_one_incident_with_the_figures_of_spend(office: Office) -> None:
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.polls(12)

    (incident,) = await office.incidents()
    assert (incident.subject, incident.name, incident.state) == ("k1@office.example", "k1@office.example", "open")
    assert incident.opened_at - TUESDAY.timestamp() <= 2 * 3600 + 60 * 60
    answer = await office.books.ask("today owner:k1@office.example", now=office.clock.now())
    assert incident.spent_nano_usd == answer.total_nano_usd == 60 * NANO
    assert "an hour" in verdict_of(incident)["sentence"]
    assert [kind for kind, _ in await office.said()].count("incident") == 1


@on_one
async def test_it_ends_when_the_rate_is_back_for_long_enough_and_not_before(office: Office) -> None:
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.until(hour=4)
    assert [one.state for one in await office.incidents()] == ["open"]

    office.extra.clear()
    await office.polls(11)
    assert [one.state for one in await office.incidents()] == ["open"]
    await office.polls(6)
    (incident,) = await office.incidents()
    assert incident.state == "resolved"
    assert incident.spent_nano_usd == 120 * NANO


@on_one
async def test_a_ledger_that_is_not_read_is_not_a_quiet_developer(office: Office) -> None:
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.until(hour=4)
    office.polling = False
    await office.polls(24)
    assert [one.state for one in await office.incidents()] == ["open"]


@on_one
async def test_it_comes_back_as_the_same_incident(office: Office) -> None:
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.until(hour=4)
    office.extra.clear()
    await office.until(hour=6)
    office.extra["k1"] = 300
    await office.polls(12)

    (incident,) = await office.incidents()
    assert incident.state == "open"
    assert any('"what": "reopened"' in payload for _, payload in await office.said())


async def test_what_burns_again_as_it_did_comes_back_and_what_is_over_does_not_by_itself(office: Office) -> None:
    """The detector says a thing once in two days: a loop that somebody starts again is seen all the same."""
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.until(hour=4)
    office.extra.clear()
    await office.until(hour=8)
    (incident,) = await office.incidents()
    assert incident.state == "resolved"
    assert not any('"what": "reopened"' in payload for _, payload in await office.said())

    office.extra["k1"] = 60
    await office.polls(6)
    (incident,) = await office.incidents()
    assert incident.state == "open"
    assert sum('"what": "reopened"' in payload for _, payload in await office.said()) == 1


@on_one
async def test_a_doubling_is_told_once_each(office: Office) -> None:
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.until(hour=8)

    (incident,) = await office.incidents()
    told = await office.books.rows(
        "SELECT detail FROM incident_change WHERE incident_id = :id AND what = 'doubled' ORDER BY id", id=incident.id
    )
    amounts = [int(detail) for (detail,) in told]
    assert 2 <= len(amounts) <= 5
    assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(amounts))
    assert sum('"what": "doubled"' in payload for _, payload in await office.said()) == len(amounts)


@on_one
async def test_two_keys_of_one_owner_are_one_incident(office: Office) -> None:
    await say_owner(office.books, "k1", "agent:ci")
    await say_owner(office.books, "k2", "agent:ci")
    await office.until(hour=2)
    office.extra.update(k1=40, k2=40)
    await office.polls(12)
    assert [one.subject for one in await office.incidents()] == ["agent:ci"]


async def test_a_process_that_dies_loses_nothing_and_says_nothing_twice(office: Office) -> None:
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.polls(12)
    before = await office.said()

    office.watch = IncidentWatcher(office.books.database, office.clock)
    office.clock.advance(timedelta(seconds=61))  # the lease of the dead one runs out
    await office.watch.look("T1")

    assert len(await office.incidents()) == 1
    assert [kind for kind, _ in await office.said()] == [kind for kind, _ in before]
    await office.polls(1)
    assert (await office.incidents())[0].spent_nano_usd == 65 * NANO


async def test_two_processes_never_watch_at_once(office: Office) -> None:
    other = IncidentWatcher(office.books.database, office.clock)
    await office.until(hour=2)
    office.extra["k1"] = 60
    for _ in range(12):
        await asyncio.gather(office.polls(1), other.look("T1"))
    assert len(await office.incidents()) == 1


@on_one
async def test_history_that_comes_in_late_teaches_and_does_not_ring(office: Office) -> None:
    hour = TUESDAY - timedelta(hours=20)
    for back in range(6):
        office.spent["k3", "m1", hour + timedelta(hours=back)] += 500
    await office.read(hour, TUESDAY)
    await office.polls(3)
    assert await office.incidents() == []


@on_one
async def test_all_is_learnt_anew_for_history_that_is_new_and_not_for_what_is_restated_a_little(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    def learnt() -> int:
        return [record.message for record in caplog.records].count("watching")

    caplog.set_level("INFO")
    hour = TUESDAY - timedelta(hours=14)
    for share, times in ((Decimal("1.01"), 0), (Decimal(3), 1), (Decimal("1.01"), 1)):
        office.spent["k1", "m1", hour] = (office.spent["k1", "m1", hour] * share).quantize(Decimal("0.000001"))
        await office.read(hour, hour + timedelta(hours=1))
        await office.polls(1)
        assert learnt() == times


@on_one
async def test_an_unowned_key_is_a_subject_by_itself(books: Books) -> None:
    office = await Office.opened(books, start=NIGHT)
    for key in USUAL:
        await say_owner(books, key, "unattributed")
    await office.until(hour=2)
    office.extra["k2"] = 60
    await office.polls(12)
    (incident,) = await office.incidents()
    assert incident.kind == "key"
    assert incident.name == "k2 (main)"


@on_one
async def test_what_was_called_nothing_is_silent_until_it_has_grown_fourfold(office: Office) -> None:
    desk = IncidentService(office.books.database, office.clock)
    await office.until(hour=2)
    office.extra["k1"] = 60
    await office.polls(12)
    await desk.do("T1", 1, "dismiss", who="U02BEN", reason="a load test")

    await office.polls(12)
    assert [one.state for one in await office.incidents()] == ["false"]
    office.extra["k1"] = 1200
    await office.polls(12)
    assert [one.state for one in await office.incidents()] == ["open", "false"]
