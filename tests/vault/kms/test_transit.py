"""Vault's transit engine over real HTTP on loopback: what it binds, what it refuses, and what its outage is called."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.http_server import serving
from outlay.vault import Vault, VaultError, key_id_of
from outlay.vault.errors import VaultUnavailableError
from outlay.vault.kms import kms_key, parse_kms_uri
from outlay.vault.kms.transit import Transit
from tests.vault.kms.fake_transit import TOKEN, TransitStandIn

PLACE = {"workspace": "T1", "owner": "7", "field": "api_key"}
ADDRESS = parse_kms_uri("vault-transit://vault.example:8200/transit/outlay")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
DATA_KEY = b"d" * 32


@asynccontextmanager
async def at(engine: TransitStandIn, **environ: str) -> AsyncIterator[Transit]:
    """The backend by itself, before the engine."""
    async with serving(engine.app) as url:
        yield Transit(ADDRESS, {"VAULT_ADDR": url, "VAULT_TOKEN": TOKEN} | environ)


async def test_a_data_key_comes_back_in_its_place_and_in_no_other() -> None:
    async with at(TransitStandIn()) as key:
        wrapped = await key.wrap(DATA_KEY, PLACE)
        assert wrapped.startswith(b"vault:v1:")
        assert await key.unwrap(wrapped, dict(reversed(PLACE.items()))) == DATA_KEY
        for changed in ({"workspace": "T2"}, {"owner": "8"}, {"field": "other"}):
            with pytest.raises(VaultError, match="damaged or belongs to another place") as refused:
                await key.unwrap(wrapped, PLACE | changed)
            assert not isinstance(refused.value, VaultUnavailableError)


async def test_a_changed_or_foreign_byte_is_refused() -> None:
    async with at(TransitStandIn()) as key:
        wrapped = await key.wrap(DATA_KEY, PLACE)
        changed = wrapped[:-6] + (b"A" if wrapped[-6:-5] != b"A" else b"B") + wrapped[-5:]
        for odd in (changed, b"", b"\xff\xfe", b"hello", wrapped.replace(b":v1:", b":v9:")):
            with pytest.raises(VaultError, match="damaged"):
                await key.unwrap(odd, PLACE)


async def test_a_key_that_rotates_there_goes_on_opening_what_it_sealed() -> None:
    engine = TransitStandIn()
    async with at(engine) as key:
        before = await key.wrap(DATA_KEY, PLACE)
        engine.rotate()
        assert (await key.wrap(DATA_KEY, PLACE)).startswith(b"vault:v2:")
        assert await key.unwrap(before, PLACE) == DATA_KEY
        engine.minimum = 2
        with pytest.raises(VaultError, match=r"is disabled .* enable it again"):
            await key.unwrap(before, PLACE)


@pytest.mark.parametrize("status", [429, 472, 473, 500, 503])
async def test_what_passes_by_itself_is_an_outage(status: int) -> None:
    async with at(TransitStandIn(down=status)) as key:
        with pytest.raises(
            VaultUnavailableError, match=f"does not answer .{status}.*polling is paused, nothing is lost"
        ):
            await key.wrap(DATA_KEY, PLACE)


async def test_nobody_there_is_an_outage() -> None:
    async with serving(TransitStandIn().app) as url:
        pass
    with pytest.raises(VaultUnavailableError, match="ConnectError"):
        await Transit(ADDRESS, {"VAULT_ADDR": url, "VAULT_TOKEN": TOKEN}).wrap(DATA_KEY, PLACE)


async def test_a_refusal_says_what_to_grant_and_a_stranger_what_to_set() -> None:
    async with at(TransitStandIn(forbidden=True)) as key:
        with pytest.raises(VaultError, match="update on transit/encrypt/outlay and transit/decrypt/outlay"):
            await key.wrap(DATA_KEY, PLACE)
    async with at(TransitStandIn(), VAULT_TOKEN="hvs.another") as key:
        with pytest.raises(VaultError, match="set VAULT_TOKEN") as refused:
            await key.wrap(DATA_KEY, PLACE)
        assert "hvs.another" not in str(refused.value)
    async with at(TransitStandIn(), VAULT_TOKEN="", HOME="") as key:
        with pytest.raises(VaultError, match="set VAULT_TOKEN"):
            await key.wrap(DATA_KEY, PLACE)


async def test_the_namespace_and_the_token_of_an_agent_are_used(tmp_path: Path) -> None:
    heard: list[str] = []
    (tmp_path / ".vault-token").write_text(TOKEN + "\n")
    engine = TransitStandIn(namespace="team/a")
    async with serving(engine.app) as url:
        environ = {"VAULT_ADDR": url, "VAULT_NAMESPACE": "team/a", "HOME": str(tmp_path)}
        key = Transit(ADDRESS, environ, on_secret=heard.append)
        assert await key.unwrap(await key.wrap(DATA_KEY, PLACE), PLACE) == DATA_KEY
    assert set(heard) == {TOKEN}


async def test_a_key_that_is_not_there_is_named() -> None:
    async with serving(TransitStandIn().app) as url:
        elsewhere = parse_kms_uri("vault-transit://vault.example/transit/other")
        with pytest.raises(VaultError, match=r"knows no key vault\.example/transit/other"):
            await Transit(elsewhere, {"VAULT_ADDR": url, "VAULT_TOKEN": TOKEN}).wrap(DATA_KEY, PLACE)


async def test_the_whole_vault_over_it_asks_once_for_minutes_and_tries_thrice() -> None:
    engine, clock = TransitStandIn(), FakeClock(NOW)
    async with serving(engine.app) as url:
        key = kms_key(ADDRESS, clock=clock, environ={"VAULT_ADDR": url, "VAULT_TOKEN": TOKEN})
        vault = Vault(key, b"f" * 32)
        engine.faults = [503, 429]
        blob = await vault.seal("T1", "7", "api_key", "sk-or-v1-0123456789")
        assert key_id_of(blob) == "vault-transit:vault.example:8200/transit/outlay"
        assert engine.asked == ["encrypt", "encrypt", "encrypt", "decrypt"]  # the last proves that it opens
        for _ in range(3):
            assert (await vault.open("T1", "7", "api_key", blob)).get_secret_value() == "sk-or-v1-0123456789"
        assert len(engine.asked) == 4
        with pytest.raises(VaultError, match="another place"):
            await vault.open("T2", "7", "api_key", blob)


def test_without_a_host_vault_addr_says_where() -> None:
    address = parse_kms_uri("vault-transit:///transit/outlay")
    assert Transit(address, {"VAULT_ADDR": "https://vault.example:8200/"}).id == "vault-transit:/transit/outlay"
    with pytest.raises(VaultError, match="needs VAULT_ADDR"):
        Transit(address, {})
    with pytest.raises(VaultError, match="wants https"):
        Transit(address, {"VAULT_ADDR": "http://vault.example:8200"})
