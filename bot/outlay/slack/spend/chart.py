"""Time series of an answer as Slack's own chart block: no file, no scope, and it follows the reader's theme.

One line for each series, three at most; the period compared with is a line of its own. The text says what the chart
shows too, because a phone cannot enlarge it and a color means nothing by itself.
"""

from outlay import wording as words
from outlay.core.money import to_usd
from outlay.slack import block_kit
from outlay.slack.spend.rows import labels
from outlay.slack.spend.wording import slot_label
from outlay.spend.answer import Answer
from outlay.spend.timeseries import SpendOverTime, SpendSeries, course_of

POINTS_MAX = 20
POINTS_MIN = 4  # with fewer, a sentence says it better
SERIES_MAX = 3
NAME_CHARACTERS_MAX = 20
TITLE_CHARACTERS_MAX = 50
_CENT = 100


def course(found: Answer) -> SpendOverTime | None:
    """Return the time series to draw; None if the answer is not over time, or has too few points."""
    drawn = course_of(found, slots_max=POINTS_MAX, series_max=1 if found.before else SERIES_MAX)
    return drawn if drawn and len(drawn.slots) >= POINTS_MIN and any(drawn.nano_usd) else None


def chart(found: Answer, drawn: SpendOverTime) -> block_kit.Block:
    """Build the chart block."""
    names = [slot_label(drawn, place) for place in range(len(drawn.slots))]  # all different, none too long
    series = [(_name(found, one), one.nano_usd) for one in drawn.series]
    if drawn.before is not None:
        series.append(("Before", drawn.before))
    called = _unique([name for name, _ in series])
    return {
        "type": "data_visualization",
        "title": block_kit.cut(_title(found, drawn), TITLE_CHARACTERS_MAX),
        "chart": {
            "type": "line",
            "series": [
                {
                    "name": name,
                    "data": [{"label": at, "value": _usd(nano)} for at, nano in zip(names, each, strict=True)],
                }
                for name, (_, each) in zip(called, series, strict=True)
            ],
            "axis_config": {"categories": names, "y_label": "USD"},
        },
    }


def _title(found: Answer, drawn: SpendOverTime) -> str:
    unit = "hour" if drawn.by_hour else "day"
    each = unit if drawn.together == 1 else f"{drawn.together} {unit}s"
    return f"Spend by {each}, {words.period(found.query)}{', UTC' if drawn.by_hour else ''}"


def _name(found: Answer, one: SpendSeries) -> str:
    if one.line is None:
        return "Others" if len(found.query.by) > 1 and not found.before else "Spend"
    by = tuple(name for name in found.query.by if name not in ("day", "hour"))
    return " / ".join(label.text for label in labels(one.line, by))


def _usd(nano_usd: int) -> float:
    """Convert to dollars for drawing: rounded to cents, small amounts to six digits."""
    usd = to_usd(nano_usd)
    return round(float(usd), 2 if abs(usd) >= 1 else 6)


def _unique(names: list[str]) -> list[str]:
    """Shorten the names and number the duplicates."""
    found: list[str] = []
    for name in names:
        short, number = block_kit.cut(name, NAME_CHARACTERS_MAX), 2
        while short in found:
            end = f" {number}"
            short, number = block_kit.cut(name, NAME_CHARACTERS_MAX - len(end)) + end, number + 1
        found.append(short)
    return found
