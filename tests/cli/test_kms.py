"""A key service under the whole bot: moved to while there are secrets, away for a while, and moved back from."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from unittest import mock

import pytest

from outlay import settings as bot_settings
from outlay.core.clock import FakeClock
from outlay.polling.due_polls import DuePolls
from outlay.services import open_services
from tests.cli.run_cli import Terminal
from tests.cli.test_vault import under
from tests.cli.threaded_fakes import doors
from tests.vault.kms.fake_transit import TOKEN, TransitStandIn

KEY = "vault-transit:///transit/outlay"


@pytest.fixture
def engine() -> TransitStandIn:
    return TransitStandIn()


@pytest.fixture
def kms(polled: Terminal, engine: TransitStandIn) -> Iterator[Terminal]:
    """The machine of `polled`, from now on with a key service."""
    with doors() as (door, url):
        door.app = engine.app
        polled.environ |= {"OUTLAY_KMS_KEY": KEY, "VAULT_ADDR": url, "VAULT_TOKEN": TOKEN}
        yield polled


def state(machine: Terminal) -> tuple[str, str]:
    (found,) = machine.done("connections", "--format", "json").json()
    return found["state"], found["error"] or ""


async def a_bot_comes_by(machine: Terminal, clock: FakeClock, *, minutes: int) -> str:
    """A bot that looks after so many minutes whether anything is due; the state of the connection then."""
    clock.advance(timedelta(minutes=minutes))
    with mock.patch.dict("os.environ", machine.environ):
        async with open_services(bot_settings.load(machine.environ), clock=clock) as home:
            polls = DuePolls(home.database, home.poller, clock)
            await polls.start_due()
            await polls.idle()
            (view,) = await home.connections.views(await home.workspace())
            return view.state


def test_rotate_moves_everything_to_the_key_service_and_back(kms: Terminal) -> None:
    (local,) = under(kms)
    assert f"1 still under {local}" in kms.done("doctor").out

    kms.done("vault", "rotate")

    assert under(kms) == {"vault-transit:/transit/outlay"}
    (kms.data_dir / "master.key").rename(kms.data_dir / "away")
    kms.done("poll")
    refused = kms("vault", "rotate")
    assert "which its key service renews by itself" in refused.complaint

    (kms.data_dir / "away").rename(kms.data_dir / "master.key")
    kms.environ["OUTLAY_KMS_KEY"] = f"local,{KEY}"
    kms.done("vault", "rotate")
    assert under(kms) == {local}
    for name in ("OUTLAY_KMS_KEY", "VAULT_ADDR", "VAULT_TOKEN"):
        del kms.environ[name]
    kms.done("poll")


def test_an_outage_pauses_polling_says_so_and_ends_by_itself(
    kms: Terminal, engine: TransitStandIn, clock: FakeClock
) -> None:
    kms.done("vault", "rotate")
    before = kms.spend("mtd")["total_usd"]
    engine.down = 503
    clock.advance(timedelta(minutes=10))

    ran = kms("poll")

    assert ran.code == 1
    assert state(kms)[0] == "paused"
    assert "polling is paused, nothing is lost" in state(kms)[1]
    assert "connect again" not in ran.err + state(kms)[1]
    assert "does not answer (503)" in kms("doctor").out
    assert kms.spend("mtd")["total_usd"] == before
    engine.down = 0
    assert asyncio.run(a_bot_comes_by(kms, clock, minutes=0)) == "paused"  # it waits until its time has come
    assert asyncio.run(a_bot_comes_by(kms, clock, minutes=2)) == "ok"


def test_a_refused_permission_says_what_to_grant_and_keeps_the_credential(
    kms: Terminal, engine: TransitStandIn
) -> None:
    kms.done("vault", "rotate")
    engine.forbidden = True
    assert kms("poll").code == 1
    assert state(kms)[0] == "failing"
    assert "update on transit/encrypt/outlay" in state(kms)[1]
    engine.forbidden = False
    kms.done("poll")


def test_a_rotation_stops_at_an_outage_and_goes_on_later(kms: Terminal, engine: TransitStandIn) -> None:
    (local,) = under(kms)
    engine.down = 500
    ran = kms("vault", "rotate")
    assert ran.code == 1
    assert "stopped after 0 of 1 secrets" in ran.err
    assert under(kms) == {local}
    engine.down = 0
    kms.done("vault", "rotate")
    assert under(kms) == {"vault-transit:/transit/outlay"}
