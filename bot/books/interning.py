"""Names become small numbers: keys, models and series are met by name and kept by id.

A whole page is looked up at once and only what was never met before is inserted, so that a page of a hundred thousand
rows costs two queries, not a hundred thousand.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.database import execute
from bot.books.tables import LedgerKey, Model, Series


class SeriesIdentity(NamedTuple):
    """Everything that makes a bucket another bucket, except its time."""

    report: str
    shape: int
    width_seconds: int
    key: str
    reason: str
    project: str
    model: str
    requested: str
    detail: str


class Interner:
    """The names of one connection. Lives as long as a transaction."""

    def __init__(self, session: AsyncSession, connection_id: int, ledger: str, projects: Mapping[str, str]) -> None:
        self._session = session
        self._connection_id = connection_id
        self._ledger = ledger
        self._projects = projects  # project id → name
        self._keys: dict[tuple[str, str, str], int] | None = None
        self._models: dict[tuple[str, str], int] | None = None
        self.series: dict[SeriesIdentity, int] = {}

    async def key(self, ledger_id: str, *, reason: str = "", scope: str = "") -> int:
        """The id of a key; or, without one, of the row that stands for "no key, for this reason"."""
        if self._keys is None:
            rows = await execute(
                self._session,
                text("SELECT ledger_id, reason, scope, id FROM ledger_key WHERE connection_id = :connection"),
                {"connection": self._connection_id},
            )
            self._keys = {(row[0], row[1], row[2]): row[3] for row in rows}
        identity = (ledger_id, reason, scope) if not ledger_id else (ledger_id, "", "")
        if identity not in self._keys:
            row = LedgerKey(
                connection_id=self._connection_id,
                ledger_id=ledger_id,
                reason=identity[1],
                scope=identity[2],
                project_id=scope,
                project_name=self._projects.get(scope, ""),
            )
            self._session.add(row)
            await self._session.flush()
            self._keys[identity] = row.id or 0
        return self._keys[identity]

    async def model(self, name: str, *, ledger: str | None = None) -> int:
        """The id of a model by the name its ledger gives it."""
        if self._models is None:
            rows = (await self._session.exec(select(Model.ledger, Model.name, Model.id))).all()
            self._models = {(row[0], row[1]): row[2] or 0 for row in rows}
        identity = (self._ledger if ledger is None else ledger, name)
        if identity not in self._models:
            row = Model(ledger=identity[0], name=name)
            self._session.add(row)
            await self._session.flush()
            self._models[identity] = row.id or 0
        return self._models[identity]

    async def know(self, identities: Iterable[SeriesIdentity]) -> None:
        """Makes sure that `series` has an id for each of them."""
        wanted = set(identities) - self.series.keys()
        if not wanted:
            return
        places = {identity: await self._place(identity) for identity in wanted}
        reports = {identity.report for identity in wanted}
        held: dict[tuple[object, ...], int] = {}
        for report in reports:
            rows = await execute(
                self._session,
                text(
                    "SELECT report, shape, width_seconds, key_id, model_id, requested, detail, id FROM series "
                    "WHERE connection_id = :connection AND report = :report"
                ),
                {"connection": self._connection_id, "report": report},
            )
            held.update({tuple(row[:7]): row[7] for row in rows})
        missing = []
        for identity, place in places.items():
            if place in held:
                self.series[identity] = held[place]
            else:
                missing.append((identity, _series(self._connection_id, place)))
        self._session.add_all([row for _, row in missing])
        await self._session.flush()
        self.series.update({identity: row.id or 0 for identity, row in missing})

    async def _place(self, identity: SeriesIdentity) -> tuple[object, ...]:
        scope = "" if identity.key else identity.project
        key_id = await self.key(identity.key, reason=identity.reason, scope=scope)
        model_id = await self.model(identity.model)
        numbers = (identity.report, identity.shape, identity.width_seconds, key_id, model_id)
        return (*numbers, identity.requested, identity.detail)


def _series(connection_id: int, place: tuple[object, ...]) -> Series:
    names = ("report", "shape", "width_seconds", "key_id", "model_id", "requested", "detail")
    return Series.model_validate({"connection_id": connection_id, **dict(zip(names, place, strict=True))})
