"""Delivery worker: sends what waits in the outbox to Slack and to every sink, several streams at once, each in order.

One loop does all of a replica's bookkeeping: a single transaction records how attempts ended and leases the next ones,
so that ten deliveries a moment cost one commit. The remote calls happen between these transactions, never inside one.
Each lane (Slack, and each connection) has its own limit, so that a sink that is slow or down holds up nobody else.

A process that dies leaves leases behind; when they expire, the rows are leased again. So a call may be repeated, and
what it makes has an id that is the same each time.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.connections.reauth import enqueue_reauth_notice
from outlay.core.clock import Clock
from outlay.core.errors import OutlayError
from outlay.database.engine import Database
from outlay.database.tables import Connection
from outlay.delivery import circuit_breaker, receipts
from outlay.delivery.circuit_breaker import WELL, DeliveryHealth
from outlay.outbox import SLACK, DeliveryOutcome, OutboxMessage
from outlay.plugin.errors import BadConfig, NeedsReauth, Permanent, PluginError, RateLimited
from outlay.plugin.events import Receipt

LANE_AT_ONCE = 10  # deliveries in flight on one lane: as many as a client has connections
AT_ONCE = 64  # on the lanes of all sinks together; Slack's are not counted
MAX_ATTEMPTS = 400  # about two days of trying, with the waits below
MAX_CRASHES = 5  # attempts with a plugin that raises none of the five errors
BACKOFF_SECONDS = 2.0  # doubled with each attempt; the wait is a random part of it
MAX_BACKOFF_SECONDS = 900.0
MAX_DOUBLINGS = 20
REAUTH_SECONDS = 5  # wait before a retry: the credential may have been replaced meanwhile
TIMEOUT_SECONDS = 30
LOOK_AGAIN_SECONDS = 0.5  # while deliveries are in flight, look for newly due messages this often
MAX_NOTES_CHARACTERS = 500
log = logging.getLogger("outlay.clock")
_chance = random.SystemRandom()


class UndeliverableError(OutlayError):
    """Message that cannot be delivered however often it is tried; the text says why."""


class PluginCrashedError(OutlayError):
    """Failure of a plugin with none of the five errors. The log has it; people see only the type of the exception."""


@dataclass(frozen=True, slots=True)
class LeasedMessage:
    """Leased message with what a sink needs: its connection and the incident's receipt.

    `before`: if it has no receipt yet, that of the subject's previous incident.
    """

    message: OutboxMessage
    connection: Connection | None = None
    receipt: Receipt | None = None
    before: Receipt | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Result of an attempt: the receipt that was returned, or the error."""

    taken: LeasedMessage
    receipt: Receipt | None = None
    error: BaseException | None = None


Deliver = Callable[[OutboxMessage], Awaitable[None]]
OnReceipt = Callable[[AsyncSession, OutboxMessage, Receipt], Awaitable[None]]


class SinkCarrier(Protocol):
    """Protocol of the part that delivers messages to sinks."""

    async def deliver(self, taken: LeasedMessage) -> Receipt | None:
        """Deliver one message; None: nothing had to be sent. Raises PluginError, Undeliverable, or any exception."""
        ...


