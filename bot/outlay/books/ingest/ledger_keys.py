"""Keys of a connection as its ledger lists them: names change, ids do not, and a key that is gone is remembered."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.tables import LedgerKey
from outlay.plugin.contract import Key


async def store_key_list(session: AsyncSession, connection_id: int, keys: Sequence[Key], now: datetime) -> None:
    """Store the ledger's list of keys: new ones, changed names, and which are gone. Write only changes."""
    held = {row.ledger_id: row for row in await _rows(session, connection_id)}
    for key in {key.id: key for key in keys if key.id}.values():  # two pages may both list one that just moved
        row = held.pop(key.id, None) or LedgerKey(connection_id=connection_id, ledger_id=key.id)
        said = {
            "name": key.name,
            "label": key.label,
            "project_id": key.project_id,
            "project_name": key.project_name,
            "email": key.email,
            "disabled": key.disabled,
            "created_at": _seconds(key.created_at),
            "last_used_at": _seconds(key.last_used_at),
            "gone_at": None,
        }
        if row.id is None or any(getattr(row, name) != value for name, value in said.items()):
            row.sqlmodel_update(said)
            session.add(row)
    for row in held.values():
        if row.gone_at is None:
            row.gone_at = int(now.timestamp())
            session.add(row)


async def known(session: AsyncSession, connection_id: int) -> list[Key]:
    """Return every key that the books have seen, including those that are gone."""
    return [
        Key(
            id=row.ledger_id,
            name=row.name,
            label=row.label,
            project_id=row.project_id,
            project_name=row.project_name,
            email=row.email,
            disabled=row.disabled,
            created_at=_time(row.created_at),
            last_used_at=_time(row.last_used_at),
        )
        for row in await _rows(session, connection_id)
    ]


async def _rows(session: AsyncSession, connection_id: int) -> Sequence[LedgerKey]:
    statement = select(LedgerKey).where(LedgerKey.connection_id == connection_id, LedgerKey.ledger_id != "")
    return (await session.exec(statement)).all()


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
