"""What was given up, as admins see it in `/spend alerts`: to whom, what, why, and a button to send it again. Pure."""

from collections.abc import Sequence
from datetime import datetime

from bot.slack import kit, words
from bot.slack.alerts.ids import Action
from bot.work.undelivered import GivenUp

SHOWN = 5
ALL = "all"
WHY_CHARACTERS_MAX = 300


def blocks(given_up: Sequence[GivenUp], now: datetime) -> list[kit.Block]:
    """Nothing, where nothing was given up."""
    if not given_up:
        return []
    lead = f"*{words.counted(len(given_up), 'message')} could not be delivered.*"
    lines: list[kit.Block] = [kit.section(f"{lead} Mend what they name, then send them again.")]
    for one in given_up[:SHOWN]:
        of = f" of {words.safe(one.about)}" if one.about else ""
        told = f"*{words.safe(one.to)}* was not told {words.safe(one.what)}{of} · {words.clock(one.said_at, now)}"
        button = kit.button(
            "Send Again", Action.SEND_AGAIN, str(one.number), label=f"Send again to {words.name(one.to)}"
        )
        lines.append(kit.section(f"{told}\n{words.safe(one.why, WHY_CHARACTERS_MAX)}") | {"accessory": button})
    if len(given_up) > SHOWN:
        lines.append(kit.context(f"and {len(given_up) - SHOWN} more"))
    if len(given_up) > 1:
        lines.append(kit.actions(kit.button("Send All Again", Action.SEND_ALL_AGAIN, ALL)))
    return [*lines, {"type": "divider"}]
