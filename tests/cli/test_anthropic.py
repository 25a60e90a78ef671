"""Anthropic from the command line: with its analytics, and without them, the books say what the company spent there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.anthropic.server import ADMIN_KEY, INFERENCE_KEY, FakeAnthropic, anthropic_app, fake_anthropic_of
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import PEOPLE
from outlay_plugins._anthropic.rows import NOBODYS
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Door, doors

NOW = datetime(2026, 11, 20, 14, 5, 30, tzinfo=UTC)  # a Friday
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = NOW.replace(hour=0, minute=0, second=0)
NEAR = 1_000_000  # a tenth of a cent: tokens are whole, and shared out by the minute
LAG = timedelta(hours=3, minutes=5)
BRIGHTLOOM = Company(now=NOW, days=2)
COMPANY = BRIGHTLOOM.view_of("anthropic")
OVER = ("from", f"{COMPANY.start:%Y-%m-%d}", "to", f"{TODAY - DAY:%Y-%m-%d}")
EMRE = next(person for person in PEOPLE if person.name.startswith("Emre"))

Place = tuple[Door, str]


@dataclass
class Machine:
    """A terminal, and the organization that it is connected to as `claude`."""

    terminal: Terminal
    standin: FakeAnthropic
    clock: FakeClock

    def spend(self, *words: str) -> dict[str, Any]:
        return self.terminal.spend(*words)

    def poll(self, *words: str) -> dict[str, Any]:
        ran = self.terminal("poll", "--format", "json", *words)  # a report that is not there is noted on stderr
        assert ran.code == 0, ran.err
        found: dict[str, Any] = ran.json()["connections"][0]
        return found


@contextmanager
def behind(
    place: Place, data_dir: Path, *, no_analytics: int | None, company: Company = BRIGHTLOOM
) -> Iterator[Machine]:
    """A machine with this data, and the organization at the address that it knows. Nobody may try to write there."""
    (door, _), clock = place, FakeClock(NOW)
    app = anthropic_app(company, clock)
    ours, before = fake_anthropic_of(app), door.app
    ours.faults.no_analytics, ours.faults.analytics_lag = no_analytics, LAG
    door.app = app
    try:
        yield Machine(Terminal(data_dir, clock, KEY=ADMIN_KEY), ours, clock)
        assert not ours.journal.violations
    finally:
        door.app = before


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One address for all, so that a machine that knows it can be copied."""
    with doors() as found:
        yield found


