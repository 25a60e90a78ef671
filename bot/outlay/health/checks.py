"""Health checks for `outlay doctor`: one line for each thing that can be wrong, with how to fix it."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import select

from outlay import migrations, outbox
from outlay.books.closing import audit
from outlay.connections import secret_locations
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Connection
from outlay.delivery import circuit_breaker
from outlay.plugin.loader import FoundPlugin
from outlay.vault.errors import VaultError, VaultUnavailableError
from outlay.vault.vault import Vault, key_id_of

MAX_DEAD = 100


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Result of one check. `mend`: what to do if it is not ok."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


async def database_check(database: Database) -> HealthCheck:
    """Check that the database can be reached and its tables are those of this version."""
    where = database.url.render_as_string(hide_password=True)
    revision = await migrations.revision(database)
    if revision == migrations.NEWEST:
        return HealthCheck("database", True, f"{where}, tables {revision}")
    return HealthCheck("database", False, f"{where} has tables {revision or 'none'}", "run `outlay db upgrade`")


async def vault_check(database: Database, vault: Vault) -> HealthCheck:
    """Check that the sealing key answers and that every secret opens."""
    try:
        await vault.self_test()
    except VaultError as error:
        return HealthCheck("vault", False, str(error), "see to the key that OUTLAY_KMS_KEY names first, and look again")
    async with database.read() as session:
        places = await secret_locations.places(session)
    for place in places:
        try:
            await vault.open(place.workspace_id, place.owner, place.field, place.blob)
        except VaultUnavailableError as error:
            return HealthCheck("vault", False, f"{place.title}: {error}", "see to the key service, and look again")
        except VaultError as error:
            again = "connect again" if place.connection_id else "install Outlay there again"
            return HealthCheck("vault", False, f"{place.title}: {error}", f"bring the master key back, or {again}")
    opened = "1 secret opens" if len(places) == 1 else f"{len(places):,} secrets open"
    under = Counter(key_id_of(place.blob) for place in places)
    others = ", ".join(f"{count} still under {key_id}" for key_id, count in under.items() if key_id != vault.key_id)
    return HealthCheck(
        "vault",
        True,
        f"{opened} under key {vault.key_id} ({vault.source})" + (f"; {others}" if others else ""),
        "run `outlay vault rotate`" if others else "",
    )


async def audit_check(database: Database, workspace_id: str) -> HealthCheck:
    """Report the result of the last audit."""
    async with database.read() as session:
        run = await audit.last(session, workspace_id)
    if run is None:
        return HealthCheck("audit", True, "not run yet; the bot audits every night, `outlay audit` now")
    when = datetime.fromtimestamp(run.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if run.ok:
        return HealthCheck("audit", True, f"{when}: {run.checked:,} comparisons agree")
    first = next(iter(json.loads(run.differences)), "")
    return HealthCheck(
        "audit", False, f"{when}: {first}", "run `outlay audit`; if it stays, keep a copy of the books and report it"
    )


async def deliveries_check(database: Database, workspace_id: str, clock: Clock) -> HealthCheck:
    """Report messages that wait, messages that were given up, and lanes that are shut."""
    now = clock.now()
    async with database.read() as session:
        waiting = await outbox.waiting(session)
        dead = await outbox.dead(session, workspace_id, most=MAX_DEAD)
        healths = await circuit_breaker.health(session)
        names = {
            row.id: row.name
            for row in await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))
        }
    names[outbox.SLACK] = "Slack"
    shut = [
        f"{names[lane]} is {words}" for lane, health in healths.items() if lane in names if (words := health.words(now))
    ]
    many = f"{len(dead)}{'+' if len(dead) == MAX_DEAD else ''}"
    given_up = f"{many} given up, the last for {names.get(dead[0].lane, '?')}: {dead[0].error}" if dead else ""
    detail = "; ".join(part for part in (f"{waiting:,} waiting", given_up, *shut) if part)
    mends = ["mend what the errors name, then `outlay deliveries --again`"] if dead else []
    mends += ["nothing is lost meanwhile; it is tried again by itself"] if shut else []
    return HealthCheck("deliveries", not mends, detail, "; ".join(mends))


def plugin_checks(found: Iterable[FoundPlugin]) -> list[HealthCheck]:
    """Return a check for each plugin that was found, loaded or not."""
    return [
        HealthCheck(
            f"plugin {one.slug}",
            one.ok,
            f"{one.kind or 'unknown kind'} {one.version} ({one.source})" if one.ok else (one.error or "does not load"),
            "" if one.ok else "mend the file or take it away; the rest runs without it",
        )
        for one in found
    ]


def as_plain(checks: Iterable[HealthCheck]) -> dict[str, Any]:
    """Return the document that `outlay doctor --format json` prints."""
    rows = [{"name": one.name, "ok": one.ok, "detail": one.detail, "mend": one.mend} for one in checks]
    return {"ok": all(row["ok"] for row in rows), "checks": rows}
