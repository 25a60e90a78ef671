"""Slack blocks of an incident: its message, which is edited in place, its buttons, and its thread replies. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime

from outlay import wording
from outlay.incidents.service import IncidentView
from outlay.incidents.state_machine import ALIVE
from outlay.slack import block_kit
from outlay.slack.incidents import wording as incident_wording
from outlay.slack.incidents.ids import Action
from outlay.slack.message_poster import RenderedMessage, plain_message

SNOOZES = (("1h", "1 hour"), ("4h", "4 hours"), ("morning", "Until tomorrow morning"))
GROUP_SHOWN = 5
PICKED_MAX = 100  # the most options that Slack allows in a select
TICKETS_MAX = 5
FILED_MAX = 20  # issue trackers offered in one select
UNDOABLE = ("acknowledged", "snoozed", "expected", "false")


def message(view: IncidentView, now: datetime, *, direct: Collection[str] = (), note: str = "") -> RenderedMessage:
    """Build the message of an incident in its current state.

    `direct_message`: Slack users who may be mentioned. `note`: a remark added by the delivery, shown last.
    An incident with several members becomes one message for the group.
    """
    if len(view.members) > 1:
        return _group(view.members, now, note)
    blocks = [*incident_blocks(view, now, direct=direct), *([block_kit.context(note)] if note else [])]
    return plain_message(incident_wording.headline(view, now), blocks)


def incident_blocks(view: IncidentView, now: datetime, *, direct: Collection[str] = ()) -> list[block_kit.Block]:
    """Build the blocks of one incident in full, for a message or a modal."""
    small = (incident_wording.history(view, now), wording.freshness(view.fresh_until, now))
    return [
        block_kit.header(incident_wording.title(view)),
        block_kit.section(
            f"{incident_wording.detection_reason(view)}\n*Owner*: {incident_wording.owner_text(view, direct)}"
        ),
        block_kit.fields(incident_wording.facts(view, now)),
        block_kit.section(
            f"Check it: `/spend {wording.escape(incident_wording.spend_query(view, now))}`{_tickets(view)}"
        ),
        block_kit.section(incident_wording.state_text(view, now)),
        block_kit.actions(*buttons(view)),
        *(block_kit.context(text) for text in small if text),
    ]


def buttons(view: IncidentView) -> list[block_kit.Block]:
    """Build the actions that the incident's state still allows.

    "Acknowledge" comes first while the incident is open, and is the only button with a color.
    """
    number, who = str(view.number), incident_wording.subject_name(view)
    found = []
    if view.state == "open":
        found.append(_button("Acknowledge", Action.ACKNOWLEDGE, number, who, primary=True))
    if view.state in UNDOABLE:
        found.append(_button("Undo", Action.UNDO, number, who))
    if view.state == "open":
        found.append(_snooze(number))
    if view.state in ALIVE:
        found.append(_button("Expected…", Action.EXPECT, number, who))
        found += _file(view, who)
    return [*found, _button("Open in /spend", Action.LOOK, number, who)]


def reply(
    view: IncidentView, what: str, nano_usd: int | None, now: datetime, direct: Collection[str] = ()
) -> RenderedMessage:
    """Build the reply in the incident's thread. `what`: the kind of change; `nano_usd`: the spend at that time."""
    text = incident_wording.thread_reply_text(view, what, nano_usd, now, direct)
    return plain_message(text.replace("*", ""), [block_kit.section(text)])


def direct_message(view: IncidentView, address: str, now: datetime) -> RenderedMessage:
    """Build the direct message to the owner of an incident, which is sent once.

    `address`: a link to the incident's message, "" for none.
    """
    text = incident_wording.headline(view, now)
    link = f"\n<{_address(address)}|The message that is kept up to date>" if address else ""
    number = str(view.number)
    shown = block_kit.button("Show", Action.SHOW, number, primary=True, label="Show the incident")
    looked = block_kit.button("Open in /spend", Action.LOOK, number)
    why = "You answer for this, and asked to be told directly: `/spend alerts` changes that."
    told = [
        block_kit.section(f"*{text}*\n{incident_wording.detection_reason(view)}{link}"),
        block_kit.actions(shown, looked),
        block_kit.context(why),
    ]
    return plain_message(text, told)


