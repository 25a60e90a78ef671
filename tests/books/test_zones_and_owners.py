"""Days of any zone add up through every change of the clocks, and a key that changes hands makes no money."""

from datetime import UTC, date, datetime, timedelta

import pytest

from outlay.books.ownership import OwnerError
from outlay.core.money import NANO_PER_USD as USD
from outlay.database.tables import Person
from outlay.plugin.contract import Key
from tests.books.factories import BILL, DAY, HOUR, MONDAY, Books, row
from tests.books.weeks import SUNDAY_NIGHT, a_week, by_owner, fill, in_zone, lines_agree, paid, remember, say_owner

CHANGES = [  # the first of five days in which the clocks change: New York's two, Lord Howe's two
    ("America/New_York", date(2026, 3, 6)),
    ("America/New_York", date(2026, 10, 30)),
    ("Australia/Lord_Howe", date(2026, 4, 3)),
    ("Australia/Lord_Howe", date(2026, 10, 2)),
    ("Asia/Kolkata", date(2026, 10, 30)),
    ("UTC", date(2026, 10, 30)),
]


@pytest.mark.parametrize(("zone_name", "first"), CHANGES)
async def test_days_add_up_to_the_range_and_hours_to_the_day_through_both_changes(
    books: Books, zone_name: str, first: date
) -> None:
    zone, last = await in_zone(books, zone_name), first + timedelta(days=4)
    rows = a_week(datetime(first.year, first.month, first.day, tzinfo=UTC) - 2 * DAY, 24 * 9)
    now = rows[-1].start + HOUR
    await fill(books, rows)
    days = [first + timedelta(days=place) for place in range(5)]
    rows_of = {str(day): [each for each in rows if each.start.astimezone(zone).date() == day] for day in days}
    of_day = {day: paid(found) for day, found in rows_of.items()}
    span = f"from {first} to {last}"
    by_day = await books.ask(f"{span} by day", today=last, now=now)
    assert {line.day: line.cost_nano_usd for line in by_day.lines} == of_day
    for words in (span, f"{span} by model", f"{span} by key", f"{span} by hour", f"{span} by owner day"):
        assert (await books.ask(words, today=last, now=now)).total_nano_usd == sum(of_day.values()), words
    for day, usd in of_day.items():
        hours = await books.ask(f"{day} by hour", now=now)
        assert (hours.total_nano_usd, len(hours.lines)) == (usd, len(rows_of[day]))
        assert (await books.ask(day, now=now)).total_nano_usd == usd


@pytest.mark.parametrize("zone_name", ["Australia/Lord_Howe", "UTC"])
async def test_a_bill_by_the_day_is_whole_in_every_zone(books: Books, zone_name: str) -> None:
    await in_zone(books, zone_name)
    bill = [row(MONDAY + place * DAY, "24.000000007", key=key) for place in range(3) for key in ("a", "b")]
    await books.accept_rows(bill, end=MONDAY + 3 * DAY, report=BILL, at=MONDAY + 4 * DAY)
    for by in ("day key", "key", "hour", "day", "owner"):
        found = await books.ask(f"from 2026-11-14 to 2026-11-20 by {by}", today=date(2026, 11, 20))
        assert found.total_nano_usd == sum(line.cost_nano_usd or 0 for line in found.lines) == 6 * 24_000_000_007


async def test_a_remap_moves_money_and_never_makes_any(books: Books) -> None:
    rows = a_week()
    await fill(books, rows)
    before = await books.ask("7d", now=SUNDAY_NIGHT)
    assert set(by_owner(before)) == {"unattributed"}
    for said in ("ann U0ANN", "bob team:core", "ci agent:ci", "ann U0BOB", "main:ci unattributed"):
        key, owner = said.split()
        await say_owner(books, key, owner)
        found = await books.ask("7d", now=SUNDAY_NIGHT)
        assert found.total_nano_usd == before.total_nano_usd
        assert owner in by_owner(found)
        lines_agree(found)
    of_ann = paid([each for each in rows if each.key == "ann"])
    assert by_owner(await books.ask("7d owner:U0BOB", now=SUNDAY_NIGHT)) == {"U0BOB": of_ann}


