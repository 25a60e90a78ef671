"""The life of books as one state machine: whatever happens to them, they say what a plain model says.

The model keeps every page that was ever handed in and nothing else; what counts is worked out from those anew. The
numbers in the comments are the invariants of metering that a check holds. A failure prints its steps and a blob that
repeats it; `HYPOTHESIS_PROFILE=thorough ./run test tests/books/test_stateful.py` lives fifty times as many lives.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from outlay.books.closing.audit import audit
from outlay.books.closing.close_month import Closed, NotClosableError, close, month_hash
from outlay.books.rollups.period_sums import sum_up
from outlay.books.rollups.retention import fold
from outlay.core import months
from outlay.database.tables import Workspace
from outlay.plugin.contract import Page, Report, Window
from tests.books.bill_fixture import COSTS, PRECISE, USAGE, what_is_reconciled
from tests.books.crash_injection import CrashError, Crashing
from tests.books.database_pool import Shelf
from tests.books.factories import DAY, HOUR, MEASURED, REPORTS, ROLLUPS, THOROUGH, Books, examples
from tests.books.test_generated_worlds import BUSY_HOURS, Delivery, rows_at, what_counts
from tests.books.weeks import say_owner

FIRST = datetime(2026, 10, 30, tzinfo=UTC)
DAYS = 4  # two of October, two of November
OCTOBER, NOVEMBER = (int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) for month in (10, 11))
OWNERS = ("ann@little.example", "agent:ci", "team:web", "unattributed")
STEPS = 16
Place = tuple[Any, ...]
Sums = dict[Place, list[int]]


class LifeOfBooks(RuleBasedStateMachine):
    """Books, the pages that went in, who was said to own what, and what was frozen when."""

    reports: tuple[Report, ...] = REPORTS

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        super().__init__()
        self.ledgers = {"little": self.reports}
        self.shelf = shelf
        self.folder = folder
        self.runner = asyncio.Runner()
        self.now = FIRST + 2 * HOUR
        self.world: list[Delivery] = []
        self.said: dict[str, dict[int, str]] = defaultdict(dict)
        self.frozen: dict[int, Sums] = {}
        self.hashes: dict[int, str] = {}
        self.folded_until = 0

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(what)

    @initialize()
    def open(self) -> None:
        self.books = Books(self.run(self.shelf.lend(self.folder)))
        self.other = Books(self.books.url)  # a second worker on the same database
        self.books.reports = self.other.reports = self.reports
        self.crashing = Crashing(self.books)

    def teardown(self) -> None:
        if hasattr(self, "books"):
            self.run(self.books.database.close())
            self.run(self.other.database.close())
            self.run(self.shelf.take_back(self.books.url))
        self.runner.close()

    # What the ledger says

    @rule(data=st.data(), hours=st.integers(0, 30))
    def poll(self, data: st.DataObject, hours: int) -> None:
        self.hand_in(self.drawn(data, hours))

    @rule(data=st.data(), hours=st.integers(1, 200))
    def late(self, data: st.DataObject, hours: int) -> None:
        """A page that was held up on its way: it was observed some time ago. Newer words stand (3)."""
        seconds = min(hours * 3_600, int((self.now - FIRST).total_seconds()) - 3_600)
        self.hand_in(self.page(data, self.unused(self.now - timedelta(seconds=max(seconds, 0)))))

    @rule(data=st.data(), hours=st.integers(0, 30))
    def permuted(self, data: st.DataObject, hours: int) -> None:
        """Several polls, arriving in another order, and some of them twice (3)."""
        made = [self.drawn(data, hours) for _ in range(3)]
        self.world += made
        for one in data.draw(st.permutations([*made, data.draw(st.sampled_from(made))])):
            self.take(one)

    @precondition(lambda self: self.world)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        """The same page of the same moment changes nothing, not a row version (2)."""
        one = data.draw(st.sampled_from(self.world))
        before = self.run(self.books.dump(versions=True))
        self.take(one)
        if not self.folded_until:
            assert self.run(self.books.dump(versions=True)) == before

    @precondition(lambda self: self.world)
    @rule(data=st.data(), hours=st.integers(0, 30))
    def poll_again(self, data: st.DataObject, hours: int) -> None:
        """The newest page of a report, found the same later: no entry is written (2)."""
        one = self.newest(data)
        again = replace(one, at=self.later(hours))
        before = self.run(self.books.rows(self.entries))
        self.world.append(again)
        accepted = self.take(again)
        if not self.folded_until:
            assert (accepted.new, accepted.changed) == (0, 0)
            assert self.run(self.books.rows(self.entries)) == before

    @precondition(lambda self: any(one.page.rows for one in self.world))
    @rule(data=st.data(), usd=st.sampled_from(["0", "0.000000001", "7", None]))
    def restate(self, data: st.DataObject, usd: str | None) -> None:
        """One bucket from x to y, and back again on some other day: see `what_counts` (4)."""
        one = self.newest(data)
        if one.page.rows:
            place = data.draw(st.integers(0, len(one.page.rows) - 1))
            rows = list(one.page.rows)
            rows[place] = replace(rows[place], cost_usd=None if usd is None else Decimal(usd))
            self.hand_in(Delivery(one.report, Page(one.page.window, rows), self.later(1)))

    @precondition(lambda self: any(one.page.rows for one in self.world))
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """A bucket is gone from a re-read: it becomes zero."""
        one = self.newest(data)
        if one.page.rows:
            gone = data.draw(st.sampled_from(one.page.rows))
            rows = [each for each in one.page.rows if each is not gone]
            self.hand_in(Delivery(one.report, Page(one.page.window, rows), self.later(1)))

    # What people and the clock do

    @rule(key=st.sampled_from(["k1", "k2"]), owner=st.sampled_from(OWNERS), day=st.integers(-1, DAYS))
    def remap(self, key: str, owner: str, day: int) -> None:
        """Moves money between owners, and creates none (6)."""
        if not self.run(
            self.books.rows("SELECT id FROM ledger_key WHERE ledger_id = :key AND connection_id = 1", key=key)
        ):
            return
        from_day = FIRST + day * DAY if day >= 0 else None
        self.run(say_owner(self.books, key, owner, from_day))
        if from_day is None:
            self.said[key].clear()
        self.said[key][int(from_day.timestamp()) if from_day else 0] = owner

    @rule(month=st.sampled_from([OCTOBER, OCTOBER, NOVEMBER]), force=st.booleans(), died_at=st.integers(0, 30))
    def close(self, month: int, force: bool, died_at: int) -> None:
        self.close_it(month, force, died_at)

    def close_it(self, month: int, force: bool, died_at: int) -> None:
        before = self.run(self.books.dump())
        try:
            self.surviving(lambda: self.closed(month, force), died_at)
        except NotClosableError:
            assert self.now.timestamp() < months.end_of(month) or not force
            assert self.run(self.books.dump()) == before
        else:
            self.note_closed(month)

    @precondition(lambda self: self.now.timestamp() >= NOVEMBER and OCTOBER not in self.frozen)
    @rule(data=st.data())
    def close_during_a_poll(self, data: st.DataObject) -> None:
        """Whoever is first: the page is in the closed month, or it is an adjustment of it."""
        one = self.drawn(data, 1)
        before = self.counting(OCTOBER)
        self.world.append(one)

        async def both() -> None:
            await asyncio.gather(self.closed(OCTOBER, True), self.other.take(one.page, one.report, at=one.at))

        self.run(both())
        self.note_closed(OCTOBER, before, self.counting(OCTOBER))

    @rule(kept_days=st.integers(0, 3), died_at=st.integers(0, 30))
    def fold_hours(self, kept_days: int, died_at: int) -> None:
        self.fold_them(kept_days, died_at)

    def fold_them(self, kept_days: int, died_at: int) -> None:
        """The hours of days past go; every day stays what it was."""

        async def fold_them() -> None:
            async with self.books.database.write() as session:
                workspace = await session.get(Workspace, "T1")
                workspace.hours_kept_days = kept_days + 1
                await fold(session, workspace, self.ledgers, now=self.now)

        days = self.run(self.books.rows("SELECT * FROM spend_day"))
        self.surviving(fold_them, died_at)
        assert Counter(self.run(self.books.rows("SELECT * FROM spend_day"))) == Counter(days)
        self.folded_until = self.run(self.books.rows("SELECT folded_until FROM workspace WHERE id = 'T1'"))[0][0]

    @rule(data=st.data(), died_at=st.integers(0, 60))
    def crash_and_retry(self, data: st.DataObject, died_at: int) -> None:
        """A crash between any two statements leaves nothing, and the retry is a clean run (8)."""
        one = self.drawn(data, 1)
        self.world.append(one)
        self.surviving(lambda: self.books.take(one.page, one.report, at=one.at), died_at)

    @rule(data=st.data(), same=st.booleans())
    def two_workers(self, data: st.DataObject, same: bool) -> None:
        """Two at one account are as one (13)."""
        one = self.drawn(data, 1)
        other = one if same else self.drawn(data, 0)
        self.world += [one] if same else [one, other]

        async def both() -> None:
            await asyncio.gather(
                self.books.take(one.page, one.report, at=one.at), self.other.take(other.page, other.report, at=other.at)
            )

        self.run(both())

    @rule()
    def audits_well(self) -> None:
        found = self.run(audit(self.books.database, "T1", self.ledgers, now=self.now))
        assert found.differences == []

    # What always holds

    @rule()
    def sum_up(self) -> None:
        """Months and their thirds are summed up; whatever happens to their days, an audit finds them right (1)."""
        self.run(sum_up(self.books.database, 1, now=self.now))
        assert self.run(audit(self.books.database, "T1", self.ledgers, now=self.now)).differences == []

    @invariant()
    def it_is_what_the_model_says(self) -> None:
        """Every day by key, model and basis (1, 3, 4, 8, 13); of a closed month what it was when it closed (7)."""
        expected = defaultdict(dict)
        for place, sums in self.what_counts().items():
            expected[months.start_of(place[0])][place] = plain(sums)
        held = self.held("spend_day", "day", "AND t.adjusts = 0")
        for month in (OCTOBER, NOVEMBER):
            here = {place: sums for place, sums in held.items() if months.start_of(place[0]) == month}
            assert here == self.frozen.get(month, nonzero(expected[month]))
            assert self.run(self.hash_of(month)) == self.hashes.get(month, self.run(self.hash_of(month)))
        adjusted = self.held("adjustment", "day", "")
        for month, frozen in self.frozen.items():
            later = {place: sums for place, sums in adjusted.items() if months.start_of(place[0]) == month}
            assert later == less(expected[month], frozen)

    @invariant()
    def every_level_has_the_same_sums(self) -> None:
        """(1), folded hours apart; classes disjoint and not negative (9); no price is no dollars (10)."""
        names = ", ".join(f"SUM({name})" for name in (*MEASURED, "unpriced_tokens"))
        sums = []
        for table in ROLLUPS:
            time = "hour" if table == "spend_hour" else "day"
            sums.append(self.run(self.books.rows(f"SELECT {names} FROM {table} WHERE {time} >= {self.folded_until}")))
        assert sums == [sums[0]] * len(sums)
        for table in ROLLUPS:
            broken = "input < 0 OR cache_read < 0 OR reasoning > output OR output < 0 OR cost_nano_usd < 0"
            assert not self.run(self.books.rows(f"SELECT 1 FROM {table} WHERE adjusts = 0 AND ({broken})"))
            assert not self.run(self.books.rows(f"SELECT 1 FROM {table} WHERE basis = 3 AND cost_nano_usd IS NOT NULL"))

    @invariant()
    def adjustments_count_in_an_open_month_once(self) -> None:
        """What is adjusted is counted, in a month other than the one it names, and not in one closed before it (7)."""
        booked, counted = (
            self.run(self.books.rows(f"SELECT {month}, SUM(COALESCE(cost_nano_usd, 0)), SUM(input) FROM {table} "
                                     f"WHERE {month} <> 0 GROUP BY {month}"))
            for table, month in (("adjustment", "month"), ("spend_day", "adjusts"))
        )  # fmt: skip
        assert sorted(booked) == sorted(counted)
        assert not self.run(
            self.books.rows(f"SELECT 1 FROM spend_day WHERE adjusts > 0 AND day < {OCTOBER + 31 * 86_400}")
        )

    @invariant()
    def owners_share_the_whole(self) -> None:
        """By owner, by day, by model: always the total (5, 6, 15), and each owner has what their keys had."""
        words = "from 2026-10-01 to 2026-12-31"
        by_owner, by_day, by_model = (
            self.run(self.books.ask(f"{words} by {what}", now=self.now)) for what in ("owner", "day", "key model")
        )
        for found in (by_owner, by_day, by_model):
            assert sum(line.cost_nano_usd or 0 for line in found.lines) == found.total_nano_usd == by_day.total_nano_usd
        expected: Counter[str] = Counter()
        for (day, key, *_), sums in self.held("spend_day", "day", "").items():
            expected[self.owner(key, day)] += sums[0] + sums[1]  # paid upstream with one's own key
        shares: Counter[str] = Counter()
        for line in by_owner.lines:
            shares[line.owner.id] += line.cost_nano_usd or 0
        assert nonzero({(owner,): [usd] for owner, usd in shares.items()}) == nonzero(
            {(owner,): [usd] for owner, usd in expected.items()}
        )

    # How it is done

    entries = "SELECT connection_id, start, series_id, observed_at, cost_nano_usd FROM entry ORDER BY 1, 2, 3"

    def drawn(self, data: st.DataObject, hours: int) -> Delivery:
        return self.page(data, self.later(hours))

    def page(self, data: st.DataObject, at: datetime, report: Report | None = None) -> Delivery:
        """A page of a report, of any, about any stretch of the days that have begun."""
        report = report or data.draw(st.sampled_from([one for one in self.reports if one.grain]))
        step = DAY if report.grain == DAY else HOUR
        slots = max(min(int((at - FIRST) / step) + 1, DAYS * DAY // step), 1)
        first = data.draw(st.integers(0, slots - 1))
        start, end = FIRST + first * step, FIRST + data.draw(st.integers(first + 1, slots)) * step
        busy = (0,) if step is DAY else BUSY_HOURS
        starts = [FIRST + day * DAY + hour * HOUR for day in range(DAYS) for hour in busy]
        if report.grain and report.grain < HOUR:
            starts += [start + 2 * report.grain for start in starts]
        rows = data.draw(rows_at([one for one in starts if start <= one < end and one <= at]))
        return Delivery(report, Page(Window(start, end), rows), at)

    def what_counts(self) -> dict[Place, list[int | None]]:
        """What the model says of every day."""
        return what_counts(self.world, FIRST, DAYS)

    def newest(self, data: st.DataObject) -> Delivery:
        """The newest word of a report, if it is about all that was ever said of these buckets."""
        report = data.draw(st.sampled_from(sorted({one.report.name for one in self.world})))
        return max((one for one in self.world if one.report.name == report), key=lambda one: one.at)

    def later(self, hours: int) -> datetime:
        self.now = self.unused(self.now + timedelta(hours=hours, minutes=1))
        return self.now

    def unused(self, at: datetime) -> datetime:
        """No two different pages are of the same second: neither could be called the newer."""
        taken = {one.at for one in self.world}
        while at in taken:
            at += timedelta(seconds=1)
        return at

    def hand_in(self, one: Delivery) -> None:
        self.world.append(one)
        self.take(one)

    def take(self, one: Delivery) -> Any:
        return self.run(self.books.take(one.page, one.report, at=one.at))

    def surviving(self, what: Callable[[], Awaitable[Any]], died_at: int) -> None:
        """Does it, dying at a statement the first time: nothing of that is seen."""

        async def do() -> None:
            before = await self.books.dump()
            self.crashing.left = died_at
            try:
                await what()
                self.crashing.left = None
            except CrashError:
                assert await self.books.dump() == before
                await what()
            finally:
                self.crashing.left = None

        self.run(do())

    async def closed(self, month: int, force: bool) -> Closed:
        async with self.books.database.write() as session:
            return await close(session, "T1", month, now=self.now, reports=self.ledgers, force=force)

    def note_closed(self, month: int, *may_be: Sums) -> None:
        held = self.held("spend_day", "day", "AND t.adjusts = 0")
        frozen = {place: sums for place, sums in held.items() if months.start_of(place[0]) == month}
        if month not in self.frozen:
            assert frozen in (may_be or [self.counting(month)])
            self.frozen[month] = frozen
            self.hashes[month] = self.run(self.hash_of(month))
        again = self.run(self.closed(month, True))
        assert (again.new, again.hash) == (False, self.hashes[month])

    def counting(self, month: int) -> Sums:
        found = self.what_counts()
        return nonzero({place: plain(sums) for place, sums in found.items() if months.start_of(place[0]) == month})

    async def hash_of(self, month: int) -> str:
        async with self.books.database.read() as session:
            return await month_hash(session, "T1", month)

    def held(self, table: str, time: str, where: str) -> Sums:
        sums = ", ".join(f"SUM(t.{name})" for name in (*MEASURED, "unpriced_tokens"))
        rows = self.run(
            self.books.rows(
                f"SELECT t.{time}, k.ledger_id, m.name, t.basis, {sums} FROM {table} t JOIN ledger_key k "
                f"ON k.id = t.key_id JOIN model m ON m.id = t.model_id WHERE t.connection_id = 1 {where} "
                f"GROUP BY t.{time}, k.ledger_id, m.name, t.basis"
            )
        )
        return nonzero({tuple(row[:4]): plain(row[4:]) for row in rows})

    def owner(self, key: str, day: int) -> str:
        """Who was said to own a key on a day."""
        since = [at for at in self.said[key] if at <= day] if key else []
        return self.said[key][max(since)] if since else "unattributed"


class LifeOfReconciledBooks(LifeOfBooks):
    """The same with a bill that knows no keys, split by the usage, and two reports finer than a day."""

    reports = (COSTS, PRECISE, USAGE)

    @precondition(lambda self: THOROUGH)
    @rule(data=st.data(), kept_days=st.integers(0, 3), close=st.booleans(), died_at=st.integers(0, 60))
    def bill_fold_and_restate(self, data: st.DataObject, kept_days: int, close: bool, died_at: int) -> None:
        """What seldom meets by chance: days that are used, billed, folded and perhaps closed, and then told anew."""
        for report in (USAGE, COSTS):
            self.hand_in(self.page(data, self.later(20), report))
        self.fold_them(kept_days, died_at)
        if close:
            self.close_it(data.draw(st.sampled_from([OCTOBER, NOVEMBER])), True, died_at)
        for report in data.draw(st.permutations([USAGE, COSTS, USAGE])):
            self.hand_in(self.page(data, self.later(1), report))
            for one in reversed(self.world):  # and a bucket of an older word, as it was
                if one.report is report and one.page.rows and data.draw(st.booleans()):
                    self.hand_in(replace(one, at=self.later(1)))
                    break

    def what_counts(self) -> dict[Place, list[int | None]]:
        return what_is_reconciled(self.world, FIRST, DAYS)


def plain(sums: Any) -> list[int]:
    return [int(one or 0) for one in sums]


def nonzero(sums: Sums) -> Sums:
    return {place: values for place, values in sums.items() if any(values)}


def less(these: Sums, those: Sums) -> Sums:
    nothing = [0] * (len(MEASURED) + 1)
    found = {}
    for place in these | those:
        pairs = zip(these.get(place, nothing), those.get(place, nothing), strict=True)
        found[place] = [one - other for one, other in pairs]
    return nonzero(found)


@pytest.mark.parametrize("life", [LifeOfBooks, LifeOfReconciledBooks])
def test_the_books_live_as_the_model_does(life: type[LifeOfBooks], empty_books: Shelf, tmp_path: Path) -> None:
    lives = examples(8 if empty_books.kind == "sqlite" else 5)
    phases = tuple(Phase) if THOROUGH else (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking takes minutes
    run_state_machine_as_test(
        lambda: life(empty_books, tmp_path), settings=settings(lives, stateful_step_count=STEPS, phases=phases)
    )
