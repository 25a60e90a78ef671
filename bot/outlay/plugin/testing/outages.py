"""Conformance kit: outages while a ledger is read, and outages that last.

A credential that is taken away between two pages, one of the wrong kind, cursors that expire, storms of 429 without a
hint, and a local clock that is not the vendor's. The outcome may be an error that the host can handle, or the same
figures as ever. Never a false end: a missing page must not look as if nothing more was spent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from outlay.core.clock import Clock
from outlay.plugin.contract import Page, Report, Window
from outlay.plugin.errors import BadConfig, NeedsReauth, PluginError, RateLimited
from outlay.plugin.testing.common import must
from outlay.plugin.testing.ledger_trial import InjectedFault, LedgerBench
from outlay.plugin.testing.malformed_responses import MalformedResponseChecks, rest
from outlay.plugin.testing.row_checks import bucketed, canonical_statement

MAX_STORM_REQUESTS = 60  # of one call while everything is answered with 429: some at once, each tried a few times
SKEWS = (timedelta(minutes=-7), timedelta(minutes=7))
RECENT = timedelta(hours=2)
EXPIRED = b'{"error":{"message":"this cursor has expired; start again from the first page"}}'
TAKEN_AWAY = b'{"error":{"message":"this key has been revoked"}}'
WRONG_KIND = b'{"error":{"message":"this kind of key may not do that"}}'


@dataclass(frozen=True, slots=True)
class Skewed:
    """Clock that is ahead of another one, or behind it, and otherwise the same."""

    clock: Clock
    by: timedelta

    def now(self) -> datetime:
        return self.clock.now() + self.by

    def monotonic(self) -> float:
        return self.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


class OutageChecks(MalformedResponseChecks):
    """Checks of outages: one a method, each with a fresh trial."""

    async def test_a_credential_taken_away_between_two_answers_is_told(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in self.plugin.reports:
                _, asked = await _drained(bench, report, trial.window)
                for passing in sorted({asked // 2, asked - 1} - {-1, 0}):
                    bench.wire.fail(InjectedFault(401, TAKEN_AWAY), after=passing)
                    found, _ = await _drained(bench, report, trial.window)
                    bench.wire.mend()
                    told = isinstance(found, NeedsReauth | BadConfig)
                    words = f"{report.name}, refused with 401 after {passing} of {asked} answers, gives {_said(found)}."
                    must(told, words)

    async def test_a_credential_of_the_wrong_kind_is_refused_before_it_is_saved(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            bench.wire.fail(InjectedFault(403, WRONG_KIND))
            error = await bench.outcome("check")
            words = f"check() makes {error!r} of a credential that may do nothing, and not one of the five errors."
            must(isinstance(error, PluginError), words)

    async def test_a_cursor_that_expires_is_no_end(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                plain, asked = await _drained(bench, report, trial.window)
                for passing, times in ((asked - 1, 1), (asked // 2, None)) if asked else ():
                    bench.wire.fail(InjectedFault(410, EXPIRED, times=times), after=passing)
                    found, _ = await _drained(bench, report, trial.window)
                    bench.wire.mend()
                    same = isinstance(found, PluginError) or canonical_statement(_pages(found)) == canonical_statement(
                        _pages(plain)
                    )
                    must(same, f"{report.name} says other things where a cursor expires (410): {_said(found)}.")

    async def test_a_storm_of_429_without_a_hint_is_handed_to_the_host(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            bench.wire.fail(InjectedFault(429, b'{"error":{"message":"slow down"}}'))
            for name in bench.calls:
                before = len(bench.wire.seen)
                error = await bench.outcome(name)
                asked = len(bench.wire.seen) - before
                if not asked:
                    continue
                must(
                    isinstance(error, RateLimited), f"{name} makes {error!r} of 429 and nothing else, not RateLimited."
                )
                must(asked <= MAX_STORM_REQUESTS, f"{name} asked {asked} times though each time it was told to wait.")

    async def test_a_clock_that_is_off_changes_no_figure_of_the_past_and_breaks_none_of_now(self) -> None:
        async with self.make() as trial:
            plain = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                told = canonical_statement(_pages((await _drained(plain, report, trial.window))[0]))
                for by in SKEWS:
                    bench = LedgerBench(self.plugin, trial, clock=Skewed(trial.clock, by))
                    rest(bench)
                    found, _ = await _drained(bench, report, trial.window)
                    same = not isinstance(found, PluginError) and canonical_statement(found) == told
                    must(same, f"{report.name} says other things where its clock is off by {by}: {_said(found)}.")
                    now = trial.clock.now() + by
                    found, _ = await _drained(bench, report, Window(now - RECENT, now))
                    words = f"{report.name} cannot be read up to now where its clock is off by {by}: {_said(found)}."
                    must(not isinstance(found, PluginError), words)


async def _drained(bench: LedgerBench, report: Report, window: Window) -> tuple[list[Page] | PluginError, int]:
    """Return all pages of a window, or the error that it ended in; and how many requests that took."""
    rest(bench)
    before = len(bench.wire.seen)
    try:
        found: list[Page] | PluginError = await bench.drain(report, window)
    except PluginError as error:
        found = error
    return found, len(bench.wire.seen) - before


def _pages(found: list[Page] | PluginError) -> Sequence[Page]:
    if isinstance(found, PluginError):
        raise found
    return found


def _said(found: list[Page] | PluginError) -> str:
    return repr(found) if isinstance(found, PluginError) else f"{len(found)} pages and no error"
