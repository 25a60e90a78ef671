"""Sentences of an answer: the headline, remarks beside the total, and how reliable the figures are.

As mrkdwn. The terminal prints the same text without the marks.
"""

from datetime import datetime

from outlay import wording
from outlay.slack.spend.rows import Label, highest_cost_line, labels
from outlay.spend.answer import Answer, AnswerLine, ComparisonTotals, UnmatchedFilter
from outlay.spend.comparison import biggest_change
from outlay.spend.query import REQUESTED, DateRange, Query
from outlay.spend.timeseries import SpendOverTime, course_of, spark

ABOUT_THE_SAME_PERCENT = 1


def headline(found: Answer, bold: str = "*") -> str:
    """Say the total, the period, the comparison, and the biggest part, in one line."""
    period = wording.period(found.query)
    if found.basis == "unpriced":
        said = f"{bold}Not priced:{bold} {wording.tokens(found.unpriced_tokens)} {period}"
    else:
        said = f"{bold}{wording.money(found.total_nano_usd)}{bold} {period}"
    said += filter_text(found)
    if found.before:
        said += f", {comparison_text(found, found.before)}"
    return " · ".join(part for part in (said, _biggest(found, bold), _moved(found, bold)) if part)


def nothing_spent(found: Answer) -> str:
    """Say why there is no line: the period is in the future, a filter matches nothing, or nothing was spent."""
    today = found.as_of.date()  # UTC: a day's difference by time zone does not matter for a future period
    said = f"$0 {wording.period(found.query)}{filter_text(found)}"
    if found.query.start > today:
        return f"{said}: that has not begun."
    before = (
        f" {comparison_text(found, found.before)[:1].upper()}{comparison_text(found, found.before)[1:]}."
        if found.before
        else ""
    )
    if found.unknown:
        first, *more = map(_not_there, found.unknown)
        return " ".join((f"{said}: {first}", *(one[:1].upper() + one[1:] for one in more))) + before
    return f"{said}: nothing was spent that a connected ledger knows of.{before}"


def _not_there(one: UnmatchedFilter) -> str:
    """Say that a filter matches nothing: `no key belongs to «x». Did you mean «owner:y»?`"""
    nothing = _NOTHING.get(one.dimension, f"no {one.dimension} in the books is called")
    near = f"{one.dimension}:{one.near}" if " " not in one.near else f'{one.dimension}:"{one.near}"'
    hint = f" Did you mean {wording.command(near)}?" if one.near and one.dimension != REQUESTED else ""
    return f"{nothing} {wording.safe(one.pattern)}.{hint}"


def comparison_text(found: Answer, before: ComparisonTotals) -> str:
    """Say how the total compares: `$112.40 (37 %) more than $300.00 last week (9 Nov to 15 Nov 2026)`."""
    than = f"{wording.money(before.total_nano_usd)} {wording.period(before.days)}"
    if before.basis == "unpriced" or found.basis == "unpriced":
        return (
            f"beside what has no price {wording.period(before.days)}" if before.basis == "unpriced" else f"after {than}"
        )
    change = found.total_nano_usd - before.total_nano_usd
    if abs(change) * 100 <= ABOUT_THE_SAME_PERCENT * abs(before.total_nano_usd):
        return f"about as much as {than}"
    share = wording.growth(found.total_nano_usd, before.total_nano_usd)
    if share.endswith("much"):
        return f"{share} as {than}"
    part = f" ({share})" if share else ""
    return f"{wording.money(abs(change))}{part} {'more' if change > 0 else 'less'} than {than}"


def filter_text(found: Answer) -> str:
    """Say to what the question is filtered, so that a part is not mistaken for the whole."""
    if not found.query.filters:
        return ""
    return ", only " + " and ".join(
        f"{_FIELDS.get(name, name)} {wording.safe(value)}" for name, value in found.query.filters
    )


def remarks(found: Answer) -> list[str]:
    """Return a sentence for each amount that belongs beside the total, such as residual, adjustments and BYOK."""
    said = []
    if found.before and (lengths := _lengths(found.query, found.before.days)):
        said.append(lengths)
    if any(name == REQUESTED for name, _ in found.query.filters):
        said.append("What was asked of a router is told by reports that come late: the newest days may be missing.")
    said += filter(
        None,
        (
            wording.residual(found.residual_nano_usd + found.never_billed_nano_usd),
            wording.never_billed(found.never_billed_nano_usd),
        ),
    )
    if found.unpriced_tokens and found.basis != "unpriced":
        said.append(_unpriced(found.unpriced_tokens))
    if found.adjustments_nano_usd:
        said.append(f"Ledgers corrected this period later, by {wording.money(found.adjustments_nano_usd)}.")
    if found.byok_nano_usd:
        said.append(wording.byok(found.byok_nano_usd, found.byok_counted_nano_usd))
    if saved := found.saved_by_cache_nano_usd:
        verb = "saved" if saved > 0 else "cost more than it saved, by"
        said.append(f"Caching {verb} {wording.money(abs(saved))} at list price.")
    if found.forecast:
        said.append(_forecast(found))
    return said


