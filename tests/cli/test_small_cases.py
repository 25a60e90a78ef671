"""Small accounts with a right value, from the stand-in over `connect` and `poll` to `spend`: see shared/cases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from outlay.core.clock import FakeClock
from outlay.fakes.anthropic import server as anthropic_fake
from outlay.fakes.company.company import Company
from outlay.fakes.litellm import server as litellm_fake
from outlay.fakes.openai import server as openai_fake
from tests.cli.conftest import NOW
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Door
from tests.cli.vendor_answers import (
    Answer,
    Replaced,
    anthropic_report,
    litellm_daily,
    litellm_logs,
    openai_costs,
    openai_usage,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = NOW.replace(hour=0, minute=0, second=0)
YESTERDAY = TODAY - DAY
TEN = YESTERDAY + 10 * HOUR
EMPTY = Company(now=NOW, days=1)
MILLION = {"input_tokens": 1_000_000, "output_tokens": 100_000, "num_model_requests": 1}
GPT = {"object": "organization.usage.completions.result", "api_key_id": "key_1", "model": "gpt-5.4", **MILLION}
OPUS = {
    "api_key_id": "apikey_1", "workspace_id": None, "model": "claude-opus-5", "service_tier": "standard",
    "context_window": "0-200k", "uncached_input_tokens": 1_000_000, "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, "output_tokens": 100_000,
}  # fmt: skip


class Machine:
    """A terminal beside a small account."""

    def __init__(self, place: tuple[Door, str], data_dir: Path) -> None:
        self.door, self.url = place
        self.clock = FakeClock(NOW)
        self.terminal = Terminal(
            data_dir,
            self.clock,
            OPENAI=openai_fake.ADMIN_KEY,
            ANTHROPIC=anthropic_fake.ADMIN_KEY,
            LITELLM=litellm_fake.VIEWER_KEY,
        )

    def serve(self, app: ASGIApp, answers: dict[str, Answer]) -> None:
        self.door.app = Replaced(app, answers)

    def openai(self, usage: Answer, costs: Answer) -> None:
        """Connect and poll an organization at OpenAI with this usage and this bill."""
        answers = {"/usage/completions": usage, "/organization/costs": costs}
        nothing = openai_usage(NOW + DAY)
        for other in ("embeddings", "images", "audio_speeches", "audio_transcriptions"):
            answers[f"/usage/{other}"] = nothing
        self.serve(openai_fake.openai_app(EMPTY, self.clock), answers)
        self.connect("openai", self.url + openai_fake.ROOT, "OPENAI")

    def anthropic(self, usage: Answer, costs: Answer) -> None:
        """Connect and poll an organization at Anthropic without analytics."""
        app = anthropic_fake.anthropic_app(EMPTY, self.clock)
        anthropic_fake.fake_anthropic_of(app).faults.no_analytics = 404
        self.serve(app, {"/usage_report/messages": usage, "/cost_report": costs})
        self.connect("anthropic", self.url, "ANTHROPIC")

    def litellm(self, logs: Answer, daily: Answer) -> None:
        """Connect and poll a proxy whose dollars count."""
        answers = {"/spend/logs/v2": logs, "/user/daily/activity/aggregated": daily}
        self.serve(litellm_fake.litellm_app(EMPTY, self.clock), answers)
        self.connect("litellm", self.url, "LITELLM", "--set", "role=books")

    def connect(self, ledger: str, url: str, key: str, *more: str) -> None:
        where = ("--secret-env", key, "--set", f"base_url={url}", *more)
        ran = self.terminal("connect", ledger, "--name", ledger, *where)
        assert ran.code == 0, ran.err
        self.clock.advance(timedelta(minutes=1))
        self.poll()

    def poll(self) -> None:
        ran = self.terminal("poll", "--since", f"{YESTERDAY:%Y-%m-%d}")
        assert ran.code == 0, ran.err

    def yesterday(self, *words: str) -> dict[str, Any]:
        day = f"{YESTERDAY:%Y-%m-%d}"
        return self.terminal.spend("from", day, "to", day, *words)

    def by_key(self) -> dict[str, tuple[str | None, str, int]]:
        """Return yesterday's dollars, basis and unpriced tokens by key; "" is money without one."""
        return {
            row["key"]["id"] if row["key"] else "": (row["usd"], row["basis"], row["unpriced_tokens"])
            for row in self.yesterday("by", "key")["rows"]
        }


@pytest.fixture
def machine(place: tuple[Door, str], tmp_path: Path) -> Iterator[Machine]:
    before = place[0].app
    yield Machine(place, tmp_path / "data")
    place[0].app = before


def openai_bill(usd: float, line_item: str, key: str | None = None) -> dict[str, Any]:
    amount = {"value": usd, "currency": "usd"}
    return {"object": "organization.costs.result", "amount": amount, "line_item": line_item, "api_key_id": key}


def anthropic_bill(cents: str, model: str = "claude-opus-5", tier: str | None = "standard") -> dict[str, Any]:
    return {
        "amount": cents, "currency": "USD", "cost_type": "tokens", "token_type": "uncached_input_tokens",
        "model": model, "service_tier": tier, "context_window": "0-200k", "workspace_id": None,
        "description": f"{model} usage",
    }  # fmt: skip


