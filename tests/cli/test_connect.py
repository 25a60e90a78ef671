"""`outlay connect`, `connections`, `disconnect`: whose books are read, and with which credential."""

import re
import sqlite3
from pathlib import Path

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from outlay.fakes.openrouter import payloads as shapes
from outlay.fakes.openrouter.server import INFERENCE_KEY
from tests.cli.conftest import NOW
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Served, connecting, ledger

NEW_KEY = "sk-or-v1-" + "5e" * 32


def connected(terminal: Terminal) -> list[dict[str, object]]:
    """What is connected, as programs read it."""
    found = terminal.done("connections", "--format", "json").json()
    assert isinstance(found, list)
    return found


def account_id(at: Served) -> str:
    """How OpenRouter calls the account."""
    key = shapes.own_key(None, at.company)
    assert isinstance(key, dict)
    assert isinstance(key["data"], dict)
    return str(key["data"]["organization_id"])


def test_a_right_key_is_saved_and_told_by_its_fingerprint_alone(terminal: Terminal, openrouter: Served) -> None:
    ran = terminal.done(*connecting(openrouter))

    first, second, third = ran.lines
    assert first == "connected main: OpenRouter, Brightloom"
    assert second == "id con_1"
    found = re.fullmatch(r"fingerprint (…\S{4} \([0-9a-f]{4}-[0-9a-f]{4}\))", third)
    assert found
    assert found[1].startswith(f"…{openrouter.key[-4:]}")
    assert connected(terminal) == [
        {
            "id": "con_1",
            "name": "main",
            "ledger": "openrouter",
            "role": "books",
            "account": {"id": account_id(openrouter), "title": "Brightloom"},
            "fingerprint": found[1],
            "state": "ok",
            "fresh_until": None,
            "last_poll": None,
            "next_poll": None,
            "error": None,
        }
    ]


def test_the_list_for_people_names_the_account_and_shows_no_credential(terminal: Terminal, openrouter: Served) -> None:
    assert "outlay connect openrouter --name main" in terminal.done("connections").out
    terminal.done(*connecting(openrouter))

    shown = terminal.done("connections").out

    for word in ("main", "openrouter", "Brightloom", "ok", "never"):
        assert word in shown
    assert openrouter.key not in shown


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("sk-or-v1-" + "0" * 64, "api_key: OpenRouter does not know this key (401)"),
        (INFERENCE_KEY, "api_key: This is an inference key"),
        ("sk-or-v1-broken\u00adkey", "api_key: "),
    ],
)
def test_a_wrong_kind_of_credential_is_refused_and_nothing_is_saved(
    terminal: Terminal, openrouter: Served, key: str, said: str
) -> None:
    ran = terminal(*connecting(openrouter), KEY=key)

    assert ran.code == 1
    assert ran.complaint.startswith(said)
    assert key not in ran.err
    assert connected(terminal) == []


def test_a_name_in_use_is_refused(terminal: Terminal, openrouter: Served) -> None:
    terminal.done(*connecting(openrouter))

    ran = terminal(*connecting(openrouter))

    assert ran.code == 1
    assert ran.complaint.startswith("name: «main» is in use")


def test_the_same_account_under_another_name_is_refused_naming_the_first(
    terminal: Terminal, openrouter: Served
) -> None:
    terminal.done(*connecting(openrouter))

    ran = terminal(*connecting(openrouter, name="second"))

    assert ran.code == 1
    assert "«main»" in ran.complaint
    assert [one["name"] for one in connected(terminal)] == ["main"]


def blobs(terminal: Terminal) -> set[bytes]:
    """The sealed secrets in the books."""
    with sqlite3.connect(terminal.data_dir / "outlay.sqlite") as books:
        return {blob for (blob,) in books.execute("SELECT blob FROM secret")}


