"""The Home tab: one's own month first, then what is open; for admins what to do next, and how the house is doing. Pure.

It comes in three forms with the same figures, as an answer does: a workspace may not know the newest tables yet.
"""

from collections.abc import Sequence
from datetime import datetime

from bot.slack import kit, shares, words
from bot.slack.alerts import overview
from bot.slack.alerts.ids import Action as Alert
from bot.slack.budget import wording as budgets
from bot.slack.home.keeping import care_blocks
from bot.slack.home.steps import steps
from bot.slack.posting import Message
from bot.slack.spend.blocks import FOR_MEMBERS
from bot.slack.spend.rows import rows
from bot.work.desk import IncidentView
from bot.work.home import Care, Mine, Month

BUDGETS_MAX = 5
ABOUT = "Outlay reads the ledgers that AI providers already keep. It never sees a prompt."
ASK = "Ask with `/spend`, for example `/spend 7d by model`. `/spend help` shows all that can be asked."
NOT_CONNECTED = "No ledger is connected yet. A workspace admin starts with `/spend connect`."
NOT_YOURS = (
    "Nothing of this month's spend is on a key that you answer for. If one of the keys is yours, ask a workspace admin "
    "to give it to you with `/spend owners`."
)
_TABLE_FORMS = ("home_data_table", "home_table", "home_fields")


def home(mine: Mine, incidents: Sequence[IncidentView], now: datetime, care: Care | None = None) -> Message:
    """The tab of a member, or with `care` an admin's. `incidents`: those still open, an admin's all, a member's own."""
    connected = bool(mine.month.answer.fresh_until)
    first = steps(care) if care else []
    if not connected:
        hint = [] if care else [kit.section(NOT_CONNECTED)]
        rest = care_blocks(care, so_far(care.month), now)[3:] if care and care.connections else []
        return Message(ABOUT, (("home_plain", [kit.section(ABOUT), *hint, *first, *rest, kit.section(ASK)]),))
    shown = rows(mine.month.answer)
    before = [*first, kit.header(f"Your {words.month(mine.month.answer.query.start)}"), kit.section(_mine(mine))]
    after = [
        *_budgets(mine),
        *overview.incidents(incidents, now),
        kit.actions(kit.button("Alerts", Alert.OPEN, label="What rings and what is expected")),
        *(care_blocks(care, so_far(care.month), now) if care else []),
        {"type": "divider"},
        kit.section(f"{ABOUT} {ASK}"),
        kit.context(_worth(mine.month, now)),
    ]
    if not shown:
        return Message(_mine(mine).replace("*", ""), (("home_plain", [*before, *after]),))
    answer = mine.month.answer
    tables = (
        shares.data_table(answer, shown, "Your models this month, biggest first"),
        shares.table(answer, shown),
        shares.fields(shown),
    )
    forms = tuple((form, [*before, one, *after]) for form, one in zip(_TABLE_FORMS, tables, strict=True))
    return Message(_mine(mine).replace("*", ""), forms)


def guest() -> Message:
    """The tab of a guest."""
    return Message(FOR_MEMBERS, (("home_plain", [kit.section(FOR_MEMBERS)]),))


def so_far(month: Month) -> str:
    """`$412.30 so far; November 2026 is likely to end at $590 (between $550 and $640).`"""
    said, answer = month.forecast, month.answer
    unexplained = words.residual(answer.residual_nano_usd)
    begins = f"*{words.money(answer.total_nano_usd)}* so far"
    if answer.basis == "unpriced" and answer.unpriced_tokens:
        begins = f"*{words.tokens(answer.unpriced_tokens)}* so far, without a known price"
    if said.likely_nano_usd is None or said.low_nano_usd is None or said.high_nano_usd is None:
        return " ".join(filter(None, (f"{begins}. No forecast yet: {said.reason}.", unexplained)))
    between = f" (between {words.money(said.low_nano_usd)} and {words.money(said.high_nano_usd)})"
    ends = f"{words.month(answer.query.start)} is likely to end at *{words.money(said.likely_nano_usd)}*"
    return " ".join(filter(None, (f"{begins}; {ends}{between}.", unexplained)))


def _mine(mine: Mine) -> str:
    return so_far(mine.month) if mine.month.answer.lines else NOT_YOURS


def _budgets(mine: Mine) -> list[kit.Block]:
    if not mine.budgets:
        return []
    lines = [f"{budgets.standing_line(one)}\n`{budgets.bar(one)}`" for one in mine.budgets[:BUDGETS_MAX]]
    if more := len(mine.budgets) - len(lines):
        lines.append(f"and {more} more: `/spend budget`")
    return [kit.section("\n".join(["*Budgets*", *lines]))]


def _worth(month: Month, now: datetime) -> str:
    answer = month.answer
    return " · ".join(
        (
            words.freshness(answer.fresh_until, now),
            f"days in {words.safe(answer.time_zone)}",
            f"updated at {words.clock(now, now)}",
        )
    )
