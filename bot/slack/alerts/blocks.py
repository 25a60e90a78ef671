"""The living message of an incident, what can be pressed on it, and the replies in its thread. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime

from bot.core.incidents import ALIVE
from bot.slack import kit, words
from bot.slack.alerts import phrases
from bot.slack.alerts.ids import Action
from bot.slack.posting import Message, simple
from bot.work.desk import IncidentView

SNOOZES = (("1h", "1 hour"), ("4h", "4 hours"), ("morning", "Until tomorrow morning"))
GROUP_SHOWN = 5
PICKED_MAX = 100  # options of a select
TICKETS_MAX = 5
FILED_MAX = 20  # places in the choice of where to file it
UNDOABLE = ("acknowledged", "snoozed", "expected", "false")


def message(view: IncidentView, now: datetime, *, direct: Collection[str] = (), note: str = "") -> Message:
    """The message as the incident stands. `direct`: who may be mentioned. `note`: a remark of the delivery's own."""
    if len(view.members) > 1:
        return _group(view.members, now, note)
    blocks = [*incident(view, now, direct=direct), *([kit.context(note)] if note else [])]
    return simple(phrases.headline(view, now), blocks)


def incident(view: IncidentView, now: datetime, *, direct: Collection[str] = ()) -> list[kit.Block]:
    """One incident whole, for a message or a modal."""
    small = (phrases.history(view, now), words.freshness(view.fresh_until, now))
    return [
        kit.header(phrases.title(view)),
        kit.section(f"{phrases.sentence(view)}\n*Owner*: {phrases.owner(view, direct)}"),
        kit.fields(phrases.facts(view, now)),
        kit.section(f"Check it: `/spend {words.escape(phrases.query(view, now))}`{_tickets(view)}"),
        kit.section(phrases.state(view, now)),
        kit.actions(*buttons(view)),
        *(kit.context(text) for text in small if text),
    ]


def buttons(view: IncidentView) -> list[kit.Block]:
    """What can still be done. The one thing that is waited for is the first, and the only one with a colour."""
    number, who = str(view.number), phrases.subject_name(view)
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


def reply(view: IncidentView, what: str, nano_usd: int | None, now: datetime, direct: Collection[str] = ()) -> Message:
    """What is said in the thread."""
    text = phrases.thread(view, what, nano_usd, now, direct)
    return simple(text.replace("*", ""), [kit.section(text)])


def direct(view: IncidentView, address: str, now: datetime) -> Message:
    """What the owner is told directly: once, with the way to where it is kept up to date."""
    text = phrases.headline(view, now)
    link = f"\n<{_address(address)}|The message that is kept up to date>" if address else ""
    number = str(view.number)
    shown = kit.button("Show", Action.SHOW, number, primary=True, label="Show the incident")
    looked = kit.button("Open in /spend", Action.LOOK, number)
    why = "You answer for this, and asked to be told directly: `/spend alerts` changes that."
    told = [
        kit.section(f"*{text}*\n{phrases.sentence(view)}{link}"),
        kit.actions(shown, looked),
        kit.context(why),
    ]
    return simple(text, told)


def _group(members: Sequence[IncidentView], now: datetime, note: str) -> Message:
    """Many at once: the biggest, how many more, and a way to each."""
    alive = [member for member in members if member.state in ALIVE]
    spent = words.money(sum(member.spent_nano_usd for member in members))
    worst = "page" if any(member.severity == "page" for member in members) else "notice"
    standing = f"{len(alive)} of them still open" if alive else "all of them over"
    lead = phrases.SEVERITIES[worst] if alive else "Over"
    title = f"{lead}: {len(members)} owners at once, {spent}"
    listed = [_line(member, now) for member in members[:GROUP_SHOWN]]
    rest = members[GROUP_SHOWN:]
    if rest:
        listed.append(f"and {len(rest)} more, {words.money(sum(member.spent_nano_usd for member in rest))}")
    begun = words.clock(min(member.since for member in members), now)
    blocks = [
        kit.header(title),
        kit.section(f"Each of them spends far more than usual since about {begun}, {standing}. One cause is likely."),
        kit.section("\n".join(listed)),
        kit.actions(_pick(members)),
        kit.context("Check it: `/spend today by owner`"),
        *([kit.context(note)] if note else []),
    ]
    return simple(f"{title}, {standing}.", blocks)


def _line(view: IncidentView, now: datetime) -> str:
    rate = words.money(phrases.rate_nano_usd(view))
    standing = "" if view.state == "open" else f" · {phrases.STATES[view.state].lower()}"
    return f"• *{words.safe(view.name)}*: {words.money(view.spent_nano_usd)}, {rate} an hour{standing}"


def _pick(members: Sequence[IncidentView]) -> kit.Block:
    options = [
        kit.option(f"{words.name(member.name, 50)}, {words.money(member.spent_nano_usd)}", str(member.number))
        for member in members[:PICKED_MAX]
    ]
    return _select("Open one…", Action.PICK, options)


def _file(view: IncidentView, who: str) -> list[kit.Block]:
    """Where it can be filed that has nothing of it yet: a button for one place, a choice between several."""
    if not view.unfiled:
        return []
    (place, name), *more = view.unfiled
    if more:
        options = [
            kit.option(words.name(name, 50), f"{view.number}:{place}") for place, name in view.unfiled[:FILED_MAX]
        ]
        return [_select("File in…", Action.FILE, [*options, kit.option("All of them", f"{view.number}:")])]
    label = "File Issue" if view.sinks == 1 else f"File in {words.name(name, 30)}"
    return [_button(label, Action.FILE, f"{view.number}:{place}", who)]


def _snooze(number: str) -> kit.Block:
    return _select("Snooze", Action.SNOOZE, [kit.option(text, f"{number}:{choice}") for choice, text in SNOOZES])


def _select(placeholder: str, action_id: str, options: list[kit.Block]) -> kit.Block:
    return {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": kit.plain(placeholder, 150),
        "options": options,
    }


def _button(text: str, action_id: str, number: str, who: str, *, primary: bool = False) -> kit.Block:
    return kit.button(text, action_id, number, primary=primary, label=f"{text.rstrip('…')}: {who}")


def _tickets(view: IncidentView) -> str:
    links = [f"<{_address(url)}|{words.safe(name)}>" for name, url in view.tickets[:TICKETS_MAX] if _is_web(url)]
    return f"\nTicket: {', '.join(links)}" if links else ""


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _address(url: str) -> str:
    """A sink's own address inside `<…|…>`: nothing in it can end the link."""
    return words.escape(url).replace("|", "%7C").replace(" ", "%20")
