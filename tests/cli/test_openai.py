"""OpenAI from the command line, all the way: connect, poll, spend. Past days are the bill, today is computed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from outlay.core.clock import FakeClock
from outlay.core.money import to_nano
from outlay.fakes.company.company import Company
from outlay.fakes.openai.faults import ExtraCostLine
from outlay.fakes.openai.server import ADMIN_KEY, PROJECT_KEY, ROOT, FakeOpenAi, fake_openai_of, openai_app
from tests.cli.conftest import NOW
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Door

DAY = timedelta(days=1)
TODAY = NOW.replace(hour=0, minute=0, second=0)
MINUTES_TODAY = 14 * 60 + 6


class Organization:
    """A terminal, and the company's organization at OpenAI behind the door."""

    def __init__(self, terminal: Terminal, company: Company, ours: FakeOpenAi, url: str) -> None:
        self.terminal, self.company, self.ours, self.url = terminal, company, ours, url

    def connecting(self, *more: str, name: str = "gpt", key: str = "KEY") -> list[str]:
        return ["connect", "openai", "--name", name, "--secret-env", key, "--set", f"base_url={self.url}", *more]


def extras(company: Company) -> list[ExtraCostLine]:
    """What the third day's bill has beside the models."""
    day, emre = company.start + 2 * DAY, company.key("emre-dev")
    return [
        ExtraCostLine(day, "web search tool calls", 30_000_000, emre.workspace.id, emre.hash),
        ExtraCostLine(day, "vector storage", 4_000_000, emre.workspace.id),
    ]


@contextmanager
def at_openai(place: tuple[Door, str], company: Company, clock: FakeClock, data_dir: Path) -> Iterator[Organization]:
    door, url = place
    app = openai_app(company, clock)
    fake_openai_of(app).faults.extras += extras(company.view_of("openai"))
    fake_openai_of(app).faults.skips_empty = True  # which is quicker
    before, door.app = door.app, app
    try:
        shell = Terminal(data_dir, clock, KEY=ADMIN_KEY, WRONG=PROJECT_KEY)
        yield Organization(shell, company.view_of("openai"), fake_openai_of(app), url + ROOT)
        assert not fake_openai_of(app).journal.violations
    finally:
        door.app = before


@pytest.fixture(scope="module")
def company() -> Company:
    """Shared, since it remembers what it has worked out; nobody changes it."""
    return Company(now=NOW, days=10)


@pytest.fixture(scope="module")
def polled_machine(tmp_path_factory: pytest.TempPathFactory, place: tuple[Door, str], company: Company) -> Path:
    """A data directory in which the organization is connected as `gpt` and has been polled once."""
    data_dir = tmp_path_factory.mktemp("polled-openai") / "data"
    with at_openai(place, company, FakeClock(NOW), data_dir) as found:
        found.terminal.done(*found.connecting())
        since = f"{company.start:%Y-%m-%d}"  # there is nothing before
        (polled,) = found.terminal.done("poll", "--since", since, "--format", "json").json()["connections"]
    assert polled["ok"], polled
    return data_dir


@pytest.fixture
def fresh(place: tuple[Door, str], company: Company, clock: FakeClock, tmp_path: Path) -> Iterator[Organization]:
    """An empty machine."""
    with at_openai(place, company, clock, tmp_path / "data") as found:
        yield found


@pytest.fixture
def openai(fresh: Organization, polled_machine: Path) -> Organization:
    """A copy of the machine that has polled, at the moment after."""
    shutil.copytree(polled_machine, fresh.terminal.data_dir)
    return fresh


def nano(usd: str | None) -> int:
    return to_nano(Decimal(usd or 0))


def span(openai: Organization, first: int, last: int) -> list[str]:
    """The words for whole days of the story."""
    days = [f"{openai.company.start + number * DAY:%Y-%m-%d}" for number in (first, last)]
    return ["from", days[0], "to", days[1]]


def test_past_days_are_the_bill_by_key_and_model_and_today_is_computed(openai: Organization) -> None:
    company, shell = openai.company, openai.terminal
    settled = shell.spend(*span(openai, 0, 1), "by", "key", "model")
    truth = company.truth(company.start, company.start + 2 * DAY, ("key", "model"))
    assert {(row["key"]["id"], row["model"]["id"]): nano(row["usd"]) for row in settled["rows"]} == truth
    assert {(row["status"], row["basis"]) for row in settled["rows"]} == {("settled", "billed")}
    assert nano(settled["residual_usd"]) == 0
    recent = shell.spend(*span(openai, 3, 9))
    assert nano(recent["total_usd"]) == company.truth(company.start + 3 * DAY, TODAY)[()]
    assert {row["status"] for row in recent["rows"]} == {"provisional"}
    assert {row["basis"] for row in recent["rows"]} == {"billed"}

    today = shell.spend("today", "by", "key", "model")
    expected = company.truth(TODAY, NOW, ("key", "model"))
    said = {(row["key"]["id"], row["model"]["id"]): nano(row["usd"]) for row in today["rows"]}
    assert said.keys() == expected.keys()
    for group, amount in expected.items():  # each minute is rounded by itself
        assert abs(said[group] - amount) <= MINUTES_TODAY
    assert {(row["status"], row["basis"]) for row in today["rows"]} == {("provisional", "computed")}
    assert today["coverage"] == 1
    shell.done("audit")


