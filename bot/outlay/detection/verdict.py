"""Output of the detector: who, how urgent, and the numbers behind it. `explain` renders them as a sentence.

Every number can be checked: `/spend today owner:… by hour`, `… by key`, `… by model`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

EVERYBODY = "*"
NANO = 1e9


class Severity(StrEnum):
    """Urgency of a verdict: a page interrupts a person; a notice asks, quietly."""

    PAGE = "page"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class ScoreFact:
    """A row of the score that fired: the value now, the subject's usual daily record, the points that it adds."""

    name: str
    now: float
    usual: float
    points: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One alert. Money in nano-dollars, moments in seconds since 1970.

    `at`: the poll that raised it; `as_of`: up to when the money it covers was spent. `subject`: `*` for the workspace.
    `usual_by_now_nano_usd`: the median of the same weekday's money by the same local time (of all days where there are
    fewer than three such), None where there is no history. `by_midnight_nano_usd`: today's money if the last hour goes
    on until local midnight. `share`: of the money since `since`, what went to `model` on `key`. `hour_nano_usd`: of the
    last hour, or at the pace of the stretch since `since` where that is shorter. `requests`, of the hours since then,
    and `tokens_each`: None where a ledger does not report requests.
    """

    at: int
    as_of: int
    subject: str
    severity: Severity
    score: float
    today_nano_usd: int
    usual_by_now_nano_usd: int | None
    hour_nano_usd: int
    day_nano_usd: int
    by_midnight_nano_usd: int
    since: int
    key: str | None
    model: str | None
    share: float | None
    facts: tuple[ScoreFact, ...]
    days_known: int
    subjects: int = 1
    requests: int | None = None
    tokens_each: int | None = None

    @property
    def ratio(self) -> float | None:
        """Return today's spend over the usual by now; None where there is no usual."""
        usual = self.usual_by_now_nano_usd
        return self.today_nano_usd / usual if usual and usual > 0 else None


def explain(verdict: Verdict, zone: tzinfo = UTC) -> str:
    """Render the verdict as one sentence with its numbers, in the workspace's zone."""
    local = datetime.fromtimestamp(verdict.as_of, zone)
    today, usual, ratio = _usd(verdict.today_nano_usd), verdict.usual_by_now_nano_usd, verdict.ratio
    who = f"{verdict.subjects} owners at once: " if verdict.subject == EVERYBODY else ""
    day = f"{local:%H:%M} on a {local:%A}"
    if usual is None:
        parts = [f"{who}{today} by {day}, and no earlier day to compare with"]
    else:
        times = f", {_times(ratio)}" if ratio and ratio >= 1.05 else ""
        parts = [f"{who}usually {_usd(usual)} by {day}, now {today}{times}"]
    parts.append(f"{_usd(verdict.hour_nano_usd)} an hour")
    if verdict.day_nano_usd > 1.5 * max(verdict.today_nano_usd, 0):
        parts.append(f"{_usd(verdict.day_nano_usd)} in the last 24 hours")
    parts.append(f"at this pace {_usd(verdict.by_midnight_nano_usd)} by midnight")
    since = _since(verdict.since, local, zone)
    if verdict.share is not None and verdict.model:
        on = f" on key {verdict.key}" if verdict.key else ""
        parts.append(f"{100 * verdict.share:.0f} % of it {verdict.model}{on}, since {since}")
    else:
        parts.append(f"since {since}")
    if verdict.requests and verdict.tokens_each:
        parts.append(f"{verdict.requests:,} requests of about {verdict.tokens_each:,} tokens")
    parts += [words for fact in verdict.facts if (words := _fact(fact))]
    return "; ".join(parts)


def _since(at: int, local: datetime, zone: tzinfo) -> str:
    began = datetime.fromtimestamp(at, zone)
    return f"{began:%H:%M}" if began.date() == local.date() else f"{began:%A} {began:%H:%M}"


def _usd(nano: int) -> str:
    usd = nano / NANO
    return f"${usd:,.2f}" if abs(usd) < 10 else f"${usd:,.0f}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}×" if ratio < 10 else f"{min(ratio, 99_999):,.0f}×"


def _span(polls: float) -> str:
    minutes = round(polls * 5)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d}"


def _fact(fact: ScoreFact) -> str:
    """Describe a fact whose numbers are not in the sentence already; "" for the others."""
    match fact.name:
        case "machine":
            usual = f"a day's longest is usually {_span(fact.usual)}"
            return f"spending evenly and without a pause for {_span(fact.now)} ({usual})"
        case "tireless":
            return "at hours that are not its own"
        case "busy":
            return f"active in {_span(fact.now)} of the last 24 hours (usually {_span(fact.usual)})"
        case "dear":
            return f"on a new model, whose tokens cost {_times(fact.now)} the usual"
        case "key":
            return f"{100 * fact.now:.0f} % of the last 24 hours on a key that is new or was quiet for two weeks"
        case "young":
            return f"known for {fact.now:.0f} active days only, so compared with the others"
    return ""