def test_replace_rotates_the_credential_of_the_same_account(
    polled: Terminal, openrouter: Served, company: Company, clock: FakeClock
) -> None:
    before, sealed = connected(polled)[0], blobs(polled)

    with ledger(company, clock, key=NEW_KEY) as rotated:
        ran = polled.done(*connecting(rotated, "--replace"), KEY=NEW_KEY)
        polled.done("poll")

    assert (len(sealed), len(blobs(polled))) == (1, 1)
    assert sealed.isdisjoint(blobs(polled))  # the old one is gone

    after = connected(polled)[0]
    assert "id con_1" in ran.lines
    assert after["id"] == before["id"]
    assert after["fingerprint"] != before["fingerprint"]
    assert polled.spend("7d")["total_usd"] != "0.000000000"


def test_replace_keeps_the_settings_that_are_not_said_again(polled: Terminal) -> None:
    polled.done("connect", "openrouter", "--name", "main", "--secret-env", "KEY", "--replace")

    polled.done("poll")


def test_replace_with_another_account_is_refused_and_the_first_goes_on(polled: Terminal, clock: FakeClock) -> None:
    before = connected(polled)

    with ledger(Company(seed=8, now=NOW, days=1), clock, key=NEW_KEY) as other:
        ran = polled(*connecting(other, "--replace"), KEY=NEW_KEY)

    assert ran.code == 1
    assert "another account" in ran.complaint
    assert connected(polled) == before
    polled.done("poll")


def test_replacing_what_is_not_there_connects_it(terminal: Terminal, openrouter: Served) -> None:
    assert "connected main: OpenRouter, Brightloom" in terminal.done(*connecting(openrouter, "--replace")).lines


def test_two_accounts_stand_side_by_side(terminal: Terminal, openrouter: Served, clock: FakeClock) -> None:
    terminal.done(*connecting(openrouter))

    with ledger(Company(seed=8, now=NOW, days=1), clock, key=NEW_KEY) as other:
        terminal.done(*connecting(other, name="second"), KEY=NEW_KEY)

    assert [(one["id"], one["name"]) for one in connected(terminal)] == [("con_1", "main"), ("con_2", "second")]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["openrouter", "--name", "main", "--set", "bsae_url=x"], 1, "bsae_url"),
        (["openrouter", "--name", "main", "--set", "base_url"], 2, "--set takes FIELD=VALUE"),
        (["openrouter", "--name", "main", "--set", "=x"], 2, "--set takes FIELD=VALUE"),
        (["openrouter", "--name", "main"], 1, "api_key"),
        (["openroter", "--name", "main"], 1, "no plugin «openroter» is loaded; there is: anthropic, "),
        (["openrouter", "--name", "two words", "--secret-env", "KEY"], 1, "name: a name has letters"),
        (["openrouter", "--name", "x" * 41, "--secret-env", "KEY"], 1, "name: a name has letters"),
        (["openrouter", "--name", "", "--secret-env", "KEY"], 1, "name: a name has letters"),
        (["openrouter", "--name", "main", "--secret-env", "NOT_THERE"], 1, "--secret-env: NOT_THERE is not set"),
        (["openrouter", "--name", "main", "--secret-stdin"], 1, "--secret-stdin: nothing came in"),
        (["openrouter", "--name", "main", "--set", "base_url=ftp://x", "--secret-env", "KEY"], 1, "base_url: "),
    ],
)
def test_what_is_wrong_with_the_words_is_named(terminal: Terminal, words: list[str], code: int, said: str) -> None:
    ran = terminal("connect", *words)

    assert ran.code == code
    assert said in ran.complaint
    assert connected(terminal) == []


def test_a_credential_is_not_taken_as_an_argument(terminal: Terminal, openrouter: Served) -> None:
    ran = terminal(
        "connect", "openrouter", "--name", "main", "--set", f"base_url={openrouter.base_url}",
        "--set", f"api_key={openrouter.key}",
    )  # fmt: skip

    assert ran.code == 1
    assert ran.complaint.startswith("api_key: a credential is not given as an argument")
    for way in ("--secret-stdin", "--secret-env VAR"):
        assert way in ran.complaint
    assert openrouter.key not in ran.err
    assert connected(terminal) == []