def test_tokens_and_requests_are_those_of_usage_on_billed_days_too(openai: Organization) -> None:
    company, shell = openai.company, openai.terminal
    for first, last in ((0, 0), (8, 9)):  # read by the hour, and by the minute
        answer = shell.spend(*span(openai, first, last), "by", "model")
        start, end = company.start + first * DAY, company.start + (last + 1) * DAY
        prompt = company.truth(start, end, ("model",), of="prompt_tokens")
        requests = company.truth(start, end, ("model",), of="requests")
        for row in answer["rows"]:
            tokens, model = row["tokens"], (row["model"]["id"],)
            assert tokens["input"] + tokens["cache_read"] == prompt[model]
            assert row["requests"] == requests[model]


def test_keys_have_owners_and_a_deleted_one_still_counts(openai: Organization) -> None:
    shell = openai.terminal
    answer = shell.spend(*span(openai, 0, 1), "by", "owner", "key")
    owners = {row["key"]["id"]: row["owner"]["id"] for row in answer["rows"]}
    keys = {key.name: key.hash for key in openai.company.keys}
    assert owners[keys["emre-dev"]] == "emre@brightloom.example"
    assert owners[keys["triage-service"]] == "agent:agent-triage"
    assert owners[keys["goran-spike"]] == "unattributed"  # deleted before anybody saw it; its dollars are there
    shell.done("own", keys["goran-spike"], "agent:spike")
    again = shell.spend(*span(openai, 0, 1), "by", "owner")
    assert "agent:spike" in {row["owner"]["id"] for row in again["rows"]}


def test_what_was_used_without_a_key_is_the_persons_on_the_bill_too_and_a_deleted_keys_name_stays(
    fresh: Organization, clock: FakeClock
) -> None:
    company, shell, faults = fresh.company, fresh.terminal, fresh.ours.faults
    emre, chidi = company.key("emre-dev"), company.key("chidi-tests")
    faults.keyless.add(emre.hash)
    shell.done(*fresh.connecting())
    shell.done("poll", "--since", f"{TODAY - 2 * DAY:%Y-%m-%d}")
    faults.deleted.add(chidi.hash)
    clock.advance(timedelta(minutes=5))
    shell.done("poll")

    truth = company.truth(TODAY - DAY, TODAY, ("key",))
    rows = shell.spend("yesterday", "by", "owner", "key")["rows"]
    (playground,) = (row for row in rows if row["key"] and row["key"]["id"].startswith("user-"))
    assert playground["owner"]["id"] == "emre@brightloom.example"
    assert nano(playground["usd"]) == truth[emre.hash,]
    (deleted,) = (row for row in rows if row["key"] and row["key"]["id"] == chidi.hash)
    assert (deleted["key"]["name"], nano(deleted["usd"])) == ("chidi-tests", truth[chidi.hash,])
    assert sum(nano(row["usd"]) for row in rows) == sum(truth.values())


def test_lines_of_the_bill_that_no_usage_explains_are_in_the_total(openai: Organization) -> None:
    company, shell = openai.company, openai.terminal
    start = company.start + 2 * DAY
    truth = company.truth(start, start + DAY, ("key",))
    truth[company.key("emre-dev").hash,] += 30_000_000
    day = shell.spend(*span(openai, 2, 2), "by", "key")
    assert {(row["key"]["id"],): nano(row["usd"]) for row in day["rows"] if row["key"]} == truth
    (nobodys,) = [row for row in day["rows"] if row["key"] is None]
    assert (nano(nobodys["usd"]), nobodys["reason"]) == (4_000_000, "vector storage")
    assert nano(day["total_usd"]) == sum(truth.values()) + 4_000_000


