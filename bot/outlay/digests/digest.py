"""Digest of a complete period: what changed against the previous one and why; when it is due, and until when.

Its figures are an `Answer`, the same that `/spend` gives for the period. *Moves* say who spent more or less than
before, and on which model most of that was. Pure; money in nano-dollars. `outlay.slack.digests` has the words.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from outlay.budgets.budget import BudgetStatus
from outlay.core.calendar_periods import Period, last_span, span_of
from outlay.core.owner import UNATTRIBUTED, Owner
from outlay.spend.answer import Answer, AnswerLine
from outlay.spend.forecast import Forecast

TOP = 5
MOVES_MAX = 3
MOVE_PERCENT = 5  # of the period's dollars; smaller changes are left out
MOVE_FLOOR_NANO_USD = 1_000_000_000
NEW_MODELS_DAYS = 60  # a model not used for so long counts as new
DRAWN_DAYS = 14  # days in the chart of a daily digest
LATE_AFTER = timedelta(minutes=30)
LATE_AT_MOST: Mapping[Period, timedelta] = {
    "day": timedelta(hours=12),
    "week": timedelta(days=3),
    "month": timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class SpendChange:
    """Change of one owner's spend (in a personal digest: of one model's), before and now.

    `model`: the model behind most of the change, "" if none is. `model_before_nano_usd`: 0 if new to the owner.
    """

    owner: Owner | None
    before_nano_usd: int
    now_nano_usd: int
    model: str = ""
    model_before_nano_usd: int = 0
    model_now_nano_usd: int = 0

    @property
    def change_nano_usd(self) -> int:
        """Return the difference; negative for less than before."""
        return self.now_nano_usd - self.before_nano_usd


@dataclass(frozen=True, slots=True)
class DigestIncident:
    """Summary of an incident of the period."""

    number: int
    name: str
    state: str
    spent_nano_usd: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Digest:
    """Content of a digest.

    `before_nano_usd`: total of the comparison period; None if the books do not hold all of that.
    `month` and `forecast`: the current month, at the time of writing. `person`: whose own digest it is, or "".
    `days`: nano-dollars by day, from the first that is compared with or drawn; a day without spend is not in it.
    """

    period: Period
    start: date
    end: date
    answer: Answer
    before_nano_usd: int | None
    compared: tuple[date, date]
    moves: tuple[SpendChange, ...]
    new_models: tuple[tuple[str, int | None], ...]
    month: tuple[date, date]
    forecast: Forecast
    budgets: tuple[BudgetStatus, ...]
    episodes: tuple[DigestIncident, ...]
    person: str = ""
    late: bool = False
    days: Mapping[date, int] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Report whether there is nothing to say."""
        return not self.answer.lines and not self.before_nano_usd and not self.episodes


@dataclass(frozen=True, slots=True)
class DueDigest:
    """A digest of the days [start, end] that became due at `at`."""

    period: Period
    start: date
    end: date
    at: datetime

    def late(self, now: datetime) -> bool:
        """Report whether the digest is so late that it should say so."""
        return now - self.at > LATE_AFTER

    def too_late(self, now: datetime) -> bool:
        """Report whether the digest is too late to send at all."""
        return now - self.at > LATE_AT_MOST[self.period]


def newest_due(period: Period, now: datetime, at: time, zone: tzinfo) -> DueDigest:
    """Return the latest digest that is due.

    A local time that a clock change skips is the moment after; one that occurs twice is its first occurrence.
    """
    today = now.astimezone(zone).date()
    first = span_of(period, today)[0]
    moment = datetime.combine(first, at, zone).astimezone(UTC)
    if moment > now:
        first = span_of(period, first - timedelta(days=1))[0]
        moment = datetime.combine(first, at, zone).astimezone(UTC)
    return DueDigest(period, *last_span(period, first), moment)


def moves(
    now: Sequence[AnswerLine], before: Sequence[AnswerLine], *, by_model: bool = False
) -> tuple[SpendChange, ...]:
    """Return the biggest changes by owner, or by model if `by_model`, biggest first. Lines are by owner and model."""
    sums_now, sums_before = _sums(now, by_model), _sums(before, by_model)
    whole = max(sum(_total(one) for one in sums_now.values()), sum(_total(one) for one in sums_before.values()), 0)
    owners = {_who(line, by_model): line.owner for line in (*before, *now)}
    found = []
    for who, owner in owners.items():
        then, here = sums_before.get(who, {}), sums_now.get(who, {})
        change = _total(here) - _total(then)
        if abs(change) < MOVE_FLOOR_NANO_USD or abs(change) * 100 < MOVE_PERCENT * whole:
            continue
        model = _most(then, here, change)
        found.append(
            SpendChange(
                None if by_model else owner or UNATTRIBUTED,
                _total(then),
                _total(here),
                model,
                then.get(model, 0),
                here.get(model, 0),
            )
        )
    return tuple(sorted(found, key=lambda move: (-abs(move.change_nano_usd), move.model))[:MOVES_MAX])


def new_models(now: Sequence[AnswerLine], known: Iterable[str]) -> tuple[tuple[str, int | None], ...]:
    """Return models not in `known`, with their dollars, biggest first; none where `known` is empty."""
    seen = frozenset(known)
    if not seen:
        return ()
    found: dict[str, int | None] = {}
    for line in now:
        if line.model and line.model.id not in seen:
            had = found.get(line.model.id)
            cost = line.cost_nano_usd
            found[line.model.id] = had if cost is None else cost + (had or 0)
    return tuple(sorted(found.items(), key=lambda one: (-(one[1] or 0), one[0])))


def _sums(lines: Sequence[AnswerLine], by_model: bool) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        sums[_who(line, by_model)][line.model.id if line.model else ""] += line.cost_nano_usd or 0
    return sums


def _who(line: AnswerLine, by_model: bool) -> str:
    return (line.model.id if line.model else "") if by_model else (line.owner or UNATTRIBUTED).id


def _total(models: Mapping[str, int]) -> int:
    return sum(models.values())


def _most(before: Mapping[str, int], now: Mapping[str, int], change: int) -> str:
    """Return the model that makes most of a change; "" if none makes half of it."""
    by_model = {model: now.get(model, 0) - before.get(model, 0) for model in {*before, *now} if model}
    if not by_model or not change:
        return ""
    model = max(by_model, key=lambda one: (by_model[one] * (1 if change > 0 else -1), one))
    return model if by_model[model] * 2 * (1 if change > 0 else -1) >= abs(change) else ""