def test_a_ledger_that_cannot_be_reached_is_named_and_nothing_is_saved(terminal: Terminal, openrouter: Served) -> None:
    openrouter.faults.drop("*", times=20)

    ran = terminal(*connecting(openrouter))

    assert ran.code == 1
    assert "OpenRouter" in ran.complaint
    assert connected(terminal) == []


def test_the_credential_may_come_on_standard_input(polled: Terminal, openrouter: Served) -> None:
    polled.done(
        *("connect", "openrouter", "--name", "main", "--replace", "--secret-stdin"),
        typed=f"  {openrouter.key}\nnoise\n",
    )

    polled.done("poll")


@pytest.mark.parametrize("kind", ["env", "file"])
def test_a_reference_is_followed_at_each_poll_and_only_the_reference_is_kept(
    polled: Terminal, openrouter: Served, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "key").write_text(f"{openrouter.key}\n")
    reference = "env:KEY" if kind == "env" else f"file:{tmp_path / 'key'}"

    polled.done("connect", "openrouter", "--name", "main", "--replace", "--set", f"api_key={reference}")
    polled.done("poll")
    if kind == "env":
        ran = polled("poll", KEY="")
    else:
        (tmp_path / "key").unlink()
        ran = polled("poll")

    assert ran.code == 1
    assert reference.partition(":")[2] in ran.err
    assert connected(polled)[0]["state"] == "failing"
    assert polled("spend").code == 0


def test_the_key_file_of_the_vault_is_not_read_as_a_credential(terminal: Terminal, openrouter: Served) -> None:
    terminal.done("connections")
    key_file = next(terminal.data_dir.glob("*.key"))

    ran = terminal("connect", "openrouter", "--name", "main", "--set", f"api_key=file:{key_file}")

    assert ran.code == 1
    assert ran.complaint.startswith("api_key: ")
    assert key_file.read_text().strip() not in ran.err


@pytest.mark.sqlite_file
def test_disconnecting_removes_the_credential_and_keeps_the_books(polled: Terminal, openrouter: Served) -> None:
    before = polled.spend("7d", "by", "model")

    ran = polled.done("disconnect", "main")

    assert ran.out == "disconnected main: its credential is gone, its books stay\n"
    assert connected(polled) == []
    after = polled.spend("7d", "by", "model")
    assert (after["rows"], after["total_usd"]) == (before["rows"], before["total_usd"])
    with sqlite3.connect(polled.data_dir / "outlay.sqlite") as books:
        assert books.execute("SELECT COUNT(*) FROM secret").fetchone() == (0,)
    gone = polled("disconnect", "main")
    assert gone.code == 1
    assert gone.complaint == "name: nothing is connected as «main»"
    assert polled("poll", "main").code == 1


@pytest.mark.parametrize("name", ["main", "anew"])
def test_connecting_the_same_account_again_goes_on_with_the_same_books(
    polled: Terminal, openrouter: Served, name: str
) -> None:
    before = polled.spend("7d", "by", "model")
    polled.done("disconnect", "main")

    ran = polled.done(*connecting(openrouter, name=name))
    result = polled.done("poll", "--format", "json").json()["connections"][0]

    assert "id con_1" in ran.lines
    assert (result["name"], result["ok"], result["new"], result["changed"]) == (name, True, 0, 0)
    assert polled.spend("7d", "by", "model")["rows"] == before["rows"]


def test_another_account_cannot_take_the_name_whose_books_are_kept(
    terminal: Terminal, openrouter: Served, clock: FakeClock
) -> None:
    terminal.done(*connecting(openrouter))
    terminal.done("disconnect", "main")

    with ledger(Company(seed=8, now=NOW, days=1), clock, key=NEW_KEY) as other:
        ran = terminal(*connecting(other), KEY=NEW_KEY)

    assert ran.code == 1
    assert "holds the books of another account (Brightloom)" in ran.complaint
