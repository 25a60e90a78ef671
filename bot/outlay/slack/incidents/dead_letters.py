"""Messages that could not be delivered, as admins see them in `/spend alerts`. Pure.

Each is shown with its recipient, its content, the reason, and a button to send it again.
"""

from collections.abc import Sequence
from datetime import datetime

from outlay import wording
from outlay.delivery.dead_letters import DeadLetter
from outlay.slack import block_kit
from outlay.slack.incidents.ids import Action

SHOWN = 5
ALL = "all"
WHY_CHARACTERS_MAX = 300


def undelivered_blocks(given_up: Sequence[DeadLetter], now: datetime) -> list[block_kit.Block]:
    """Build the list of undelivered messages; empty if there is none."""
    if not given_up:
        return []
    lead = f"*{wording.count_with_noun(len(given_up), 'message')} could not be delivered.*"
    lines: list[block_kit.Block] = [block_kit.section(f"{lead} Mend what they name, then send them again.")]
    for one in given_up[:SHOWN]:
        of = f" of {wording.safe(one.about)}" if one.about else ""
        told = f"*{wording.safe(one.to)}* was not told {wording.safe(one.what)}{of} · {wording.clock(one.said_at, now)}"
        button = block_kit.button(
            "Send Again", Action.SEND_AGAIN, str(one.number), label=f"Send again to {wording.name(one.to)}"
        )
        lines.append(block_kit.section(f"{told}\n{wording.safe(one.why, WHY_CHARACTERS_MAX)}") | {"accessory": button})
    if len(given_up) > SHOWN:
        lines.append(block_kit.context(f"and {len(given_up) - SHOWN} more"))
    if len(given_up) > 1:
        lines.append(block_kit.actions(block_kit.button("Send All Again", Action.SEND_ALL_AGAIN, ALL)))
    return [*lines, {"type": "divider"}]
