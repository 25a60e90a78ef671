"""Slack messages about budgets: the list, and the alert of one."""

from collections.abc import Sequence

from outlay.budgets.budget import BudgetStatus
from outlay.slack import block_kit
from outlay.slack.budgets import wording
from outlay.slack.budgets.ids import Action
from outlay.slack.message_poster import RenderedMessage, plain_message

LISTED_MAX = 40  # of the 50 blocks that Slack allows in a message
SOFT = "A budget tells and stops nothing: Outlay only reads. A hard limit is set at the ledger itself, on the key."


def alert_message(standing: BudgetStatus, mark: int) -> RenderedMessage:
    """Build the alert of a budget, which is sent once for each threshold (`mark`) and period."""
    said = wording.alert_sentence(standing, mark)
    line = f"`{wording.bar(standing)}` {wording.figures(standing)}"
    return plain_message(said.replace("*", ""), [block_kit.section(said), block_kit.context(line)])


def list_message(standings: Sequence[BudgetStatus], *, is_admin: bool) -> RenderedMessage:
    """Build the list of all budgets, the nearest to their limits first, with buttons for admins."""
    add = [block_kit.actions(block_kit.button("Add a Budget", Action.ADD, primary=not standings))] if is_admin else []
    if not standings:
        text = "There is no budget yet." + ("" if is_admin else " A workspace admin sets one with `/spend budget`.")
        return plain_message(text, [block_kit.section(text), *add, block_kit.context(SOFT)])
    order = sorted(standings, key=lambda one: one.spent_nano_usd / one.budget.limit_nano_usd, reverse=True)
    parts = [_line(one, is_admin=is_admin) for one in order[:LISTED_MAX]]
    if more := len(order) - len(parts):
        parts.append(block_kit.section(f"and {more} more, less spent than these"))
    first = wording.standing_line(order[0]).replace("*", "")
    number = "One budget" if len(order) == 1 else f"{len(order)} budgets"
    return plain_message(f"{number}. Nearest to its limit: {first}", [*parts, *add, block_kit.context(SOFT)])


def _line(standing: BudgetStatus, *, is_admin: bool) -> block_kit.Block:
    block = block_kit.section(f"{wording.standing_line(standing)}\n`{wording.bar(standing)}`")
    if not is_admin:
        return block
    budget = standing.budget
    label = f"Change the budget of {wording.subject(budget)}"
    return block | {"accessory": block_kit.button("Change", Action.CHANGE, str(budget.id), label=label)}
