"""Blocks of the Home tab: the user's own month, budgets and open incidents; for admins next steps and health. Pure.

It comes in three forms with the same figures, as an answer does: a workspace may not support the newest tables yet.
"""

from collections.abc import Sequence
from datetime import datetime

from outlay import wording as words
from outlay.home import AdminSummary, MonthSummary, PersonalSummary
from outlay.incidents.service import IncidentView
from outlay.slack import block_kit, share_table
from outlay.slack.budgets import wording as budgets
from outlay.slack.home.admin_section import admin_blocks
from outlay.slack.home.next_steps import next_step_blocks
from outlay.slack.incidents import overview_modal
from outlay.slack.incidents.ids import Action as Alert
from outlay.slack.message_poster import RenderedMessage
from outlay.slack.spend.blocks import FOR_MEMBERS
from outlay.slack.spend.rows import rows

BUDGETS_MAX = 5
ABOUT = "Outlay reads the ledgers that AI providers already keep. It never sees a prompt."
ASK = "Ask with `/spend`, for example `/spend 7d by model`. `/spend help` shows all that can be asked."
NOT_CONNECTED = "No ledger is connected yet. A workspace admin starts with `/spend connect`."
NOT_YOURS = (
    "Nothing of this month's spend is on a key that you answer for. If one of the keys is yours, ask a workspace admin "
    "to give it to you with `/spend owners`."
)
_TABLE_FORMS = ("home_data_table", "home_table", "home_fields")


def home_message(
    mine: PersonalSummary, incidents: Sequence[IncidentView], now: datetime, care: AdminSummary | None = None
) -> RenderedMessage:
    """Build the tab of a member, or with `care` of an admin.

    `incidents`: those still open; all of them for an admin, their own for a member.
    """
    connected = bool(mine.month.answer.fresh_until)
    first = next_step_blocks(care) if care else []
    if not connected:
        hint = [] if care else [block_kit.section(NOT_CONNECTED)]
        rest = admin_blocks(care, month_so_far(care.month), now)[3:] if care and care.connections else []
        return RenderedMessage(
            ABOUT, (("home_plain", [block_kit.section(ABOUT), *hint, *first, *rest, block_kit.section(ASK)]),)
        )
    shown = rows(mine.month.answer)
    before = [
        *first,
        block_kit.header(f"Your {words.month(mine.month.answer.query.start)}"),
        block_kit.section(_mine(mine)),
    ]
    after = [
        *_budgets(mine),
        *overview_modal.incident_list_blocks(incidents, now),
        block_kit.actions(block_kit.button("Alerts", Alert.OPEN, label="What rings and what is expected")),
        *(admin_blocks(care, month_so_far(care.month), now) if care else []),
        {"type": "divider"},
        block_kit.section(f"{ABOUT} {ASK}"),
        block_kit.context(_worth(mine.month, now)),
    ]
    if not shown:
        return RenderedMessage(_mine(mine).replace("*", ""), (("home_plain", [*before, *after]),))
    answer = mine.month.answer
    tables = (
        share_table.data_table(answer, shown, "Your models this month, biggest first"),
        share_table.table(answer, shown),
        share_table.fields(shown),
    )
    forms = tuple((form, [*before, one, *after]) for form, one in zip(_TABLE_FORMS, tables, strict=True))
    return RenderedMessage(_mine(mine).replace("*", ""), forms)


def guest() -> RenderedMessage:
    """Build the tab of a guest."""
    return RenderedMessage(FOR_MEMBERS, (("home_plain", [block_kit.section(FOR_MEMBERS)]),))


def month_so_far(month: MonthSummary) -> str:
    """Format a month: `$412.30 so far; November 2026 is likely to end at $590 (between $550 and $640).`"""
    said, answer = month.forecast, month.answer
    residual = words.residual(answer.residual_nano_usd + answer.never_billed_nano_usd)
    unexplained = " ".join(filter(None, (residual, words.never_billed(answer.never_billed_nano_usd))))
    begins = f"*{words.money(answer.total_nano_usd)}* so far"
    if answer.basis == "unpriced" and answer.unpriced_tokens:
        begins = f"*{words.tokens(answer.unpriced_tokens)}* so far, without a known price"
    if said.likely_nano_usd is None or said.low_nano_usd is None or said.high_nano_usd is None:
        return " ".join(filter(None, (f"{begins}. No forecast yet: {said.reason}.", unexplained)))
    between = f" (between {words.money(said.low_nano_usd)} and {words.money(said.high_nano_usd)})"
    ends = f"{words.month(answer.query.start)} is likely to end at *{words.money(said.likely_nano_usd)}*"
    return " ".join(filter(None, (f"{begins}; {ends}{between}.", unexplained)))


def _mine(mine: PersonalSummary) -> str:
    return month_so_far(mine.month) if mine.month.answer.lines else NOT_YOURS


def _budgets(mine: PersonalSummary) -> list[block_kit.Block]:
    if not mine.budgets:
        return []
    lines = [f"{budgets.standing_line(one)}\n`{budgets.bar(one)}`" for one in mine.budgets[:BUDGETS_MAX]]
    if more := len(mine.budgets) - len(lines):
        lines.append(f"and {more} more: `/spend budget`")
    return [block_kit.section("\n".join(["*Budgets*", *lines]))]


def _worth(month: MonthSummary, now: datetime) -> str:
    answer = month.answer
    return " · ".join(
        (
            words.freshness(answer.fresh_until, now),
            f"days in {words.safe(answer.time_zone)}",
            f"updated at {words.clock(now, now)}",
        )
    )
