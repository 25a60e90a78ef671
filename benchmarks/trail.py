"""Benchmark: cost of the audit log: actions with and without their audit row, and one page of a poll.

Processor time, since the machine may be busy; each action alternates with and without, the lower quartile of many.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

from benchmarks.measure import Row as Figure
from benchmarks.year_of_data import opened, url_of
from outlay.audit_log import log as audit_log
from outlay.books.ingest.ingest_page import ingest_page
from outlay.budgets.budget import Budget
from outlay.budgets.service import BudgetService
from outlay.core.clock import FakeClock
from outlay.database.tables import Connection, Workspace
from outlay.incidents.service import IncidentService
from outlay.incidents.tables import Incident
from outlay.owners import KeyOwnerService
from outlay.plugin.contract import Page, Report, Row, Window

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HOURLY = Report("hours", timedelta(hours=1))
KEYS, ROUNDS, AT_ONCE = 200, 40, 5
MORE_AT_MOST = 1.05
TimedAction = Callable[[int], Awaitable[object]]


async def run(scale: float) -> list[Figure]:
    """Return the rows of the table."""
    async with url_of("sqlite") as url, opened(url) as database:
        clock = FakeClock(NOW)
        async with database.write() as session:
            session.add(Workspace(id="T9", created_at=0))
            await session.flush()
            row = Connection(
                workspace_id="T9", name="nine", ledger="l", role="books", account_id="9", account_title="9",
                created_at=0,
            )  # fmt: skip
            burning = Incident(
                workspace_id="T9", subject="agent:ci", name="ci", kind="agent", severity="page", verdict="{}",
                since=0, opened_at=0, seen_at=0,
            )  # fmt: skip
            session.add_all([row, burning])
            await session.flush()
            connection_id, incident = row.id or 0, burning.id or 0
        owning, budgets, desk = (
            KeyOwnerService(database, clock),
            BudgetService(database, clock),
            IncidentService(database, clock),
        )

        async def page(number: int) -> None:
            rows = [Row(start=NOW, key=f"k{key}", model="m", cost_usd=Decimal(number + 1)) for key in range(KEYS)]
            wanted = Page(Window(NOW, NOW + timedelta(hours=1)), rows)
            async with database.write() as session:
                await ingest_page(session, connection_id, "l", (HOURLY,), HOURLY, wanted, observed_at=NOW)

        await page(0)
        first = (await owning.keys("T9"))[0].number
        kept = await budgets.keep("T9", Budget(0, "workspace", "", "month", 10**9), by="U1")

        async def acknowledge(number: int) -> None:
            await desk.do("T9", incident, "acknowledge", who="U1")
            await desk.do("T9", incident, "undo", who="U1")

        deeds: dict[str, TimedAction] = {
            f"taking in {KEYS} buckets that have changed": page,
            "acknowledging an incident and taking that back": acknowledge,
            "saying whose a key is": lambda number: owning.own("T9", first, f"agent:a{number}", None),
            "changing a budget": lambda number: budgets.keep(
                "T9", Budget(kept.id, "workspace", "", "month", 10**9 + number), by="U1"
            ),
        }
        return [await _figure(name, deed, max(4, round(ROUNDS * scale))) for name, deed in deeds.items()]


async def _figure(name: str, deed: TimedAction, rounds: int) -> Figure:
    took: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for noted in (True, False):
            with _trail(noted=noted):
                began = time.process_time()
                for one in range(AT_ONCE):
                    await deed(number * AT_ONCE + one)
                took[noted].append((time.process_time() - began) * 1000 / AT_ONCE)
    with_it, without = (sorted(took[noted])[rounds // 4] for noted in (True, False))
    return Figure(f"{name} (processor)", with_it, "ms", round(without * MORE_AT_MOST, 2), without, "without its row")


def _trail(*, noted: bool) -> AbstractContextManager[Any]:
    async def nothing(*_: object, **__: object) -> None:
        """Write no audit row."""

    return nullcontext() if noted else mock.patch.object(audit_log, "note", nothing)
