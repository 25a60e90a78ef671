"""Answer to "who spent what?": figures with status and basis. Faces (Slack, terminal, JSON) only render it.

Money in nano-dollars; None where nothing has a price. Times are aware, UTC.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from outlay.core.owner import KeyRef, Owner
from outlay.core.tokens import NO_TOKENS, Tokens
from outlay.spend.forecast import Forecast
from outlay.spend.query import DateRange, Query

Status = Literal["provisional", "settled", "closed", "adjustment", "mixed"]
AnswerBasis = Literal["billed", "computed", "unpriced", "mixed"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model by its canonical name, with the names that ledgers gave it."""

    id: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One row of an answer. Only the dimensions in `query.by` are set.

    `adjusts` names the closed month that this money corrects; it counts on the day when it was observed.
    `reason` says why money has no key and no owner can be named. Then owner is unattributed, key None.
    `model` None with "model" in `query.by`: money that no report has split by model (yet).
    `before_nano_usd`: the same in the comparison period, if there is one. None: nothing priced.
    """

    cost_nano_usd: int | None
    status: Status
    basis: AnswerBasis
    tokens: Tokens = NO_TOKENS
    requests: int | None = None
    unpriced_tokens: int = 0
    owner: Owner | None = None
    key: KeyRef | None = None
    model: ModelRef | None = None
    ledger: str | None = None
    connection: str | None = None
    project: str | None = None
    day: str | None = None
    hour: str | None = None
    reason: str = ""
    adjusts: str = ""
    before_nano_usd: int | None = None


@dataclass(frozen=True, slots=True)
class ComparisonTotals:
    """Totals of the comparison period. `rest_nano_usd`: of the lines that `top` left out."""

    days: DateRange
    total_nano_usd: int
    basis: AnswerBasis
    rest_nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class UnmatchedFilter:
    """A filter that matches no name in the books, and the nearest name that exists, or ""."""

    dimension: str
    pattern: str
    near: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of a query. `lines` are its top rows, biggest first (by day or hour: in order of time).

    `rest_count` and `rest_nano_usd` stand for the lines that `top` left out. `provisional_until`: when the last
    provisional figure settles, if known. `calibrated_by`: the day of the bill whose ratio scaled the computed figures.
    `byok_nano_usd` was paid upstream with own keys; the counted part of it is in the total, because no
    connected ledger of that upstream counts it. `residual_nano_usd` is what bills have and no usage
    explains, less `never_billed_nano_usd`, which usage has and no bill that has settled names. `coverage` is the share
    of tokens that have a price. `fresh_until`
    says for each connection up to when its ledger has been read; None: never yet.
    `before`: the comparison period's totals. `forecast`: where the current month will end, if that was asked.
    `unknown`: filters that match nothing; only set where there are no lines.
    """

    query: Query
    time_zone: str
    as_of: datetime
    lines: tuple[AnswerLine, ...]
    total_nano_usd: int
    status: Status
    basis: AnswerBasis
    coverage: float
    rest_count: int = 0
    rest_nano_usd: int = 0
    residual_nano_usd: int = 0
    never_billed_nano_usd: int = 0
    adjustments_nano_usd: int = 0
    byok_nano_usd: int = 0
    byok_counted_nano_usd: int = 0
    unpriced_tokens: int = 0
    saved_by_cache_nano_usd: int | None = None
    fresh_until: dict[str, datetime | None] = field(default_factory=dict)
    provisional_until: datetime | None = None
    calibrated_by: date | None = None
    before: ComparisonTotals | None = None
    forecast: Forecast | None = None
    unknown: tuple[UnmatchedFilter, ...] = ()