class DeliveryWorker:
    """Outbox worker. `deliver` posts to Slack, `sinks` calls sinks.

    `on_receipt` runs in the transaction that stores a receipt.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        deliver: Deliver,
        *,
        sinks: SinkCarrier | None = None,
        admins: Collection[str] = (),
        on_receipt: OnReceipt | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._deliver = deliver
        self._sinks = sinks
        self._admins = tuple(admins)
        self._on_receipt = on_receipt
        self._flying: dict[asyncio.Task[_Outcome], int] = {}
        self._ended: list[_Outcome] = []

    async def run(self) -> None:
        """Deliver until nothing is due and nothing is in flight."""
        try:
            while True:
                if self._ended or await self._due():
                    await self._turn()
                if not self._flying:
                    return
                done, _ = await asyncio.wait(
                    self._flying, timeout=LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                self._collect(done)
        finally:
            await self._stop()

    async def forget_old(self) -> None:
        """Delete messages that were sent long ago."""
        async with self._database.write() as session:
            await outbox.forget_old(session, self._clock.now())

    def _collect(self, done: set[asyncio.Task[_Outcome]]) -> None:
        for task in done:
            del self._flying[task]
            if not task.cancelled():
                self._ended.append(task.result())

    async def _stop(self) -> None:
        """Cancel what is still in flight; its lease expires, and it is tried again."""
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        self._collect(set(self._flying))

    async def _due(self) -> bool:
        async with self._database.read() as session:
            return bool(await outbox.due(session, self._clock.now()))

    async def _turn(self) -> None:
        """Record finished attempts and lease due messages in one transaction, then start their calls."""
        now = self._clock.now()
        ended = list(self._ended)
        async with self._database.write() as session:
            healths = await circuit_breaker.health(session)
            await self._conclude(session, ended, healths, now)
            taken = await self._take(session, healths, now)
        del self._ended[: len(ended)]
        for one in taken:
            task = asyncio.create_task(self._attempt(one), name=f"deliver {one.message.id}")
            self._flying[task] = one.message.lane

    async def _take(
        self, session: AsyncSession, healths: Mapping[int, DeliveryHealth], now: datetime
    ) -> list[LeasedMessage]:
        busy = Counter(self._flying.values())
        left = AT_ONCE - sum(count for lane, count in busy.items() if lane != SLACK)
        found = await outbox.due(session, now)
        rows = await session.exec(select(Connection).where(col(Connection.id).in_(found)))
        connections = {row.id or 0: row for row in rows}
        taken: list[LeasedMessage] = []
        for lane in found:
            connection = connections.get(lane)
            if connection and connection.disconnected_at is None and connection.state in ("needs_reauth", "paused"):
                continue  # waits until the credential or setting is fixed
            most = healths.get(lane, WELL).allowed_in_flight(now, LANE_AT_ONCE) - busy[lane]
            most = most if lane == SLACK else min(most, left)
            if most <= 0:
                continue
            messages = await outbox.lease_batch(session, now, lane=lane, most=most)
            left -= 0 if lane == SLACK else len(messages)
            taken += await _with_receipts(session, messages, connection)
        return taken

    async def _attempt(self, taken: LeasedMessage) -> _Outcome:
        message = taken.message
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if message.lane == SLACK:
                    await self._deliver(message)
                    return _Outcome(taken)
                if self._sinks is None:
                    raise UndeliverableError("nothing here can tell a sink anything")
                return _Outcome(taken, await self._sinks.deliver(taken))
        except asyncio.CancelledError:
            raise
        except TimeoutError:
            return _Outcome(taken, error=TimeoutError(f"it took longer than {TIMEOUT_SECONDS} seconds"))
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it is, the row records it
            return _Outcome(taken, error=error)

    async def _conclude(
        self, session: AsyncSession, outcomes: Sequence[_Outcome], healths: dict[int, DeliveryHealth], now: datetime
    ) -> None:
        endings = [self._ending(outcome, now) for outcome in outcomes]
        ours = await outbox.finish_attempts(session, endings, now)
        for outcome, ending in zip(outcomes, endings, strict=True):
            message = outcome.taken.message
            if message.id not in ours:
                continue  # its lease expired, and another process took it over
            if ending.error and message.kind:
                level = logging.ERROR if ending.status == "dead" else logging.WARNING
                log.log(level, "delivery failed", extra={"kind": message.kind, "why": ending.error})
        await self._keep(session, [outcome for outcome in outcomes if outcome.taken.message.id in ours], now)
        for lane in {outcome.taken.message.lane for outcome in outcomes}:
            of_lane = [outcome for outcome in outcomes if outcome.taken.message.lane == lane]
            await self._judge(session, lane, of_lane, healths, now)

    async def _judge(
        self,
        session: AsyncSession,
        lane: int,
        outcomes: Sequence[_Outcome],
        healths: dict[int, DeliveryHealth],
        now: datetime,
    ) -> None:
        """Update the health of a lane, and of its connection, from the outcomes."""
        before = found = healths.get(lane, WELL)
        for outcome in outcomes:
            error = outcome.error
            if error is None:
                found = found.went_well()
            elif isinstance(error, RateLimited):
                found = found.held(error.retry_at)
            elif lane != SLACK and not isinstance(error, (UndeliverableError, Permanent, BadConfig, NeedsReauth)):
                found = found.failed(now, _words(error))
        if found != before:
            healths[lane] = found
            await circuit_breaker.note(session, lane, found)
        if lane != SLACK:
            await self._mark(session, lane, outcomes, found, now)

    async def _mark(
        self, session: AsyncSession, lane: int, outcomes: Sequence[_Outcome], found: DeliveryHealth, now: datetime
    ) -> None:
        """Set the connection's state from its outcomes; notify its admins once if the credential is refused."""
        last = outcomes[-1]
        used = last.taken.connection
        reauth = next((one.error for one in outcomes if isinstance(one.error, NeedsReauth)), None)
        wrong = next((one.error for one in outcomes if isinstance(one.error, BadConfig)), None)
        shut = found.failures >= circuit_breaker.FAILURES
        if used is None or (used.state == "ok" and not (reauth or wrong or shut)):
            return
        row = await session.get(Connection, lane, with_for_update=True, populate_existing=True)
        if row is None or row.disconnected_at is not None or row.fingerprint != used.fingerprint:
            return  # disconnected, or given another credential, meanwhile
        known = row.state == "needs_reauth"
        if reauth or wrong or shut:
            row.state = "needs_reauth" if reauth else "failing"
            row.error = _words(reauth or wrong or last.error or found.error)
        elif last.error is None and row.state == "failing":
            row.state, row.error = "ok", ""
        session.add(row)
        if reauth and not known:
            await enqueue_reauth_notice(session, row, now, self._admins)

    async def _keep(self, session: AsyncSession, outcomes: Sequence[_Outcome], now: datetime) -> None:
        given = []
        for outcome in outcomes:
            message, receipt = outcome.taken.message, outcome.receipt
            if receipt is None:
                continue
            finding = message.payload["finding"]
            given.append((message.lane, str(message.payload["incident"]), str(finding["subject"]["id"]), receipt))
            if receipt.notes and (row := await session.get(Connection, message.lane)) is not None:
                row.notes = "; ".join(receipt.notes)[:MAX_NOTES_CHARACTERS]
                session.add(row)
        await receipts.keep(session, given, now)
        if self._on_receipt is not None:
            for outcome in outcomes:
                if outcome.receipt is not None:
                    await self._on_receipt(session, outcome.taken.message, outcome.receipt)

    def _ending(self, outcome: _Outcome, now: datetime) -> DeliveryOutcome:
        message, error = outcome.taken.message, outcome.error
        if error is None:
            return DeliveryOutcome(message, "done")
        words = _words(error)
        if isinstance(error, RateLimited):
            return DeliveryOutcome(
                message, again_at=max(error.retry_at, now + timedelta(seconds=1)), error=words, counted=False
            )
        if isinstance(error, NeedsReauth):
            soon = now + timedelta(seconds=REAUTH_SECONDS)  # by then its lane waits for the credential
            return DeliveryOutcome(message, again_at=soon, error=words, counted=False)
        if isinstance(error, (UndeliverableError, Permanent, BadConfig)) or message.attempts >= MAX_ATTEMPTS:
            return DeliveryOutcome(message, "dead", error=words)
        is_bug = message.lane != SLACK and not isinstance(error, (PluginError, TimeoutError))
        if is_bug and message.attempts >= MAX_CRASHES:
            return DeliveryOutcome(message, "dead", error=words)
        return DeliveryOutcome(
            message, again_at=now + timedelta(seconds=backoff_seconds(message.attempts)), error=words
        )


