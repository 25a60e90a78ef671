"""A secret is seen once: planted ones are looked for wherever the house writes, speaks or answers, at DEBUG."""

import asyncio
import io
import logging
import secrets
from pathlib import Path

import httpx
import pytest

from outlay import logs
from outlay.fakes.company.company import Company
from outlay.vault.local_key import new_key
from tests.cli.threaded_fakes import Door
from tests.journeys.running_bot import BRUNO, NOW, opened
from tests.workspace import ALICE

RIGHT, WRONG = f"sk-or-v1-{secrets.token_hex(32)}", f"sk-or-v1-{secrets.token_hex(32)}"
ODD = "Plantedcredential.without-any-known.shape/0123456789"  # no redactor knows it by its looks


async def test_planted_secrets_show_nowhere(tmp_path: Path, place: tuple[Door, str]) -> None:
    master_key, log, printed = new_key(), io.StringIO(), []
    redactor = logs.set_up_logging("DEBUG", stream=log)
    company = Company(now=NOW, days=0)
    async with opened(
        place, tmp_path / "data", company=company, key=RIGHT, on_secret=redactor.add, OUTLAY_MASTER_KEY=master_key
    ) as home:
        planted = [RIGHT, WRONG, ODD, master_key, home.slack.slack.bot_token, home.slack.slack.app_token]
        for token in (master_key, home.slack.slack.bot_token, home.slack.slack.app_token):
            redactor.keep(token)
        form = await home.form()
        for wrong in (WRONG, ODD):
            assert (await home.submit(form, wrong)).errors
        home.faults.status("/key", 500, times=3, message=f"cannot serve {WRONG}")
        assert (await home.submit(form, WRONG)).errors
        await home.submit(form, RIGHT, Name="main")
        await home.tick()
        printed.append((await home.slack.command("/spend 7d by key", user=BRUNO)).words)
        printed.append((await home.slack.home(ALICE)).words)
        home.faults.status("/keys", 403, times=3, message=f"{RIGHT} may not do this")
        await home.later(minutes=2)
        home.faults.revoked = True
        await home.later(minutes=20)
        environ = {"OUTLAY_MASTER_KEY": master_key, "OUTLAY_LOG_LEVEL": "DEBUG"}
        for words in ("connections", "connections --format json", "poll", "doctor", f"spend {WRONG}", "owners"):
            ran = await home.outlay(*words.split(), **environ)
            printed += [ran.out, ran.err]
        where = f"base_url={home.base_url}"
        for key in (WRONG, ODD):
            ran = await home.outlay(
                "connect", "openrouter", "--name", "other", "--set", where, "--secret-stdin", typed=key, **environ
            )
            assert ran.code == 1
            printed += [ran.out, ran.err]
        async with httpx.AsyncClient(trust_env=False) as client:
            printed.append((await client.get(f"http://127.0.0.1:{home.bot.port}/healthz")).text)
        said = home.slack.journal.sent_text()
        views = [form.words, *(message.text for message in home.slack.dms(ALICE))]
    logs.set_up_logging("CRITICAL", stream=io.StringIO())

    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert "poll failed" in log.getvalue()
    for secret in planted:
        everywhere = {"log": log.getvalue(), "Slack": said, "views": str(views), "terminal": "\n".join(printed)}
        for name, text in everywhere.items():
            assert secret not in text, name
            assert secret[10:-10] not in text or len(secret) < 30, name
        assert secret.encode() not in on_disk


async def test_what_our_own_code_logs_needs_no_redactor(
    tmp_path: Path, place: tuple[Door, str], caplog: pytest.LogCaptureFixture
) -> None:
    logs.set_up_logging(
        "DEBUG", stream=io.StringIO()
    )  # the levels that `outlay run` sets; caplog sees what comes before redaction
    with caplog.at_level(logging.DEBUG, "outlay"):
        async with opened(place, tmp_path / "data", company=Company(now=NOW, days=0), key=RIGHT) as home:
            form = await home.form()
            await home.submit(form, ODD)
            await home.submit(form, RIGHT, Name="main")
            home.faults.revoked = True
            await home.later(minutes=2)
            tokens = [home.slack.slack.bot_token, home.slack.slack.app_token]

    assert caplog.records
    for secret in (RIGHT, ODD, *tokens):
        assert secret not in caplog.text


@pytest.mark.sqlite_file
async def test_a_stolen_database_without_the_key_gives_nothing(tmp_path: Path, place: tuple[Door, str]) -> None:
    async with opened(place, tmp_path / "data", company=Company(now=NOW, days=0), key=RIGHT) as home:
        await home.submit(await home.form(), RIGHT, Name="main")
        terminal = home.terminal
    (tmp_path / "data" / "master.key").unlink()

    ran = await asyncio.to_thread(terminal, "poll")

    assert ran.code == 1
    assert RIGHT not in ran.out + ran.err
    assert RIGHT.encode() not in (tmp_path / "data" / "outlay.sqlite").read_bytes()
