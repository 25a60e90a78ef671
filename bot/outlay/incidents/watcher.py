"""Incident watcher: feeds changes of the books to the detector and turns its verdicts into incidents.

One process watches a workspace, by a lease that it keeps. Its detector learns from the hours in the books when the
watch begins, and from then on is fed only what changed. If anything goes wrong on the way, its state in memory is
dropped and learned anew: hours that were touched and not yet processed are still noted in the books.
"""

import asyncio
import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books import ownership
from outlay.books.byok import keeping_books
from outlay.books.byok_rules import byok_counts
from outlay.books.rollups import changed_hours
from outlay.books.rollups.changed_hours import HourLine, Touched
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS
from outlay.core.clock import Clock
from outlay.core.model_names import canonical
from outlay.core.offload import offload
from outlay.core.owner import Owner
from outlay.database.engine import Database, execute
from outlay.database.tables import Connection, Workspace
from outlay.detection import EVERYBODY, Delta, Detector, Verdict
from outlay.detection.backfill import split_into_polls
from outlay.detection.burn_rate import burn_rate
from outlay.incidents import lifecycle
from outlay.incidents import store as incident_store
from outlay.incidents.tables import Incident

LEASE_SECONDS = 60
LEARNT_DAYS = 35
COMPARED_HOURS = 72  # older hours only train, when the watch begins
NEW_CONNECTION_SECONDS = DAY_SECONDS  # so long its history may still arrive
RESTATED_PART = 10  # history that moves by less than a tenth is not worth retraining
FIRST_SPAN_SECONDS = 300
DRAWN_SECONDS = DAY_SECONDS - HOUR_SECONDS  # the hours before this one that tickets show
SUBJECTS_AGAIN_SECONDS = 600
log = logging.getLogger("outlay.watch")

HourKey = tuple[int, int]  # a connection, an hour
Part = tuple[int, str]  # a key, a canonical model
Sums = tuple[int, int, int | None]  # nano-dollars, tokens, requests


@dataclass(frozen=True, slots=True)
class KeyDirectory:
    """Snapshot of who is who: the subject of each key, and what people call them."""

    of_key: Mapping[int, str]
    names: Mapping[str, Owner]
    key_names: Mapping[int, str]
    connection_of: Mapping[int, int]
    connections: Mapping[int, Connection]
    ledgers: frozenset[str]

    def keys_of(self, subject: str) -> Collection[int] | None:
        """Return the keys of a subject; None for everybody's."""
        return None if subject == "*" else [key for key, owner in self.of_key.items() if owner == subject]


@dataclass(slots=True)
class WorkspaceWatch:
    """State of a watched workspace in this process's memory."""

    detector: Detector
    known: KeyDirectory
    known_at: int
    seen: dict[HourKey, dict[Part, Sums]] = field(default_factory=dict)
    polled_at: dict[int, int] = field(default_factory=dict)
    learnt: dict[HourKey, int] = field(default_factory=dict)  # nano-dollars it was trained on


