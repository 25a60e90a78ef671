"""Modals of owners: the list of keys, those without an owner first, and the form that assigns one."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from outlay import wording
from outlay.connections.views import OwnedKey
from outlay.core.owner import Owner
from outlay.slack import block_kit
from outlay.slack.owners.ids import Action, Input, View

KEYS_A_PAGE = 20
NAME_CHARACTERS_MAX = 60
KINDS = (("person", "A person"), ("agent", "An agent"), ("team", "A team"), ("unattributed", "Nobody"))
FOR_ADMINS = "Saying whose a key is, is for workspace admins and owners."


@dataclass(frozen=True, slots=True)
class KeyListPosition:
    """Position in the list of keys: the page, and the text searched for."""

    page: int = 0
    find: str = ""


def list_view(keys: Sequence[OwnedKey], place: KeyListPosition) -> block_kit.View:
    """Build one page of the keys that match the search."""
    wanted = place.find.casefold()
    found = [key for key in keys if wanted in f"{key.name} {key.connection} {key.email} {key.owner.name}".casefold()]
    pages = max(1, -(-len(found) // KEYS_A_PAGE))
    page = min(max(place.page, 0), pages - 1)
    shown = found[page * KEYS_A_PAGE : (page + 1) * KEYS_A_PAGE]
    blocks = [block_kit.section(_summary(keys)), _search(place.find)]
    blocks += [_key(key) for key in shown] or [block_kit.section("No key matches that.")]
    if pages > 1:
        buttons = [block_kit.button("Earlier", Action.EARLIER)] if page else []
        buttons += [block_kit.button("More", Action.MORE)] if page + 1 < pages else []
        blocks += [block_kit.actions(*buttons), block_kit.context(f"Page {page + 1} of {pages}")]
    return {
        "type": "modal",
        "callback_id": View.LIST,
        "title": block_kit.plain("Who Answers for It?"),
        "submit": block_kit.plain("Find"),
        "close": block_kit.plain("Close"),
        "private_metadata": json.dumps(asdict(KeyListPosition(page, place.find))),
        "blocks": blocks,
    }


def form_view(key: OwnedKey, list_view_id: str, place: KeyListPosition) -> block_kit.View:
    """Build the form that assigns an owner to a key. The name of an agent or team defaults to the key's own."""
    kinds = [block_kit.option(label, kind) for kind, label in KINDS]
    now = next(option for option in kinds if option["value"] == key.owner.kind)
    person: block_kit.Block = {"type": "users_select", "action_id": Input.PERSON}
    if wording.slack_user(Owner(key.owner.id, "", key.owner.kind)):
        person["initial_user"] = key.owner.id
    name = key.owner.name if key.owner.kind in ("agent", "team") else wording.name(key.name)
    return {
        "type": "modal",
        "callback_id": View.FORM,
        "title": block_kit.plain("Owner of a Key"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": json.dumps({"key": key.number, "list": list_view_id, **asdict(place)}),
        "blocks": [
            block_kit.section(_line(key)),
            block_kit.input_field(
                Input.KIND, "Who answers for it?", {"type": "radio_buttons", "options": kinds, "initial_option": now}
            ),
            block_kit.input_field(Input.PERSON, "The person", person, optional=True),
            block_kit.input_field(
                Input.NAME,
                "The agent's or the team's name",
                {
                    "type": "plain_text_input",
                    "initial_value": block_kit.cut(name, NAME_CHARACTERS_MAX),
                    "max_length": NAME_CHARACTERS_MAX,
                },
                optional=True,
            ),
            block_kit.input_field(
                Input.START,
                "From which day?",
                {"type": "datepicker"},
                optional=True,
                hint="Empty: all that this key has ever spent. With a day, what came before stays with whom it was.",
            ),
        ],
    }


def owner_text(owner: Owner) -> str:
    """Return an owner as mrkdwn."""
    if owner.kind == "unattributed":
        return "nobody yet"
    if user := wording.slack_user(owner):
        return f"<@{user}>"
    return wording.safe(owner.name) if owner.kind == "person" else f"{owner.kind} {wording.safe(owner.name)}"


def _summary(keys: Sequence[OwnedKey]) -> str:
    if not keys:
        return "No key is known yet. They are read with the first poll of a ledger: `/spend connect`."
    alone = [key for key in keys if key.owner.kind == "unattributed"]
    if not alone:
        return f"*Every key has an owner* ({wording.count_with_noun(len(keys), 'key')})."
    spent = wording.money(sum(key.spent_nano_usd for key in alone))
    verb = "has" if len(alone) == 1 else "have"
    return f"*{len(alone)} of {wording.count_with_noun(len(keys), 'key')} {verb} no owner* ({spent} this month)."


def _search(find: str) -> block_kit.Block:
    element: block_kit.Block = {
        "type": "plain_text_input",
        "placeholder": block_kit.plain("A key, connection, e-mail or owner"),
    }
    if find:
        element["initial_value"] = find
    return block_kit.input_field(Input.FIND, "Find", element, optional=True)


def _key(key: OwnedKey) -> block_kit.Block:
    label = "Assign" if key.owner.kind == "unattributed" else "Change"
    button = block_kit.button(
        label, Action.CHANGE, str(key.number), label=f"{label} the owner of {wording.name(key.name)}"
    )
    return block_kit.section(_line(key)) | {"accessory": button}


def _line(key: OwnedKey) -> str:
    told = f" · the ledger says {wording.safe(key.email)}" if key.email and key.owner.kind == "unattributed" else ""
    spent = f"{wording.money(key.spent_nano_usd)} this month"
    return f"*{wording.safe(key.name)}* ({wording.safe(key.connection)}) · {spent}\n{owner_text(key.owner)}{told}"