def quality_line(found: Answer) -> str:
    """Say what the figures are: basis, status, coverage, freshness, time zone, and whether the view is restricted."""
    return " · ".join(
        (
            wording.basis(found.basis, found.calibrated_by, found.as_of.date()),
            wording.status(found.status, found.provisional_until, found.as_of),
            wording.coverage(found.coverage, found.unpriced_tokens),
            wording.freshness(found.fresh_until, found.as_of),
            f"days in {wording.safe(found.time_zone)}",
            *(("as far as whoever asked may see",) if _is_about_people(found.query) else ()),
        )
    )


def _is_about_people(query: Query) -> bool:
    """Report whether a restricted asker may have been shown less than there is."""
    asked = {*query.by, *(name for name, _ in query.filters)}
    return query.sees is not None and bool(asked & {"owner", "key", "project"})


def sparkline_text(found: SpendOverTime) -> str:
    """Draw the series as a row of text bars, with its highest slot in words, for where no chart can be drawn."""
    values = found.nano_usd
    top = max(range(len(values)), key=lambda place: (values[place], place))
    highest = f"highest {slot_label(found, top)}, {wording.money(values[top])}"
    return f"{spark(values)}  {slot_label(found, 0)} to {slot_label(found, len(values) - 1)}, {highest}"


def slot_label(found: SpendOverTime, place: int) -> str:
    """Name a slot: `21 Nov`, `1–3 Nov`, `30 Oct–2 Nov`, `14:00`, `20 Nov 14:00`. At most 20 characters."""
    first, last = found.slots[place]
    if found.by_hour:
        one_day = found.slots[-1][1] - found.slots[0][0] < wording.DAY
        return f"{first:%H:%M}" if one_day else f"{wording.day(first.date(), first.date())} {first:%H:%M}"
    year = "" if found.slots[0][0].year == found.slots[-1][1].year else f" {last:%y}"
    if first == last:
        return f"{wording.day(first.date(), first.date())}{year}"
    begins = str(first.day) if first.month == last.month else wording.day(first.date(), first.date())
    return f"{begins}–{wording.day(last.date(), last.date())}{year}"


def row_title(label: Label) -> str:
    """Return the name of a row, as mrkdwn."""
    return f"<@{label.user}>" if label.user else wording.safe(label.text)


def _biggest(found: Answer, bold: str) -> str:
    """Say the biggest line; over time, the day or hour with the highest cost, or the biggest series overall."""
    if len(found.lines) < 2:
        return ""
    others = tuple(name for name in found.query.by if name not in ("day", "hour"))
    whole = course_of(found, slots_max=1, series_max=len(found.lines)) if others else None
    top = highest_cost_line(found)
    if top is None:
        return ""
    most = top.cost_nano_usd or 0
    if whole and whole.series[0].line:
        top, most = whole.series[0].line, sum(whole.series[0].nano_usd)
    share = wording.percent(most, found.total_nano_usd)
    amount = f"{wording.money(most)}{f' ({share})' if share else ''}"
    if not others and (top.day or top.hour):
        return f"most {_when(top, bold)}, {amount}"
    name = " / ".join(row_title(label) for label in labels(top, others or found.query.by))
    return f"biggest: {bold}{name}{bold}, {amount}"


def _when(line: AnswerLine, bold: str) -> str:
    """Format the time of a line: `on 6 Nov 2026`, `at 02:00 UTC on 6 Nov 2026`."""
    at = datetime.fromisoformat(line.hour or f"{line.day}T00:00:00Z")
    said = wording.day(at.date())
    return f"at {bold}{at:%H:%M} UTC{bold} on {said}" if line.hour else f"on {bold}{said}{bold}"


def _moved(found: Answer, bold: str) -> str:
    """Say what changed most, if that is not the whole change."""
    moved = biggest_change(found.lines) if found.before and len(found.lines) > 1 else None
    if moved is None:
        return ""
    name = " / ".join(row_title(label) for label in labels(moved, found.query.by))
    return f"moved most: {bold}{name}{bold}, {wording.change(moved.cost_nano_usd, moved.before_nano_usd)}"


def _lengths(now: Query, before: DateRange) -> str:
    """Say that the compared periods differ in length, or that today is not over; else ""."""
    days, other = (now.end - now.start).days + 1, (before.end - before.start).days + 1
    if days != other:
        return f"That is {wording.count_with_noun(days, 'day')} beside {other:,}."
    return "Today is not over." if now.period == "today" else ""


def _forecast(found: Answer) -> str:
    foreseen, month = found.forecast, wording.month(found.query.start)
    if foreseen is None or foreseen.likely_nano_usd is None:
        return f"{month}: {foreseen.reason if foreseen else ''}."
    low, high = wording.money(foreseen.low_nano_usd), wording.money(foreseen.high_nano_usd)
    between = f" (between {low} and {high})" if low != high else ""
    return f"{month} is likely to end at {wording.money(foreseen.likely_nano_usd)}{between}."


def _unpriced(count: int) -> str:
    have, are = ("has", "is") if count == 1 else ("have", "are")
    return f"{wording.tokens(count)} {have} no known price and {are} not in the total."


_NOTHING = {
    "owner": "no key belongs to",
    "ledger": "no ledger is connected that is called",
    "connection": "no connection is called",
    REQUESTED: "no ledger tells of requests to",
}
_FIELDS = {REQUESTED: "requests to"}
