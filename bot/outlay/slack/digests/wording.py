"""Text of a digest as mrkdwn: what changed, why, and the notable remarks."""

from datetime import date

from outlay import wording as words
from outlay.core.calendar_periods import Period
from outlay.core.owner import Owner
from outlay.digests.digest import Digest, SpendChange
from outlay.slack.budgets.wording import standing_line
from outlay.spend.forecast import Forecast

ABOUT_THE_SAME_PERCENT = 3
MODELS_MAX, EPISODES_MAX, BUDGETS_MAX = 3, 3, 4
NOTABLE_COVERAGE = 0.99
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FREQUENCY_NAMES: dict[Period, str] = {"day": "Daily", "week": "Weekly", "month": "Monthly"}


def title(digest: Digest) -> str:
    """Return the days of a digest: `Friday 20 Nov`, `The week from 9 to 15 Nov` or `October 2026`."""
    return span(digest.period, digest.start, digest.end)


def span(period: Period, start: date, end: date) -> str:
    """Return the days of a period, as the subject of a sentence."""
    if period == "day":
        return f"{_WEEKDAYS[start.weekday()]} {words.day(start, start)}"
    if period == "month":
        return words.month(start)
    first = str(start.day) if start.month == end.month else words.day(start, end)
    return f"The week from {first} to {words.day(end, end)}"


def what_changed(digest: Digest, bold: str = "*") -> str:
    """Return the first sentence: the total, compared with the period before. `bold`: the mark around the amount."""
    total, before = digest.answer.total_nano_usd, digest.before_nano_usd
    you = "You spent" if digest.person else ""
    amount = f"{bold}{words.money(total)}{bold}"
    begins = f"{title(digest)}: {you.lower()} {amount}" if you else f"{title(digest)} cost {amount}"
    if digest.quiet:
        return f"{title(digest)}: nothing was spent that a connected ledger knows of."
    if before is None:
        return f"{begins}; the books hold no whole {digest.period} before it to compare with."
    change, than = total - before, _than(digest)
    if abs(change) * 100 <= ABOUT_THE_SAME_PERCENT * max(before, 1):
        return f"{begins}, about as much as {than}."
    share = words.percent(abs(change), before) if abs(change) <= 3 * before else ""
    times = f", {_times(total, before)} times as much" if before > 0 and not share and change > 0 else ""
    part = f" ({share})" if share else times
    closing = "," if part.startswith(",") else ""
    return f"{begins}, {words.money(abs(change))} {'more' if change > 0 else 'less'} than {than}{part or closing}."


def main_cause(digest: Digest) -> str:
    """Return the second sentence: which owner on which model; "" if there is no period to compare with."""
    if digest.quiet or digest.before_nano_usd is None:
        return ""
    change = digest.answer.total_nano_usd - digest.before_nano_usd
    along = [move for move in digest.moves if (move.change_nano_usd > 0) == (change > 0)]
    if not along:
        return "Nobody's spending changed much." if not digest.moves else f"But {_moved(digest.moves[0])}."
    first = along[0]
    share = words.percent(abs(first.change_nano_usd), abs(change))
    most = abs(first.change_nano_usd) * 2 >= abs(change)
    lead = "Most of that is" if most and share else "The biggest part of that is"
    return f"{lead} {_name(first)}{_on(first)}."


def biggest_changes(digest: Digest) -> str:
    """List the owners whose spend changed most, a line each; "" if the second sentence covers them."""
    if len(digest.moves) < 2:
        return ""
    return "*Who moved most*\n" + "\n".join(f"• {_moved(move)}" for move in digest.moves)


def remarks(digest: Digest) -> list[str]:
    """Return the notable remarks, a line each: new models, forecast, budgets, incidents, cache and coverage."""
    return [
        line
        for line in (_new_models(digest), _month(digest), _budgets(digest), _episodes(digest), _figures(digest))
        if line
    ]


def month_forecast(digest: Digest) -> str:
    """Return the forecast of the current month, or the reason why there is none."""
    return forecast_words(digest.forecast, words.month(digest.month[0]))


def forecast_words(found: Forecast, name: str) -> str:
    """Format a forecast: `November is likely to end at $9,200 (between $8,600 and $9,900); $6,100 so far`."""
    spent = words.money(found.spent_nano_usd)
    if found.likely_nano_usd is None or found.low_nano_usd is None or found.high_nano_usd is None:
        return f"{name}: {spent} so far; {found.reason}"
    low, high = words.money(found.low_nano_usd), words.money(found.high_nano_usd)
    between = f" (between {low} and {high})" if low != high else ""
    return f"{name} is likely to end at {words.money(found.likely_nano_usd)}{between}; {spent} so far"


