"""`outlay doctor` and `outlay plugins`: what is well, what is not, and how it is mended."""

from typing import Any

from tests.commands.ledgers import Served, slack
from tests.commands.terminal import Ran, Terminal


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
    assert "503" in checks(ran)["connection main"]["detail"]


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
