"""Scoring of alerts against the ground truth, by the same definitions as the public benchmark's scorer.

An incident is caught by the first alert on its subject from its start until 15 minutes after its end; further ones
until a day after it are neither right nor wrong; every other alert is false; a false notice that becomes a page within
a day counts once. Burned: the incident's own dollars before its first alert.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from benchmarks.detection.companies import BEGIN, WARM_UP_DAYS, Company, Label
from outlay.detection.time_slots import DAY_SLOTS, SLOT_SECONDS

GRACE, ECHO = 3, DAY_SLOTS
Alert = tuple[int, str, bool]  # Unix seconds, subject, whether it is a page


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one company, or of several together."""

    incidents: int
    caught: int
    same_day: int
    false: int
    developer_days: float
    burned: tuple[float, ...]
    jumps: int
    jumps_caught: int
    kinds: dict[str, tuple[int, int]]

    @property
    def recall(self) -> float:
        return self.caught / max(1, self.incidents)

    @property
    def false_per_100_days(self) -> float:
        return 100 * self.false / max(1e-9, self.developer_days)

    @property
    def precision(self) -> float:
        return self.caught / max(1, self.caught + self.false)

    @property
    def same_day_share(self) -> float:
        return self.same_day / max(1, self.incidents)

    @property
    def burned_usd(self) -> float:
        return median(self.burned) if self.burned else 0.0


def score_alerts(company: Company, alerts: Iterable[Alert]) -> Scores:
    """Score these alerts; leave the notices out to score only the pages."""
    first: dict[Label, int] = {}
    false, noticed = 0, dict[str, int]()
    for at, subject, page in sorted(alerts):
        slot = (at - BEGIN) // SLOT_SECONDS
        if slot < WARM_UP_DAYS * DAY_SLOTS:
            continue
        mine = [one for one in company.labels if one.subject == subject and one.start < slot <= one.end + ECHO]
        guilty = [one for one in mine if one.incident]
        if guilty:
            one = max(guilty, key=lambda label: label.start)
            if slot <= one.end + GRACE:
                first.setdefault(one, slot)
        elif (
            (subject == "*" and any(slot <= one.end for one in mine))
            or (
                subject != "*"
                and any(
                    one.subject == "*" and one.incident and one.start < slot <= one.end + ECHO for one in company.labels
                )
            )
            or (page and slot - noticed.pop(subject, -ECHO - 1) <= ECHO)
        ):
            continue
        else:
            if not page:
                noticed[subject] = slot
            false += 1
    singles = [one for one in company.labels if one.incident and one.subject != "*"]
    kinds: dict[str, tuple[int, int]] = {}
    for one in singles:
        count, caught = kinds.get(one.kind, (0, 0))
        kinds[one.kind] = (count + 1, caught + (one in first))
    jumps = [one for one in company.labels if one.incident and one.subject == "*"]
    days = sum(company.days - max(WARM_UP_DAYS, begin / DAY_SLOTS) for begin in company.first.values())
    return Scores(
        incidents=len(singles),
        caught=sum(one in first for one in singles),
        same_day=sum(one in first and first[one] // DAY_SLOTS == one.start // DAY_SLOTS for one in singles),
        false=false,
        developer_days=days,
        burned=tuple(sum(usd for slot, usd in one.burned if slot < first.get(one, 1 << 40)) for one in singles),
        jumps=len(jumps),
        jumps_caught=sum(one in first for one in jumps),
        kinds=kinds,
    )


def combined_scores(figures: Iterable[Scores]) -> Scores:
    """Add up the scores of several companies."""
    all_of = list(figures)
    kinds: dict[str, tuple[int, int]] = {}
    for one in all_of:
        for kind, (count, caught) in one.kinds.items():
            had = kinds.get(kind, (0, 0))
            kinds[kind] = (had[0] + count, had[1] + caught)
    return Scores(
        sum(one.incidents for one in all_of), sum(one.caught for one in all_of), sum(one.same_day for one in all_of),
        sum(one.false for one in all_of), sum(one.developer_days for one in all_of),
        tuple(usd for one in all_of for usd in one.burned), sum(one.jumps for one in all_of),
        sum(one.jumps_caught for one in all_of), kinds,
    )  # fmt: skip
