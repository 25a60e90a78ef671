"""A sink from the command line: connected, listed, looked at, let go; and what was given up, sent again."""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from outlay.core.clock import FakeClock
from outlay.database.engine import Database
from outlay.fakes.linear.server import API_KEY, PATH, FakeLinear, linear_app
from outlay.incidents.sink_events import enqueue_sink_events
from outlay.plugin.events import Finding
from outlay.settings import DATABASE_FILE_NAME
from tests.cli.conftest import NOW
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import doors
from tests.delivery.fake_sink import finding


@pytest.fixture
def linear(clock: FakeClock) -> Iterator[tuple[FakeLinear, str]]:
    app = linear_app(clock)
    with doors() as (door, url):
        door.app = app
        yield app.state.standin, url + PATH


@pytest.fixture
def shell(tmp_path: Path, clock: FakeClock) -> Terminal:
    return Terminal(tmp_path / "data", clock, LINEAR_KEY=API_KEY)


def connecting(url: str, *more: str, team: str = "team=ENG") -> list[str]:
    words = ["connect", "linear", "--name", "tickets", "--secret-env", "LINEAR_KEY", "--set", f"base_url={url}"]
    return [*words, *(["--set", team] if team else []), *more]


def test_a_sink_is_connected_listed_looked_at_and_let_go(
    shell: Terminal, linear: tuple[FakeLinear, str], tmp_path: Path
) -> None:
    first, second, _ = shell.done(*connecting(linear[1])).lines
    assert (first, second) == ("connected tickets: Linear, Brightloom, team Engineering", "id con_1")
    (found,) = shell.done("connections", "--format", "json").json()
    assert (found["ledger"], found["role"], found["state"]) == ("linear", "sink", "ok")
    checks = {one["name"]: one for one in shell.done("doctor", "--format", "json").json()["checks"]}
    assert checks["connection tickets"]["detail"].startswith(
        "API key Alice Moreau of Brightloom, team Engineering; can "
    )
    assert checks["deliveries"]["detail"] == "0 waiting"
    assert API_KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    shell.done("disconnect", "tickets")
    assert shell.done("connections", "--format", "json").json() == []
    assert not linear[0].issues


@pytest.mark.parametrize(
    ("team", "told"),
    [
        ("", "team: choose one of: ENG (Engineering), OPS (Operations)"),
        ("team=NOPE", "team: Linear has no team 'NOPE'; there is: ENG, OPS."),
        ("team=ENG", ""),
    ],
)
def test_a_team_has_to_be_said_and_be_there(
    shell: Terminal, linear: tuple[FakeLinear, str], team: str, told: str
) -> None:
    ran = shell(*connecting(linear[1], team=team))
    assert (ran.code, "" if not told else ran.complaint) == (1 if told else 0, told)


def test_a_wrong_key_saves_nothing(shell: Terminal, linear: tuple[FakeLinear, str]) -> None:
    ran = shell(*connecting(linear[1]), LINEAR_KEY="lin_api_ofSomebodyElse000000")
    assert ran.code == 1
    assert "does not accept the credential" in ran.complaint
    assert shell.done("connections", "--format", "json").json() == []


@pytest.mark.sqlite_file
def test_what_was_given_up_is_told_and_sent_again(shell: Terminal, linear: tuple[FakeLinear, str]) -> None:
    shell.done(*connecting(linear[1]))
    path = shell.data_dir / DATABASE_FILE_NAME
    asyncio.run(_told(path, finding()))
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE outbox SET status = 'dead', attempts = 1, error = 'team: there is no team ENG'")
    database.close()

    checks = {one["name"]: one for one in shell("doctor", "--format", "json").json()["checks"]}
    assert not checks["deliveries"]["ok"]
    assert "1 given up, the last for tickets: team: there is no team ENG" in checks["deliveries"]["detail"]
    assert "outlay deliveries --again" in checks["deliveries"]["mend"]
    listed = shell.done("deliveries", "--format", "json").json()
    assert [(one["to"], one["what"]) for one in listed["given_up"]] == [("tickets", "sink.opened")]
    assert shell.done("deliveries", "--again").lines == ["1 waiting, 0 given up, 1 sent again"]


async def _told(path: Path, found: Finding) -> None:
    database = Database(f"sqlite+aiosqlite:///{path}")
    async with database.write() as session:
        workspace = "local"
        await enqueue_sink_events(
            session, workspace_id=workspace, incident="i1", what="opened", key="1",
            finding=replace(found, since=NOW - timedelta(hours=1)), now=NOW,
        )  # fmt: skip
    await database.close()
