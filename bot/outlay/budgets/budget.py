"""Budgets: a dollar limit for a workspace, owner, model or ledger and a period, and which alerts are due.

Each *mark* (a share of the limit, or the forecast passing it) is announced once a period. If several marks are reached
at once, only the highest is announced. When the limit changes, marks that no longer hold are forgotten, so that they
are announced again under the new one; those that still hold are not repeated. Budgets here are soft: they alert and
stop nothing. Pure; money in nano-dollars.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from outlay.core.calendar_periods import Period
from outlay.spend.forecast import Forecast

Scope = Literal["workspace", "owner", "model", "ledger"]
SCOPES: tuple[Scope, ...] = ("workspace", "owner", "model", "ledger")
SHARES = (80, 100)  # percent; no 50, since half of a budget in the middle of a month is as planned
SHARES_MAX = 5
PERCENT_MAX = 1_000
FORECAST = 0  # the mark of a forecast that passes the limit
LIMIT_MAX_NANO_USD = 10**9 * 10**9  # a billion dollars


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit. `subject`: an owner's id, a pattern of models, a ledger's slug; "" for the workspace.

    `shares`: percent of the limit at which to alert. `channel`: where to post; "" for the channel of the alerts.
    """

    id: int
    scope: Scope
    subject: str
    period: Period
    limit_nano_usd: int
    name: str = ""  # of the subject, as people know it
    shares: tuple[int, ...] = SHARES
    on_forecast: bool = True
    channel: str = ""


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """State of a budget in the period [start, end] on `today`."""

    budget: Budget
    start: date
    end: date
    today: date
    forecast: Forecast

    @property
    def spent_nano_usd(self) -> int:
        """Return what was spent so far in the period."""
        return self.forecast.spent_nano_usd

    @property
    def forecast_over_limit(self) -> bool:
        """Report whether the limit is not passed yet but is forecast to be."""
        likely = self.forecast.likely_nano_usd
        return likely is not None and likely > self.budget.limit_nano_usd > self.spent_nano_usd


@dataclass(frozen=True, slots=True)
class MarkChanges:
    """Result of checking a budget: the mark to announce (None: nothing new), marks to store, marks to forget."""

    tell: int | None = None
    note: frozenset[int] = frozenset()
    forget: frozenset[int] = frozenset()


def mark_changes(standing: BudgetStatus, told: Mapping[int, int]) -> MarkChanges:
    """Compare a budget with its stored marks and return what changed.

    `told`: the marks of this period that are stored, with the limit that held then.
    """
    budget = standing.budget
    limit, spent = budget.limit_nano_usd, standing.spent_nano_usd
    reached = {share for share in budget.shares if spent * 100 >= share * limit}
    holds = reached | ({FORECAST} if budget.on_forecast and standing.forecast_over_limit else set())
    forget = frozenset(mark for mark, then in told.items() if then != limit and mark not in holds)
    known = frozenset(told) - forget
    fresh = holds - known
    above = max(reached & known, default=0)
    tell = max(fresh, default=None)
    if tell is not None and tell != FORECAST and tell < above:
        tell = None  # a lower share, added after a higher one was announced
    return MarkChanges(tell, frozenset(fresh), forget)