class IncidentWatcher:
    """Watcher of all workspaces."""

    def __init__(self, database: Database, clock: Clock, *, recovery_minutes: int = 60) -> None:
        self._database = database
        self._clock = clock
        self._recovery_seconds = recovery_minutes * 60
        self._holder = uuid.uuid4().hex
        self._watched: dict[str, WorkspaceWatch] = {}
        self._busy = asyncio.Lock()

    async def run(self) -> bool:
        """Look once at each workspace; one that fails does not stop the others. True: the detector alerted."""
        found = False
        async with self._database.read() as session:
            workspaces = list(await session.exec(select(Workspace.id)))
        for workspace_id in workspaces:
            try:
                found |= bool(await self.look(workspace_id))
            except Exception:
                log.exception("the watch failed and begins anew", extra={"workspace": workspace_id})
        return found

    async def look(self, workspace_id: str) -> Sequence[Verdict]:
        """Process what changed since the last look. Returns () if another process watches this workspace."""
        async with self._busy:
            now = int(self._clock.now().timestamp())
            async with self._database.read() as session:
                idle = not await changed_hours.hours_to_examine(session, workspace_id, most=1)
                idle = idle and not await incident_store.alive(session, workspace_id)
            if idle:
                return ()
            if not await self._hold(workspace_id, now):
                self._watched.pop(workspace_id, None)
                return ()
            try:
                return await self._look(workspace_id, now)
            except BaseException:
                self._watched.pop(workspace_id, None)  # its state may be inconsistent
                raise

    async def let_go(self) -> None:
        """Release all watches, so that another process can go on at once."""
        async with self._database.write() as session:
            await execute(
                session, text("UPDATE watch SET holder = '', until = 0 WHERE holder = :me"), {"me": self._holder}
            )
        self._watched.clear()

    async def _hold(self, workspace_id: str, now: int) -> bool:
        async with self._database.write() as session:
            before = await execute(
                session, text("SELECT holder FROM watch WHERE workspace_id = :workspace"), {"workspace": workspace_id}
            )
            if before.scalar() != self._holder:
                self._watched.pop(workspace_id, None)  # another process may have processed some of it meanwhile
            taken = await execute(
                session,
                text(
                    "INSERT INTO watch (workspace_id, holder, until) VALUES (:workspace, :me, :until) "
                    "ON CONFLICT (workspace_id) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until "
                    "WHERE watch.holder = :me OR watch.until <= :now OR watch.until > :absurd"
                ),
                {
                    "workspace": workspace_id,
                    "me": self._holder,
                    "now": now,
                    "until": now + LEASE_SECONDS,
                    "absurd": now + 10 * LEASE_SECONDS,  # a lease so far ahead means that the clock went back
                },
            )
            return bool(getattr(taken, "rowcount", 0))

    async def _look(self, workspace_id: str, now: int) -> Sequence[Verdict]:
        watched = self._watched.get(workspace_id)
        async with self._database.read() as session:
            touched = await changed_hours.hours_to_examine(session, workspace_id)
            alive = await incident_store.alive(session, workspace_id)
            over = await incident_store.recently_resolved(session, workspace_id, now)
            stale = watched is None or now - watched.known_at >= SUBJECTS_AGAIN_SECONDS or bool(touched)
            known = await _who_is_who(session, workspace_id, now) if watched is None or stale else watched.known
            connections = await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))
            known = replace(known, connections={row.id or 0: row for row in connections})
            lines = await changed_hours.lines_of(session, touched)
        parts = await offload(lambda: _parts(known, lines), len(lines))
        if watched is None or _must_learn_anew(watched, known, touched, parts, now):
            watched = self._watched[workspace_id] = await self._learn(workspace_id, known, touched, now)
        watched.known, watched.known_at = known, now if stale else watched.known_at
        async with self._database.read() as session:
            settings = await lifecycle.detector_settings(session, workspace_id)
            plans = await lifecycle.detector_expectations(session, workspace_id, now)
        watched.detector.settings = settings
        watched.detector.plans = {plan.id: plan for plan in plans}
        fed = _differences(watched, touched, parts, now)
        verdicts = await asyncio.to_thread(watched.detector.feed, now, fed) if fed or touched else []
        rates = {subject: burn_rate(watched.detector, subject, now) for subject in _subjects([*alive, *over], verdicts)}
        async with self._database.write() as session:
            await self._keep(session, workspace_id, watched, verdicts, rates, now)
            await changed_hours.mark_examined(session, touched)
        for connection_id, connection in known.connections.items():
            watched.polled_at[connection_id] = connection.last_poll_at or now
        return verdicts

    async def _keep(
        self,
        session: AsyncSession,
        workspace_id: str,
        watched: WorkspaceWatch,
        verdicts: Sequence[Verdict],
        rates: Mapping[str, tuple[int, int]],
        now: int,
    ) -> None:
        """Open incidents for the verdicts; update, reopen and resolve those that exist."""
        known, at = watched.known, datetime.fromtimestamp(now, UTC)
        opened: list[Incident] = []
        for verdict in verdicts:
            owner = known.names.get(verdict.subject) or Owner(verdict.subject, verdict.subject, "unattributed")
            key_name = known.key_names.get(int(verdict.key), "") if verdict.key and verdict.key.isdigit() else ""
            hour, usual = rates.get(verdict.subject, (verdict.hour_nano_usd, 0))
            incident, is_new = await lifecycle.upsert_from_verdict(
                session, workspace_id, verdict, owner, key_name, zone=watched.detector.settings.zone,
                rate_nano_usd=hour, usual_hour_nano_usd=usual, now=at,
            )  # fmt: skip
            if is_new:
                opened.append(incident)
        for incident in await incident_store.recently_resolved(session, workspace_id, now):
            if incident.subject in rates and not _is_planned(watched.detector, incident.subject, now):
                keys = known.keys_of(incident.subject)
                spent = await changed_hours.spent_since(session, workspace_id, keys, incident.since, known.ledgers)
                hour, usual = rates[incident.subject]
                await lifecycle.reopen_if_recurring(
                    session, incident, spent_nano_usd=spent, rate_nano_usd=hour, usual_hour_nano_usd=usual,
                    floor_nano_usd=watched.detector.settings.floor_nano_usd, now=at,
                )  # fmt: skip
        for incident in await incident_store.alive(session, workspace_id):
            keys = known.keys_of(incident.subject)
            begun = min(incident.since, now - DRAWN_SECONDS)
            hours = await changed_hours.hours_since(session, workspace_id, keys, begun, known.ledgers)
            spent = sum(cost for hour, cost in hours.items() if hour + HOUR_SECONDS > incident.since)
            as_of = min(_as_of(known, keys) or now, now)
            hour, usual = rates.get(incident.subject, (incident.peak_hour_nano_usd, 0))
            await lifecycle.update_progress(
                session, incident, spent_nano_usd=spent, rate_nano_usd=hour, usual_hour_nano_usd=usual, as_of=as_of,
                recovery_seconds=self._recovery_seconds, now=at,
                hours=[hours.get(hour, 0) for hour in range(_hour(now) - DRAWN_SECONDS, _hour(now) + 1, HOUR_SECONDS)],
            )  # fmt: skip
        await lifecycle.post_new_incidents(session, opened, now=at)

    async def _learn(
        self, workspace_id: str, known: KeyDirectory, touched: Sequence[Touched], now: int
    ) -> WorkspaceWatch:
        """Train a detector on the last weeks, without the hours that it has yet to judge."""
        async with self._database.read() as session:
            settings = await lifecycle.detector_settings(session, workspace_id)
        watched = WorkspaceWatch(Detector(settings), known, now)
        waits = {(one.connection_id, one.hour) for one in touched if _is_news(known, one)}
        today = now // DAY_SECONDS * DAY_SECONDS
        for day in range(today - LEARNT_DAYS * DAY_SECONDS, today + DAY_SECONDS, DAY_SECONDS):
            async with self._database.read() as session:
                lines = await changed_hours.history(session, workspace_id, day)
            told = [line for line in lines if (line.connection_id, line.hour) not in waits]
            parts = await asyncio.to_thread(_teach, watched.detector, known, told, now)
            watched.learnt |= _dollars(parts)
            if day > now - COMPARED_HOURS * HOUR_SECONDS - DAY_SECONDS:
                watched.seen.update(parts)
        log.info("watching", extra={"workspace": workspace_id, "subjects": len(watched.detector.subjects)})
        return watched


