"""Identity cache: ids of keys, models and series, which ledgers know by name.

A whole page is looked up at once and only new names are inserted, so that a page of a hundred thousand rows costs two
queries, not a hundred thousand.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.bulk_write import run_many
from outlay.database.engine import execute
from outlay.database.tables import LedgerKey, Model, Series

_PLACE = ("report", "shape", "width_seconds", "key_id", "model_id", "requested", "detail")
_KEY_COLUMNS = (
    "connection_id", "ledger_id", "reason", "scope", "project_id", "project_name", "name", "label", "email", "disabled",
)  # fmt: skip
_Key = tuple[str, str, str]  # (the ledger's id, the reason why there is none, its project)


class SeriesIdentity(NamedTuple):
    """Everything that identifies a bucket, except its time."""

    report: str
    shape: int
    width_seconds: int
    key: str
    reason: str
    project: str
    model: str
    requested: str
    detail: str


class IdentityCache:
    """Ids of a connection's keys, models and series. Lives as long as a transaction."""

    def __init__(self, session: AsyncSession, connection_id: int, ledger: str, projects: Mapping[str, str]) -> None:
        self._session = session
        self._connection_id = connection_id
        self._ledger = ledger
        self._projects = projects  # project id → name
        self._keys: dict[_Key, int] | None = None
        self._models: dict[tuple[str, str], int] | None = None
        self.series: dict[SeriesIdentity, int] = {}

    async def key(self, ledger_id: str, *, reason: str = "", scope: str = "") -> int:
        """Return the id of a key; without one, of the row that stands for "no key, for this reason"."""
        identity = _key(ledger_id, reason, scope)
        return (await self._known_keys({identity}))[identity]

    async def _known_keys(self, wanted: Set[_Key]) -> Mapping[_Key, int]:
        """Return the ids of all keys of the connection, inserting those of `wanted` that are new."""
        if self._keys is None:
            rows = await execute(
                self._session,
                text("SELECT ledger_id, reason, scope, id FROM ledger_key WHERE connection_id = :connection"),
                {"connection": self._connection_id},
            )
            self._keys = {(row[0], row[1], row[2]): row[3] for row in rows.all()}
        missing = sorted(wanted - self._keys.keys())
        if missing:
            fresh = [
                (self._connection_id, *identity, identity[2], self._projects.get(identity[2], ""), "", "", "", False)
                for identity in missing
            ]
            await run_many(self._session, insert(LedgerKey), _KEY_COLUMNS, fresh)
            self._keys = None
            return await self._known_keys(set())
        return self._keys

    async def model(self, name: str, *, ledger: str | None = None) -> int:
        """Return the id of a model by its ledger's name for it, inserting it if new."""
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

    async def ensure_series(self, identities: Iterable[SeriesIdentity]) -> None:
        """Ensure that `series` has an id for each of these, inserting those that are new."""
        wanted = set(identities) - self.series.keys()
        if not wanted:
            return
        keys = await self._known_keys({_key_of(identity) for identity in wanted})
        models = {name: await self.model(name) for name in {identity.model for identity in wanted}}
        places = {
            identity: (
                identity.report, identity.shape, identity.width_seconds,
                keys[_key_of(identity)], models[identity.model], identity.requested, identity.detail,
            )
            for identity in wanted
        }  # fmt: skip
        reports = {identity.report for identity in wanted}
        held = await self._held(reports)
        missing = sorted(set(places.values()) - held.keys())
        if missing:
            rows = [(self._connection_id, *place) for place in missing]
            await run_many(self._session, insert(Series), ("connection_id", *_PLACE), rows)
            held = await self._held(reports)
        self.series.update({identity: held[place] for identity, place in places.items()})

    async def _held(self, reports: Iterable[str]) -> dict[tuple[Any, ...], int]:
        """Return the ids of all series of some reports."""
        rows = await execute(
            self._session,
            text(
                f"SELECT id, {', '.join(_PLACE)} FROM series WHERE connection_id = :connection AND report IN :reports"
            ).bindparams(bindparam("reports", expanding=True)),
            {"connection": self._connection_id, "reports": sorted(reports)},
        )
        return {tuple(row[1:]): row[0] for row in rows.all()}


def _key(ledger_id: str, reason: str, scope: str) -> _Key:
    """Return what identifies a key: its id alone, if the ledger names one; else the reason and the scope."""
    return (ledger_id, "", "") if ledger_id else ("", reason, scope)


def _key_of(identity: SeriesIdentity) -> _Key:
    return _key(identity.key, identity.reason, identity.project)
