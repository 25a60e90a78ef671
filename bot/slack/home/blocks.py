"""The Home tab: what Outlay is, what is connected or the first step, and how to ask."""

from collections.abc import Sequence
from datetime import datetime

from bot.slack import kit, words
from bot.slack.alerts import overview
from bot.slack.alerts.ids import Action as Alert
from bot.slack.connect.ids import Action
from bot.slack.ports import Existing
from bot.slack.spend.blocks import FOR_MEMBERS
from bot.work.desk import IncidentView

CONNECTIONS_MAX = 30  # beyond that a Home tab is no longer read
_STATES = {
    "ok": "is read",
    "paused": "is paused",
    "needs_reauth": "needs a new credential",
    "failing": "cannot be read right now",
}


def home_view(
    connections: Sequence[Existing], incidents: Sequence[IncidentView], now: datetime, *, is_admin: bool
) -> kit.View:
    """The tab of a member. `incidents`: those still open, an admin's all, a member's own."""
    ask = "Ask with `/spend`, for example `/spend 7d by model`. `/spend help` shows all that can be asked."
    blocks = [
        kit.header("Who spent what, on which model"),
        kit.section("Outlay reads the ledgers that AI providers already keep. It never sees a prompt."),
        *(_incidents(incidents, now) if connections else ()),
        *(_connections(connections, is_admin) if connections else _first_step(is_admin)),
        kit.section(ask),
    ]
    return {"type": "home", "blocks": blocks}


def guest_view() -> kit.View:
    """The tab of a guest."""
    return {"type": "home", "blocks": [kit.section(FOR_MEMBERS)]}


def _incidents(incidents: Sequence[IncidentView], now: datetime) -> list[kit.Block]:
    blocks = overview.incidents(incidents, now)
    return [*blocks, kit.actions(kit.button("Alerts", Alert.OPEN, label="What rings and what is expected"))]


def _first_step(is_admin: bool) -> list[kit.Block]:
    if not is_admin:
        return [kit.section("No ledger is connected yet. A workspace admin starts with `/spend connect`.")]
    return [
        kit.section("No ledger is connected yet. Connect the first one; figures follow within about a minute."),
        kit.actions(kit.button("Connect a Ledger", Action.OPEN, primary=True)),
    ]


def _connections(connections: Sequence[Existing], is_admin: bool) -> list[kit.Block]:
    shown = [_connection(existing) for existing in connections[:CONNECTIONS_MAX]]
    if more := len(connections) - len(shown):
        shown.append(f"and {words.counted(more, 'more connection', 'more connections')}")
    blocks = [kit.section("\n".join(shown))]
    return [*blocks, kit.actions(kit.button("Connect a Ledger", Action.OPEN))] if is_admin else blocks


def _connection(existing: Existing) -> str:
    state = _STATES.get(existing.state, "is in an unknown state")
    return f"*{words.safe(existing.name)}* ({words.safe(existing.ledger_title)}) {state}"
