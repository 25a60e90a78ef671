"""Two workspaces in one set of books, alike wherever they could be confused: T1, and T2 whose rows say PLANTED.

Every table with tenants has rows of T2. `rows_of` returns a workspace's rows, table by table; a table without
tenants is named in `NOBODYS`, with the reason.
"""

from datetime import timedelta
from typing import Any

from sqlmodel import SQLModel, select

from outlay import outbox
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.books import ownership
from outlay.books.closing.tables import ClosedTotal
from outlay.books.ingest import ledger_keys as book_keys
from outlay.books.pricing.tables import Calibration
from outlay.budgets.tables import BudgetNotice, BudgetRow
from outlay.database.tables import AuditRun, ClosedMonth, Connection, DeliveryReceipt, Lane, Outbox, Person, Secret
from outlay.incidents.tables import Expectation, Incident, IncidentChange, Watch
from outlay.plugin.contract import Key
from outlay.workspaces.tables import Installation, Preference
from tests.books.factories import MONDAY, NOW, Books, row

TEAM = '{"managers": ["U8"], "members": ["U9"]}'
MARK = "PLANTED"  # in every name of T2's rows
DOLLARS = {"T1": "3", "T2": "7777"}
NOBODYS = {
    "model": "names of models, alike for all",
    "tick": "slots of the clock, claimed for all workspaces at once",
    "oauth_state": "an installation that is under way belongs to no workspace yet",
    "alembic_version": "the revision of the tables",
}
_BY_PARENT = {  # tables without a workspace or a connection: the column, and where it leads
    "incident_change": ("incident_id", "incident"),
    "budget_told": ("budget_id", "budget"),
    "ownership": ("key_id", "ledger_key"),
    "lane": ("id", "connection"),
}


async def furnished(books: Books, workspace: str) -> dict[str, int]:
    """Fill a workspace with one of everything; return the numbers under which users know its parts."""
    ours = workspace == "T1"
    mark, connection_id = ("OURS", 1) if ours else (MARK, 2)
    at = int(NOW.timestamp())
    hours = [row(MONDAY + timedelta(hours=n), DOLLARS[workspace], f"k-{mark}", f"m-{mark}") for n in range(30)]
    await books.accept_rows(hours, connection_id=connection_id)
    async with books.database.write() as session:
        known = [
            Key(f"k-{mark}", name=f"key {mark}", email=f"{mark.lower()}@a.example"),
            Key(f"free-{mark}", name=mark),
        ]
        await book_keys.store_key_list(session, connection_id, known, NOW)
        key = await ownership.set_owner(session, workspace, f"k-{mark}", f"agent:{mark.lower()}", 0)
        incident = Incident(
            workspace_id=workspace, subject=f"agent:{mark.lower()}", name=mark, kind="agent", severity="page",
            since=at, opened_at=at, seen_at=at, spent_nano_usd=10**11, verdict="{}", channel=f"C{mark}", ts="1.1",
        )  # fmt: skip
        budget = BudgetRow(
            workspace_id=workspace, scope="workspace", name=mark, period="day", limit_nano_usd=10**9, shares="80,100",
            channel=f"C{mark}", changed_at=at,
        )  # fmt: skip
        expectation = Expectation(
            workspace_id=workspace, subject=f"agent:{mark.lower()}", start=at, reason=mark, created_at=at
        )
        session.add_all([incident, budget, expectation])
        await session.flush()
        session.add_all(
            [
                IncidentChange(incident_id=incident.id, at=at, what="opened", detail=mark),
                BudgetNotice(budget_id=budget.id, start=1, mark=80, limit_nano_usd=10**9, at=at),
                Preference(workspace_id=workspace, name="alerts.direct.U1", value=f'"{mark}"'),
                Watch(workspace_id=workspace, holder=mark, until=at),
                Calibration(connection_id=connection_id, report="bill", day=0, model=mark, tier="*", millionths=1),
                Lane(id=connection_id, error=mark),
                AuditRun(workspace_id=workspace, at=at, ok=False, checked=1, differences=f'["{mark}"]'),
                ClosedMonth(workspace_id=workspace, month=0, closed_at=at, hash=mark),
                ClosedTotal(workspace_id=workspace, month=0, kind="owner", id=mark, name=mark, nano_usd=7_777),
                Preference(workspace_id=workspace, name=f"rights.team.{mark.lower()}", value=TEAM),
                Person(workspace_id=workspace, email=f"{mark.lower()}@a.example", name=mark, looked_up_at=at),
                Installation(workspace_id=workspace, blob=mark.encode(), installed_at=at),
                Secret(connection_id=connection_id, field="api_key", blob=mark.encode()),
                DeliveryReceipt(connection_id=connection_id, incident=str(incident.id), subject=mark, url=f"https://{mark}.example",
                        created_at=at, updated_at=at),
            ]
        )  # fmt: skip
        payload = {"incident": incident.id, "what": mark}
        await outbox.enqueue(
            session, workspace_id=workspace, key=mark, stream=mark, kind="incident", payload=payload, now=NOW
        )
        for message in await session.exec(select(Outbox).where(Outbox.workspace_id == workspace)):
            message.status, message.error = "dead", mark
            session.add(message)
        connection = await session.get(Connection, connection_id)
        assert connection is not None
        connection.account_title, connection.error = mark, mark
        session.add(connection)
        await audit_log.append(session, workspace, AuditedAction.OWN, f"key:{key.id}", now=NOW, name=mark)
        return {
            "key": key.id or 0,
            "incident": incident.id or 0,
            "budget": budget.id or 0,
            "expectation": expectation.id or 0,
        }


def _where(name: str, workspace: str) -> str:
    """Return the SQL condition for a workspace's rows of a table. Raises KeyError for a table of unknown tenancy."""
    columns = SQLModel.metadata.tables[name].c
    if name == "workspace":
        return f"id = '{workspace}'"
    if "workspace_id" in columns:
        return f"workspace_id = '{workspace}'"
    column, parent = ("connection_id", "connection") if "connection_id" in columns else _BY_PARENT[name]
    return f"{column} IN (SELECT id FROM {parent} WHERE {_where(parent, workspace)})"


async def rows_of(books: Books, workspace: str) -> dict[str, list[Any]]:
    """Return every row of every table that is this workspace's."""
    names = [name for name in SQLModel.metadata.tables if name not in NOBODYS]
    return {
        name: sorted(await books.rows(f"SELECT * FROM {name} WHERE {_where(name, workspace)}"), key=repr)
        for name in names
    }
