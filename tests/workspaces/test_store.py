"""The first install of Slack adopts the workspace `local` with all that it holds."""

from typing import Any

from sqlmodel import SQLModel

from outlay.database.tables import AuditRun, ClosedMonth, Person
from outlay.incidents.tables import Expectation, Watch
from outlay.workspaces.store import LOCAL, adopt, ensure
from outlay.workspaces.tables import Preference
from tests.books.factories import NOW, Books, connection

NO_VAULT: Any = None  # nothing is sealed in these books


async def test_whatever_local_has_becomes_the_teams(books: Books) -> None:
    async with books.database.write() as session:
        local = await ensure(session, LOCAL, now=NOW)
        local.time_zone, local.close_day, local.hours_kept_days = "Europe/Berlin", 0, 50
        await connection(session, LOCAL, "mine")
        kept: list[SQLModel] = [
            ClosedMonth(workspace_id=LOCAL, month=0, closed_at=1, hash="h"),
            AuditRun(workspace_id=LOCAL, at=1, ok=True, checked=1),
            Person(workspace_id=LOCAL, email="a@b.example", looked_up_at=1),
            Preference(workspace_id=LOCAL, name="n", value="v"),
            Expectation(workspace_id=LOCAL, subject="agent:ci", start=1, created_at=1),
            Watch(workspace_id=LOCAL),
        ]
        session.add_all(kept)

    async with books.database.write() as session:
        await adopt(session, NO_VAULT, "T3", now=NOW, name="Three")
        await adopt(session, NO_VAULT, "T3", now=NOW, name="Three")  # a second start changes nothing

    for table in ("connection", "closed_month", "audit_run", "person", "preference", "expectation", "watch"):
        assert await books.rows(f"SELECT COUNT(*) FROM {table} WHERE workspace_id = 'T3'") == [(1,)], table
    moved = await books.rows(
        "SELECT id, time_zone, close_day, hours_kept_days FROM workspace WHERE id NOT IN ('T1', 'T2')"
    )
    assert moved == [("T3", "Europe/Berlin", 0, 50)]
