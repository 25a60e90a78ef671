"""Modals for connecting: the form, "Checking…", and "Connected". No view ever holds a credential."""

from collections.abc import Sequence
from dataclasses import replace

from outlay import wording
from outlay.plugin.forms import FormField
from outlay.slack import block_kit
from outlay.slack.connections.form import ConnectFormDraft, default_of, metadata
from outlay.slack.connections.ids import Action, Input, StaticView, View, field_block, name_block
from outlay.slack.protocols import LedgerForm, SavedConnection

INPUT_CHARACTERS_MAX = 3_000
NAME_CHARACTERS_MAX = 80
CHOICES_MAX = 100
CHECKING = "Checking…"
_PASTING_HINT = (
    "Slack has no password field, so you see what you paste. It is encrypted on arrival and never shown again. "
    "env:NAME and file:/path work too, where whoever runs Outlay allows them."
)


def refusal_text(admins: Sequence[str]) -> str:
    """Return the refusal, which names up to five admins who may connect."""
    named = f" Here, {wording.either([f'<@{user}>' for user in admins[:5]])} can too." if admins else ""
    return f"Connecting a ledger is for workspace admins and owners.{named} Ask one of them."


def form_view(draft: ConnectFormDraft, ledgers: Sequence[LedgerForm]) -> block_kit.View:
    """Build the form of one ledger.

    With several ledgers it has a select at the top; choosing another one redraws the form.
    """
    blocks = [block_kit.section(draft.error if draft.choices else f"*Not saved.* {draft.error}")] if draft.error else []
    if draft.replace:
        blocks.append(
            block_kit.section(
                f"A new credential for *{wording.safe(draft.replace.name)}* ({wording.safe(draft.ledger.title)}). "
                "It has to belong to the same account; its books go on."
            )
        )
    else:
        blocks += [_ledger(draft.ledger, ledgers), _name(draft)]
    shown = [field for field in draft.ledger.fields if draft.advanced or not field.advanced]
    blocks += [_input(draft, field) for field in shown]
    if len(shown) < len(draft.ledger.fields) or draft.advanced:
        blocks.append(
            block_kit.actions(block_kit.button("Fewer Settings" if draft.advanced else "Advanced", Action.ADVANCED))
        )
    return {
        "type": "modal",
        "callback_id": View.FORM,
        "title": block_kit.plain("Connect a Ledger" if draft.replace is None else "New Credential"),
        "submit": block_kit.plain("Connect"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": metadata(draft),
        "blocks": blocks,
    }


def checking_view(ledger_title: str) -> block_kit.View:
    """Build the modal shown during a slow check. Closing it does not stop the check."""
    text = f"*{CHECKING}* {wording.safe(ledger_title)} is being asked whether it takes the credential."
    return _showing(
        StaticView.CHECKING,
        CHECKING,
        [block_kit.section(text), block_kit.context("Nothing is saved before it says yes.")],
    )


NEXT_OF_LEDGER = "The first figures come in about a minute: try `/spend`."
NEXT_OF_SINK = "What is dear enough goes there by itself from now on; a button on each alert sends the rest."


def done_view(connected: SavedConnection) -> block_kit.View:
    """Build the confirmation: the account, what the credential can read, and what comes next."""
    reads = "\n".join(f"• {wording.safe(what)}" for what in connected.can_read)
    facts = [
        f"*Account*\n{wording.safe(connected.account_title)}",
        f"*Fingerprint*\n`{wording.safe(connected.fingerprint)}`",
    ]
    return _showing(
        StaticView.DONE,
        "Connected",
        [
            block_kit.section(done_text(connected)),
            block_kit.fields(facts),
            *([block_kit.section(f"*Can {'do' if connected.is_sink else 'read'}*\n{reads}")] if reads else []),
            block_kit.context(NEXT_OF_SINK if connected.is_sink else NEXT_OF_LEDGER),
        ],
    )


def done_text(connected: SavedConnection) -> str:
    """Return the confirmation in one line, for a user who has closed the modal."""
    return f"*{wording.safe(connected.name)}* is connected to {wording.safe(connected.ledger_title)}."


def block_ids_by_field(draft: ConnectFormDraft) -> dict[str, str]:
    """Return the block id of each field that the form shows, including "name"."""
    found = {} if draft.replace else {"name": name_block(draft.ledger.slug)}
    for field in draft.ledger.fields:
        if draft.advanced or not field.advanced:
            found[field.name] = field_block(draft.ledger.slug, field.name, secret=field.kind == "secret")
    return found


def _showing(callback_id: StaticView, title: str, blocks: list[block_kit.Block]) -> block_kit.View:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": block_kit.plain(title),
        "close": block_kit.plain("Close"),
        "blocks": blocks,
    }