def _subjects(alive: Sequence[Incident], verdicts: Sequence[Verdict]) -> set[str]:
    return {row.subject for row in alive} | {verdict.subject for verdict in verdicts}


def _hour(seconds: int) -> int:
    return seconds // HOUR_SECONDS * HOUR_SECONDS


def _is_planned(detector: Detector, subject: str, now: int) -> bool:
    """Report whether the subject's current spend is expected."""
    return any(plan.subject in (subject, EVERYBODY) and plan.covers(now) for plan in detector.plans.values())


async def _who_is_who(session: AsyncSession, workspace_id: str, now: int) -> KeyDirectory:
    rows = await ownership.keys_of(session, workspace_id)
    owned = await ownership.owners_of(session, workspace_id, [row for row, _ in rows])
    connections = {connection.id: connection for _, connection in rows}
    of_key: dict[int, str] = {}
    names: dict[str, Owner] = {"*": Owner("*", "Everybody", "team")}
    key_names: dict[int, str] = {}
    connection_of = {row.id or 0: row.connection_id for row, _ in rows}
    for row, connection in rows:
        number = row.id or 0
        owner = owned.of(number, now)
        label = row.name or row.label or row.ledger_id or row.reason
        if owner.kind == "unattributed":  # an unowned key is a subject by itself
            owner = Owner(f"key:{number}", f"{label} ({connection.name})", "unattributed")
        of_key[number], names[owner.id], key_names[number] = owner.id, owner, label
    return KeyDirectory(of_key, names, key_names, connection_of, {}, keeping_books(connections.values()))


def _is_news(known: KeyDirectory, one: Touched) -> bool:
    """Report whether the hour ended after its connection was made; earlier ones only train, and never alert."""
    connection = known.connections.get(one.connection_id)
    return connection is not None and one.hour + HOUR_SECONDS > connection.created_at


