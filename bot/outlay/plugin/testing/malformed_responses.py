"""Conformance kit: malformed answers, which documents rule out and vendors give all the same.

Unknown fields, numbers as text, nulls, fields that are missing, pages that repeat, a refusal of one report only. A
ledger may say the same as before, or that it cannot read that. What it may not do is count something else: turn an
unknown dollar into a zero, count a page twice, or take a refused report for a revoked credential. And it keeps the
limits that it declares, by the clock.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx

from outlay.core.clock import FakeClock
from outlay.plugin.contract import Ledger, Page, Report, Window
from outlay.plugin.errors import BadConfig, Permanent, PluginError
from outlay.plugin.testing.common import PluginConformance, must
from outlay.plugin.testing.ledger_trial import LedgerBench, Trial, aligned, bucket, bucket_start
from outlay.plugin.testing.row_checks import bucketed, canonical_statement, row_problem

MAX_FIELDS = 16  # so many are removed or made null, one after the other, in the answers of one report
A_WHILE = timedelta(minutes=10)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOBODY_KNOWS = "outlay_conformance_field"
_PAGING = re.compile(r"(?i)page|offset|cursor|after|skip|token")


class MalformedResponseChecks(PluginConformance):
    """Checks of malformed answers: one a method, each with a fresh trial."""

    plugin: ClassVar[type[Ledger[Any]]]

    @staticmethod
    def make() -> AbstractAsyncContextManager[Trial]:
        """Return a fresh trial; `ledger_conformance` puts the author's in its place."""
        raise NotImplementedError

    async def test_fields_nobody_knows_change_nothing(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                stretch = await with_figures(bench, report)
                plain = canonical_statement(await bench.drain(report, stretch))
                bench.wire.bend = lambda _, answer: with_unknown(answer)
                bent = await drain_or_empty(bench, report, stretch)
                bench.wire.bend = None
                must(bent and canonical_statement(bent) == plain, f"{report.name} minds fields that it does not know.")

    async def test_numbers_may_come_as_text(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                stretch = await with_figures(bench, report)
                plain = canonical_statement(await bench.drain(report, stretch))
                bench.wire.bend = lambda _, answer: as_text(answer)
                bent = await drain_or_empty(bench, report, stretch)
                bench.wire.bend = None
                same = not bent or canonical_statement(bent) == plain
                must(same, f"{report.name} says other figures where numbers come as text.")

    async def test_null_is_not_zero_and_what_is_missing_is_not_nothing(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                stretch = await with_figures(bench, report)
                names: dict[str, bool] = {}
                bench.wire.bend = lambda _, answer, names=names: noted(answer, names)
                rest(bench)
                plain = await bench.drain(report, stretch)
                for name, may_be_none in list(names.items())[:MAX_FIELDS]:
                    for how, value in (("null", None), ("missing", NOBODY_KNOWS)):
                        bench.wire.bend = lambda _, answer, name=name, value=value: put(answer, name, value)
                        bent = await drain_or_empty(bench, report, stretch)
                        problem = mutation_problem(plain, bent, may_be_none) if bent else None
                        must(problem is None, f"{report.name}, where {name!r} is {how}: {problem}")
                bench.wire.bend = None

    async def test_pages_that_repeat_count_nothing_twice(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                plain = await bench.drain(report, trial.window)
                rest(bench)
                bench.wire.bend = RepeatedPages()
                try:
                    repeated = await bench.drain(report, trial.window)
                except PluginError:
                    continue  # it noticed
                finally:
                    bench.wire.bend = None
                before, after = by_time(plain), by_time(repeated)
                more = [start for start, usd in after.items() if usd > before.get(start, Decimal(0))]
                must(
                    not more, f"{report.name} counts more where the vendor repeats a page: at {min(more, default='')}."
                )

    async def test_a_report_that_is_refused_is_no_revoked_credential(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            asked = {name: await _paths(bench, name) for name in bench.calls}
            for report in self.plugin.reports:
                others = set().union(*(paths for name, paths in asked.items() if name not in (report.name, "check")))
                own = asked[report.name] - others
                bench.wire.refused = frozenset(own or asked[report.name])
                error = await bench.outcome(report.name)
                words = f"{report.name}, refused with a 403, gives {error!r} instead of Permanent or an absent page."
                must(error is None or isinstance(error, (Permanent, BadConfig)), words)
                for name in (name for name in bench.calls if own and name not in (report.name, "check")):
                    error = await bench.outcome(name)
                    must(error is None, f"{name} fails where only {report.name} is refused: {error!r}")
                bench.wire.refused = frozenset()

    async def test_it_keeps_the_limits_that_it_declares(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for name in ("check", "keys"):
                await bench.outcome(name)
            for report in self.plugin.reports:
                await bench.drain(report, trial.window)
            root = httpx.URL(self.plugin.base_url(trial.good)).path.rstrip("/")
            for pace in self.plugin.paces:
                sent = [
                    at
                    for (method, url), at in zip(bench.wire.seen, bench.wire.times, strict=True)
                    if pace.covers(method, url.path.removeprefix(root))
                ]
                must(sent, f"Its limit for {pace.method} {pace.path} covers no request that it sends.")
                for first, last in zip(sent, sent[pace.calls :], strict=False):
                    kept = last - first >= pace.per_seconds
                    must(kept, f"It sent {pace.method} {pace.path} more often than the limit that it declares.")


async def with_figures(bench: LedgerBench, report: Report) -> Window:
    """Return the first hour (of daily figures: day) in the trial's window with figures; all of it if there is none."""
    width = DAY if report.grain is None or report.grain > HOUR else HOUR
    rest(bench)
    for page in await bench.drain(report, bench.trial.window):
        if page.rows:
            start = bucket_start(min(row.start for row in page.rows), width)
            asked = aligned(bench.trial.window, report)
            return Window(max(start, asked.start), min(start + width, asked.end))
    return bench.trial.window


async def drain_or_empty(bench: LedgerBench, report: Report, window: Window) -> list[Page]:
    """Return all pages of a window; [] where the poll ends in one of the five errors."""
    rest(bench)
    try:
        return await bench.drain(report, window)
    except PluginError:
        return []


def rest(bench: LedgerBench) -> None:
    """Let the vendor's own limits recover, where time is ours to move."""
    if isinstance(bench.trial.clock, FakeClock):
        bench.trial.clock.advance(A_WHILE)


async def _paths(bench: LedgerBench, name: str) -> set[tuple[str, str]]:
    """Return the methods and paths that a call requests."""
    before = len(bench.wire.seen)
    await bench.outcome(name)
    return {(method, url.path) for method, url in bench.wire.seen[before:]}


def mutation_problem(plain: Sequence[Page], bent: Sequence[Page], may_be_none: bool) -> str | None:
    """Return what is wrong with what a ledger says of bent answers, or None.

    `may_be_none`: the field is a list that may be null when empty.
    """
    before = {bucket(row): row for page in plain for row in page.rows}
    rows = [row for page in bent for row in page.rows]
    for row in rows:
        if problem := row_problem(row):
            return problem
        was = before.get(bucket(row))
        if was is not None and was.cost_usd and row.cost_usd == 0 and not row.byok_usd:
            return f"dollars that nobody told are zero, not unknown ({row.key or 'no key'}, {row.model or 'no model'})."
    silent = not rows and before and not may_be_none and all(page.complete and not page.absent for page in bent)
    return "it says that nothing was spent, where it was told nothing." if silent else None


def by_time(pages: Sequence[Page]) -> dict[datetime, Decimal]:
    """Sum the dollars of each moment."""
    found: dict[datetime, Decimal] = defaultdict(Decimal)
    for page in pages:
        for row in page.rows:
            found[row.start] += row.cost_usd if isinstance(row.cost_usd, Decimal) else 0
    return found


def with_unknown(answer: Any) -> Any:
    """Add an unknown field to the outermost object, and to each object of a list."""
    if isinstance(answer, list):
        return [with_unknown(item) for item in answer]
    if isinstance(answer, dict):
        inner = {name: with_unknown(item) if isinstance(item, list) else item for name, item in answer.items()}
        return inner | {NOBODY_KNOWS: {"of": ["no", 1, "interest"]}}
    return answer


def as_text(answer: Any) -> Any:
    """Convert all numbers of an answer to text."""
    if isinstance(answer, dict):
        return {name: as_text(item) for name, item in answer.items()}
    if isinstance(answer, list):
        return [as_text(item) for item in answer]
    return str(answer) if isinstance(answer, int | Decimal) and not isinstance(answer, bool) else answer


def noted(answer: Any, names: dict[str, bool]) -> Any:
    """Return the answer unchanged; record the names of its fields, and which of them are lists within lists."""
    for name, is_inner_list in _names(answer, False):
        names[name] = names.get(name, False) or is_inner_list
    return answer


def _names(answer: Any, inside: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(answer, dict):
        for name, item in answer.items():
            yield name, inside and isinstance(item, list)
            yield from _names(item, inside)
    elif isinstance(answer, list):
        for item in answer:
            yield from _names(item, True)


def put(answer: Any, name: str, value: Any) -> Any:
    """Set the fields of this name to null, or remove them (NOBODY_KNOWS)."""
    if isinstance(answer, list):
        return [put(item, name, value) for item in answer]
    if not isinstance(answer, dict):
        return answer
    kept = {known: put(item, name, value) for known, item in answer.items() if known != name}
    return kept if value == NOBODY_KNOWS or name not in answer else kept | {name: value}


class RepeatedPages:
    """Vendor that gives the first page again, whichever one is asked for."""

    def __init__(self) -> None:
        self._first: dict[object, Any] = {}

    def __call__(self, request: httpx.Request, answer: Any) -> Any:
        asked = dict(request.url.params) | (json.loads(request.content) if request.content else {})
        question = {name: value for name, value in asked.items() if not _PAGING.search(name)}
        return self._first.setdefault((request.method, request.url.path, json.dumps(question, sort_keys=True)), answer)
