"""Weeks with money in every hour, and helpers to assign keys to owners."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from outlay.books.ingest import ledger_keys as book_keys
from outlay.books.ownership import set_owner
from outlay.core.money import to_nano
from outlay.database.tables import Workspace
from outlay.plugin.contract import Key, Row
from outlay.spend.answer import Answer
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, row, tokens

SUNDAY_NIGHT = MONDAY + 2 * DAY - HOUR  # the last hour of `a_week`


def a_week(start: datetime = MONDAY - 5 * DAY, hours: int = 24 * 7) -> list[Row]:
    """Build a row in every hour: keys, models and keyless money in turn, each hour with another amount."""
    rows = []
    for hour in range(hours):
        key = ("ci", "ann", "bob", "")[hour % 4]
        usd = None if hour % 7 == 3 else f"{hour + 1}.000000001"
        more: dict[str, Any] = {} if key else {"reason": "used in the console", "project": "web"}
        rows.append(row(start + hour * HOUR, usd, key, f"m{hour % 3}", tokens=tokens(hour), requests=hour % 5, **more))
    return rows


async def fill(books: Books, rows: list[Row]) -> None:
    start, end = min(each.start for each in rows), max(each.start for each in rows) + HOUR
    await books.accept_rows(rows, start=start, end=end, at=max(end, NOW))


def paid(rows: list[Row]) -> int:
    """Return the dollars of rows, in nano-dollars."""
    return sum(to_nano(each.cost_usd) for each in rows if each.cost_usd is not None)


def lines_agree(found: Answer) -> None:
    """Check that the lines of an answer add up to its total, and that no two have the same dimensions."""
    assert sum(line.cost_nano_usd or 0 for line in found.lines) + found.rest_nano_usd == found.total_nano_usd
    if not found.rest_count:
        assert sum(line.unpriced_tokens for line in found.lines) == found.unpriced_tokens
    places = [
        (line.owner, line.key, line.model, line.ledger, line.connection, line.project, line.day, line.hour, line.reason)
        for line in found.lines
    ]
    assert len(set(places)) == len(places)


async def in_zone(books: Books, zone: str) -> ZoneInfo:
    """Set the workspace's reporting time zone."""
    async with books.database.write() as session:
        workspace = await session.get(Workspace, "T1")
        assert workspace
        workspace.time_zone = zone
        session.add(workspace)
    return ZoneInfo(zone)


async def remember(books: Books, *found: Key) -> None:
    """Store the ledger's list of keys."""
    async with books.database.write() as session:
        await book_keys.store_key_list(session, 1, found, NOW)


async def say_owner(books: Books, key: str, owner: str, from_day: datetime | None = None) -> None:
    async with books.database.write() as session:
        await set_owner(session, "T1", key, owner, int(from_day.timestamp()) if from_day else 0)


def by_owner(found: Answer) -> dict[str, int | None]:
    return {line.owner.id if line.owner else "": line.cost_nano_usd for line in found.lines}
