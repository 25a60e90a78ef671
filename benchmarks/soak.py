"""Four processes deliver to one Linear while a random one is killed every two or three seconds; then it is counted.

    .venv/bin/python -m benchmarks.soak --seconds 60

Incidents are born in slots that only one process can claim. Linear is the stand-in; every tenth request it drops,
answers half, or fails. At the end there has to be one issue for each incident, no comment twice, all in order.
"""

import argparse
import asyncio
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text

from outlay import migrations, outbox
from outlay.connections.service import ConnectionService
from outlay.core.clock import SystemClock
from outlay.database.engine import Database, execute
from outlay.delivery import circuit_breaker
from outlay.delivery import worker as delivery_worker
from outlay.delivery.sinks import SinkDispatcher
from outlay.delivery.worker import DeliveryWorker
from outlay.fakes.http_server import serving
from outlay.fakes.linear.server import API_KEY, PATH, FakeLinear, linear_app
from outlay.incidents.sink_events import enqueue_sink_events
from outlay.plugin import EventKind, Finding, Subject
from outlay.vault.key_setup import open_vault
from outlay.workspaces.store import ensure
from outlay_plugins.linear import Linear

PROCESSES = 4
SLOT_SECONDS = 0.2
LEASE_SECONDS = 5  # short: the usual minute would be most of the soak
TROUBLED = 0.1
DRAIN_SECONDS = 90
LIFE: tuple[tuple[EventKind, int], ...] = (("opened", 100), ("updated", 450), ("updated", 1700), ("resolved", 1800))
AT_ONCE = 6  # incidents that are open at the same time


