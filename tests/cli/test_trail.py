"""`outlay audit --trail`: what was done from the command line is in it, the chain is walked, a broken link is named."""

import csv
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.run_cli import Terminal


def trail(machine: Terminal) -> dict[str, Any]:
    found = machine.done("audit", "--trail", "--format", "json").json()
    assert isinstance(found, dict)
    return found


def books(machine: Terminal) -> Path:
    (path,) = machine.data_dir.glob("*.sqlite")
    return path


def meddle(machine: Terminal, sql: str) -> None:
    with sqlite3.connect(books(machine)) as database:
        database.execute("DROP TRIGGER trail_stays")
        database.execute(sql)


def test_every_deed_of_the_command_line_leaves_a_row_with_who_and_where_from(polled: Terminal) -> None:
    key = polled.done("owners", "--format", "json").json()[0]["keys"][0]["id"]
    polled.done("own", key, "agent:ci", "--from", "2026-11-02")
    polled.done("workspace", "--time-zone", "Europe/Berlin")
    polled.done("workspace")  # only looks
    polled.done("close", "2026-10", "--force")
    polled.done("close", "2026-10", "--force")  # changes nothing
    polled.done("vault", "rotate")
    polled.done("disconnect", "main")

    found = trail(polled)

    assert [(row["seq"], row["deed"], row["object"]) for row in found["rows"]] == [
        (1, "connection.connect", "connection:con_1"),
        (2, "owner.set", found["rows"][1]["object"]),
        (3, "workspace.set", "workspace:local"),
        (4, "month.close", "month:2026-10"),
        (5, "vault.rewrap", "connection:con_1"),
        (6, "connection.disconnect", "connection:con_1"),
    ]
    assert {(row["origin"], bool(row["who"])) for row in found["rows"]} == {("command line", True)}
    assert found["rows"][1]["detail"]["owner"] == "agent:ci"
    assert found["rows"][1]["detail"]["start"] == "2026-11-02"
    assert found["rows"][0]["at"] == "2026-11-21T14:05:30Z"
    assert (found["ok"], found["checked"], found["broken"]) == (True, 6, None)
    assert found["head"] == {"seq": 6, "hash": found["rows"][5]["hash"]}


def test_the_same_rows_as_words_and_as_csv(polled: Terminal) -> None:
    [row] = trail(polled)["rows"]
    words = polled.done("audit", "--trail").lines
    [flat] = csv.DictReader(io.StringIO(polled.done("audit", "--trail", "--format", "csv").out))

    assert words[0].startswith(f"1 2026-11-21T14:05:30Z {row['who']} (command line): connection.connect")
    assert words[1:] == ["the trail is whole: 1 rows are as written", f"head 1:{row['hash']}"]
    assert flat == {name: str(value) for name, value in row.items()} | {"detail": flat["detail"]}
    assert json.loads(flat["detail"]) == row["detail"]


@pytest.mark.sqlite_file
def test_the_first_broken_link_is_named_and_the_command_fails(polled: Terminal) -> None:
    polled.done("workspace", "--close-day", "3")
    polled.done("workspace", "--close-day", "4")
    meddle(polled, "UPDATE trail SET detail = replace(detail, '3', '7') WHERE seq = 2")

    ran = polled("audit", "--trail", "--format", "json")

    assert ran.code == 1
    assert ran.err == "the audit trail is broken: row 2 is not as it was written\n"
    assert ran.json()["broken"] == {"seq": 2, "why": "row 2 is not as it was written"}
    assert [row["detail"] for row in ran.json()["rows"]][1:] == [{"close_day": 7}, {"close_day": 4}]
    assert polled("audit", "--trail").out.splitlines()[-1] == "the first that is not: 2"


def test_the_audit_of_every_night_looks_at_the_trail_too_and_logs_its_head(polled: Terminal) -> None:
    head = trail(polled)["head"]
    assert f"head={head['seq']}:{head['hash']}" in polled("audit", OUTLAY_LOG_LEVEL="INFO").err
    meddle(polled, "UPDATE trail SET who = 'nobody'")

    ran = polled("audit")

    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "the audit trail is broken: row 1 is not as it was written"


def test_a_head_that_was_noted_has_to_be_in_it(polled: Terminal) -> None:
    head = trail(polled)["head"]
    noted = f"{head['seq']}:{head['hash']}"
    polled.done("workspace", "--close-day", "3")

    polled.done("audit", "--trail", "--noted", noted)
    ran = polled("audit", "--trail", "--noted", f"1:{'0' * 64}")

    assert (ran.code, ran.err) == (1, "the audit trail is broken: row 1 is not the one that was noted\n")


def test_wrong_usage_is_said_in_one_line(polled: Terminal) -> None:
    for words in (("--format", "csv"), ("--noted", "1:a"), ("--trail", "--noted", "yesterday")):
        ran = polled("audit", *words)
        assert ran.code == 2
        assert ran.complaint


def test_a_machine_without_books_has_an_empty_trail(terminal: Terminal) -> None:
    assert trail(terminal) == {
        "ok": True, "checked": 0, "head": {"seq": 0, "hash": ""}, "broken": None, "rows": [],
    }  # fmt: skip
