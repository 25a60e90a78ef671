"""Admin section of the Home tab: the workspace's month, connections, keys, plugins, audit and deliveries. Pure."""

from collections.abc import Sequence
from datetime import datetime

from outlay import wording
from outlay.connections.views import ConnectionView
from outlay.home import AdminSummary, AuditSummary, DeadLetterSummary
from outlay.plugin.loader import FoundPlugin
from outlay.slack import block_kit, share_table
from outlay.slack.connections.ids import Action as Connect
from outlay.slack.owners.ids import Action as Owners
from outlay.slack.spend.rows import rows

CONNECTIONS_MAX = 30  # a longer list is not readable in a Home tab
ERROR_CHARACTERS_MAX = 300
FAILED_MAX = 5


def admin_blocks(care: AdminSummary, so_far: str, now: datetime) -> list[block_kit.Block]:
    """Build the admin section. `so_far`: the sentence about the workspace's month."""
    said = [
        _connections(care.connections, now),
        _keys(care),
        _plugins(care.plugins),
        _audited(care.audited, now),
        _given_up(care.given_up),
    ]
    buttons = [block_kit.button("Connect a Ledger", Connect.OPEN), block_kit.button("Assign Owners", Owners.OPEN)]
    return [
        {"type": "divider"},
        block_kit.header("The workspace"),
        block_kit.section(" ".join(part for part in (so_far, _top(care)) if part)),
        *(block_kit.section(text) for text in said if text),
        block_kit.actions(*buttons),
    ]


def _top(care: AdminSummary) -> str:
    shown = [f"{share_table.title(row)} {share_table.amount(row)}" for row in rows(care.month.answer)]
    return f"By owner: {', '.join(shown)}." if shown else ""


def _connections(found: Sequence[ConnectionView], now: datetime) -> str:
    """List the connections, those with a problem first."""
    order = sorted(found, key=lambda view: (view.state == "ok", view.name))
    lines = [f"• {_connection(view, now)}" for view in order[:CONNECTIONS_MAX]]
    if more := len(found) - len(lines):
        lines.append(
            f"and {wording.count_with_noun(more, 'more connection', 'more connections')}: `outlay connections`"
        )
    return "\n".join(["*Connections*", *lines]) if lines else "*Connections*\nNothing is connected yet."


def _connection(view: ConnectionView, now: datetime) -> str:
    kind = ", ".join(wording.safe(part) for part in (view.title, view.credential) if part)
    return f"*{wording.safe(view.name)}* ({kind}) {_standing(view, now)}."


def _standing(view: ConnectionView, now: datetime) -> str:
    why = wording.safe(view.error, ERROR_CHARACTERS_MAX).rstrip(".") if view.error else ""
    because = f": {why}" if why else ""
    if view.role == "sink":
        return "takes what it is told" if view.state == "ok" else f"did not take the last delivery{because}"
    read = f"read up to {wording.clock(view.fresh_until, now)}" if view.fresh_until else "not read yet"
    again = f"next poll {wording.clock(view.next_poll, now)}" if view.next_poll else "next poll within a minute"
    match view.state:
        case "ok":
            return f"is {read}, {again}" + (f". Last poll: {why}" if why else "")
        case "needs_reauth":
            return f"needs a new credential{because}. It is {read}"
        case "paused":
            return f"is paused{because}. It is {read}"
    return f"cannot be read right now{because}. It is {read}; it is tried again, {again}"


def _keys(care: AdminSummary) -> str:
    """Return the line about keys without an owner and without cost this month; those with cost are a next step."""
    if not care.unmapped.count or care.unmapped.cost_nano_usd > 0:
        return ""
    count = wording.count_with_noun(care.unmapped.count, "key has", "keys have")
    return f"*Keys*\n{count} no owner; none has cost anything this month."


def _plugins(found: Sequence[FoundPlugin]) -> str:
    failed = [one for one in found if not one.ok]
    lines = ["*Plugins*", f"{wording.count_with_noun(len(found) - len(failed), 'plugin')} loaded."]
    for one in failed[:FAILED_MAX]:
        why = wording.safe(one.error or "no reason is known", ERROR_CHARACTERS_MAX).rstrip(".")
        lines.append(f"• *{wording.safe(one.slug)}* does not load: {why}. Mend it or take it away; the rest runs.")
    if more := len(failed) - FAILED_MAX:
        lines += [f"and {more} more that do not load: `outlay plugins`"] if more > 0 else []
    return "\n".join(lines)


def _audited(audited: AuditSummary | None, now: datetime) -> str:
    if audited is None:
        return "*Audit*\nNot run yet. The bot audits the books every night."
    when = wording.clock(audited.at, now)
    if audited.ok:
        return f"*Audit*\n{when}: {wording.count_with_noun(audited.checked, 'comparison')}, and all agree."
    first = wording.safe(audited.first, ERROR_CHARACTERS_MAX).rstrip(".")
    mend = "Run `outlay audit`; if it stays, keep a copy of the books and report it."
    return f"*Audit*\n{when}: the books do not agree. {first}. {mend}"


def _given_up(found: DeadLetterSummary | None) -> str:
    if found is None:
        return ""
    count = (
        f"{found.count}{'+' if found.more else ''} {'message was' if found.count == 1 else 'messages were'} given up"
    )
    why = wording.safe(found.error, ERROR_CHARACTERS_MAX).rstrip(".")
    again = "Mend that, then send them again from `/spend alerts`."
    return f"*Deliveries*\n{count}, the last for {wording.safe(found.last_for)}: {why}. {again}"
