"""Allocation of a whole-day bill to the day's hours and, if the bill names the report that splits it, to its keys.

A plain bill has its keys and only lacks the hours; finer reports of the same money show their shape. A bill that is
`split_by` another report has the dollars, and that report everything else: see `bill_reconciliation`.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.rollups.bill_reconciliation import BilledUsage, BillRow, reconcile, weights
from outlay.books.rollups.hour_winner import sub_daily_reports, winner_runs
from outlay.books.rollups.hourly_split import HOURS, Weights, over_hours, shape_of
from outlay.books.rollups.price_terms import Terms, terms_of
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS
from outlay.books.rollups.unknown_parts import UnknownPart, taken_out
from outlay.core.model_names import canonical
from outlay.core.money import split_by_weights
from outlay.core.offload import offload
from outlay.core.tokens import CLASSES
from outlay.database.engine import execute
from outlay.database.tables import BILLED, COMPUTED, FIGURES, RESIDUAL, UNBILLED, UNPRICED
from outlay.plugin.contract import Report

PROJECT = "@project"  # in a series' detail: the project of a row with a key, where the split depends on it
_SUMS = ", ".join(f"SUM(e.{name})" for name in FIGURES)
_TOKENS = " + ".join(f"e.{name}" for name in CLASSES)
_OUTPUT, _REASONING = FIGURES.index("output"), FIGURES.index("reasoning")
_COST, _BYOK, _REQUESTS = FIGURES.index("cost_nano_usd"), FIGURES.index("byok_nano_usd"), FIGURES.index("requests")
_CLASS_PLACES = [FIGURES.index(name) for name in CLASSES]
_ANYTHING = " OR ".join(f"SUM(e.{name}) <> 0" for name in FIGURES if name not in ("reasoning", "saved_nano_usd"))


class AllocatedLine(NamedTuple):
    """Part of a bill for one hour, key and model. Figures are in the order of FIGURES."""

    hour: int  # of the UTC day, from 0
    key_id: int
    model_id: int
    basis: int
    figures: Sequence[int | None]

    @property
    def unpriced(self) -> int:
        """Return its tokens that have no dollars."""
        return sum(self.figures[place] or 0 for place in _CLASS_PLACES) if self.basis == UNPRICED else 0


def split_report_names(reports: Sequence[Report]) -> frozenset[str]:
    """Return the names of the reports of a ledger that split a bill, and of those bills."""
    return frozenset(name for report in reports if report.split_by for name in (report.name, report.split_by))


async def lines(
    session: AsyncSession, connection_id: int, reports: Sequence[Report], bill: Report, day: int
) -> list[AllocatedLine]:
    """Return a day's bill by hour, key and model."""
    span = {"connection": connection_id, "start": day, "end": day + DAY_SECONDS, "report": bill.name}
    if bill.split_by:
        return await _reconciled(session, span, bill.split_by)
    return await _spread(session, span, reports, computed=bill.basis == "computed")


_AT_LIST = f"CASE WHEN e.price_version <> '' OR e.basis = {UNPRICED} THEN 1 ELSE 0 END"  # not the ledger's dollars
_BILL = text(
    f"""
    SELECT s.key_id, s.model_id, e.basis, m.name AS model, {_AT_LIST} AS at_list, {_SUMS}
    FROM entry e JOIN series s ON s.id = e.series_id JOIN model m ON m.id = s.model_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report
    GROUP BY s.key_id, s.model_id, e.basis, m.name, {_AT_LIST} HAVING {_ANYTHING}
    """
)
_BILL_FIGURES = 5  # index of the first figure in a row of _BILL
_UNKNOWN = text(
    f"""
    SELECT s.report, s.key_id, m.name AS model, (e.start - :start) / {HOUR_SECONDS} AS hour, e.basis,
           {_AT_LIST} AS at_list, {_SUMS}
    FROM entry e JOIN series s ON s.id = e.series_id JOIN model m ON m.id = s.model_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report IN :reports
    GROUP BY s.report, s.key_id, m.name, (e.start - :start) / {HOUR_SECONDS}, e.basis, {_AT_LIST}
    """
).bindparams(bindparam("reports", expanding=True))
_UNKNOWN_FIGURES = 6  # index of the first figure in a row of _UNKNOWN
_SHAPE = text(
    f"""
    SELECT s.report, s.key_id, s.model_id, (e.start - :start) / {HOUR_SECONDS} AS hour,
           SUM(COALESCE(e.cost_nano_usd, 0)) AS cost, SUM({_TOKENS}) AS tokens
    FROM entry e JOIN series s ON s.id = e.series_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report IN :reports
    GROUP BY s.report, s.key_id, s.model_id, (e.start - :start) / {HOUR_SECONDS}
    """
).bindparams(bindparam("reports", expanding=True))


@dataclass(slots=True)
class _Sum:
    """Sum of a bill for a key and a model, as `row` of _BILL names it."""

    row: Any
    figures: list[int | None]