def _than(digest: Digest) -> str:
    start = digest.compared[0]
    if digest.period == "day":
        return f"the {_WEEKDAYS[start.weekday()]} before"
    return "the week before" if digest.period == "week" else words.month(start)


def _times(now: int, before: int) -> str:
    tenths = now * 10 // before
    return f"{tenths // 10:,}" if tenths >= 100 else f"{tenths / 10:.1f}".removesuffix(".0")


def _name(move: SpendChange) -> str:
    return owner(move.owner) if move.owner else f"*{words.safe(move.model) if move.model else 'no model'}*"


def owner(found: Owner) -> str:
    """Return an owner as mrkdwn."""
    if found.kind == "unattributed":
        return "money that nobody is named for"
    user = words.slack_user(found)
    return f"<@{user}>" if user else f"*{words.safe(found.name or found.id)}*"


def _on(move: SpendChange) -> str:
    """Return the model and its cost before and now; without a model, the change of the owner or model itself."""
    if not move.owner or not move.model:
        return f", {_from_to(move.before_nano_usd, move.now_nano_usd)}"
    return f" on {words.safe(move.model)}, {_from_to(move.model_before_nano_usd, move.model_now_nano_usd)}"


def _from_to(before: int, now: int) -> str:
    if before == 0:
        return f"{words.money(now)} after none"
    return f"{words.money(now)} after {words.money(before)}"


def _moved(move: SpendChange) -> str:
    change = words.money(abs(move.change_nano_usd))
    return f"{_name(move)}: {change} {'more' if move.change_nano_usd > 0 else 'less'}{_on(move)}"


def _new_models(digest: Digest) -> str:
    if not digest.new_models:
        return ""
    shown = [f"{words.safe(model)} ({words.money(nano)})" for model, nano in digest.new_models[:MODELS_MAX]]
    more = len(digest.new_models) - len(shown)
    return f"*New:* {', '.join(shown)}{f' and {more} more' if more else ''}."


def _month(digest: Digest) -> str:
    return f"{month_forecast(digest)}."


def _budgets(digest: Digest) -> str:
    """List the budgets worth a line: the workspace's own, and those at 80 % or forecast to exceed their limit.

    A personal digest lists all of the person's budgets.
    """
    worth = [
        one
        for one in digest.budgets
        if digest.person
        or one.budget.scope == "workspace"
        or one.forecast_over_limit
        or one.spent_nano_usd * 100 >= 80 * one.budget.limit_nano_usd
    ]
    if not worth:
        return ""
    lines = [f"• {standing_line(one)}" for one in worth[:BUDGETS_MAX]]
    more = len(worth) - len(lines)
    return "\n".join(["*Budgets*", *lines, *([f"and {more} more: `/spend budget`"] if more else [])])


def _episodes(digest: Digest) -> str:
    if not digest.episodes:
        return ""
    alive = sum(one.alive for one in digest.episodes)
    told = [f"{words.safe(one.name)} ({words.money(one.spent_nano_usd)}{', not over' if one.alive else ''})"
            for one in digest.episodes[:EPISODES_MAX]]  # fmt: skip
    more = len(digest.episodes) - len(told)
    count = words.count_with_noun(len(digest.episodes), "incident")
    still = f", {alive} not over" if alive and len(digest.episodes) > 1 else ""
    return f"*{count}*{still}: {', '.join(told)}{f' and {more} more' if more else ''}."


def _figures(digest: Digest) -> str:
    """Return savings by caching, the residual however small, and coverage only if it is notably low."""
    answer, said = digest.answer, []
    if saved := answer.saved_by_cache_nano_usd:
        verb = "saved" if saved > 0 else "cost more than it saved, by"
        said.append(f"Caching {verb} {words.money(abs(saved))} at list price.")
    said += filter(
        None,
        (
            words.residual(answer.residual_nano_usd + answer.never_billed_nano_usd),
            words.never_billed(answer.never_billed_nano_usd),
        ),
    )
    if answer.unpriced_tokens and answer.coverage < NOTABLE_COVERAGE:
        said.append(f"{words.tokens(answer.unpriced_tokens)} have no known price and are not in the total.")
    return " ".join(said)
