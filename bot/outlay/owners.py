"""Key owners: lists who answers for which key, unowned keys first, and assigns owners."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.access.policy import OPERATOR, Viewer
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.books import ownership
from outlay.connections.views import OwnedKey
from outlay.core import months
from outlay.core.calendar_periods import midnight
from outlay.core.clock import Clock
from outlay.database.engine import Database, execute
from outlay.database.tables import LedgerKey
from outlay.spend.report import zone_of


class KeyOwnerService:
    """Service that lists keys with their owners and assigns owners."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keys(self, workspace_id: str, *, viewer: Viewer = OPERATOR) -> Sequence[OwnedKey]:
        """List the keys that the viewer may see: unowned first, then by this month's cost, the highest first."""
        now = int(self._clock.now().timestamp())
        async with self._database.read() as session:
            rows = [(row, by) for row, by in await ownership.keys_of(session, workspace_id) if row.ledger_id]
            owned = await ownership.owners_of(session, workspace_id, [row for row, _ in rows])
            spent = {
                row[0]: int(row[1] or 0)
                for row in await execute(
                    session,
                    text(
                        "SELECT d.key_id, SUM(d.cost_nano_usd) FROM spend_day_key d "
                        "JOIN connection c ON c.id = d.connection_id "
                        "WHERE c.workspace_id = :workspace AND d.day >= :month "
                        "AND (c.role = 'books' OR c.in_front_of IS NOT NULL) GROUP BY d.key_id"
                    ),
                    {"workspace": workspace_id, "month": months.start_of(now)},
                )
            }
        found = [
            OwnedKey(
                number=row.id or 0,
                name=row.name or row.label or row.ledger_id,
                ledger_id=row.ledger_id,
                connection=connection.name,
                owner=owned.of(row.id or 0, now),
                spent_nano_usd=spent.get(row.id or 0, 0),
                email=row.email,
                last_used_at=None if row.last_used_at is None else datetime.fromtimestamp(row.last_used_at, UTC),
            )
            for row, connection in rows
        ]
        if viewer.sees is not None:
            found = [key for key in found if key.owner.id in viewer.sees]
        return sorted(found, key=lambda key: (key.owner.kind != "unattributed", -key.spent_nano_usd, key.name))

    async def own(self, workspace_id: str, number: int, owner_id: str, start: date | None) -> bool:
        """Assign a key's owner, in all history (None) or from a day of the workspace's zone. False: no such key.

        Raises OwnerError for an invalid owner.
        """
        async with self._database.write() as session:
            since = midnight(start, await zone_of(session, workspace_id)) if start else 0
            key = await ownership.set_owner_by_id(session, workspace_id, number, owner_id, since)
            if key is not None:
                await self._note(session, workspace_id, key, owner_id, start)
            return key is not None

    async def own_named(self, workspace_id: str, key: str, owner_id: str, start: date | None) -> LedgerKey:
        """Assign the owner of a key given by the ledger's id, or `CONNECTION:id`. Raises OwnerError."""
        async with self._database.write() as session:
            since = midnight(start, await zone_of(session, workspace_id)) if start else 0
            row = await ownership.set_owner(session, workspace_id, key, owner_id, since)
            await self._note(session, workspace_id, row, owner_id, start)
            return row

    async def _note(
        self, session: AsyncSession, workspace_id: str, key: LedgerKey, owner_id: str, start: date | None
    ) -> None:
        await audit_log.append(
            session, workspace_id, AuditedAction.OWN, f"key:{key.id}",
            now=self._clock.now(), key=key.name or key.ledger_id, owner=owner_id, start=start and start.isoformat(),
        )  # fmt: skip
