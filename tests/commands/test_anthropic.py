"""Anthropic from the command line: with its analytics, and without them, the books say what the company spent there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.core.clock import FakeClock
from bot.demo.anthropic import ADMIN_KEY, INFERENCE_KEY, AnthropicStandin, anthropic_app, standin
from bot.demo.company import Company
from bot.demo.staff import PEOPLE
from plugins._anthropic.lines import NOBODYS
from tests.commands.conftest import NOW
from tests.commands.ledgers import doors
from tests.commands.terminal import Terminal

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = NOW.replace(hour=0, minute=0, second=0)
LAG = timedelta(hours=3, minutes=5)
BRIGHTLOOM = Company(now=NOW, days=2)
COMPANY = BRIGHTLOOM.at("anthropic")
OVER = ("from", f"{COMPANY.start:%Y-%m-%d}", "to", f"{TODAY - DAY:%Y-%m-%d}")
EMRE = next(person for person in PEOPLE if person.name.startswith("Emre"))


@dataclass
class Machine:
    """A terminal, and the organization that it is connected to as `claude`."""

    terminal: Terminal
    standin: AnthropicStandin
    clock: FakeClock

    def spend(self, *words: str) -> dict[str, Any]:
        return self.terminal.spend(*words)

    def poll(self, *words: str) -> dict[str, Any]:
        ran = self.terminal("poll", "--format", "json", *words)  # a report that is not there is noted on stderr
        assert ran.code == 0, ran.err
        found: dict[str, Any] = ran.json()["connections"][0]
        return found


@contextmanager
def connected(
    data_dir: Path, *, no_analytics: int | None = None, names_people: bool = False, company: Company = BRIGHTLOOM
) -> Iterator[Machine]:
    """Connects it, and polls once. Nobody may try to write there."""
    clock = FakeClock(NOW)
    app = anthropic_app(company, clock)
    ours = standin(app)
    ours.faults.no_analytics, ours.faults.names_people, ours.faults.analytics_lag = no_analytics, names_people, LAG
    with doors() as (door, url):
        door.app = app
        machine = Machine(Terminal(data_dir, clock, KEY=ADMIN_KEY, WRONG=INFERENCE_KEY), ours, clock)
        machine.terminal.done(*connecting(url))
        assert machine.poll("--since", f"{company.start:%Y-%m-%d}")["ok"]
        yield machine
    assert not ours.journal.violations


def connecting(url: str, key: str = "KEY") -> list[str]:
    return ["connect", "anthropic", "--name", "claude", "--secret-env", key, "--set", f"base_url={url}"]


def by_key_and_model(found: dict[str, Any]) -> dict[tuple[str, ...], int]:
    """Dollars of an answer in nano-dollars; "" is no key."""
    sums: dict[tuple[str, ...], int] = {}
    for row in found["rows"]:
        group = (row["key"]["id"] if row["key"] else "", row["model"]["id"])
        sums[group] = sums.get(group, 0) + nano(row["usd"] or "0")
    return {group: amount for group, amount in sums.items() if amount}


def nano(usd: str) -> int:
    return int(usd.replace(".", "")) if "." in usd else int(usd) * 10**9


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """An organization with analytics; nothing below changes it."""
    with connected(tmp_path_factory.mktemp("newer")) as machine:
        yield machine


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One without."""
    with connected(tmp_path_factory.mktemp("older"), no_analytics=404) as machine:
        yield machine


def test_days_that_are_over_are_billed_by_key_and_model_to_the_nano(newer: Machine) -> None:
    found = newer.spend(*OVER, "by", "key", "model", "top", "100")
    assert by_key_and_model(found) == COMPANY.truth(COMPANY.start, TODAY, ("key", "model"))
    assert {row["basis"] for row in found["rows"]} == {"billed"}
    assert (found["residual_usd"], found["coverage"]) == ("0.000000000", 1)


def test_use_in_the_console_is_nobodys_and_says_why(newer: Machine) -> None:
    (row,) = (row for row in newer.spend(*OVER, "by", "key", "top", "100")["rows"] if row["key"] is None)
    assert (row["owner"]["id"], row["reason"]) == ("unattributed", NOBODYS)
    assert nano(row["usd"]) == COMPANY.truth(COMPANY.start, TODAY, ("key",))["",]


def test_a_day_without_analytics_adds_up_to_its_bill_by_model(older: Machine) -> None:
    for moment in (COMPANY.start, COMPANY.start + DAY):
        day = f"{moment:%Y-%m-%d}"
        found = older.spend("from", day, "to", day, "by", "model")
        sums = {(row["model"]["id"],): nano(row["usd"]) for row in found["rows"]}
        assert sums == COMPANY.truth(moment, moment + DAY, ("model",))
        assert ({row["basis"] for row in found["rows"]}, found["residual_usd"]) == ({"billed"}, "0.000000000")


def test_the_bill_is_split_among_those_who_used_the_model_in_its_workspace(older: Machine) -> None:
    split = by_key_and_model(older.spend(*OVER, "by", "key", "model", "top", "100"))
    truth = COMPANY.truth(COMPANY.start, TODAY, ("key", "model"))
    assert split.keys() == truth.keys()
    assert all(abs(split[group] - truth[group]) < 100_000 for group in truth)  # a hundredth of a cent
    assert split["", "anthropic/claude-sonnet-4.5"] > 0


