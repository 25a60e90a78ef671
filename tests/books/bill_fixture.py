"""A ledger whose bill has no keys: the usage splits it, and a better hourly report comes later than the usage.

`what_is_reconciled` is the plain model of what should count, computed from every page that was taken in.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from outlay.books.pricing.calibration_ratios import ONE, ratio
from outlay.books.rollups.bill_reconciliation import BilledUsage, BillRow, reconcile
from outlay.books.rollups.report_precedence import ReportCoverage, is_final, report_coverage, report_for_hour
from outlay.core.model_names import canonical
from outlay.core.money import to_nano
from outlay.database.tables import BILLED, COMPUTED, RESIDUAL, UNBILLED, UNPRICED
from outlay.plugin.contract import Report, Row
from tests.books.factories import DAY, HOUR, MEASURED
from tests.books.test_generated_worlds import Delivery, plus

COSTS = Report("costs", DAY, lag=HOUR, split_by="usage")
PRECISE = Report("precise", HOUR, lag=timedelta(minutes=20))
USAGE = Report("usage", timedelta(minutes=10), basis="computed", lag=timedelta(minutes=5))
FINER = (PRECISE, USAGE)
Sums = dict[tuple[Any, ...], list[int | None]]


def what_is_reconciled(world: list[Delivery], first: datetime, days: int) -> Sums:
    """Return sums by day, key, model and basis."""
    said_: dict[str, dict[tuple[Any, ...], Row]] = defaultdict(dict)
    final: dict[int, bool] = {}
    spans: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for one in sorted(world, key=lambda one: one.at):
        held, window, at = said_[one.report.name], one.page.window, int(one.at.timestamp())
        for place in [place for place in held if window.start <= place[0] < window.end]:
            del held[place]
        held |= {(row.start, row.key, row.model): row for row in one.page.rows}
        start, end = int(window.start.timestamp()), int(window.end.timestamp())
        spans[one.report.name].append((start, end, at))
        for place in range(days):
            day = int((first + place * DAY).timestamp())
            if one.report is COSTS and start < day + 86_400 and end > day:
                final[day] = final.get(day, False) or is_final(COSTS, day, at)
    sums: Sums = {}
    for place in range(days):
        day = int((first + place * DAY).timestamp())
        inside = {
            name: [row for row in rows.values() if day <= row.start.timestamp() < day + 86_400]
            for name, rows in said_.items()
        }
        spoke = {name for name, all_ in spans.items() if any(s < day + 86_400 and e > day for s, e, _ in all_)}
        if final.get(day) or (day in final and not spoke & {"precise", "usage"}):
            _reconciled(sums, day, inside.get("costs", []), inside.get("usage", []))
            continue
        by_bill = _ratios(
            said_, max((one for one in final if final[one] and 0 < day - one <= 7 * 86_400), default=None)
        )
        computed: dict[tuple[int, str, str], int] = defaultdict(int)
        hours = range(day, day + 86_400, 3_600)
        sayings = {report.name: report_coverage(report, spans[report.name], hours) for report in FINER}
        for report in FINER:
            for row in inside.get(report.name, []):
                hour = int(row.start.timestamp()) // 3_600 * 3_600
                if _counts(report, sayings, hour):
                    _add(sums, day, row, BILLED if report is PRECISE else COMPUTED)
                    if report is USAGE:
                        computed[hour, row.key, row.model] += to_nano(row.cost_usd or 0)
        for (_, key, model), usd in computed.items():
            if usd and canonical(model) in by_bill:
                more = usd * by_bill[canonical(model)] // ONE - usd
                _lay(sums, (day, key, model, COMPUTED), [more, *[0] * len(MEASURED)])
    return sums


def _ratios(said_: dict[str, dict[tuple[Any, ...], Row]], day: int | None) -> dict[str, int]:
    """Return the last bill's ratio to each model's computed dollars."""
    if day is None:
        return {}
    billed, computed, unpriced = Counter[str](), Counter[str](), Counter[str]()
    for name, sums in (("costs", billed), ("usage", computed)):
        for row in said_[name].values():
            if day <= row.start.timestamp() < day + 86_400:
                sums[canonical(row.model)] += to_nano(row.cost_usd or 0)
                if name == "usage" and row.cost_usd is None:
                    unpriced[canonical(row.model)] += row.tokens.total
    found = {model: ratio(billed[model], usd) for model, usd in computed.items() if not unpriced[model]}
    return {model: one for model, one in found.items() if one}


def _counts(report: Report, sayings: dict[str, ReportCoverage], hour: int) -> bool:
    return report_for_hour(FINER, sayings, hour) is report


def _reconciled(sums: Sums, day: int, bill: list[Row], usage: list[Row]) -> None:
    used: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in usage:
        if row.cost_usd or row.tokens.total or row.requests or row.byok_usd:
            used[row.key, row.model].append(row)
    uses = [
        BilledUsage(
            _name(key, rows[0]), bool(key), canonical(model), "", model,
            sum(to_nano(row.cost_usd or 0) for row in rows),
            sum(row.tokens.total for row in rows), sum(row.requests or 0 for row in rows),
            sum(row.tokens.total for row in rows if row.cost_usd is None),
        )
        for (key, model), rows in used.items()
    ]  # fmt: skip
    bill = [row for row in bill if any(_amounts(row))]  # a row of zeros is one that the ledger withdrew
    billed = [BillRow(_name(row.key, row), bool(row.key), canonical(row.model), "", _amounts(row)) for row in bill]
    amounts, explained = reconcile(billed, uses, kinds=2)
    for billed_at, ((key, model), rows) in zip(amounts, used.items(), strict=True):
        if billed_at is None:  # the bill does not name it: it stays as it was told
            for row in rows:
                _add(sums, day, row, UNPRICED if row.cost_usd is None else UNBILLED)
            continue
        cost, byok = billed_at
        figures: list[int | None] = [cost, byok, None, *map(sum, zip(*(row.tokens for row in rows), strict=True))]
        for row in rows:
            figures[2] = plus(figures[2], row.requests)
        _lay(sums, (day, key, model, BILLED), [*figures, 0])
    for row, one, known in zip(bill, billed, explained, strict=True):
        if not known and any(one.amounts):
            basis = BILLED if row.key else RESIDUAL
            _lay(sums, (day, row.key, row.model, basis), [*one.amounts, None, *[0] * (len(MEASURED) - 3), 0])


def _amounts(row: Row) -> tuple[int, int]:
    return to_nano(row.cost_usd or 0), to_nano(row.byok_usd)


def _name(key: str, row: Row) -> tuple[str, str, str]:
    return (key, "", "") if key else ("", row.reason, row.project)


def _add(sums: Sums, day: int, row: Row, basis: int) -> None:
    cost = None if row.cost_usd is None else to_nano(row.cost_usd)
    figures = [cost, to_nano(row.byok_usd), row.requests, *row.tokens]
    if any(figures):
        unpriced = row.tokens.total if cost is None else 0
        _lay(sums, (day, row.key, row.model, UNPRICED if cost is None else basis), [*figures, unpriced])


def _lay(sums: Sums, place: tuple[Any, ...], figures: list[int | None]) -> None:
    before = sums.get(place, [None] * (len(MEASURED) + 1))
    sums[place] = [plus(*both) for both in zip(before, figures, strict=True)]