async def _spread(
    session: AsyncSession, span: Mapping[str, Any], reports: Sequence[Report], *, computed: bool
) -> list[AllocatedLine]:
    """Spread a day's bill over its hours, by the shape that finer reports of the same money show.

    `computed`: its dollars are a gateway's own, so what that could not price is taken out first.
    """
    telling: dict[int, str] = {}
    for run in await winner_runs(session, span["connection"], sub_daily_reports(reports), (span["start"], span["end"])):
        telling |= dict.fromkeys(range(run.start, run.end, HOUR_SECONDS), run.report.name)
    exact: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    by_key: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in await execute(session, _SHAPE, {**span, "reports": sorted({*telling.values(), ""})}):
        if telling[span["start"] + row.hour * HOUR_SECONDS] != row.report:
            continue
        weight = max(int(row.cost), 0) or int(row.tokens)
        exact[row.key_id, row.model_id][row.hour] = weight
        by_key[row.key_id][row.hour] += weight
    rows = (await execute(session, _BILL, span)).all()
    billed = [_Sum(row, [None if one is None else int(one) for one in row[_BILL_FIGURES:]]) for row in rows]
    apart = await _apart(session, span, billed, telling) if computed and telling else []
    laid = await offload(lambda: _laid(billed, exact, by_key), len(billed) * HOURS)
    return _added_up(apart + laid) if computed else laid


async def _apart(
    session: AsyncSession, span: Mapping[str, Any], billed: Sequence[_Sum], telling: Mapping[int, str]
) -> list[AllocatedLine]:
    """Take out of a gateway's sums what its finer rows say that it could not price; return those parts."""
    unknown: dict[tuple[int, str], list[UnknownPart]] = defaultdict(list)
    priced: set[str] = set()  # the finer reports that tell dollars at all
    for row in await execute(session, _UNKNOWN, {**span, "reports": sorted(set(telling.values()))}):
        if telling[span["start"] + row.hour * HOUR_SECONDS] != row.report:
            continue
        if not row.at_list:
            priced.add(row.report)
            continue
        figures = [None if one is None else int(one) for one in row[_UNKNOWN_FIGURES:]]
        unknown[row.key_id, canonical(row.model)].append(UnknownPart(row.hour, row.basis, figures))
    found: list[AllocatedLine] = []
    for one in billed if priced else ():
        if not one.row.at_list and (parts := unknown.pop((one.row.key_id, canonical(one.row.model)), None)):
            one.figures, parts = taken_out(one.figures, parts)
            found += [
                AllocatedLine(part.hour, one.row.key_id, one.row.model_id, part.basis, part.figures) for part in parts
            ]
    return found


def _laid(
    billed: Sequence[_Sum], exact: Mapping[tuple[int, int], Weights], by_key: Mapping[int, Weights]
) -> list[AllocatedLine]:
    """Spread each sum of a bill over the hours by the shape of its key and model, else of its key, else evenly."""
    found: list[AllocatedLine] = []
    for one in billed:
        key_id, model_id, basis = one.row.key_id, one.row.model_id, one.row.basis
        shape = shape_of(exact.get((key_id, model_id)), by_key.get(key_id))
        sums = [*one.figures]
        sums[_OUTPUT] = (sums[_OUTPUT] or 0) - (sums[_REASONING] or 0)  # spread separately, so that no hour
        for hour, split in over_hours(sums, shape):  # shows more reasoning than output
            parts = [*split]
            parts[_OUTPUT] = (parts[_OUTPUT] or 0) + (parts[_REASONING] or 0)
            found.append(AllocatedLine(hour, key_id, model_id, basis, parts))
    return found


_NAMED = "s.key_id, s.model_id, s.detail, k.ledger_id, k.reason, k.scope, m.name AS model"
_BY_SERIES = """
    FROM entry e JOIN series s ON s.id = e.series_id JOIN ledger_key k ON k.id = s.key_id
    JOIN model m ON m.id = s.model_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report
    GROUP BY s.id, k.id, m.id"""
_BILLED = text(
    f"SELECT {_NAMED}, SUM(COALESCE(e.cost_nano_usd, 0)) AS cost, SUM(e.byok_nano_usd) AS byok {_BY_SERIES} "
    "HAVING SUM(COALESCE(e.cost_nano_usd, 0)) <> 0 OR SUM(e.byok_nano_usd) <> 0"
)
_USED = text(
    f"SELECT {_NAMED}, (e.start - :start) / {HOUR_SECONDS} AS hour, e.basis, "
    f"SUM(CASE WHEN e.cost_nano_usd IS NULL THEN {_TOKENS} ELSE 0 END) AS unpriced, {_SUMS} "
    f"{_BY_SERIES}, (e.start - :start) / {HOUR_SECONDS}, e.basis HAVING {_ANYTHING}"
)
_USED_FIGURES = 10  # index of the first figure in a row of _USED