def main() -> None:
    """Run the soak test, or one of its worker processes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", default="", help="a PostgreSQL, empty; a SQLite file of its own otherwise")
    parser.add_argument("--worker", nargs=3, metavar=("DATABASE", "FOLDER", "UNTIL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        asyncio.run(_work(arguments.worker[0], Path(arguments.worker[1]), float(arguments.worker[2])))
    else:
        raise SystemExit(asyncio.run(_soak(arguments.seconds, arguments.database)))


async def _soak(seconds: float, url: str) -> int:
    app = linear_app(SystemClock())
    linear: FakeLinear = app.state.standin
    with tempfile.TemporaryDirectory() as folder:
        url = url or f"sqlite+aiosqlite:///{folder}/books.sqlite"
        database = Database(url)
        await migrations.upgrade(database)
        async with serving(app) as base_url:
            await _connect(database, Path(folder), base_url + PATH)
            _inject_faults(linear)
            until = time.time() + seconds
            kills = await _kill(url, folder, until)
        async with database.read() as session:
            waiting = await outbox.waiting(session)
            rows = (
                await execute(
                    session, text("SELECT status, COUNT(*) AS n, SUM(attempts) AS tries FROM outbox GROUP BY status")
                )
            ).all()
            wanted = "SELECT COUNT(DISTINCT stream) FROM outbox WHERE kind <> 'sink.resolved'"
            incidents = (await execute(session, text(wanted))).scalar() or 0
            born = (await execute(session, text("SELECT COUNT(*) FROM tick WHERE job = 'soak'"))).scalar() or 0
        await database.close()
    problems = _problems(linear, incidents)
    told = ", ".join(f"{row.n} {row.status} ({row.tries} attempts)" for row in rows)
    print(f"{kills} kills in {seconds:g} s; {born} slots; outbox: {told}; {waiting} waiting")
    print(f"{len(linear.journal.asked)} requests, {len(linear.issues)} issues, {len(linear.world.comments)} comments")
    print("\n".join(problems) or "one issue for each incident, no comment twice, all in order")
    return 1 if problems or waiting else 0


async def _kill(url: str, folder: str, until: float) -> int:
    """Run the workers, kill one now and then, and let them finish at the end; return the number of kills."""
    start = [sys.executable, "-m", "benchmarks.soak", "--worker", url, folder, str(until)]
    workers = [await asyncio.create_subprocess_exec(*start) for _ in range(PROCESSES)]
    kills = 0
    while time.time() < until:
        await asyncio.sleep(random.uniform(1.5, 3.5))
        place = random.randrange(PROCESSES)
        with suppress(ProcessLookupError):
            os.kill(workers[place].pid, signal.SIGKILL)
            kills += 1
        await workers[place].wait()
        workers[place] = await asyncio.create_subprocess_exec(*start)
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await asyncio.gather(*(worker.wait() for worker in workers))
    except TimeoutError:
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.kill()
    return kills


async def _work(url: str, folder: Path, until: float) -> None:
    """Run one worker: create incident events in the slots that it can claim, and deliver."""
    logging.disable(logging.CRITICAL)  # failed deliveries are expected here
    outbox.LEASE_SECONDS = LEASE_SECONDS
    delivery_worker.MAX_BACKOFF_SECONDS, delivery_worker.TIMEOUT_SECONDS = 3.0, 4
    circuit_breaker.SHUT_SECONDS, circuit_breaker.MAX_SHUT_SECONDS = 1, 2
    database, clock = Database(url), SystemClock()
    connections = _connections(database, folder)
    sinks = SinkDispatcher(connections, clock)
    deliveries = DeliveryWorker(database, clock, _nothing, sinks=sinks)
    while True:
        if time.time() < until:
            await _create_event(database, int(time.time() / SLOT_SECONDS), clock.now())
        await deliveries.run()
        async with database.read() as session:
            if time.time() >= until and not await outbox.waiting(session):
                break
        await asyncio.sleep(SLOT_SECONDS / 2)
    await sinks.aclose()
    await database.close()


async def _create_event(database: Database, slot: int, now: datetime) -> None:
    """Create the next event of one of the incidents; the claim and its messages commit together."""
    turn, place = divmod(slot, AT_ONCE)
    incident, number = f"{place}/{turn // len(LIFE)}", turn % len(LIFE)
    what, spent = LIFE[number]
    async with database.write() as session:
        claim = text("INSERT INTO tick (job, slot) VALUES ('soak', :slot) ON CONFLICT DO NOTHING")
        if not getattr(await execute(session, claim, {"slot": slot}), "rowcount", 0):
            return
        finding = Finding(
            title=f"{incident} spends", sentences=(f"{incident} spends.",), severity="critical",
            subject=Subject(incident, incident, "key"), since=datetime.now(UTC), spent_usd=Decimal(spent),
        )  # fmt: skip
        await enqueue_sink_events(
            session, workspace_id="T1", incident=incident, what=what, key=str(number), finding=finding, now=now
        )


def _inject_faults(linear: FakeLinear) -> None:
    """Make a share of the requests to the fake Linear fail."""
    take, kinds = linear.faults.pop, (linear.faults.cut, linear.faults.drop, linear.faults.half_json)

    def troubled(path: str) -> Any:
        if random.random() < TROUBLED:
            random.choice(kinds)(path)
        return take(path)

    linear.faults.pop = troubled  # type: ignore[method-assign]


def _problems(linear: FakeLinear, incidents: int) -> list[str]:
    """Return every violation: missing or duplicate issues, duplicate comments, wrong order."""
    problems = [] if incidents == len(linear.issues) else [f"{incidents} incidents, {len(linear.issues)} issues"]
    problems += [] if incidents else ["no incident was ever born"]
    titles = Counter(issue["title"] for issue in linear.issues.values())
    problems += [f"{title}: {count} issues" for title, count in titles.items() if count != 1]
    for issue_id, issue in linear.issues.items():
        said = [text.split("**")[1] for text in linear.world.comment_bodies(issue_id)]
        if len(set(said)) != len(said):
            problems.append(f"{issue['title']}: a comment twice: {said}")
        order = [("$450.00 by now", "$1,700.00 by now", "It is over.").index(one) for one in said]
        if order != sorted(order):
            problems.append(f"{issue['title']}: out of order: {said}")
    return problems


async def _connect(database: Database, folder: Path, base_url: str) -> None:
    async with database.write() as session:
        await ensure(session, "T1", now=datetime.now(UTC))
    values = {"api_key": API_KEY, "team": "ENG", "base_url": base_url}
    await _connections(database, folder).connect("T1", "linear", "tickets", values)


def _connections(database: Database, folder: Path) -> ConnectionService:
    vault = open_vault(data_dir=folder, master_key=None, master_key_file=None, kms_uris=None, on_secret=None)
    return ConnectionService(database, vault, {"linear": Linear}, SystemClock())


async def _nothing(_: outbox.OutboxMessage) -> None:
    """Deliver nothing: no message here is for Slack."""


if __name__ == "__main__":
    main()