def test_polled_again_it_says_the_same_and_a_bill_takes_over_when_it_is_there(
    openai: Organization, clock: FakeClock
) -> None:
    company, shell = openai.company, openai.terminal
    (again,) = shell.done("poll", "--format", "json").json()["connections"]
    assert (again["ok"], again["new"], again["changed"]) == (True, 0, 0)
    clock.advance(TODAY + DAY + timedelta(hours=2) - clock.now())
    shell.done("poll")
    early = shell.spend("yesterday")
    assert {row["basis"] for row in early["rows"]} == {"computed"}  # the bill is not there yet
    clock.advance(timedelta(hours=8))
    shell.done("poll")
    late = shell.spend("yesterday")
    assert {row["basis"] for row in late["rows"]} == {"billed"}
    assert nano(late["total_usd"]) == company.truth(TODAY, TODAY + DAY)[()]
    shell.done("audit")


def test_a_projects_key_and_the_same_organization_again_are_refused(fresh: Organization) -> None:
    shell = fresh.terminal
    refused = shell(*fresh.connecting(key="WRONG"))
    assert refused.code == 1
    assert "needs an admin key" in refused.complaint
    assert shell.done("connections", "--format", "json").json() == []
    shell.done(*fresh.connecting())
    twice = shell(*fresh.connecting(name="other"))
    assert twice.code == 1
    assert "gpt" in twice.complaint


def test_an_outage_closes_by_itself(openai: Organization, clock: FakeClock) -> None:
    company, shell, faults = openai.company, openai.terminal, openai.ours.faults
    clock.advance(timedelta(hours=30))
    faults.status("*", 503, times=3)
    failed = shell("poll")
    assert failed.code == 1
    assert "503" in failed.err
    faults.clear()
    clock.advance(timedelta(hours=1))
    shell.done("poll")
    assert nano(shell.spend("yesterday")["total_usd"]) == company.truth(TODAY, TODAY + DAY)[()]


def test_where_the_bill_may_not_be_read_usage_counts_and_the_doctor_says_so(
    openai: Organization, clock: FakeClock
) -> None:
    shell = openai.terminal
    openai.ours.faults.forbidden.add("/organization/costs")
    clock.advance(timedelta(hours=30))
    refused = shell("poll", "--format", "json")
    assert "costs" in refused.err + refused.out
    assert "403" in refused.err + refused.out
    yesterday = shell.spend("yesterday")
    assert {row["basis"] for row in yesterday["rows"]} == {"computed"}
    total = openai.company.truth(TODAY, TODAY + DAY)[()]
    assert abs(nano(yesterday["total_usd"]) - total) <= 24 * 60 * len(openai.company.keys)
    assert "costs" in shell("doctor").out


def test_a_key_revoked_meanwhile_pauses_the_connection_and_keeps_its_figures(
    openai: Organization, clock: FakeClock
) -> None:
    shell = openai.terminal
    before = shell.spend(*span(openai, 0, 9))["total_usd"]
    openai.ours.faults.revoked = True
    assert shell("poll").code == 1
    (connection,) = shell.done("connections", "--format", "json").json()
    assert connection["state"] == "needs_reauth"
    assert shell.spend(*span(openai, 0, 9))["total_usd"] == before
    openai.ours.faults.revoked = False
    shell.done(*openai.connecting("--replace"))
    shell.done("poll")


def test_days_read_again_much_later_are_read_by_the_hour_and_say_the_same(
    openai: Organization, clock: FakeClock
) -> None:
    company, shell = openai.company, openai.terminal
    clock.advance(4 * DAY)
    shell.done("poll")
    before = shell.spend(*span(openai, 8, 11), "by", "key", "model")
    shell.done("poll", "--since", f"{company.start + 8 * DAY:%Y-%m-%d}")
    after = shell.spend(*span(openai, 8, 11), "by", "key", "model")
    assert after["rows"] == before["rows"]
    assert nano(after["total_usd"]) == company.truth(company.start + 8 * DAY, company.start + 12 * DAY)[()]
    shell.done("audit")


def test_a_bill_without_keys_is_split_by_what_each_key_used(fresh: Organization) -> None:
    company, shell = fresh.company, fresh.terminal
    fresh.ours.faults.keyless_bill = True
    shell.done(*fresh.connecting())
    yesterday = TODAY - DAY
    polled = shell("poll", "--since", f"{yesterday:%Y-%m-%d}")
    assert polled.code == 0, polled.err
    answer = shell.spend("yesterday", "by", "key", "model")
    assert nano(answer["total_usd"]) == company.truth(yesterday, TODAY)[()]
    assert {row["basis"] for row in answer["rows"]} == {"billed"}
    said = {(row["key"]["id"], row["model"]["id"]): nano(row["usd"]) for row in answer["rows"]}
    truth = company.truth(yesterday, TODAY, ("key", "model"))
    assert said.keys() == truth.keys()  # a batch beside others in one project and model is still half
    assert all(abs(said[group] - amount) <= 24 * 60 for group, amount in truth.items())