def backoff_seconds(attempts: int) -> float:
    """Return the wait after so many attempts: a random part of a bound that doubles, at least a second."""
    bound = min(BACKOFF_SECONDS * 2 ** min(attempts, MAX_DOUBLINGS), MAX_BACKOFF_SECONDS)
    return _chance.uniform(1, bound)


async def _with_receipts(
    session: AsyncSession, messages: Sequence[OutboxMessage], connection: Connection | None
) -> list[LeasedMessage]:
    """Pair messages with the receipts that sinks need; a payload without an incident has none."""
    wanted: dict[str, str] = {}
    for message in messages:
        if message.lane != SLACK:
            with contextlib.suppress(KeyError, TypeError):
                wanted[str(message.payload["incident"])] = str(message.payload["finding"]["subject"]["id"])
    made, before = await receipts.receipts_and_previous(session, messages[0].lane if messages else SLACK, wanted)
    names = [str(message.payload.get("incident", "")) for message in messages]
    return [
        LeasedMessage(message, connection, made.get(name), None if name in made else before.get(name))
        for message, name in zip(messages, names, strict=True)
    ]


def _words(error: BaseException | str) -> str:
    """Describe an error for people."""
    if isinstance(error, str):
        return error
    if isinstance(error, BadConfig):
        return f"{error.field}: {error}"
    if isinstance(error, (PluginError, UndeliverableError, PluginCrashedError, TimeoutError)):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"[: outbox.MAX_ERROR_CHARACTERS]
