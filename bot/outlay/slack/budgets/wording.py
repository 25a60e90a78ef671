"""Text about budgets: whom one is for, how much is spent, and the alert near, at or ahead of the limit."""

from outlay import wording
from outlay.budgets.budget import FORECAST, Budget, BudgetStatus
from outlay.core.calendar_periods import Period
from outlay.core.owner import Owner

BAR_PARTS = 10
PERIOD_WORDS: dict[Period, str] = {"day": "a day", "week": "a week", "month": "a month"}
CURRENT_PERIOD_WORDS: dict[Period, str] = {"day": "today", "week": "this week", "month": "this month"}


def subject(budget: Budget) -> str:
    """Return whom or what a budget is for, as mrkdwn."""
    match budget.scope:
        case "workspace":
            return "Everybody"
        case "model":
            return f"model {wording.safe(budget.subject)}"
        case "ledger":
            return f"ledger {wording.safe(budget.subject)}"
    kind = budget.subject.partition(":")[0] if ":" in budget.subject else "person"
    name = budget.name or budget.subject
    user = wording.slack_user(Owner(budget.subject, budget.name, "person")) if kind == "person" else None
    if user:
        return f"<@{user}>"
    return wording.safe(name) if kind == "person" else f"{kind} {wording.safe(name.removeprefix(f'{kind}:'))}"


def standing_line(standing: BudgetStatus) -> str:
    """Format a budget as one line: `Everybody, a month: $412 of $600, 69 %, day 21 of 30, likely $590`."""
    return f"*{subject(standing.budget)}*, {PERIOD_WORDS[standing.budget.period]}: {figures(standing)}"


def figures(standing: BudgetStatus) -> str:
    """Format a budget's figures: `$412 of $600, 69 %, day 21 of 30, likely $590`."""
    budget, spent = standing.budget, standing.spent_nano_usd
    said = [f"{wording.money(spent)} of {wording.money(budget.limit_nano_usd)}", percent(standing)]
    if budget.period != "day":
        said.append(f"day {(standing.today - standing.start).days + 1} of {(standing.end - standing.start).days + 1}")
    if standing.forecast.likely_nano_usd is not None:
        over = ", over the limit" if standing.forecast_over_limit else ""
        said.append(f"likely {wording.money(standing.forecast.likely_nano_usd)}{over}")
    elif standing.forecast.reason:
        said.append("no forecast yet")
    return ", ".join(said)


def percent(standing: BudgetStatus) -> str:
    """Return the share of the limit that is spent; it can exceed 100 %."""
    return wording.percent(max(standing.spent_nano_usd, 0), standing.budget.limit_nano_usd)


def bar(standing: BudgetStatus) -> str:
    """Draw the spent share as a bar of ten characters. The text beside it states the same."""
    limit = standing.budget.limit_nano_usd
    full = min(max(standing.spent_nano_usd * BAR_PARTS // limit, 0), BAR_PARTS)
    return "█" * full + "░" * (BAR_PARTS - full)


def alert_sentence(standing: BudgetStatus, mark: int) -> str:
    """Return the sentence of a budget alert. `mark`: the threshold reached, or FORECAST."""
    budget = standing.budget
    limit, spent = wording.money(budget.limit_nano_usd), wording.money(standing.spent_nano_usd)
    who, this = subject(budget), CURRENT_PERIOD_WORDS[budget.period]
    whose = f"The budget of *{who}*" if budget.scope != "workspace" else "The budget of *everybody*"
    likely = standing.forecast.likely_nano_usd
    foreseen = f" The forecast says {wording.money(likely)}." if likely is not None else ""
    if mark == FORECAST:
        return (
            f"{whose} will not last: {spent} of {limit} are spent {this}, "
            f"and the forecast says {wording.money(likely)}."
        )
    if standing.spent_nano_usd >= budget.limit_nano_usd:
        return f"{whose} is spent: {spent} of {limit} {this} ({percent(standing)}).{foreseen}"
    return f"{whose} is spent to {percent(standing)}: {spent} of {limit} {this}.{foreseen}"