def _group(members: Sequence[IncidentView], now: datetime, note: str) -> RenderedMessage:
    """Build one message for many incidents: the five biggest, how many more there are, and a select that opens each."""
    alive = [member for member in members if member.state in ALIVE]
    spent = wording.money(sum(member.spent_nano_usd for member in members))
    worst = "page" if any(member.severity == "page" for member in members) else "notice"
    standing = f"{len(alive)} of them still open" if alive else "all of them over"
    lead = incident_wording.SEVERITIES[worst] if alive else "Over"
    title = f"{lead}: {len(members)} owners at once, {spent}"
    listed = [_line(member, now) for member in members[:GROUP_SHOWN]]
    rest = members[GROUP_SHOWN:]
    if rest:
        listed.append(f"and {len(rest)} more, {wording.money(sum(member.spent_nano_usd for member in rest))}")
    begun = wording.clock(min(member.since for member in members), now)
    blocks = [
        block_kit.header(title),
        block_kit.section(
            f"Each of them spends far more than usual since about {begun}, {standing}. One cause is likely."
        ),
        block_kit.section("\n".join(listed)),
        block_kit.actions(_pick(members)),
        block_kit.context("Check it: `/spend today by owner`"),
        *([block_kit.context(note)] if note else []),
    ]
    return plain_message(f"{title}, {standing}.", blocks)


def _line(view: IncidentView, now: datetime) -> str:
    rate = wording.money(incident_wording.rate_nano_usd(view))
    standing = "" if view.state == "open" else f" · {incident_wording.STATES[view.state].lower()}"
    return f"• *{wording.safe(view.name)}*: {wording.money(view.spent_nano_usd)}, {rate} an hour{standing}"


def _pick(members: Sequence[IncidentView]) -> block_kit.Block:
    options = [
        block_kit.option(f"{wording.name(member.name, 50)}, {wording.money(member.spent_nano_usd)}", str(member.number))
        for member in members[:PICKED_MAX]
    ]
    return _select("Open one…", Action.PICK, options)


def _file(view: IncidentView, who: str) -> list[block_kit.Block]:
    """Build the control that files a ticket: a button for one issue tracker, a select for several.

    Trackers that already have a ticket of the incident are left out; empty if none is left.
    """
    if not view.unfiled:
        return []
    (place, name), *more = view.unfiled
    if more:
        options = [
            block_kit.option(wording.name(name, 50), f"{view.number}:{place}")
            for place, name in view.unfiled[:FILED_MAX]
        ]
        return [_select("File in…", Action.FILE, [*options, block_kit.option("All of them", f"{view.number}:")])]
    label = "File Issue" if view.sinks == 1 else f"File in {wording.name(name, 30)}"
    return [_button(label, Action.FILE, f"{view.number}:{place}", who)]


def _snooze(number: str) -> block_kit.Block:
    return _select("Snooze", Action.SNOOZE, [block_kit.option(text, f"{number}:{choice}") for choice, text in SNOOZES])


def _select(placeholder: str, action_id: str, options: list[block_kit.Block]) -> block_kit.Block:
    return {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": block_kit.plain(placeholder, 150),
        "options": options,
    }


def _button(text: str, action_id: str, number: str, who: str, *, primary: bool = False) -> block_kit.Block:
    return block_kit.button(text, action_id, number, primary=primary, label=f"{text.rstrip('…')}: {who}")


def _tickets(view: IncidentView) -> str:
    links = [f"<{_address(url)}|{wording.safe(name)}>" for name, url in view.tickets[:TICKETS_MAX] if _is_web(url)]
    return f"\nTicket: {', '.join(links)}" if links else ""


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _address(url: str) -> str:
    """Escape a URL from an issue tracker for use inside `<…|…>`, so that nothing in it can end the link."""
    return wording.escape(url).replace("|", "%7C").replace(" ", "%20")
