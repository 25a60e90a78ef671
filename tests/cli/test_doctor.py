"""`outlay doctor` and `outlay plugins`: what is well, what is not, and how it is mended."""

import re
from datetime import timedelta
from typing import Any

from outlay.core.clock import FakeClock
from tests.cli.run_cli import Ran, Terminal
from tests.cli.threaded_fakes import Served, slack


def checks(ran: Ran) -> dict[str, dict[str, Any]]:
    """What the doctor says, by name. Every check has every field of the contract."""
    found = ran.json()
    assert set(found) == {"ok", "checks"}
    for check in found["checks"]:
        assert set(check) == {"name", "ok", "detail", "mend"}
        assert check["detail"]
        assert check["ok"] or check["mend"], check
    assert found["ok"] is all(check["ok"] for check in found["checks"])
    return {check["name"]: check for check in found["checks"]}


def test_all_is_well(polled: Terminal) -> None:
    ran = polled.done("doctor", "--format", "json")

    found = checks(ran)
    assert {"settings", "database", "vault", "slack", "connection main", "plugin openrouter"} <= set(found)
    assert "management key of Brightloom" in found["connection main"]["detail"]
    assert "2026-11-21 13:55 UTC" in found["connection main"]["detail"]
    lines = polled.done("doctor").lines
    assert all(line.startswith("ok ") for line in lines)
    assert len(lines) == len(found)


def test_a_connection_says_its_credential_what_it_sees_how_fresh_it_is_and_when_it_is_polled(
    polled: Terminal, clock: FakeClock
) -> None:
    detail = checks(polled.done("doctor", "--format", "json"))["connection main"]["detail"]

    for part in (
        "management key of Brightloom",
        "sees ",
        "read up to 2026-11-21 13:55 UTC",
        "last poll 2026-11-21 14:",
    ):
        assert part in detail
    assert re.search(r"next poll 2026-11-21 14:\d\d UTC", detail)
    clock.advance(timedelta(hours=3))
    later = checks(polled.done("doctor", "--format", "json"))["connection main"]
    assert "next poll due since 2026-11-21 14:" in later["detail"]
    assert "or `outlay poll`" in later["detail"]


def test_what_went_wrong_last_is_told_though_the_ledger_answers_now(polled: Terminal, openrouter: Served) -> None:
    openrouter.faults.status("/keys", 503, times=20)
    assert polled("poll").code == 1
    openrouter.faults.clear()

    ran = polled("doctor", "--format", "json")

    assert ran.code == 1
    failed = checks(ran)["connection main"]
    assert "the last poll failed: OpenRouter has trouble of its own (503)" in failed["detail"]
    assert "read up to 2026-11-21 13:55 UTC" in failed["detail"]
    assert "`outlay poll main`" in failed["mend"]
    polled.done("poll")
    assert checks(polled.done("doctor", "--format", "json"))["connection main"]["ok"]


def test_a_connection_that_waits_for_a_credential_says_so_and_how_old_its_figures_are(
    polled: Terminal, openrouter: Served
) -> None:
    openrouter.faults.revoked = True
    assert polled("poll").code == 1

    failed = checks(polled("doctor", "--format", "json"))["connection main"]

    assert "no next poll until it has a credential that works" in failed["detail"]
    assert "read up to 2026-11-21 13:55 UTC" in failed["detail"]


def test_on_an_empty_machine_all_is_well_too(terminal: Terminal) -> None:
    assert all(check["ok"] for check in checks(terminal.done("doctor", "--format", "json")).values())


def test_a_refused_credential_fails_with_the_command_that_mends_it(polled: Terminal, openrouter: Served) -> None:
    openrouter.faults.revoked = True

    ran = polled("doctor", "--format", "json")

    assert ran.code == 1
    failed = checks(ran)["connection main"]
    assert not failed["ok"]
    assert "401" in failed["detail"]
    assert "outlay connect openrouter --name main --replace" in failed["mend"]
    shown = polled("doctor")
    assert shown.code == 1
    assert "FAIL connection main: " in shown.out
    assert "mend: " in shown.out


def test_one_report_that_is_refused_is_named(polled: Terminal, openrouter: Served) -> None:
    openrouter.faults.status("/analytics/query", 403, times=3)
    assert polled("poll").code == 1

    ran = polled("doctor", "--format", "json")

    assert ran.code == 1
    assert "refused: analytics" in checks(ran)["connection main"]["detail"]


def test_another_master_key_is_told_and_no_secret_opens(polled: Terminal) -> None:
    key = polled.done("vault", "new-key").out.strip()

    ran = polled("doctor", "--format", "json", OUTLAY_MASTER_KEY=key)

    assert ran.code == 1
    found = checks(ran)
    assert not found["vault"]["ok"]
    assert "main" in found["vault"]["detail"]
    assert key not in ran.out


def test_a_ledger_that_does_not_answer_is_told(polled: Terminal, openrouter: Served) -> None:
    openrouter.faults.status("/key", 503, times=20)

    ran = polled("doctor", "--format", "json")

    assert ran.code == 1
    failed = checks(ran)["connection main"]
    assert "503" in failed["detail"]
    assert "polls go on" in failed["mend"]


def test_slack_is_looked_at_where_there_is_a_token(terminal: Terminal) -> None:
    with slack("commands", "chat:write", "im:write", "users:read", "users:read.email") as stand_in:
        ran = terminal("doctor", "--format", "json", SLACK_BOT_TOKEN=stand_in.bot_token, SLACK_API_URL=stand_in.api_url)

    assert ran.code == 0
    assert "workspace Example Company (T01OUTLAY)" in checks(ran)["slack"]["detail"]


def test_a_slack_token_that_is_refused_is_told_without_the_token(terminal: Terminal) -> None:
    with slack() as stand_in:
        ran = terminal(
            "doctor", "--format", "json", SLACK_BOT_TOKEN="xoxb-wrong-token-0001", SLACK_API_URL=stand_in.api_url
        )

    assert ran.code == 1
    assert "invalid_auth" in checks(ran)["slack"]["detail"]
    assert "xoxb-wrong-token-0001" not in ran.out + ran.err
