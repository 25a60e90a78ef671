"""What monitoring reads of a bot that runs: enough to act on, no secret, no dollar, nobody's name."""

import re

import httpx

from outlay.fakes.openrouter.server import MANAGEMENT_KEY
from tests.journeys.running_bot import BRUNO, House

LINE = re.compile(r"outlay_([a-z_]+)(?:\{(.*)\})? (-?[0-9.]+(?:e-[0-9]+)?)", re.ASCII)


async def metrics(home: House) -> tuple[str, dict[tuple[str, str], float]]:
    """The page, and each value by its name and labels."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{home.bot.port}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            found[match[1], match[2] or ""] = float(match[3])
    return answer.text, found


def of(found: dict[tuple[str, str], float], name: str, *labels: str) -> float:
    """The one value of this name that has all these labels."""
    (value,) = [value for (one, with_), value in found.items() if one == name and all(part in with_ for part in labels)]
    return value


async def test_metrics_say_how_polls_deliveries_incidents_and_audits_stand(connected: House) -> None:
    page, found = await metrics(connected)
    assert of(found, "slack_connected") == 1
    assert of(found, "connection_state", 'connection="main"', 'state="ok"') == 1
    assert of(found, "connection_state", 'connection="main"', 'state="failing"') == 0
    assert of(found, "poll_lag_seconds", 'connection="main"', 'ledger="openrouter"') == 0
    assert of(found, "poll_failures_in_a_row", 'connection="main"') == 0
    assert 0 <= of(found, "books_behind_seconds", 'connection="main"') < 1_000
    assert of(found, "unpriced_tokens", 'connection="main"') >= 0
    assert of(found, "incidents_open") == 0
    assert not [name for name, _ in found if name == "audit_ok"]  # none has run
    for word in (MANAGEMENT_KEY, "xoxb-", "xapp-", "usd", BRUNO, "@"):
        assert word not in page


async def test_metrics_show_what_fails_and_what_waits(connected: House) -> None:
    await connected.later(minutes=0)
    connected.slack.faults.server_error("chat.postMessage", times=5)
    connected.faults.revoked = True
    await connected.later(minutes=2)

    _, found = await metrics(connected)

    assert of(found, "connection_state", 'connection="main"', 'state="needs_reauth"') == 1
    assert of(found, "connection_state", 'connection="main"', 'state="ok"') == 0
    assert of(found, "poll_failures_in_a_row", 'connection="main"') == 1
    assert of(found, "deliveries", 'lane="slack"', 'status="waiting"') == 1