def _ledger(chosen: LedgerForm, ledgers: Sequence[LedgerForm]) -> block_kit.Block:
    options = [block_kit.option(ledger.title, ledger.slug) for ledger in ledgers[:CHOICES_MAX]]
    return {
        "type": "input",
        "block_id": Action.LEDGER,
        "label": block_kit.plain("Ledger"),
        "dispatch_action": len(options) > 1,
        "element": {
            "type": "static_select",
            "action_id": Action.LEDGER,
            "options": options,
            "initial_option": block_kit.option(chosen.title, chosen.slug),
        },
    }


def _name(draft: ConnectFormDraft) -> block_kit.Block:
    element = {
        "type": "plain_text_input",
        "action_id": Input.NAME,
        "initial_value": block_kit.cut(draft.name, NAME_CHARACTERS_MAX),
        "max_length": NAME_CHARACTERS_MAX,
    }
    return {
        "type": "input",
        "block_id": name_block(draft.ledger.slug),
        "label": block_kit.plain("Name"),
        "hint": block_kit.plain("What this account is called in answers and alerts."),
        "element": element,
    }


def _input(draft: ConnectFormDraft, field: FormField) -> block_kit.Block:
    secret = field.kind == "secret"
    hint = " ".join(part for part in (field.hint, _PASTING_HINT if secret else "") if part)
    block: block_kit.Block = {
        "type": "input",
        "block_id": field_block(draft.ledger.slug, field.name, secret=secret),
        "label": block_kit.plain(field.title),
        "optional": not field.required,
        "element": _element(_chosen_from(field, draft), default_of(field, draft.typed)),
    }
    if hint:
        block["hint"] = block_kit.plain(hint, 2_000)
    return block


def _chosen_from(field: FormField, draft: ConnectFormDraft) -> FormField:
    """Return the field as a list of choices if the service has named any; a secret stays as it is."""
    choices = draft.choices.get(field.name)
    return replace(field, kind="choice", choices=choices) if choices and field.kind != "secret" else field


def _element(field: FormField, value: str) -> block_kit.Block:
    """Build the input element for a kind of field.

    Addresses are plain text, because Slack's own URL input refuses hosts without a dot.
    """
    if field.kind == "choice" and field.choices:
        options = [block_kit.option(label, choice) for choice, label in field.choices[:CHOICES_MAX]]
        chosen = [option for option in options if option["value"] == value]
        element: block_kit.Block = {"type": "static_select", "action_id": Input.VALUE, "options": options}
        return {**element, "initial_option": chosen[0]} if chosen else element
    if field.kind == "bool":
        yes = block_kit.option("Yes", "true")
        element = {"type": "checkboxes", "action_id": Input.VALUE, "options": [yes]}
        return {**element, "initial_options": [yes]} if value == "true" else element
    kind: block_kit.Block = (
        {"type": "number_input", "is_decimal_allowed": True}
        if field.kind == "number"
        else {"type": "plain_text_input", "max_length": INPUT_CHARACTERS_MAX}
    )
    element = {**kind, "action_id": Input.VALUE}
    return {**element, "initial_value": value} if value else element