@dataclass(slots=True)
class _Use:
    """Usage of a model by a key in a project, on the same price terms, by the hour."""

    key_id: int
    model_id: int
    row: Any
    project: str
    terms: Terms
    hours: dict[int, list[int | None]] = field(default_factory=dict)
    unpriced: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    by_basis: dict[tuple[int, int], list[int | None]] = field(default_factory=dict)  # (hour, basis) → its own figures

    def add(self, hour: int, basis: int, figures: Sequence[Any], unpriced: int) -> None:
        for held in (
            self.hours.setdefault(hour, [None] * len(FIGURES)),
            self.by_basis.setdefault((hour, basis), [None] * len(FIGURES)),
        ):
            for place, figure in enumerate(figures):
                if figure is not None:
                    held[place] = (held[place] or 0) + int(figure)
        self.unpriced[hour] += unpriced

    def as_told(self) -> list[AllocatedLine]:
        """Return it as the usage tells it: with its own dollars, or none."""
        return [
            AllocatedLine(hour, self.key_id, self.model_id, UNBILLED if basis == COMPUTED else basis, figures)
            for (hour, basis), figures in self.by_basis.items()
        ]

    def used(self, hours: Sequence[int]) -> BilledUsage:
        """Return the usage of the given hours."""
        parts = [self.hours[hour] for hour in hours]
        return BilledUsage(
            key=(self.row.ledger_id, self.row.reason, self.row.scope),
            keyed=bool(self.row.ledger_id),
            model=canonical(self.row.model) if self.row.model else "",
            project=self.project,
            spelled=self.row.model,
            nano_usd=sum(part[_COST] or 0 for part in parts),
            tokens=sum(part[place] or 0 for part in parts for place in _CLASS_PLACES),
            requests=sum(part[_REQUESTS] or 0 for part in parts),
            unpriced=sum(self.unpriced[hour] for hour in hours),
            terms=self.terms,
        )

    def shape(self) -> dict[int, int]:
        """Return the weight of each hour."""
        hours = sorted(self.hours)
        return dict(zip(hours, weights(self.used([hour]) for hour in hours), strict=True))


async def _reconciled(session: AsyncSession, span: Mapping[str, Any], split_by: str) -> list[AllocatedLine]:
    """Assign a bill's dollars to the keys, tokens and hours of the report that splits it.

    Use that the bill does not name stays as that report tells it.
    """
    uses = await _uses(session, {**span, "report": split_by})
    billed = (await execute(session, _BILLED, span)).all()
    bill = [_billed(row) for row in billed]
    amounts, explained = reconcile(bill, [use.used(list(use.hours)) for use in uses], kinds=2)
    found: list[AllocatedLine] = []
    by_key: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for use, billed_at in zip(uses, amounts, strict=True):
        if billed_at is None:
            found += use.as_told()
            continue
        cost, byok = billed_at
        shape = use.shape()
        parts = list(shape.values())
        for hour, cost_part, byok_part in zip(
            shape, split_by_weights(cost, parts), split_by_weights(byok, parts), strict=True
        ):
            figures = [*use.hours[hour]]
            figures[_COST], figures[_BYOK] = cost_part, byok_part
            found.append(AllocatedLine(hour, use.key_id, use.model_id, BILLED, figures))
            by_key[use.key_id][hour] += shape[hour]
    for row, one, known in zip(billed, bill, explained, strict=True):
        if known:
            continue
        nothing: list[int | None] = [None if name in ("requests", "saved_nano_usd") else 0 for name in FIGURES]
        nothing[_COST], nothing[_BYOK] = one.amounts
        basis = BILLED if one.keyed else RESIDUAL
        shape_of_key: Weights | None = by_key.get(row.key_id) if one.keyed else None
        for hour, split in over_hours(nothing, shape_of(shape_of_key)):
            found.append(AllocatedLine(hour, row.key_id, row.model_id, basis, split))
    return _added_up(found)


async def _uses(session: AsyncSession, span: Mapping[str, Any]) -> list[_Use]:
    """Return a day's usage by key, model, project and price terms."""
    found: dict[tuple[int, int, str, Terms], _Use] = {}
    for row in await execute(session, _USED, span):
        place = (row.key_id, row.model_id, _project(row), terms_of(row.detail))
        use = found.setdefault(place, _Use(row.key_id, row.model_id, row, *place[2:]))
        use.add(row.hour, row.basis, row[_USED_FIGURES:], int(row.unpriced))
    return list(found.values())


def _billed(row: Any) -> BillRow:
    model = canonical(row.model) if row.model else ""
    key = (row.ledger_id, row.reason, row.scope)
    return BillRow(key, bool(row.ledger_id), model, _project(row), (int(row.cost), int(row.byok)), terms_of(row.detail))


def _project(row: Any) -> str:
    if not row.ledger_id:
        return str(row.scope)
    return str(json.loads(row.detail).get(PROJECT, "")) if PROJECT in row.detail else ""


def _added_up(found: Sequence[AllocatedLine]) -> list[AllocatedLine]:
    """Sum lines into one for each hour, key, model and basis; all-zero lines are left out."""
    sums: dict[tuple[int, int, int, int], list[int | None]] = {}
    for line in found:
        held = sums.setdefault(line[:4], [None] * len(FIGURES))
        for place, figure in enumerate(line.figures):
            if figure is not None:
                held[place] = (held[place] or 0) + figure
    return [AllocatedLine(*place, figures) for place, figures in sums.items() if any(figures)]