def test_an_inference_key_is_refused_and_nothing_is_kept(newer: Machine, tmp_path: Path) -> None:
    url = next(iter(newer.terminal.done("connections", "--format", "json").json()))["account"]
    assert url["title"] == "Brightloom"
    with doors() as (door, address):
        door.app = anthropic_app(BRIGHTLOOM, newer.clock)
        empty = Terminal(tmp_path / "data", newer.clock, WRONG=INFERENCE_KEY)
        refused = empty(*connecting(address, "WRONG"))
        assert refused.code == 1
        assert "inference key" in refused.complaint
        assert empty.done("connections", "--format", "json").json() == []


def test_whoever_uses_no_key_is_found_by_e_mail(tmp_path: Path) -> None:
    with connected(tmp_path, names_people=True) as machine:
        rows = machine.spend(*OVER, "by", "key", "owner", "top", "100")["rows"]
        (row,) = (row for row in rows if row["key"] and row["key"]["id"] == EMRE.user_id)
        assert (row["key"]["name"], row["owner"]["id"]) == (EMRE.name, EMRE.email)
        assert nano(row["usd"]) == COMPANY.truth(COMPANY.start, TODAY, ("key",))["",]


def test_asked_again_nothing_is_new(newer: Machine, older: Machine) -> None:
    for machine in (newer, older):
        again = machine.poll()
        assert (again["new"], again["changed"]) == (0, 0)


def test_without_analytics_today_is_computed_and_a_batch_is_half(older: Machine) -> None:
    found = older.spend("today", "by", "key", "model", "top", "100")
    truth = COMPANY.truth(TODAY, NOW, ("key", "model"))
    computed = by_key_and_model(found)
    assert computed.keys() == truth.keys()
    assert all(abs(computed[group] - truth[group]) < 1_000 for group in truth)  # rounded by the minute, not by the hour
    assert {row["basis"] for row in found["rows"]} == {"computed"}


def test_analytics_that_come_later_take_over_and_nothing_counts_twice(tmp_path: Path) -> None:
    with connected(tmp_path, no_analytics=403) as machine:
        machine.standin.faults.no_analytics = None
        machine.clock.advance(DAY)
        machine.poll()
        assert nano(machine.spend(*OVER)["total_usd"]) == COMPANY.truth(COMPANY.start, TODAY)[()]
        today = (f"{TODAY:%Y-%m-%d}",)
        found = by_key_and_model(machine.spend("from", *today, "to", *today, "by", "key", "model", "top", "100"))
        assert found == COMPANY.truth(TODAY, TODAY + DAY, ("key", "model"))


def test_analytics_that_are_taken_away_leave_the_daily_bill(tmp_path: Path) -> None:
    with connected(tmp_path) as machine:
        machine.standin.faults.no_analytics = 403
        machine.clock.advance(DAY + 2 * HOUR)
        machine.poll()
        machine.clock.advance(HOUR)
        machine.poll()
        assert nano(machine.spend(*OVER)["total_usd"]) == COMPANY.truth(COMPANY.start, TODAY)[()]
        day = f"{TODAY:%Y-%m-%d}"
        found = machine.spend("from", day, "to", day)
        assert nano(found["total_usd"]) == COMPANY.truth(TODAY, TODAY + DAY)[()]


@pytest.mark.parametrize("no_analytics", [None, 404])
def test_an_outage_of_a_day_leaves_a_gap_that_closes_by_itself(tmp_path: Path, no_analytics: int | None) -> None:
    with connected(tmp_path, no_analytics=no_analytics) as machine:
        machine.clock.advance(DAY - HOUR)
        machine.standin.faults.status("/users", 529, times=50)
        failed = machine.terminal("poll")
        assert failed.code == 1
        assert "529" in failed.err
        machine.standin.faults.clear()
        machine.clock.advance(2 * HOUR)
        machine.standin.faults.analytics_lag = HOUR
        machine.poll()
        machine.clock.advance(HOUR)
        machine.poll()
        day = f"{TODAY:%Y-%m-%d}"
        assert nano(machine.spend("from", day, "to", day)["total_usd"]) == COMPANY.truth(TODAY, TODAY + DAY)[()]


def test_one_report_that_is_refused_does_not_stop_the_others(tmp_path: Path) -> None:
    with connected(tmp_path, no_analytics=404) as machine:
        machine.clock.advance(timedelta(minutes=61))
        machine.standin.faults.status("/cost_report", 403)
        ran = machine.terminal("poll")
        assert ran.code == 1
        assert "cost_report" in ran.err
        used = by_key_and_model(machine.spend("today", "by", "key", "model", "top", "100"))
        later = COMPANY.truth(TODAY, NOW + timedelta(minutes=61), ("key", "model"))
        assert all(abs(used[group] - later[group]) < 1_000 for group in later)


def test_a_key_that_is_revoked_pauses_the_connection_and_keeps_the_figures(tmp_path: Path) -> None:
    with connected(tmp_path) as machine:
        machine.clock.advance(HOUR)
        machine.standin.faults.revoked = True
        assert machine.terminal("poll").code == 1
        (row,) = machine.terminal.done("connections", "--format", "json").json()
        assert row["state"] == "needs_reauth"
        assert nano(machine.spend(*OVER)["total_usd"]) == COMPANY.truth(COMPANY.start, TODAY)[()]