def _must_learn_anew(
    watched: WorkspaceWatch,
    known: KeyDirectory,
    touched: Sequence[Touched],
    parts: Mapping[HourKey, Mapping[Part, Sums]],
    now: int,
) -> bool:
    """Report whether to retrain: a key changed hands, or a new connection brings history.

    Small restatements of that history do not count.
    """
    if any(known.of_key.get(key, owner) != owner for key, owner in watched.known.of_key.items()):
        return True
    spent = _dollars(parts)
    for one in touched:
        connection, place = known.connections.get(one.connection_id), (one.connection_id, one.hour)
        if connection is None or _is_news(known, one) or now - connection.created_at >= NEW_CONNECTION_SECONDS:
            continue
        if abs(spent.get(place, 0) - watched.learnt.get(place, 0)) * RESTATED_PART > watched.learnt.get(place, 0):
            return True
    return False


def _dollars(parts: Mapping[HourKey, Mapping[Part, Sums]]) -> dict[HourKey, int]:
    return {place: sum(cost for cost, _, _ in found.values()) for place, found in parts.items()}


def _parts(known: KeyDirectory, lines: Sequence[HourLine]) -> dict[HourKey, dict[Part, Sums]]:
    """Sum each hour by key and canonical model."""
    found: dict[HourKey, dict[Part, Sums]] = {}
    for line in lines:
        upstream = line.byok_nano_usd if line.byok_nano_usd and byok_counts(line.model, known.ledgers) else 0
        part = (line.key_id, canonical(line.model))
        here = found.setdefault((line.connection_id, line.hour), {})
        cost, tokens, requests = here.get(part, (0, 0, None))
        told = requests if line.requests is None else (requests or 0) + line.requests
        here[part] = (cost + line.cost_nano_usd + upstream, tokens + line.tokens, told)
    return found


def _teach(
    detector: Detector, known: KeyDirectory, lines: Sequence[HourLine], now: int
) -> dict[HourKey, dict[Part, Sums]]:
    """Train a detector on some hours; return their sums.

    A month of many keys is seconds of work: not for the event loop.
    """
    parts = _parts(known, lines)
    taught = [
        _delta(known, part, sums, place[1], min(place[1] + HOUR_SECONDS, now))
        for place, found in sorted(parts.items(), key=lambda item: item[0][1])
        for part, sums in found.items()
    ]
    detector.learn(sorted(split_into_polls(taught), key=attrgetter("end")))
    return parts


def _differences(
    watched: WorkspaceWatch, touched: Sequence[Touched], found: Mapping[HourKey, dict[Part, Sums]], now: int
) -> list[Delta]:
    """Return how the touched hours differ from when they were last looked at."""
    known = watched.known
    oldest = now - COMPARED_HOURS * HOUR_SECONDS
    fed: list[Delta] = []
    for one in touched:
        place = (one.connection_id, one.hour)
        if one.hour < oldest or not _is_news(known, one):
            if one.hour >= oldest:
                watched.seen[place] = found.get(place, {})
            continue
        before, after = watched.seen.get(place, {}), found.get(place, {})
        before_at = watched.polled_at.get(one.connection_id, now - FIRST_SPAN_SECONDS)
        end = min(one.hour + HOUR_SECONDS, now)
        start = max(one.hour, before_at) if before_at < end else one.hour
        for part in before.keys() | after.keys():
            (cost, tokens, requests), (was, were, had) = after.get(part, (0, 0, 0)), before.get(part, (0, 0, 0))
            if cost == was and tokens == were:
                continue
            asked = None if requests is None else requests - (had or 0)
            fed.append(_delta(known, part, (cost - was, tokens - were, asked), start, max(end, start + 1)))
        watched.seen[place] = after
    for place in [place for place in watched.seen if place[1] < oldest]:
        del watched.seen[place]
    return fed


def _delta(known: KeyDirectory, part: Part, sums: Sums, start: int, end: int) -> Delta:
    key, model = part
    return Delta(known.of_key.get(key, f"key:{key}"), str(key), model, sums[1], sums[2], sums[0], start, end)


def _as_of(known: KeyDirectory, keys: Collection[int] | None) -> int | None:
    """Return up to when the ledgers of these keys (None: all) have been read; the one furthest behind counts."""
    wanted = set(known.connections) if keys is None else {known.connection_of[key] for key in keys}
    rows = [known.connections[number] for number in wanted if number in known.connections]
    read = [row.last_poll_at for row in rows if row.role == "books" and row.disconnected_at is None]
    return min((at for at in read if at is not None), default=None)