def polled(place: Place, data_dir: Path, *, no_analytics: int | None, names_people: bool = False) -> Path:
    """Connects it as `claude`, and polls once."""
    with behind(place, data_dir, no_analytics=no_analytics) as machine:
        machine.standin.faults.names_people = names_people
        machine.terminal.done(*connecting(place[1]))
        assert machine.poll("--since", f"{COMPANY.start:%Y-%m-%d}")["ok"]
    return data_dir


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
def newer_data(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Path:
    """An organization with analytics, polled once; nobody changes it."""
    return polled(place, tmp_path_factory.mktemp("newer") / "data", no_analytics=None)


@pytest.fixture(scope="module")
def older_data(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Path:
    """One without."""
    return polled(place, tmp_path_factory.mktemp("older") / "data", no_analytics=404)


@pytest.fixture
def newer(newer_data: Path, place: Place, tmp_path: Path) -> Iterator[Machine]:
    """A copy of the one with analytics, at the moment after the poll."""
    with behind(place, Path(copytree(newer_data, tmp_path / "newer")), no_analytics=None) as machine:
        yield machine


@pytest.fixture
def older(older_data: Path, place: Place, tmp_path: Path) -> Iterator[Machine]:
    """A copy of the one without."""
    with behind(place, Path(copytree(older_data, tmp_path / "older")), no_analytics=404) as machine:
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
    assert all(abs(split[group] - truth[group]) < NEAR for group in truth)
    assert split["", "anthropic/claude-sonnet-4.5"] > 0


def test_an_inference_key_is_refused_and_nothing_is_kept(newer: Machine, place: Place, tmp_path: Path) -> None:
    (row,) = newer.terminal.done("connections", "--format", "json").json()
    assert row["account"]["title"] == "Brightloom"
    empty = Terminal(tmp_path / "data", newer.clock, WRONG=INFERENCE_KEY)
    refused = empty(*connecting(place[1], "WRONG"))
    assert refused.code == 1
    assert "inference key" in refused.complaint
    assert empty.done("connections", "--format", "json").json() == []


def test_whoever_uses_no_key_is_found_by_e_mail(place: Place, tmp_path: Path) -> None:
    data_dir = polled(place, tmp_path / "people", no_analytics=None, names_people=True)
    with behind(place, data_dir, no_analytics=None) as machine:
        rows = machine.spend(*OVER, "by", "key", "owner", "top", "100")["rows"]
    (row,) = (row for row in rows if row["key"] and row["key"]["id"] == EMRE.user_id)
    assert (row["key"]["name"], row["owner"]["id"]) == (EMRE.name, EMRE.email)
    assert nano(row["usd"]) == COMPANY.truth(COMPANY.start, TODAY, ("key",))["",]


@pytest.mark.parametrize("which", ["newer", "older"])
def test_asked_again_nothing_is_new(which: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(which)
    again = machine.poll()
    assert (again["new"], again["changed"]) == (0, 0)


def test_without_analytics_today_is_computed_and_a_batch_is_half(older: Machine) -> None:
    found = older.spend("today", "by", "key", "model", "top", "100")
    truth = COMPANY.truth(TODAY, NOW, ("key", "model"))
    computed = by_key_and_model(found)
    assert computed.keys() == truth.keys()
    assert all(abs(computed[group] - truth[group]) < NEAR for group in truth)
    assert {row["basis"] for row in found["rows"]} == {"computed"}


def test_analytics_that_come_later_take_over_and_nothing_counts_twice(older: Machine) -> None:
    older.standin.faults.no_analytics = None
    older.clock.advance(DAY)
    older.poll()
    assert nano(older.spend(*OVER)["total_usd"]) == COMPANY.truth(COMPANY.start, TODAY)[()]
    found = older.spend("yesterday", "by", "key", "model", "top", "100")
    assert by_key_and_model(found) == COMPANY.truth(TODAY, TODAY + DAY, ("key", "model"))


def test_analytics_that_are_taken_away_leave_the_daily_bill(newer: Machine) -> None:
    newer.standin.faults.no_analytics = 403
    newer.clock.advance(DAY + 2 * HOUR)
    newer.poll()
    assert nano(newer.spend(*OVER)["total_usd"]) == COMPANY.truth(COMPANY.start, TODAY)[()]
    assert nano(newer.spend("yesterday")["total_usd"]) == COMPANY.truth(TODAY, TODAY + DAY)[()]


@pytest.mark.parametrize("which", ["newer", "older"])
def test_an_outage_of_a_day_leaves_a_gap_that_closes_by_itself(which: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(which)
    machine.clock.advance(DAY - HOUR)
    machine.standin.faults.status("/users", 529, times=50)
    failed = machine.terminal("poll")
    assert failed.code == 1
    assert "529" in failed.err
    machine.standin.faults.clear()
    machine.clock.advance(2 * HOUR)
    machine.poll()
    assert nano(machine.spend("yesterday")["total_usd"]) == COMPANY.truth(TODAY, TODAY + DAY)[()]


def test_one_report_that_is_refused_does_not_stop_the_others(older: Machine) -> None:
    older.clock.advance(timedelta(minutes=61))
    older.standin.faults.status("/cost_report", 403)
    ran = older.terminal("poll")
    assert ran.code == 1
    assert "cost_report" in ran.err
    used = by_key_and_model(older.spend("today", "by", "key", "model", "top", "100"))
    later = COMPANY.truth(TODAY, NOW + timedelta(minutes=61), ("key", "model"))
    assert all(abs(used[group] - later[group]) < NEAR for group in later)


def test_a_key_that_is_revoked_pauses_the_connection_and_keeps_the_figures(newer: Machine) -> None:
    newer.clock.advance(HOUR)
    newer.standin.faults.revoked = True
    assert newer.terminal("poll").code == 1
    (row,) = newer.terminal.done("connections", "--format", "json").json()
    assert row["state"] == "needs_reauth"
    assert nano(newer.spend(*OVER)["total_usd"]) == COMPANY.truth(COMPANY.start, TODAY)[()]


def test_today_is_billed_up_to_the_watermark_and_computed_since(newer: Machine) -> None:
    known_until = (NOW - LAG).replace(minute=0, second=0)
    found = newer.spend("today", "by", "hour", "top", "50")
    for row in found["rows"]:
        assert row["basis"] == ("billed" if row["hour"] < f"{known_until:%Y-%m-%dT%H:%M:%SZ}" else "computed")
    assert billed(found) == COMPANY.truth(TODAY, known_until)[()]
    computed = nano(found["total_usd"]) - billed(found)
    assert abs(computed - COMPANY.truth(known_until, NOW)[()]) < NEAR


def test_an_hour_is_billed_once_anthropic_knows_it_and_corrected_when_anthropic_is(
    newer_data: Path, place: Place, tmp_path: Path
) -> None:
    company = Company(now=NOW, days=2)
    there, until = company.view_of("anthropic"), (NOW + 4 * HOUR - LAG).replace(minute=0, second=0)
    with behind(place, Path(copytree(newer_data, tmp_path / "x")), no_analytics=None, company=company) as machine:
        machine.clock.advance(timedelta(hours=4))
        machine.poll()
        assert billed(machine.spend("today", "by", "hour", "top", "50")) == there.truth(TODAY, until)[()]
        company.restate(TODAY + 12 * HOUR, TODAY + 14 * HOUR, Fraction(1, 2))
        machine.clock.advance(HOUR)
        assert machine.poll()["changed"] > 0
        assert billed(machine.spend("today", "by", "hour", "top", "50")) == there.truth(TODAY, until + HOUR)[()]


def billed(found: dict[str, Any]) -> int:
    """What of an answer is billed, in nano-dollars."""
    return sum(nano(row["usd"]) for row in found["rows"] if row["basis"] == "billed")


def test_how_fresh_it_is_and_what_it_is_are_said(newer: Machine, older: Machine) -> None:
    for machine, at_least in ((newer, NOW - timedelta(minutes=10)), (older, NOW - timedelta(minutes=10))):
        (row,) = machine.terminal.done("connections", "--format", "json").json()
        assert row["fresh_until"] >= f"{at_least:%Y-%m-%dT%H:%M:%SZ}"
        told = machine.terminal("doctor", "--format", "json").json()["checks"]
        (check,) = (one for one in told if one["name"].endswith("claude"))
        assert check["ok"]


def test_seats_of_claude_code_stand_beside_it_and_are_neither_counted_nor_a_gateway(
    newer: Machine, place: Place
) -> None:
    shell = newer.terminal
    before = newer.spend(*OVER)["total_usd"]
    newer.clock.advance(timedelta(minutes=2))
    where = f"base_url={place[1]}"
    shell.done("connect", "claude-code", "--name", "seats", "--secret-env", "KEY", "--set", where)
    for refused in ("role=books", "in_front_of=claude"):
        ran = shell("connect", "claude-code", "--name", "more", "--secret-env", "KEY", "--set", where, "--set", refused)
        assert (ran.code, "nobody ever paid" in ran.complaint) == (1, True)
    shell.done("poll", "seats", "--since", f"{COMPANY.start:%Y-%m-%d}")

    assert newer.spend(*OVER)["total_usd"] == before
    shown = newer.spend(*OVER, "connection:seats", "by", "owner")
    truth = BRIGHTLOOM.truth(COMPANY.start, TODAY, ledger="claude-code")[()]
    assert nano(shown["total_usd"]) == truth
    assert {row["owner"]["id"] for row in shown["rows"]} == {"bruno@brightloom.example", "hana@brightloom.example"}
    assert shell.done("capture", "--format", "json").json()["connections"] == []
    assert "its dollars are in no total" in shell("doctor").out
