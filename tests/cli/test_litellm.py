"""LiteLLM from the command line, over the whole house: its figures count, or they say whose Anthropic's are.

Both ledgers tell of the same company: what it spends at Anthropic, and the part of that which went through its proxy.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from outlay.core.clock import FakeClock
from outlay.core.money import exact, to_nano
from outlay.fakes.anthropic.server import ADMIN_KEY, anthropic_app
from outlay.fakes.company.company import Company
from outlay.fakes.litellm.server import MASTER_KEY, USER_KEY, VIEWER_KEY, FakeLiteLLM, fake_litellm_of, litellm_app
from outlay.fakes.openai.server import ADMIN_KEY as OPENAI_KEY
from outlay.fakes.openai.server import ROOT as OPENAI_ROOT
from outlay.fakes.openai.server import openai_app
from tests.cli.run_cli import Ran, Terminal
from tests.cli.threaded_fakes import Door, doors

NOW = datetime(2026, 11, 21, 9, 20, 30, tzinfo=UTC)
TODAY, DAY = NOW.replace(hour=0, minute=0, second=0), timedelta(days=1)
COMPANY = Company(seed=7, now=NOW, days=2)
SINCE = "2026-11-19"
YESTERDAY = ("from", "2026-11-20", "to", "2026-11-20")


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[tuple[Door, str], tuple[Door, str]]]:
    """Where Anthropic and the proxy are."""
    with doors() as one, doors() as other:
        yield one, other


@pytest.fixture
def terminal(tmp_path: Path, places: tuple[tuple[Door, str], tuple[Door, str]]) -> Terminal:
    """A machine that knows both keys, and where to find either side."""
    (one, anthropic_url), (other, litellm_url) = places
    clock = FakeClock(NOW)
    one.app, other.app = anthropic_app(COMPANY.view_of("anthropic"), clock), litellm_app(COMPANY, clock)
    return Terminal(
        tmp_path / "data", clock, CLAUDE=ADMIN_KEY, VIEWER=VIEWER_KEY, MASTER=MASTER_KEY, USER=USER_KEY,
        CLAUDE_URL=anthropic_url, GATE_URL=litellm_url,
    )  # fmt: skip


@pytest.fixture
def proxy(places: tuple[tuple[Door, str], tuple[Door, str]], terminal: Terminal) -> FakeLiteLLM:
    """The proxy itself."""
    app = places[1][0].app
    assert app is not None
    return fake_litellm_of(app)  # type: ignore[arg-type]


def gate(terminal: Terminal, *said: str, name: str = "gate", key: str = "VIEWER", more: str = "") -> Ran:
    """Connects the proxy."""
    words = [word for one in (f"base_url={terminal.environ['GATE_URL']}", *said) for word in ("--set", one)]
    return terminal("connect", "litellm", "--name", name, "--secret-env", key, *words, *filter(None, [more]))


def provider(terminal: Terminal) -> None:
    """Connects Anthropic, and reads it."""
    where = f"base_url={terminal.environ['CLAUDE_URL']}"
    terminal.done("connect", "anthropic", "--name", "claude", "--secret-env", "CLAUDE", "--set", where)
    assert isinstance(terminal.clock, FakeClock)
    terminal.clock.advance(timedelta(minutes=1))  # Anthropic wants a pause after the questions of the check
    terminal.done("poll", "claude", "--since", SINCE)


def went_through(proxy: FakeLiteLLM, start: datetime, end: datetime, of: str = "") -> dict[str, int]:
    """Nano-dollars by key: what the proxy saw, of one provider or of all."""
    sums: dict[str, int] = {}
    for call in proxy.traffic.calls(start, end):
        if of in ("", call.provider):
            sums[call.key.hash] = sums.get(call.key.hash, 0) + call.cost_nano_usd
    return sums


def nano(usd: str) -> int:
    return to_nano(Decimal(usd))


def by_key(terminal: Terminal, *words: str) -> dict[str, int]:
    """What `/spend` says by key, in nano-dollars; what has no key is ''."""
    return {
        row["key"]["id"] if row["key"] else "": nano(row["usd"]) for row in terminal.spend(*words, "by", "key")["rows"]
    }


def test_as_books_its_figures_count_and_are_computed(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    assert isinstance(terminal.clock, FakeClock)
    assert gate(terminal, "role=books").code == 0
    terminal.done("poll", "--since", SINCE)

    found = terminal.spend(*YESTERDAY, "by", "key")
    spent = went_through(proxy, TODAY - DAY, TODAY)
    assert {row["key"]["id"]: nano(row["usd"]) for row in found["rows"]} == spent
    assert found["total_usd"] == exact(sum(spent.values()))
    assert {row["basis"] for row in found["rows"]} == {"computed"}
    written = [call for call in proxy.traffic.calls(TODAY, NOW) if call.ended_at <= NOW - timedelta(seconds=10)]
    assert terminal.spend("today")["total_usd"] == exact(sum(call.cost_nano_usd for call in written))
    owners = {row["owner"]["name"] for row in terminal.spend("7d", "by", "owner")["rows"]}
    assert {"alice@brightloom.example", "chidi@brightloom.example"} <= owners
    assert terminal.done("capture", "7d", "--format", "json").json()["connections"] == []
    (again,) = terminal.done("poll", "--format", "json").json()["connections"]
    assert (again["new"], again["changed"]) == (0, 0)
    before = nano(terminal.spend("today")["total_usd"])

    terminal.clock.advance(timedelta(minutes=20))
    terminal.done("poll", "--since", SINCE)
    now = terminal.clock.now()
    seen = [call for call in proxy.traffic.calls(TODAY, now) if call.ended_at <= now - timedelta(seconds=10)]
    assert before < nano(terminal.spend("today")["total_usd"]) == sum(call.cost_nano_usd for call in seen)
    assert terminal.done("audit").code == 0


def test_without_a_place_it_counts_for_nothing_unless_asked_for(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    gate(terminal)
    terminal.done("poll", "--since", SINCE)

    (view,) = terminal.done("connections", "--format", "json").json()
    assert view["role"] == "attribution"
    assert terminal.spend(*YESTERDAY)["total_usd"] == "0.000000000"
    spent = went_through(proxy, TODAY - DAY, TODAY)
    assert by_key(terminal, *YESTERDAY, "connection:gate") == spent


def test_before_a_provider_it_says_whose_the_dollars_are_and_how_many_of_them_it_saw(
    terminal: Terminal, proxy: FakeLiteLLM
) -> None:
    provider(terminal)
    whole, billed = terminal.spend(*YESTERDAY)["total_usd"], by_key(terminal, *YESTERDAY)
    assert gate(terminal, "provider=anthropic", "in_front_of=claude").code == 0
    terminal.done("poll", "gate", "--since", SINCE)

    split = by_key(terminal, *YESTERDAY)
    seen = went_through(proxy, TODAY - DAY, TODAY, "anthropic")
    assert terminal.spend(*YESTERDAY)["total_usd"] == whole
    assert set(seen) <= set(split)
    assert sum(split.values()) == sum(billed.values()) == nano(whole)
    for key, nano_usd in seen.items():
        assert abs(split[key] - nano_usd) <= 2  # shared out of each key of Anthropic's, to the nano-dollar
    owners = {row["owner"]["name"]: row["usd"] for row in terminal.spend(*YESTERDAY, "by", "owner")["rows"]}
    assert {"bruno@brightloom.example", "chidi@brightloom.example"} <= set(owners)  # who have no key at Anthropic

    (found,) = terminal.done("capture", *YESTERDAY, "--format", "json").json()["connections"]
    assert found["gateway_usd"] == exact(sum(seen.values()))
    assert 0.2 < float(found["rate"]) < 0.9
    assert found["word"] == "traffic goes round the gateway"


def test_before_one_key_of_the_provider_it_splits_that_key_alone(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    provider(terminal)
    before = by_key(terminal, *YESTERDAY)
    behind = COMPANY.view_of("anthropic").key("docs-writer").hash
    assert gate(terminal, "provider=anthropic", f"in_front_of=claude:{behind}").code == 0
    terminal.done("poll", "gate", "--since", SINCE)

    after = by_key(terminal, *YESTERDAY)
    assert after.get(behind, 0) < before[behind]
    assert {key: usd for key, usd in after.items() if key in before and key != behind} == {
        key: usd for key, usd in before.items() if key != behind
    }


def test_the_same_proxy_is_connected_once_or_once_for_each_provider(terminal: Terminal) -> None:
    assert gate(terminal, "provider=anthropic", name="one").code == 0
    assert gate(terminal, "provider=openai", name="two").code == 0
    ran = gate(terminal, "provider=openai", name="three", key="MASTER")
    assert ran.code == 1
    assert "«two» reads already" in ran.complaint
    assert gate(terminal, name="two", key="MASTER", more="--replace").code == 0


def test_one_proxy_before_two_providers_splits_both(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    provider(terminal)
    with doors() as (door, url):
        door.app = openai_app(COMPANY.view_of("openai"), terminal.clock)
        terminal.environ["OPENAI"] = OPENAI_KEY
        terminal.done(
            "connect", "openai", "--name", "gpt", "--secret-env", "OPENAI", "--set", f"base_url={url}{OPENAI_ROOT}"
        )
        terminal.done("poll", "gpt", "--since", "2026-11-20")
    whole = terminal.spend(*YESTERDAY)["total_usd"]
    gate(terminal, "provider=openai", "in_front_of=gpt", name="one")
    gate(terminal, "provider=anthropic", "in_front_of=claude", name="two")
    terminal.done("poll", "one", "two", "--since", SINCE)

    assert terminal.spend(*YESTERDAY)["total_usd"] == whole
    told = terminal.done("capture", *YESTERDAY, "--format", "json").json()["connections"]
    found = {one["connection"]: one for one in told}
    for name, maker in (("one", "openai"), ("two", "anthropic")):
        assert nano(found[name]["gateway_usd"]) == sum(went_through(proxy, TODAY - DAY, TODAY, maker).values())
        assert 0 < Decimal(found[name]["rate"]) < 1
    behind = {row["key"]["name"] for row in terminal.spend(*YESTERDAY, "ledger:openai", "by", "key")["rows"]}
    assert {"gw-alice", "gw-bruno", "gw-dana", "emre-dev"} <= behind


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("USER", "api_key: This key sees only its own spend, not the proxy's books."),
        ("CLAUDE", "api_key: LiteLLM does not know this key (401)."),
    ],
)
def test_a_key_of_the_wrong_kind_is_refused_and_nothing_saved(terminal: Terminal, key: str, complaint: str) -> None:
    ran = gate(terminal, key=key)

    assert ran.code == 1
    assert ran.complaint.startswith(complaint)
    assert "proxy_admin_viewer" in ran.complaint
    assert terminal.done("connections", "--format", "json").json() == []


def test_without_a_database_it_is_refused_in_words(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    proxy.faults.no_database = True
    ran = gate(terminal, key="MASTER")

    assert ran.code == 1
    assert ran.complaint.startswith("base_url: This LiteLLM runs without a database")


def test_doctor_says_which_key_it_is_and_that_less_would_do(terminal: Terminal) -> None:
    gate(terminal, key="MASTER")

    checks = {one["name"]: one for one in terminal("doctor", "--format", "json").json()["checks"]}
    found = next(check for name, check in checks.items() if "gate" in name)
    assert found["ok"]
    assert "master key (more than Outlay needs" in found["detail"]


def test_a_role_that_became_less_stops_the_poll_and_no_figure_vanishes(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    gate(terminal, "role=books")
    terminal.done("poll", "--since", SINCE)
    before = terminal.spend("7d", "by", "key")["rows"]
    proxy.faults.demoted = True
    ran = terminal("poll", "--since", SINCE)

    assert ran.code == 1
    assert "does not accept the credential (401)" in ran.err
    assert terminal.spend("7d", "by", "key")["rows"] == before
    assert terminal.done("connections", "--format", "json").json()[0]["state"] == "needs_reauth"


def test_a_refused_report_stops_no_other(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    gate(terminal, "role=books")
    proxy.faults.status("/user/daily/activity/aggregated", 403, times=9)
    terminal("poll", "--since", SINCE)

    assert by_key(terminal, *YESTERDAY) == went_through(proxy, TODAY - DAY, TODAY)  # from its lines


def test_a_day_of_outage_closes_by_itself(terminal: Terminal, proxy: FakeLiteLLM) -> None:
    gate(terminal, "role=books")
    terminal.done("poll", "--since", SINCE)
    assert isinstance(terminal.clock, FakeClock)
    proxy.faults.status("*", 503, times=3)
    terminal.clock.advance(timedelta(hours=2))
    assert terminal("poll").code == 1
    proxy.faults.clear()
    terminal.clock.advance(timedelta(hours=24))
    terminal.done("poll", "--since", SINCE)

    spent = went_through(proxy, TODAY, TODAY + DAY)
    assert by_key(terminal, "from", "2026-11-21", "to", "2026-11-21") == spent
    assert terminal.done("audit").code == 0
