"""Forms of `/spend settings`: who sees whom, additional admins, and the people of a team. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from outlay import wording
from outlay.access.policy import AccessSettings, TeamAccess
from outlay.slack import block_kit
from outlay.slack.access.ids import Action, Input, View

EVERYBODY, OWN = "everybody", "own"
TEAMS_SHOWN = 20
PEOPLE_SHOWN = 10
NAME_CHARACTERS_MAX = 60
PEOPLE_MAX = 100
FOR_ADMINS = "Who sees and may do what is for workspace admins and owners to say."
_TOTALS = "By owner, key or project all others are one row; channels get digests without names."


def form(rights: AccessSettings) -> block_kit.View:
    """Build the form of the workspace's policy and its teams."""
    choices = [
        block_kit.option("Everybody sees everybody", EVERYBODY),
        block_kit.option("People see themselves and the totals", OWN)
        | {"description": block_kit.plain("All others are one row; digests in channels name nobody.", 75)},
    ]
    radio = {"type": "radio_buttons", "options": choices, "initial_option": choices[0 if rights.open else 1]}
    admins_hint = "Besides Slack's own admins and owners, and those whom the bot's settings name. Never guests."
    return {
        "type": "modal",
        "callback_id": View.FORM,
        "title": block_kit.plain("Settings"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "blocks": [
            block_kit.input_field(Input.OPEN, "Who sees whose figures?", radio),
            block_kit.input_field(Input.ADMINS, "Admins", _people(rights.admins), optional=True, hint=admins_hint),
            *_teams(rights),
        ],
    }


def team_form(name: str, team: TeamAccess, shown_in: str) -> block_kit.View:
    """Build the form of a team's people; `name` "" adds a team. `shown_in`: id of the view to refresh."""
    typed: block_kit.Block = {"type": "plain_text_input", "max_length": NAME_CHARACTERS_MAX}
    named = (
        block_kit.section(f"*{wording.safe(name)}*")
        if name
        else block_kit.input_field(Input.NAME, "What is the team called?", typed)
    )
    return {
        "type": "modal",
        "callback_id": View.TEAM,
        "title": block_kit.plain("Team"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": json.dumps({"team": name, "shown_in": shown_in}),
        "blocks": [
            named,
            block_kit.input_field(
                Input.MANAGERS, "Who manages it?", _people(team.managers), optional=True,
                hint="They see the team's own keys and its people, where people see only themselves.",
            ),
            block_kit.input_field(
                Input.MEMBERS, "Who belongs to it?", _people(team.members), optional=True,
                hint="Nobody in either: the team is forgotten. Its keys stay its own.",
            ),
        ],
    }  # fmt: skip


def saved(rights: AccessSettings) -> block_kit.View:
    """Build the view that says what was saved."""
    seen = "Everybody sees everybody." if rights.open else f"People see themselves and the totals. {_TOTALS}"
    named = ", ".join(f"<@{one}>" for one in rights.admins[:PEOPLE_SHOWN])
    if more := len(rights.admins[PEOPLE_SHOWN:]):
        named += f" and {more} more"
    admins = f"Besides Slack's own, {named} may do what admins may." if named else "Only Slack's own admins are admins."
    return {
        "type": "modal",
        "title": block_kit.plain("Settings"),
        "close": block_kit.plain("Close"),
        "blocks": [block_kit.section(f"{seen}\n{admins}")],
    }


def parse_form(values: dict[str, Any]) -> tuple[bool, list[str]]:
    """Parse the submitted form: (whether everybody sees everybody, the admins)."""
    option = values[Input.OPEN][Input.OPEN].get("selected_option") or {}
    return option.get("value") != OWN, _users(values, Input.ADMINS)


def team(view: dict[str, Any]) -> tuple[str, TeamAccess]:
    """Parse the submitted team form: (its existing or typed name, its people)."""
    values = view["state"]["values"]
    known = str(json.loads(view["private_metadata"])["team"])
    typed = " ".join(str(((values.get(Input.NAME) or {}).get(Input.NAME) or {}).get("value") or "").split())
    return known or typed, TeamAccess(tuple(_users(values, Input.MANAGERS)), tuple(_users(values, Input.MEMBERS)))


def _teams(rights: AccessSettings) -> list[block_kit.Block]:
    teams = list((rights.teams or {}).items())
    blocks = [block_kit.section("*Teams*" if teams else "*Teams*: none yet. A manager of a team sees its figures.")]
    for name, people in teams[:TEAMS_SHOWN]:
        button = block_kit.button("Change", Action.CHANGE, name, label=f"Change team {wording.name(name)}")
        line = f"*{wording.safe(name)}*: {_named(people.managers, 'managed by')}, {_named(people.members, 'of')}"
        blocks.append(block_kit.section(line) | {"accessory": button})
    if more := len(teams) - TEAMS_SHOWN:
        blocks += [block_kit.context(f"and {more} more; `outlay team` lists them")] if more > 0 else []
    return [*blocks, block_kit.actions(block_kit.button("Add a Team", Action.ADD))]


def _named(people: Sequence[str], what: str) -> str:
    if not people:
        return f"{what} nobody"
    more = f" and {len(people) - PEOPLE_SHOWN} more" if len(people) > PEOPLE_SHOWN else ""
    return f"{what} {', '.join(f'<@{one}>' for one in people[:PEOPLE_SHOWN])}{more}"


def _people(initial: Sequence[str]) -> block_kit.Block:
    element: block_kit.Block = {"type": "multi_users_select", "max_selected_items": PEOPLE_MAX}
    return element | ({"initial_users": list(initial)} if initial else {})


def _users(values: dict[str, Any], name: str) -> list[str]:
    return [str(one) for one in ((values.get(name) or {}).get(name) or {}).get("selected_users") or ()]
