"""`outlay workspace --visibility` and `outlay team`: who sees whom and who belongs where."""

import pytest

from tests.cli.run_cli import Terminal


def test_who_sees_whom_and_who_is_an_admin_is_chosen_and_shown(terminal: Terminal) -> None:
    shown = terminal.done("workspace", "--format", "json").json()
    assert (shown["visibility"], shown["admins"]) == ("everybody", [])

    terminal.done("workspace", "--visibility", "own", "--admins", "U01ALICE,U02BEN")

    shown = terminal.done("workspace", "--format", "json").json()
    assert (shown["visibility"], shown["admins"]) == ("own", ["U01ALICE", "U02BEN"])
    terminal.done("workspace", "--admins", "")
    assert (
        terminal.done("workspace").lines[1] == "people see themselves and the totals; admins besides Slack's own: none"
    )


def test_a_team_has_managers_and_members_until_it_is_forgotten(terminal: Terminal) -> None:
    terminal.done("team", "core", "--manager", "U01ALICE", "--member", "U02BEN", "--member", "U03CHIARA")
    terminal.done("team", "web", "--manager", "U02BEN")
    assert terminal.done("team").lines == [
        "core: managed by U01ALICE, of U02BEN, U03CHIARA",
        "web: managed by U02BEN, of nobody",
    ]
    assert terminal.done("team", "team:web").lines == ["web: managed by U02BEN, of nobody"]

    terminal.done("team", "web", "--forget")

    assert terminal.done("team", "--format", "json").json() == [
        {"name": "core", "managers": ["U01ALICE"], "members": ["U02BEN", "U03CHIARA"]}
    ]
    deeds = [row["deed"] for row in terminal.done("audit", "--trail", "--format", "json").json()["rows"]]
    assert deeds == ["team.set", "team.set", "team.set"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("workspace", "--admins", "alice"), "admins: «alice» is no Slack user id"),
        (("team", "core", "--manager", "dana@acme.example"), "managers: «dana@acme.example» is no Slack user id"),
        (("team", "x" * 61, "--member", "U02BEN"), "name: a team has a name"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(terminal: Terminal, words: tuple[str, ...], named: str) -> None:
    ran = terminal(*words)
    assert ran.code == 1
    assert ran.complaint.startswith(named)