@pytest.mark.parametrize("zone_name", ["Australia/Lord_Howe", "UTC"])
async def test_from_a_day_on_the_key_is_somebody_elses_and_before_it_is_not(books: Books, zone_name: str) -> None:
    change = datetime(2026, 11, 14, tzinfo=await in_zone(books, zone_name))
    rows = a_week()
    await fill(books, rows)
    await say_owner(books, "ann", "U0ANN")
    await say_owner(books, "ann", "U0BOB", change)
    of_ann = [each for each in rows if each.key == "ann"]
    shares = {
        "U0ANN": paid([each for each in of_ann if each.start < change]),
        "U0BOB": paid([each for each in of_ann if each.start >= change]),
    }
    for by in ("owner", "owner day", "owner model", "owner key", "owner hour"):
        found = await books.ask(f"from 2026-11-10 to 2026-11-19 by {by}", today=date(2026, 11, 19), now=SUNDAY_NIGHT)
        for owner, share in shares.items():
            theirs = [line for line in found.lines if line.owner and line.owner.id == owner]
            assert sum(line.cost_nano_usd or 0 for line in theirs) == share, by
        assert found.total_nano_usd == paid(rows)
        lines_agree(found)


async def test_said_of_all_history_what_was_said_before_is_forgotten(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1"), row(MONDAY + DAY, "2")])
    await say_owner(books, "k1", "team:old", MONDAY + DAY)
    assert by_owner(await books.ask("7d")) == {"unattributed": USD, "team:old": 2 * USD}
    await say_owner(books, "k1", "team:new")
    assert by_owner(await books.ask("7d")) == {"team:new": 3 * USD}


async def test_what_the_ledger_says_of_a_key_until_somebody_says_otherwise(books: Books) -> None:
    ann = "ann@example.com"
    named = [Key("k1", "laptop", email="Ann@Example.com"), Key("k2", "agent-ci", email=ann), Key("k3", "lonely")]
    await remember(books, *named, Key("k4", "desk", email=ann))
    await books.accept_rows([row(MONDAY, str(2**place), key=f"k{place + 1}") for place in range(4)])
    agent_and_nobody = {"agent:agent-ci": 2 * USD, "unattributed": 4 * USD}
    assert by_owner(await books.ask("7d")) == {ann: 9 * USD} | agent_and_nobody
    async with books.database.write() as session:
        session.add(Person(workspace_id="T1", email=ann, slack_user_id="U0ANN", name="Ann", looked_up_at=0))
    assert by_owner(await books.ask("7d")) == {"U0ANN": 9 * USD} | agent_and_nobody
    assert (await books.ask("7d owner:ann")).total_nano_usd == 9 * USD
    await say_owner(books, "k2", "Ann@example.COM")
    assert by_owner(await books.ask("7d")) == {"U0ANN": 11 * USD, "unattributed": 4 * USD}


async def test_two_keys_of_one_name_are_two_keys(books: Books) -> None:
    await remember(books, Key("k1", "prod"), Key("k2", "prod"))
    await books.accept_rows([row(MONDAY, "1", key="k1"), row(MONDAY, "2", key="k2")])
    lines = (await books.ask("7d by key key:prod")).lines
    assert [(line.key and line.key.id, line.cost_nano_usd) for line in lines] == [("k2", 2 * USD), ("k1", USD)]


async def test_a_key_whose_id_has_a_colon_can_be_named_with_its_connection(books: Books) -> None:
    await remember(books, Key("seat:7", "seven"))
    await books.accept_rows([row(MONDAY, "1", key="seat:7")])
    for name in ("seat:7", "main:seat:7"):
        await say_owner(books, name, "team:core")
    assert by_owner(await books.ask("7d")) == {"team:core": USD}
    with pytest.raises(OwnerError, match="no key"):
        await say_owner(books, "seat:8", "team:core")


@pytest.mark.parametrize("owner", ["", "ann", "agent:", "team: ", "person:ann", "u0ann", "a b@c"])
async def test_what_is_no_owner_is_refused(books: Books, owner: str) -> None:
    await remember(books, Key("k1", "one"))
    with pytest.raises(OwnerError, match="not an owner"):
        await say_owner(books, "k1", owner)


async def test_a_key_listed_twice_or_without_an_id_does_not_stop_the_list(books: Books) -> None:
    twice = [Key("k1", "one"), Key("k1", "one more"), Key("", "nameless"), Key("k2", "two")]
    await remember(books, *twice)
    await remember(books, *twice)
    kept = await books.rows("SELECT ledger_id, name FROM ledger_key ORDER BY ledger_id")
    assert kept == [("k1", "one more"), ("k2", "two")]


async def test_keys_that_are_gone_are_remembered_and_may_come_back(books: Books) -> None:
    one, two = Key("k1", "one"), Key("k2", "two")
    await remember(books, one, two)
    before = await books.dump()
    await remember(books, one, two)
    assert await books.dump() == before
    await remember(books, one)
    assert [row[0] is None for row in await books.rows("SELECT gone_at FROM ledger_key ORDER BY ledger_id")] == [
        True,
        False,
    ]
    await remember(books, two, one)
    assert await books.dump() == before
