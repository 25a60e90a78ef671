"""`outlay poll`: reads now, once, all pages; one connection's failure is its own."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from tests.cli.conftest import NOW
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Served, connecting, ledger

OTHER_KEY = "sk-or-v1-" + "07" * 32


@pytest.fixture
def second(polled: Terminal, clock: FakeClock) -> Iterator[Served]:
    """Another account, connected as `aside`: it comes before `main`."""
    with ledger(Company(seed=8, now=NOW, days=1), clock, key=OTHER_KEY) as found:
        polled.done(*connecting(found, name="aside", key="OTHER"), OTHER=OTHER_KEY)
        yield found


def results(terminal: Terminal, *words: str) -> list[dict[str, Any]]:
    """What a poll that goes well says of each connection."""
    found = terminal.done("poll", *words, "--format", "json").json()
    assert set(found) == {"connections"}
    connections = found["connections"]
    assert isinstance(connections, list)
    return connections


def lease(terminal: Terminal, seconds: int) -> None:
    """Another process polls the connection `main`, and holds its lease so long."""
    with sqlite3.connect(terminal.data_dir / "outlay.sqlite") as books:
        until = int(terminal.clock.now().timestamp()) + seconds
        books.execute("UPDATE connection SET lease_owner = 'another', lease_until = ? WHERE name = 'main'", (until,))


def test_the_first_poll_reads_all_there_is_and_the_next_one_has_nothing_new(
    terminal: Terminal, openrouter: Served
) -> None:
    terminal.done(*connecting(openrouter))

    first, second = results(terminal), results(terminal)

    assert first[0].keys() == {"name", "ok", "new", "changed", "same", "requests", "error"}
    assert (first[0]["name"], first[0]["ok"], first[0]["error"]) == ("main", True, None)
    assert first[0]["new"] > 300
    assert (second[0]["new"], second[0]["changed"]) == (0, 0)
    assert 0 < second[0]["requests"] < first[0]["requests"]


def test_since_reads_again_from_that_day_on(polled: Terminal, openrouter: Served) -> None:
    result = results(polled, "--since", "2026-11-19")[0]

    assert (result["new"], result["changed"]) == (0, 0)
    assert result["same"] > results(polled)[0]["same"]


def test_what_the_ledger_restated_meanwhile_replaces_what_was_read(terminal: Terminal, clock: FakeClock) -> None:
    company = Company(now=NOW, days=1)
    with ledger(company, clock) as changing:
        terminal.done(*connecting(changing))
        terminal.done("poll")
        company.restate(company.start, company.start + timedelta(days=1), 3)
        result = results(terminal, "--since", company.start.date().isoformat())[0]

    assert result["changed"] > 0
    day = company.start.date().isoformat()
    found = terminal.spend(day, "by", "model")
    truth = company.truth(company.start, company.start + timedelta(days=1), by=("model",), of="paid_nano_usd")
    assert usd_by_model(found) == {model: amount for (model,), amount in truth.items()}


def usd_by_model(found: dict[str, Any]) -> dict[str, int]:
    """Nano-dollars by model, without what was free."""
    nano = {row["model"]["id"]: int(row["usd"].replace(".", "")) for row in found["rows"]}
    return {model: amount for model, amount in nano.items() if amount}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["mian"], 1, "name: nothing is connected as «mian»; there is: main"),
        (["main", "mian"], 1, "name: nothing is connected as «mian»"),
        (["--since", "yesterday"], 2, "«yesterday» is not a day: YYYY-MM-DD"),
        (["--since", "2026-02-30"], 2, "«2026-02-30» is not a day"),
        (["--format", "csv"], 2, ""),
    ],
)
def test_what_is_wrong_with_the_words_is_named_before_anything_is_asked(
    polled: Terminal, openrouter: Served, words: list[str], code: int, said: str
) -> None:
    ran = polled("poll", *words)

    assert ran.code == code
    assert said in ran.err
    assert ran.out == ""
    assert openrouter.paths() == []


def test_with_nothing_connected_there_is_nothing_to_poll(terminal: Terminal) -> None:
    assert terminal.done("poll").out == "Nothing to poll: outlay connect openrouter --name main --secret-stdin\n"
    assert results(terminal) == []


def test_only_the_connections_named_are_polled(polled: Terminal, openrouter: Served, second: Served) -> None:
    asked = len(second.paths())

    assert [one["name"] for one in results(polled, "main")] == ["main"]
    assert len(second.paths()) == asked
    assert openrouter.paths()


def test_one_that_fails_does_not_stop_the_others(polled: Terminal, openrouter: Served, second: Served) -> None:
    second.faults.revoked = True

    ran = polled("poll", "--format", "json")

    assert ran.code == 1
    aside, main = ran.json()["connections"]
    assert (aside["name"], aside["ok"], aside["new"]) == ("aside", False, 0)
    assert "401" in aside["error"]
    assert (main["name"], main["ok"], main["error"]) == ("main", True, None)
    assert ran.err == f"aside: {aside['error']}\n"
    states = {one["name"]: one["state"] for one in polled.done("connections", "--format", "json").json()}
    assert states == {"aside": "needs_reauth", "main": "ok"}


def test_one_that_fails_says_so_in_words_too(polled: Terminal, openrouter: Served) -> None:
    openrouter.faults.html("/keys")

    ran = polled("poll")

    assert ran.code == 1
    assert "main: failed" in ran.out
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("main: OpenRouter answered with a web page")


@pytest.mark.sqlite_file
def test_a_poll_waits_for_another_process_for_a_minute_and_then_gives_up(
    polled: Terminal, clock: FakeClock, openrouter: Served
) -> None:
    lease(polled, 200)
    before = clock.now()

    ran = polled("poll", "--format", "json")

    assert ran.code == 1
    assert ran.err == "main: another poll of this connection is still running; try again when it is done\n"
    assert ran.json()["connections"][0]["ok"] is False
    assert timedelta(seconds=60) <= clock.now() - before < timedelta(seconds=62)
    assert openrouter.paths() == []


@pytest.mark.sqlite_file
def test_a_poll_goes_on_once_the_other_process_is_done_or_dead(polled: Terminal, openrouter: Served) -> None:
    lease(polled, 20)

    assert results(polled)[0]["ok"]
    assert openrouter.paths()


def test_a_429_with_a_short_wait_is_waited_out(polled: Terminal, openrouter: Served, clock: FakeClock) -> None:
    openrouter.faults.status("/keys", 429, headers={"retry-after": "7"})

    assert results(polled)[0]["ok"]
    assert 7 in clock.slept_seconds


def test_a_429_with_a_long_wait_ends_in_words_that_say_until_when(polled: Terminal, openrouter: Served) -> None:
    openrouter.faults.status("/keys", 429, headers={"retry-after": "900"})

    ran = polled("poll")

    assert ran.code == 1
    assert "asks us to wait (429) until 2026-11-21 14:20:30 UTC" in ran.err


@pytest.mark.parametrize("trouble", ["status", "html"])  # the journeys try all of it
def test_the_books_are_as_before_after_trouble_and_mend_by_themselves(
    polled: Terminal, openrouter: Served, trouble: str
) -> None:
    before = polled.spend("7d", "by", "key", "model")
    how = (500,) if trouble == "status" else ()
    getattr(openrouter.faults, trouble)("/analytics/query", *how, times=20)

    ran = polled("poll")

    assert ran.code == 1
    assert ran.err.startswith("main: ")
    assert len(ran.err) < 400
    found = polled.spend("7d", "by", "key", "model")
    assert (found["rows"], found["total_usd"]) == (before["rows"], before["total_usd"])
    state = polled.done("connections", "--format", "json").json()[0]
    assert (state["state"], state["error"]) == ("failing", ran.err.removeprefix("main: ").rstrip("\n"))
    openrouter.faults.clear()
    polled.done("poll")
    assert polled.done("connections", "--format", "json").json()[0]["state"] == "ok"
