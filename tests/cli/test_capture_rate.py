"""A gateway before a provider: connected with a role, it splits the provider's dollars; `outlay capture` compares them.

Both are the ledger of docs/examples under other names, the gateway with the role that gateways have.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outlay.core.clock import FakeClock
from tests.cli.run_cli import Ran, Terminal
from tests.cli.threaded_fakes import doors

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "example_ledger.py"
NOW = datetime(2026, 11, 21, 14, 5, 30, tzinfo=UTC)
YESTERDAY = datetime(2026, 11, 20, 9, tzinfo=UTC)
BEFORE = YESTERDAY - timedelta(days=1)
SPENT = {  # credential → (when, key, dollars)
    "provider": [(BEFORE, "shared", "4.00"), (YESTERDAY, "shared", "10.00"), (YESTERDAY, "other", "5.00")],
    "gateway": [(YESTERDAY, "ana", "6.000000001"), (YESTERDAY, "ben", "2.50")],
}


def account(request: Request) -> str:
    return request.headers["Authorization"].removeprefix("Bearer ")


def me(request: Request) -> Response:
    return JSONResponse({"id": account(request), "name": account(request).title(), "scope": "billing:read"})


def keys(request: Request) -> Response:
    return JSONResponse({"keys": [{"id": key} for key in sorted({key for _, key, _ in SPENT[account(request)]})]})


def usage(request: Request) -> Response:
    start, end = (datetime.fromisoformat(request.query_params[name]) for name in ("from", "to"))
    counts = {"model": "m-1", "requests": 1, "input_tokens": 100, "cached_tokens": 0, "output_tokens": 10}
    lines = [
        {"hour": hour.isoformat(), "key": key, "cost_usd": f"<{dollars}>"} | counts
        for hour, key, dollars in SPENT[account(request)]
        if start <= hour < end
    ]
    bare = json.dumps({"usage": lines, "next": None}).replace('"<', "").replace('>"', "")
    return Response(bare, media_type="application/json")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A machine with a provider connected and polled, and a gateway's plugin in its folder."""
    plugins, source = tmp_path / "plugins", EXAMPLE.read_text(encoding="utf-8")
    plugins.mkdir()
    (plugins / "tollgate.py").write_text(source, encoding="utf-8")
    gateway = source.replace('slug="tollgate"', 'slug="turnpike"').replace(
        "    reports = (USAGE,)", '    reports = (USAGE,)\n    role = "attribution"'
    )
    (plugins / "turnpike.py").write_text(gateway, encoding="utf-8")
    with doors() as (door, url):
        door.app = Starlette(routes=[Route(f"/v1/{call.__name__}", call) for call in (me, keys, usage)])
        machine = Terminal(
            tmp_path / "data", FakeClock(NOW), OUTLAY_PLUGINS_DIR=str(plugins), PROVIDER="provider", GATEWAY="gateway",
            URL=f"{url}/v1",
        )  # fmt: skip
        assert connect(machine, "tollgate", "main", "PROVIDER").code == 0
        machine.done("poll")
        yield machine


def connect(terminal: Terminal, ledger: str, name: str, credential: str, *said: str, more: str = "") -> Ran:
    words = [word for one in (f"base_url={terminal.environ['URL']}", *said) for word in ("--set", one)]
    return terminal("connect", ledger, "--name", name, "--secret-env", credential, *words, *filter(None, [more]))


def gateway(terminal: Terminal, *said: str, more: str = "") -> Ran:
    """Connects the gateway and reads it."""
    ran = connect(terminal, "turnpike", "gate", "GATEWAY", *said, more=more)
    assert ran.code == 0, ran.err
    terminal.done("poll", "gate")
    return ran


def connections(terminal: Terminal) -> dict[str, Any]:
    found = terminal.done("connections", "--format", "json").json()
    return {one["name"]: (one["role"], one.get("in_front_of")) for one in found}


def by_key(terminal: Terminal) -> dict[str, str]:
    return {row["key"]["id"]: row["usd"] for row in terminal.spend("7d", "by", "key")["rows"]}


def test_without_a_place_a_gateway_counts_for_nothing(terminal: Terminal) -> None:
    gateway(terminal)

    assert connections(terminal) == {"main": ("books", None), "gate": ("attribution", None)}
    assert terminal.spend("7d")["total_usd"] == "19.000000000"
    assert by_key(terminal) == {"shared": "14.000000000", "other": "5.000000000"}
    assert terminal.spend("7d", "connection:gate")["total_usd"] == "8.500000001"
    (found,) = terminal.done("capture", "7d", "--format", "json").json()["connections"]
    assert (found["in_front_of"], found["gateway_usd"], found["billed_usd"], found["rate"]) == (
        None, "8.500000001", None, None,
    )  # fmt: skip
    assert "in front of nothing yet" in terminal.done("capture", "7d").out


