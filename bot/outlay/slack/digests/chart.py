"""Chart of a digest: spend by day, beside the period before. Pure.

A day is shown at the end of its two weeks; a week beside the week before, weekday by weekday; a month cumulatively
beside the month before, so that it shows where they diverge. Slack's own chart takes 20 points, and so does this one.
"""

from datetime import date, timedelta
from itertools import accumulate

from outlay import wording
from outlay.core.money import to_usd
from outlay.digests.digest import DRAWN_DAYS, Digest
from outlay.slack import block_kit

POINTS_MIN = 4  # with fewer days of spend the text is clearer than a chart
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EVERY_DAYS = 2  # days between two points of a month


def chart(digest: Digest) -> block_kit.Block | None:
    """Build the chart block; None if there are too few days of spend."""
    match digest.period:
        case "day":
            start = digest.end - timedelta(days=DRAWN_DAYS - 1)
            days = _days(start, digest.end)
            title = f"Spend by day, two weeks to {wording.day(digest.end, digest.end)}"
            labels, series = [wording.day(day, day) for day in days], [("Spend", _of(digest, days))]
        case "week":
            labels, title = list(_WEEKDAYS), "Spend by day"
            series = [(_week(digest.start, digest.end), _of(digest, _days(digest.start, digest.end)))]
            if digest.before_nano_usd is not None:
                before = _days(*digest.compared)
                series.append((_week(*digest.compared), _of(digest, before)))
        case "month":
            title = "Spend so far in the month, day by day"
            places = _places(digest)
            labels, series = [str(place + 1) for place in places], [_month(digest, digest.start, digest.end, places)]
            if digest.before_nano_usd is not None:
                series.append(_month(digest, *digest.compared, places))
    spent = sum(digest.days.get(day, 0) != 0 for day in _days(digest.start, digest.end))
    if digest.period == "day":
        spent = sum(nano != 0 for nano in series[0][1])
    return _block(title, labels, series) if spent >= POINTS_MIN else None


def _block(title: str, labels: list[str], series: list[tuple[str, list[int]]]) -> block_kit.Block:
    return {
        "type": "data_visualization",
        "title": title,
        "chart": {
            "type": "line",
            "series": [
                {
                    "name": name,
                    "data": [{"label": at, "value": _usd(nano)} for at, nano in zip(labels, each, strict=True)],
                }
                for name, each in series
            ],
            "axis_config": {"categories": labels, "y_label": "USD"},
        },
    }


def _days(start: date, end: date) -> list[date]:
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def _of(digest: Digest, days: list[date]) -> list[int]:
    return [digest.days.get(day, 0) for day in days]


def _week(start: date, end: date) -> str:
    first = str(start.day) if start.month == end.month else wording.day(start, end)
    return f"{first} to {wording.day(end, end)}"


def _places(digest: Digest) -> list[int]:
    """Return the days of the month to draw, counted from 0: every second one, and the last."""
    last = (digest.end - digest.start).days
    return sorted({*range(_EVERY_DAYS - 1, last, _EVERY_DAYS), last})


def _month(digest: Digest, start: date, end: date, places: list[int]) -> tuple[str, list[int]]:
    """Return the name and the cumulative sums of a month; a shorter month stays at its last sum."""
    sums = list(accumulate(_of(digest, _days(start, end))))
    return wording.month(start), [sums[min(place, len(sums) - 1)] for place in places]


def _usd(nano_usd: int) -> float:
    """Convert to dollars as a float, only for drawing; the figures that people read are in the text."""
    usd = to_usd(nano_usd)
    return round(float(usd), 2 if abs(usd) >= 1 else 6)
