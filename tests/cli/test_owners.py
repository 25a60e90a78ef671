"""`outlay own` and `outlay owners`: who answers for a key, for all of its history or from a day."""

import sqlite3
from typing import Any

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import connecting, ledger

OTHER_KEY = "sk-or-v1-" + "07" * 32


def owners(terminal: Terminal) -> dict[str, dict[str, Any]]:
    """Everybody who answers for a key, by id."""
    found = terminal.done("owners", "--format", "json").json()
    assert all(set(one) == {"id", "name", "kind", "keys"} for one in found)
    return {one["id"]: one for one in found}


def usd(terminal: Terminal, owner: str, period: str = "7d") -> str:
    """What an owner spent."""
    total = terminal.spend(period, f"owner:{owner}")["total_usd"]
    assert isinstance(total, str)
    return total


def test_every_listed_key_has_one_owner_and_the_ledgers_word_comes_first(polled: Terminal, company: Company) -> None:
    found = owners(polled)

    keys = sorted(key["id"] for one in found.values() for key in one["keys"])
    assert keys == sorted(key.hash for key in company.keys if not key.deleted)
    assert found["agent:agent-ci"]["kind"] == "agent"
    assert [key["name"] for key in found["dana@brightloom.example"]["keys"]] == ["dana-ide"]
    assert found["dana@brightloom.example"]["kind"] == "person"
    assert "agent-ci" in polled.done("owners").out


@pytest.mark.parametrize(
    ("owner", "kind"),
    [
        ("agent:ci", "agent"),
        ("team:platform", "team"),
        ("U04DANA", "person"),
        ("unattributed", "unattributed"),
    ],
)
def test_a_key_changes_hands_with_all_of_its_history(polled: Terminal, company: Company, owner: str, kind: str) -> None:
    key = company.key("dana-ide")
    whole, hers = polled.spend("7d")["total_usd"], usd(polled, "dana@brightloom.example")

    ran = polled.done("own", key.hash, owner)

    assert ran.out == f"dana-ide belongs to {owner}\n"
    assert usd(polled, owner) == hers != "0.000000000"
    assert usd(polled, "dana@brightloom.example") == "0.000000000"
    assert polled.spend("7d")["total_usd"] == whole
    found = owners(polled)[owner]
    assert ([one["id"] for one in found["keys"]], found["kind"]) == ([key.hash], kind)


def test_from_a_day_on_what_came_before_stays_with_whom_it_was(polled: Terminal, company: Company) -> None:
    hers = "dana@brightloom.example"
    yesterday, today = usd(polled, hers, "yesterday"), usd(polled, hers, "today")

    polled.done("own", company.key("dana-ide").hash, "team:platform", "--from", "2026-11-21")

    assert (usd(polled, hers, "yesterday"), usd(polled, hers, "today")) == (yesterday, "0.000000000")
    assert (usd(polled, "team:platform", "yesterday"), usd(polled, "team:platform", "today")) == ("0.000000000", today)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such-key", "agent:ci"], 1, "no-such-key"),
        (["KEY", "somebody"], 1, "«somebody» is not an owner"),
        (["KEY", "agent:"], 1, "«agent:» is not an owner"),
        (["KEY", "agent:ci", "--from", "soon"], 2, "«soon» is not a day"),
        (["aside:KEY", "agent:ci"], 1, "KEY"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    polled: Terminal, company: Company, words: list[str], code: int, said: str
) -> None:
    key = company.key("dana-ide").hash
    before = owners(polled)

    ran = polled("own", *(word.replace("KEY", key) for word in words))

    assert ran.code == code
    assert said.replace("KEY", key) in ran.complaint
    assert owners(polled) == before


@pytest.mark.sqlite_file
def test_where_two_connections_have_the_key_the_connection_is_said(
    polled: Terminal, clock: FakeClock, company: Company
) -> None:
    key = company.key("dana-ide").hash
    with ledger(company, clock, key=OTHER_KEY) as other:
        _make_it_another_account(polled)
        polled.done(*connecting(other, name="aside", key="OTHER"), OTHER=OTHER_KEY)
        polled.done("poll", "aside", OTHER=OTHER_KEY)

    ran = polled("own", key, "team:platform")

    assert ran.code == 1
    assert f"say aside:{key} or main:{key}" in ran.complaint
    polled.done("own", f"main:{key}", "team:platform")
    assert [one["connection"] for one in owners(polled)["team:platform"]["keys"]] == ["main"]


def _make_it_another_account(terminal: Terminal) -> None:
    """`main` is of another account that has a key with the same id, as no ledger promises it cannot."""
    with sqlite3.connect(terminal.data_dir / "outlay.sqlite") as books:
        books.execute("UPDATE connection SET account_id = 'another' WHERE name = 'main'")