@pytest.mark.parametrize("ledger", ["openai", "anthropic"])
@pytest.mark.parametrize("other", [False, True])
def test_01_a_bill_that_is_silent_is_not_a_bill_of_zero(machine: Machine, ledger: str, other: bool) -> None:
    """`other`: the bill has a line of another model, and lacks the one that was used."""
    if ledger == "openai":
        lines = [openai_bill(0.25, "gpt-5-mini, input")] if other else []
        machine.openai(openai_usage(TEN, GPT), openai_costs(YESTERDAY, *lines))
        key, right = "key_1", "4.000000000"
    else:
        bill = [anthropic_bill("25", "claude-haiku-4-5")] if other else []
        machine.anthropic(anthropic_report(TEN, OPUS), anthropic_report(YESTERDAY, *bill))
        key, right = "apikey_1", "7.500000000"
    found = machine.yesterday()
    assert machine.by_key() == {key: (right, "computed", 0)} | ({"": ("0.250000000", "billed", 0)} if other else {})
    assert found["residual_usd"] == ("0.250000000" if other else "0.000000000")
    assert found["never_billed_usd"] == "0.000000000"
    assert found["status"] == "provisional"

    machine.clock.advance(10 * DAY)  # beyond the time in which the bill may still name it
    found = machine.yesterday()
    assert (found["status"], found["never_billed_usd"]) == ("settled", right)
    assert found["residual_usd"] == ("-3.750000000" if ledger == "openai" else "-7.250000000") if other else f"-{right}"
    assert "was used, and never billed" in machine.terminal.done("spend", "from", "2026-11-20", "to", "2026-11-20").out
    assert machine.terminal.done("audit").code == 0


def test_01_a_late_bill_takes_over_what_it_names(machine: Machine) -> None:
    machine.openai(openai_usage(TEN, GPT), openai_costs(YESTERDAY))
    app = machine.door.app
    assert isinstance(app, Replaced)
    app.answers["/organization/costs"] = openai_costs(YESTERDAY, openai_bill(3.5, "gpt-5.4, input"))
    machine.clock.advance(2 * HOUR)
    machine.poll()
    assert machine.by_key() == {"key_1": ("3.500000000", "billed", 0)}


def test_03_a_bill_that_tells_the_tier_goes_to_use_in_that_tier(machine: Machine) -> None:
    priority = OPUS | {"api_key_id": "apikey_2", "service_tier": "priority"}
    machine.anthropic(anthropic_report(TEN, OPUS, priority), anthropic_report(YESTERDAY, anthropic_bill("750")))
    assert machine.by_key() == {"apikey_1": ("7.500000000", "billed", 0), "apikey_2": (None, "unpriced", 1_100_000)}
    found = machine.yesterday()
    assert (found["total_usd"], found["coverage"], found["residual_usd"]) == ("7.500000000", 0.5, "0.000000000")


def test_03_each_tier_of_the_bill_goes_to_its_own(machine: Machine) -> None:
    batch = OPUS | {"api_key_id": "apikey_2", "service_tier": "batch"}
    bill = (anthropic_bill("600"), anthropic_bill("300", tier="batch"))
    machine.anthropic(anthropic_report(TEN, OPUS, batch), anthropic_report(YESTERDAY, *bill))
    assert machine.by_key() == {"apikey_1": ("6.000000000", "billed", 0), "apikey_2": ("3.000000000", "billed", 0)}


def test_03_where_no_line_tells_a_tier_all_share(machine: Machine) -> None:
    batch = OPUS | {"api_key_id": "apikey_2", "service_tier": "batch"}
    bill = anthropic_bill("900", tier=None)
    machine.anthropic(anthropic_report(TEN, OPUS, batch), anthropic_report(YESTERDAY, bill))
    assert machine.by_key() == {"apikey_1": ("6.000000000", "billed", 0), "apikey_2": ("3.000000000", "billed", 0)}


def test_03_a_tier_in_a_line_item_of_openai_goes_to_use_in_that_tier(machine: Machine) -> None:
    flex = GPT | {"api_key_id": "key_2", "service_tier": "flex"}
    bill = (openai_bill(4.5, "gpt-5.4, input"), openai_bill(1.5, "gpt-5.4 flex, input"))
    machine.openai(openai_usage(TEN, GPT, flex), openai_costs(YESTERDAY, *bill))
    assert machine.by_key() == {"key_1": ("4.500000000", "billed", 0), "key_2": ("1.500000000", "billed", 0)}


def test_09_what_a_gateway_could_not_price_stays_so_in_its_daily_sum(machine: Machine) -> None:
    lines = [
        {
            "request_id": f"r{number}", "startTime": f"{TODAY + 10 * HOUR:%Y-%m-%dT%H:%M:%S}.00{number}Z",
            "api_key": "k1", "model": "claude-opus-5", "model_group": "claude-opus-5",
            "custom_llm_provider": "anthropic", "spend": 0 if number else 0.5, "status": "success",
            "prompt_tokens": 1_000, "completion_tokens": 100,
        }
        for number in range(6)
    ]  # fmt: skip
    whole = {"spend": 0.5, "prompt_tokens": 6_000, "completion_tokens": 600, "cache_read_input_tokens": 3_000}
    daily = litellm_daily(TODAY, "claude-opus-5", "k1", whole | {"api_requests": 6, "failed_requests": 0})
    machine.litellm(litellm_logs(*lines), daily)
    day = f"{TODAY:%Y-%m-%d}"
    before = machine.terminal.spend("from", day, "to", day)
    assert (before["total_usd"], before["coverage"]) == ("0.537500000", 1.0)

    machine.clock.advance(DAY)  # the daily sum takes over
    machine.poll()
    after = machine.terminal.spend("from", day, "to", day, "by", "key")
    (row,) = after["rows"]
    assert (after["total_usd"], row["requests"], sum(row["tokens"].values())) == ("0.537500000", 6, 6_600)
    assert row["tokens"]["cache_read"] == 3_000
    assert machine.terminal.done("audit").code == 0
