"""Nothing leaks: planted secrets go through a day of the house, and are looked for in all that it left anywhere.

Every logger of every library is at DEBUG and no floor is under any, so that the redactor stands alone. `test_secrets`
holds the other wall: what is written without the redactor's help.
"""

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from outlay import logs
from outlay.fakes.company.company import Company
from outlay.fakes.linear.server import PATH, linear_app
from outlay.fakes.slack.workspace import FakeMessage
from tests.cli.test_processes import PATIENCE_SECONDS, started
from tests.cli.threaded_fakes import Door, doors, slack
from tests.journeys.running_bot import BRUNO, DANA, NOW, House, opened
from tests.journeys.test_incident import posts, run_away
from tests.plugins.linear_vendor import published_schema
from tests.workspace import ALICE, GENERAL, GUEST

RIGHT, WRONG, NEXT = (f"sk-or-v1-{secrets.token_hex(32)}" for _ in range(3))
LINEAR, SIGNING, HOOK = f"lin_api_{secrets.token_urlsafe(30)}", secrets.token_hex(16), f"whsec_{secrets.token_hex(16)}"
SURE_TO_LOG = ("slack_bolt", "httpcore", "httpx", "outlay", "asyncio")


@dataclass
class Findings:
    """All that could be read afterwards, by where."""

    log: io.StringIO
    places: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, where: str, *texts: str) -> None:
        self.places.setdefault(where, []).extend(texts)

    def check(self, planted: dict[str, str], files: list[Path]) -> None:
        everywhere = {name: "\n".join(texts) for name, texts in self.places.items()} | {"log": self.log.getvalue()}
        on_disk = b"".join(path.read_bytes() for path in files)
        for what, secret in planted.items():
            for name, text in everywhere.items():
                assert secret not in text, f"{what} in {name}: {_around(text, secret)}"
                assert len(secret) < 30 or secret[8:-8] not in text, (
                    f"most of {what} in {name}: {_around(text, secret[8:-8])}"
                )
            assert secret.encode() not in on_disk, what


def floor(name: str) -> int:
    """None, but under the database's: they repeat every statement, and what is in the database is looked at itself."""
    return logging.WARNING if name.startswith(("aiosqlite", "sqlalchemy")) else logging.NOTSET