def test_in_front_of_a_key_it_says_whose_the_dollars_are(terminal: Terminal) -> None:
    gateway(terminal, "in_front_of=main:shared")

    assert connections(terminal)["gate"] == ("attribution", "main:shared")
    assert "gate is in front of main:shared" in terminal.done("connections").lines
    assert by_key(terminal) == {
        "ana": "6.000000001", "shared": "5.499999999", "other": "5.000000000", "ben": "2.500000000",
    }  # fmt: skip
    assert terminal.spend("7d")["total_usd"] == "19.000000000"


def test_the_capture_rate_is_told_by_day_and_in_all(terminal: Terminal) -> None:
    gateway(terminal, "in_front_of=main:shared")

    found = terminal.done("capture", "7d", "--format", "json").json()

    assert found["query"] == {"from": "2026-11-15", "to": "2026-11-21", "period": "7d"}
    assert found["connections"] == [
        {
            "connection": "gate",
            "in_front_of": "main:shared",
            "gateway_usd": "8.500000001",
            "billed_usd": "14.000000000",
            "rate": "0.607142",
            "word": "traffic goes round the gateway",
            "days": [
                {"day": "2026-11-19", "gateway_usd": "0.000000000", "billed_usd": "4.000000000", "rate": "0.000000"},
                {"day": "2026-11-20", "gateway_usd": "8.500000001", "billed_usd": "10.000000000", "rate": "0.850000"},
            ],
        }
    ]
    assert "gate: traffic goes round the gateway" in terminal.done("capture", "7d").lines
    assert terminal.done("capture", "today", "--format", "json").json()["connections"][0]["rate"] is None


def test_as_books_its_dollars_count(terminal: Terminal) -> None:
    gateway(terminal, "role=books")

    assert connections(terminal)["gate"] == ("books", None)
    assert terminal.spend("7d")["total_usd"] == "27.500000001"
    assert terminal.done("capture", "--format", "json").json()["connections"] == []


def test_what_is_not_said_again_stays_as_it_was(terminal: Terminal) -> None:
    gateway(terminal, "in_front_of=main:shared")

    gateway(terminal, more="--replace")
    assert connections(terminal)["gate"] == ("attribution", "main:shared")
    gateway(terminal, "in_front_of=main", more="--replace")
    assert connections(terminal)["gate"] == ("attribution", "main")
    gateway(terminal, "role=books", more="--replace")
    assert connections(terminal)["gate"] == ("books", None)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (["role=judge"], "role: «judge» is not a role: books or attribution"),
        (["in_front_of=nowhere"], "in_front_of: «nowhere» is no connection whose dollars count; there is: main"),
        (["in_front_of=gate"], "in_front_of: «gate» is no connection whose dollars count; there is: main"),
        (["in_front_of=main:k9"], "in_front_of: main has no key with the id «k9»; it has: other, shared"),
        (["in_front_of=main:"], "in_front_of: main has no key with the id «»; it has: other, shared"),
        (
            ["role=books", "in_front_of=main"],
            "in_front_of: only a connection with role=attribution is in front of another",
        ),
    ],
)
def test_what_cannot_be_is_refused_on_its_field(terminal: Terminal, said: list[str], complaint: str) -> None:
    ran = connect(terminal, "turnpike", "gate", "GATEWAY", *said)

    assert (ran.code, ran.complaint) == (1, complaint)
    assert set(connections(terminal)) == {"main"}


def test_a_role_does_not_change_under_a_gateway_or_a_closed_month(terminal: Terminal) -> None:
    gateway(terminal, "in_front_of=main")

    ran = connect(terminal, "tollgate", "main", "PROVIDER", "role=attribution", more="--replace")
    assert (ran.code, ran.complaint) == (1, "role: «gate» is in front of «main», whose dollars so have to count")

    terminal.clock = FakeClock(datetime(2026, 12, 6, tzinfo=UTC))
    closed = terminal.done("close", "2026-11", "--force").out
    ran = connect(terminal, "turnpike", "gate", "GATEWAY", "role=books", more="--replace")
    assert (ran.code, ran.complaint) == (1, "role: 2026-11 is closed with «gate» as attribution; it would change")
    assert terminal.done("close", "2026-11").out.splitlines()[1] == closed.splitlines()[1]
    assert terminal.done("audit").code == 0


def test_only_a_period_can_be_asked_for(terminal: Terminal) -> None:
    assert terminal("capture", "7d", "top", "5").code == 2
    assert terminal("capture", "sometime").code == 2
