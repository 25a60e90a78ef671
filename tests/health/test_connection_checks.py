"""What the doctor says of a connection: for each thing that can be wrong, what happened and what a person can do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from outlay.connections.service import ConnectionService
from outlay.connections.views import ConnectionView
from outlay.core.clock import FakeClock
from outlay.database.engine import Database
from outlay.health import connection_checks as health_connection_checks
from outlay.health.checks import HealthCheck
from outlay.health.connection_checks import connection_checks
from outlay.plugin.errors import BadConfig, NeedsReauth, Permanent, RateLimited, Transient
from outlay.vault.errors import VaultError, VaultUnavailableError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REPLACE = "outlay connect openai --name gpt --replace"
GPT = ConnectionView(
    id="con_1", name="gpt", ledger="openai", role="books", account_id="a", account_title="A", fingerprint="f",
    state="failing", fresh_until=NOW - 2 * MINUTE, last_poll=NOW - MINUTE, next_poll=NOW + MINUTE, error="no network",
)  # fmt: skip


async def examined(view: ConnectionView, trouble: Exception | None) -> HealthCheck:
    """What is said of a connection whose check ends so; None: it never ends."""

    async def check() -> Any:
        if trouble is None:
            await asyncio.Event().wait()
        raise trouble or AssertionError

    @asynccontextmanager
    async def opened(_: int) -> AsyncIterator[Any]:
        yield SimpleNamespace(check=check)

    connections = cast(ConnectionService, SimpleNamespace(open=opened))
    (found,) = [one async for one in connection_checks(cast(Database, None), connections, [view], FakeClock(NOW))]
    return found


@pytest.mark.parametrize(
    ("trouble", "said", "mend"),
    [
        (BadConfig("api_key", "It lacks the scope."), "It lacks the scope;", f"that works: {REPLACE}"),
        (NeedsReauth("Revoked (401)."), "Revoked (401);", f"that works: {REPLACE}"),
        (
            RateLimited(NOW + 5 * MINUTE, "It asks us to wait."),
            "asks us to wait;",
            "asked again after 2026-11-20 12:05 UTC",
        ),
        (Transient("Trouble of its own (503)."), "of its own (503);", "polls go on, farther apart, and close the gap"),
        (Permanent("Nobody can read that."), "Nobody can read that;", f"if the credential is the cause: {REPLACE}"),
        (VaultUnavailableError("The key service is away."), "service is away;", "polling goes on by itself"),
        (VaultError("It does not open."), "It does not open;", "bring the master key back"),
        (None, "no answer within", "check base_url and the network"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_each_trouble_says_what_to_do_and_how_old_the_figures_are(
    trouble: Exception | None, said: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_connection_checks, "CHECK_SECONDS", 0)

    found = await examined(GPT, trouble)

    assert (found.name, found.ok) == ("connection gpt", False)
    assert said in found.detail
    assert (
        "read up to 2026-11-20 11:58 UTC; last poll 2026-11-20 11:59 UTC; next poll 2026-11-20 12:01 UTC"
        in found.detail
    )
    assert mend in found.mend


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (replace(GPT, next_poll=NOW - timedelta(hours=1)), "next poll due since 2026-11-20 11:00 UTC: the bot does it"),
        (replace(GPT, state="needs_reauth", next_poll=None), "no next poll until it has a credential that works"),
        (replace(GPT, next_poll=None), "next poll as soon as the bot runs"),
        (replace(GPT, fresh_until=None, last_poll=None), "not polled yet; next poll 2026-11-20 12:01 UTC"),
    ],
)
async def test_when_it_is_polled_next_is_said_or_why_it_is_not(view: ConnectionView, said: str) -> None:
    assert said in (await examined(view, Transient("away"))).detail