def _around(text: str, secret: str) -> str:
    at = text.index(secret)
    return text[max(0, at - 200) : at] + "***" + text[at + len(secret) : at + len(secret) + 80]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Whatever any logger is asked to say, at any level, past every floor; only the redactor is left."""
    monkeypatch.setattr(logging.Logger, "isEnabledFor", lambda logger, level: level >= floor(logger.name))
    monkeypatch.setattr(logs, "_floor", lambda name: floor(name))
    return io.StringIO()


@pytest.mark.parametrize("socket_mode", [True, False], ids=["socket", "http"])
async def test_nothing_planted_is_found_anywhere(
    tmp_path: Path, place: tuple[Door, str], heard: io.StringIO, socket_mode: bool
) -> None:
    redactor, found = logs.set_up_logging("DEBUG", stream=heard), Findings(heard)
    redactor.keep(SIGNING)  # as `outlay run` does with every secret of its settings
    data_dir = tmp_path / "data"
    company = Company(now=NOW, days=1)
    with doors() as (door, url):
        async with opened(
            place, data_dir, company=company, key=RIGHT, on_secret=redactor.add, socket_mode=socket_mode,
            SLACK_SIGNING_SECRET=SIGNING, OUTLAY_ALERT_CHANNEL=GENERAL,
        ) as home:  # fmt: skip
            tokens = {"bot token": home.slack.slack.bot_token, "app token": home.slack.slack.app_token}
            for token in tokens.values():
                redactor.keep(token)
            if not socket_mode:
                home.slack.slack.over_http(f"http://127.0.0.1:{home.bot.port}/slack/events", SIGNING)
            door.app = linear_app(home.clock, api_key=LINEAR, schema=published_schema())
            await connect(home, found, url + PATH)
            if socket_mode:
                await a_day(home, found)
                await bad_weather(home, found)
            else:
                await from_outside(home, found)
                await the_terminal(home, found)
            found.keep("Slack", home.slack.journal.sent_text())
            found.keep("repr", repr(home.bot.services), repr(home.bot.services.settings), str(vars(home.bot)))
            linear = door.app.state.standin
            found.keep("Linear", json.dumps([str(vars(linear.world)), str(linear.issues)], default=str))
        keys = (data_dir / "master.key").read_text().split()
    logs.set_up_logging("CRITICAL", stream=io.StringIO())

    assert len([key for key in keys if len(key) > 40]) == (1 if socket_mode else 2), "it was rotated"
    named = {f"master key {number}": key for number, key in enumerate(one for one in keys if len(one) > 40)}
    for name in SURE_TO_LOG:
        assert re.search(rf"(DEBUG|INFO) +{name}\b", heard.getvalue()), f"{name} said nothing: this proves nothing"
    assert ("poll failed" in heard.getvalue()) == socket_mode
    planted = {"ledger key": RIGHT, "wrong key": WRONG, "next key": NEXT, "Linear key": LINEAR, "webhook": HOOK}
    files = [path for path in data_dir.rglob("*") if path.is_file() and path.name != "master.key"]
    found.check({**planted, **tokens, **named, "signing secret": SIGNING}, files)


async def connect(home: House, found: Findings, linear_url: str) -> None:
    """A ledger and a tracker, wrong and right."""
    form = await home.form()
    assert (await home.submit(form, WRONG)).errors
    home.faults.status("/key", 500, times=3, message=f"cannot serve {WRONG}")
    assert (await home.submit(form, WRONG)).errors
    found.keep("form", form.words, json.dumps(form.view))
    await home.submit(form, RIGHT, Name="main")
    await home.tick()
    await home.later(minutes=5)
    await _linear(home, found, linear_url)


async def a_day(home: House, found: Findings) -> None:
    """Be told, file, ask, look."""
    run_away(home)
    await home.later(minutes=5)
    (message,) = posts(home)
    await _handle(home, found, message)
    for words in ("/spend 7d by key", "/spend help", "/spend budget", "/spend nonsense", f"/spend key:{WRONG}"):
        found.keep("answers", (await home.slack.command(words, user=BRUNO)).words)
    found.keep("answers", (await home.slack.command(f"/spend {WRONG}", user=GUEST)).words)
    for words in ("/spend owners", "/spend alerts", "/spend digest", "/spend settings", "/spend budget"):
        reply = await home.slack.command(words, user=ALICE)
        found.keep("views", reply.words, json.dumps(reply.modal.view) if reply.modal else "")
    for user in (ALICE, BRUNO, DANA):
        found.keep("home", (await home.slack.home(user)).words)
    await home.later(hours=1)


async def _linear(home: House, found: Findings, url: str) -> None:
    form = (await home.slack.command("/spend connect linear", user=ALICE)).modal
    assert form is not None
    await form.click("connect:advanced")
    wrong = {"Base URL": url, "API key": f"lin_api_{'0' * 40}", "Webhook secret": HOOK}
    await form.submit(wrong)
    found.keep("form", form.words)
    first = wrong | {"API key": LINEAR, "File from, in dollars": "1"}
    await form.submit(first)
    await form.submit({"Team": "Engineering", "API key": LINEAR, "Webhook secret": HOOK})
    assert form.title == "Connected", form.errors or form.words
    found.keep("form", form.words)


async def _handle(home: House, found: Findings, message: FakeMessage) -> None:
    for action in ("alerts:look", "alerts:acknowledge", "alerts:show"):
        with contextlib.suppress(LookupError):
            reply = await home.slack.click(message, action, user=BRUNO)
            found.keep("incident", reply.words, str(message.blocks))


async def bad_weather(home: House, found: Findings) -> None:
    """Everything that can fail, fails, most of it with a secret in its mouth."""
    home.faults.status("/keys", 403, times=3, message=f"{RIGHT} may not do this")
    await home.later(minutes=2)
    home.faults.status("/activity", 500, times=6, message=f"Bearer {RIGHT}")
    await home.later(minutes=20)

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"a bug that quotes {RIGHT}, {LINEAR} and {home.slack.slack.bot_token}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home.bot.services.asking, "spend", broken)
        reply = await home.slack.command("/spend 7d", user=BRUNO)
        assert "Something went wrong on our side" in reply.words
        found.keep("answers", reply.words)
    home.faults.revoked = True
    await home.later(minutes=20)
    home.faults.revoked = False
    found.keep("direct messages", *(message.text for message in home.slack.dms(ALICE)))
    with contextlib.suppress(Exception):  # whatever an asyncio task dies of goes to the loop's handler
        await asyncio.create_task(broken())
    asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": RuntimeError(RIGHT)})


async def from_outside(home: House, found: Findings) -> None:
    """What anybody who reaches the port is told."""
    async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{home.bot.port}") as client:
        for path in ("/healthz", "/metrics", "/hooks/1", "/nothing"):
            found.keep("port", (await client.get(path)).text)
        for path in ("/hooks/2", "/slack/events"):
            answer = await client.post(path, content=f'{{"token": "{SIGNING}"}}', headers={"x-slack-signature": "v0=1"})
            found.keep("port", answer.text, str(answer.headers))


async def the_terminal(home: House, found: Findings) -> None:
    """Every command, at DEBUG."""
    debug = {"OUTLAY_LOG_LEVEL": "DEBUG"}
    where = f"base_url={home.base_url}"
    for key in (WRONG, NEXT):
        ran = await home.outlay(
            "connect", "openrouter", "--name", "other", "--set", where, "--secret-stdin", typed=key, **debug
        )
        found.keep("terminal", ran.out, ran.err)
    for words in (
        "connections --format json", "doctor --format json", "vault rotate",
        f"spend {WRONG}", "spend 7d by key --format csv", "owners --format json", "plugins", "deliveries --format json",
        "export --month 2026-11 --format focus", "export --month 2026-11 --format json", "close 2026-11",
        "export --month 2026-11 --format csv", "audit", "audit --trail --format json", "audit --trail --format csv",
        "digest --format json", "workspace --format json", "db upgrade", f"own {WRONG} agent:x",
        f"team x --member {WRONG}",        "poll", "disconnect main", "doctor",
    ):  # fmt: skip
        ran = await home.outlay(*words.split(), **debug)
        found.keep("terminal", ran.out, ran.err)


# As a process of its own


@pytest.fixture
async def machine(tmp_path: Path, place: tuple[Door, str]) -> AsyncIterator[House]:
    async with opened(place, tmp_path / "data", company=Company(now=NOW, days=0), key=RIGHT) as home:
        await home.submit(await home.form(), RIGHT, Name="main")
        yield home


async def test_the_list_of_processes_shows_no_secret_and_a_crash_leaves_no_core(machine: House, tmp_path: Path) -> None:
    master_key = (tmp_path / "data" / "master.key").read_text().split()[0]

    def look() -> None:
        with slack("commands", "chat:write", "im:write", "users:read") as stand_in:
            planted = [RIGHT, master_key, stand_in.bot_token, stand_in.app_token, SIGNING]
            process = started(
                machine.terminal, "run",
                SLACK_BOT_TOKEN=stand_in.bot_token, SLACK_APP_TOKEN=stand_in.app_token, SLACK_SIGNING_SECRET=SIGNING,
                SLACK_API_URL=stand_in.api_url, OUTLAY_HTTP_PORT="0", OUTLAY_LOG_LEVEL="DEBUG",
            )  # fmt: skip
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    if "health at" in line:
                        break
                listed = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
                listed.append(subprocess.run(["ps", "-eo", "args"], capture_output=True, check=False).stdout)  # noqa: S607
                limits = Path(f"/proc/{process.pid}/limits").read_text()
                process.send_signal(signal.SIGABRT)  # as a crash in native code does
                out, err = process.communicate(timeout=PATIENCE_SECONDS)
            finally:
                process.kill()
        assert any(b"outlay\0run" in one for one in listed)
        everything = b"\n".join(listed).decode(errors="replace") + out + err
        for secret in planted:
            assert secret not in everything
        assert re.search(r"Max core file size +0 +0 ", limits), limits

    if sys.platform != "linux":
        pytest.skip("no /proc here")
    await asyncio.to_thread(look)


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


async def test_a_traceback_with_the_values_of_its_variables_shows_none(machine: House) -> None:
    """A crash reporter prints what stands in each frame: there, secrets are wrapped or sealed."""

    async def fail() -> None:
        raise RuntimeError("at the deepest place")

    shown = []
    connections = machine.bot.services.connections
    async with connections.open_ledger(1) as ledger:
        try:
            await fail()
        except RuntimeError as error:
            told = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown = ["".join(told.format()), repr(ledger), repr(ledger.config), str(vars(connections))]
    frames = sys._current_frames().values()
    shown += [str({name: repr(value)[:2_000] for name, value in frame.f_locals.items()}) for frame in frames]
    tokens = (machine.slack.slack.bot_token, machine.slack.slack.app_token)
    for secret in (RIGHT, *tokens):
        assert not any(secret in one for one in shown[:4]), "in what the house itself holds"
