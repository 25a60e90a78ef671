"""`outlay vault rotate`: a new master key under every credential, while the bot runs, and as often as it takes."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from outlay import settings as bot_settings
from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from outlay.services import open_services
from outlay.vault import new_key
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import connecting, ledger


def keys_in(machine: Terminal) -> list[str]:
    return (machine.data_dir / "master.key").read_text().splitlines()


def under(machine: Terminal) -> set[str]:
    """The ids of the keys that stored secrets are under."""
    (path,) = machine.data_dir.glob("*.sqlite")
    with sqlite3.connect(path) as books:
        return {bytes(blob).split(b"$")[2].decode() for (blob,) in books.execute("SELECT blob FROM secret")}


@pytest.mark.sqlite_file
def test_a_rotation_makes_a_key_wraps_all_anew_and_everything_goes_on(polled: Terminal) -> None:
    (first,), before = keys_in(polled), under(polled)

    ran = polled.done("vault", "rotate")

    assert "under key local:" in ran.out
    assert len(keys_in(polled)) == 2
    assert keys_in(polled)[1].startswith(first)
    assert os.stat(polled.data_dir / "master.key").st_mode & 0o777 == 0o600
    assert under(polled).isdisjoint(before)
    polled.done("poll")
    assert polled.done("doctor").code == 0
    polled.done("vault", "rotate")  # and again
    assert len(keys_in(polled)) == 3


def test_the_old_key_can_be_taken_away_then(polled: Terminal) -> None:
    polled.done("vault", "rotate")
    path = polled.data_dir / "master.key"
    path.write_text(keys_in(polled)[0] + "\n")
    polled.done("poll")


def test_a_bot_that_runs_meanwhile_learns_of_the_new_key(polled: Terminal, clock: FakeClock) -> None:
    async def run() -> str:
        settings = bot_settings.load({"OUTLAY_DATA_DIR": str(polled.data_dir)})
        async with open_services(settings, clock=clock) as home:
            await asyncio.to_thread(polled.done, "vault", "rotate")
            (view,) = await home.connections.views(await home.workspace())
            result = await home.poller.poll(int(view.id.removeprefix("con_")))
            assert result is not None
            return result.error

    assert asyncio.run(run()) == ""


def test_a_key_of_the_environment_is_its_operators_to_change(
    tmp_path: Path, clock: FakeClock, company: Company
) -> None:
    old, new = new_key(), new_key()
    with ledger(company, clock) as found:
        machine = Terminal(tmp_path, clock, KEY=found.key, OUTLAY_MASTER_KEY=old)
        machine.done(*connecting(found))
        refused = machine("vault", "rotate")
        assert refused.code == 1
        assert "put a fresh key" in refused.complaint
        assert old not in refused.complaint

        both = Terminal(tmp_path, clock, KEY=found.key, OUTLAY_MASTER_KEY=f"{new},{old}")
        assert "still under" in both.done("doctor").out
        both.done("vault", "rotate")
        assert "can be taken away" in both.done("vault", "rotate").out
        Terminal(tmp_path, clock, OUTLAY_MASTER_KEY=new).done("poll")


@pytest.mark.sqlite_file
def test_what_cannot_be_wrapped_anew_is_named(polled: Terminal) -> None:
    (path,) = polled.data_dir.glob("*.sqlite")
    with sqlite3.connect(path) as books:
        (blob,) = books.execute("SELECT blob FROM secret").fetchone()
        books.execute("UPDATE secret SET blob = ?", (bytes(blob).replace(b"$local:", b"$local:dead"),))
    ran = polled("vault", "rotate")
    assert ran.code == 1
    assert "main (api_key): this secret was sealed under another master key" in ran.err
