"""Spend over time for charts, from an answer by day or hour: one value per slot, with no gaps.

Where there are more slots than a chart has room for, neighbors are added up in groups of one size. Where the
answer has a second grouping, its biggest members are series of their own and all others are one series.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from outlay.spend.answer import Answer, AnswerLine

OTHERS = ""  # name of the series of all others; each face has its own word for it
HOUR = timedelta(hours=1)
_LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class SpendSeries:
    """One line of a chart: nano-dollars per slot.

    `line`: the answer's line that names it; None for the series of all others, or of all together.
    """

    line: AnswerLine | None
    nano_usd: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SpendOverTime:
    """Spend over time. `slots`: first and last day (or hour) of each. `before`: the comparison period by slot."""

    by_hour: bool
    slots: tuple[tuple[datetime, datetime], ...]
    series: tuple[SpendSeries, ...]
    before: tuple[int, ...] | None
    together: int  # how many days or hours each slot adds up

    @property
    def nano_usd(self) -> tuple[int, ...]:
        """Return the sum of all series, slot by slot."""
        return tuple(map(sum, zip(*(one.nano_usd for one in self.series), strict=True)))


def course_of(answer: Answer, *, slots_max: int, series_max: int = 1) -> SpendOverTime | None:
    """Build the series over the days of the query that have begun; None where it was not asked by day or hour."""
    by_hour = "hour" in answer.query.by
    times = _hours(answer) if by_hour else _days(answer)
    if not (by_hour or "day" in answer.query.by) or not times:
        return None
    together = -(-len(times) // slots_max)
    place = {_name(at, by_hour): number // together for number, at in enumerate(times)}
    groups = [times[first : first + together] for first in range(0, len(times), together)]
    sums: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0] * len(groups))
    named: dict[tuple[object, ...], AnswerLine] = {}
    before = [0] * len(groups)
    for line in answer.lines:
        slot = place.get((line.hour if by_hour else line.day) or "")
        if slot is not None:
            who = _who(line, answer.query.by)
            named.setdefault(who, line)
            sums[who][slot] += line.cost_nano_usd or 0
            before[slot] += line.before_nano_usd or 0
    return SpendOverTime(
        by_hour,
        tuple((group[0], group[-1]) for group in groups),
        _series(sums, named, series_max, len(groups), split=len(answer.query.by) > 1),
        tuple(before) if answer.before else None,
        together,
    )


def biggest_members(answer: Answer, top: int) -> Answer:
    """Keep only the `top` biggest members of the other grouping; the rest goes into the answer's rest."""
    sums: dict[tuple[object, ...], int] = defaultdict(int)
    for line in answer.lines:
        sums[_who(line, answer.query.by)] += line.cost_nano_usd or 0
    kept = set(sorted(sums, key=lambda who: (-sums[who], str(who)))[:top])
    lines = tuple(line for line in answer.lines if _who(line, answer.query.by) in kept)
    left = [line for line in answer.lines if _who(line, answer.query.by) not in kept]
    rest = sum(line.cost_nano_usd or 0 for line in left)
    return replace(answer, lines=lines, rest_count=len(left), rest_nano_usd=rest)


def spark(values: Sequence[int]) -> str:
    """Render values as a row of bars, `▁▂▅█`; the tallest is the biggest, a credit is as low as nothing."""
    top = max([*values, 0])
    steps = len(_LEVELS) - 1
    return "".join(_LEVELS[(max(value, 0) * steps + top // 2) // top if top else 0] for value in values)


def _series(
    sums: dict[tuple[object, ...], list[int]],
    named: dict[tuple[object, ...], AnswerLine],
    series_max: int,
    slots: int,
    *,
    split: bool,
) -> tuple[SpendSeries, ...]:
    if not split or series_max == 1:
        return (SpendSeries(None, tuple(map(sum, zip(*sums.values(), strict=True))) or (0,) * slots),)
    ordered = sorted(sums, key=lambda who: (-sum(sums[who]), str(who)))
    own = ordered if len(ordered) <= series_max else ordered[: series_max - 1]
    found = [SpendSeries(named[who], tuple(sums[who])) for who in own]
    if left := ordered[len(own) :]:
        found.append(SpendSeries(None, tuple(map(sum, zip(*(sums[who] for who in left), strict=True)))))
    return tuple(found)


def _who(line: AnswerLine, by: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(line, name) for name in by if name not in ("day", "hour"))


def _name(at: datetime, by_hour: bool) -> str:
    return at.strftime("%Y-%m-%dT%H:00:00Z") if by_hour else at.date().isoformat()


def _days(answer: Answer) -> list[datetime]:
    """Return the midnights without a zone: a day is a name here."""
    today = answer.as_of.astimezone(ZoneInfo(answer.time_zone)).date()
    first, last = answer.query.start, min(answer.query.end, today)
    return [datetime.combine(first + timedelta(days=n), time()) for n in range((last - first).days + 1)]


def _hours(answer: Answer) -> list[datetime]:
    zone = ZoneInfo(answer.time_zone)
    first, end = (_midnight(day, zone) for day in (answer.query.start, answer.query.end + timedelta(days=1)))
    until = min(end, answer.as_of)
    return [first + HOUR * n for n in range(-(-(until - first) // HOUR))] if until > first else []


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC).replace(minute=0)
