"""Conformance kit for ledgers, as a test class that any plugin author runs in one line.

    TestMyLedger = ledger_conformance(MyLedger, make=my_trial)

`my_trial` is an async context manager that brings a server up and yields a `Trial`. The built-in plugins run the same
class. Each check says in words what the plugin did that it must not do. Needs pytest and pytest-asyncio.
"""

from typing import Any, ClassVar

from outlay.plugin.contract import CheckResult, Ledger, Window
from outlay.plugin.errors import BadConfig, NeedsReauth, PluginError, RateLimited, Transient
from outlay.plugin.testing.common import must
from outlay.plugin.testing.ledger_trial import (
    InjectedFault,
    LedgerBench,
    Make,
    Trial,
    aligned,
    bucket,
    everything_logged,
)
from outlay.plugin.testing.outages import OutageChecks
from outlay.plugin.testing.row_checks import (
    bucketed,
    canonical_statement,
    coverage_problem,
    is_money,
    is_utc,
    row_problem,
)

__all__ = ["LedgerConformance", "Make", "Trial", "ledger_conformance"]

MAX_RESUMES = 20  # of a poll with more pages, so many cursors are tried, spread over all of it
NONSENSE = (b'{"unexpected": true}', b'[{"unexpected": true}]', b'{"data": [{"unexpected": true}]}')


def ledger_conformance(plugin: type[Ledger[Any]], *, make: Make) -> type["LedgerConformance"]:
    """Return the test class for one ledger. Assign it to a name that begins with `Test`."""
    return type(f"Test{plugin.__name__}", (LedgerConformance,), {"plugin": plugin, "make": staticmethod(make)})


class LedgerConformance(OutageChecks):
    """Checks of a ledger: one a method, each with a fresh trial."""

    plugin: ClassVar[type[Ledger[Any]]]

    # Whose account it is

    async def test_a_good_credential_tells_the_account(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            async with bench.ledger() as ledger:
                checked = await ledger.check()
                again = await ledger.check()
                must(ledger.context.http.requests > 0, "check() did not ask the vendor through the client it was lent.")
            must(isinstance(checked, CheckResult), "check() gives something else than a Checked.")
            must(checked.account_id, "check() tells no account id, so the same account could be connected twice.")
            must(
                checked.account_title and checked.credential, "check() leaves the account's title or credential blank."
            )
            must(again.account_id == checked.account_id, "Two checks of one credential tell two account ids.")

    async def test_a_wrong_credential_is_refused(self) -> None:
        async with self.make() as trial, LedgerBench(self.plugin, trial).ledger(trial.wrong) as ledger:
            try:
                await ledger.check()
            except (NeedsReauth, BadConfig):
                return
            raise AssertionError("check() accepts a credential that the server does not.")

    async def test_its_keys_have_ids_of_their_own(self) -> None:
        async with self.make() as trial, LedgerBench(self.plugin, trial).ledger() as ledger:
            keys = list(await ledger.keys())
            ids = [key.id for key in keys]
            must(all(isinstance(key_id, str) and key_id for key_id in ids), "A key has no id.")
            must(len(set(ids)) == len(ids), "Two keys have one id.")
            for key in keys:
                for moment in (key.created_at, key.last_used_at):
                    must(moment is None or is_utc(moment), f"A time of the key {key.id[:12]!r} is not in UTC.")
            must(sorted(ids) == sorted(key.id for key in await ledger.keys()), "Asked twice, it tells other keys.")

    # What it reports

    async def test_some_report_has_figures(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            found = [page for report in self.plugin.reports for page in await bench.drain(report, trial.window)]
            must(any(page.rows or page.readings for page in found), "The trial's window has no figures in any report.")

    async def test_its_rows_are_honest(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in self.plugin.reports:
                rows = [row for page in await bench.drain(report, trial.window) for row in page.rows]
                for row in rows:
                    problem = row_problem(row)
                    must(problem is None, f"A row of {report.name}: {problem}")
                twice = len(rows) - len({bucket(row) for row in rows})
                must(not twice, f"{twice} rows of {report.name} are of a bucket that another row is of already.")

    async def test_its_readings_are_honest(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in self.plugin.reports:
                for page in await bench.drain(report, trial.window):
                    must(
                        report.grain is None or not page.readings, f"{report.name} has buckets, and yet gives readings."
                    )
                    for reading in page.readings:
                        must(is_utc(reading.at), f"A reading of {report.name} is not at a time in UTC.")
                        must(reading.at <= trial.clock.now(), f"A reading of {report.name} is from the future.")
                        for usd in (reading.total_usd, reading.byok_usd):
                            must(is_money(usd), f"A reading of {report.name} is {usd!r}, not a Decimal of dollars.")
                    keys = [(reading.key, reading.at) for reading in page.readings]
                    must(len(set(keys)) == len(keys), f"{report.name} reads one counter twice at one moment.")

    async def test_a_page_states_its_own_window(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                for page in await bench.drain(report, trial.window):
                    for row in page.rows:
                        must(is_utc(row.start), f"A row of {report.name} does not start at a time in UTC.")
                        inside = page.window.start <= row.start < page.window.end
                        must(inside, f"A row of {report.name} starts at {row.start}, outside its page's window.")
                        whole = aligned(Window(row.start, row.start), report).start == row.start
                        must(whole, f"A row of {report.name} starts at {row.start}, not where a bucket starts.")

    async def test_pages_cover_the_window_in_order(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                pages = await bench.drain(report, trial.window)
                problem = coverage_problem(report, pages, aligned(trial.window, report), trial.clock.now())
                must(problem is None, f"{report.name}: {problem}")

    async def test_a_window_read_twice_says_the_same(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                first = canonical_statement(await bench.drain(report, trial.window))
                must(
                    first == canonical_statement(await bench.drain(report, trial.window)),
                    f"{report.name} says other things twice.",
                )

    async def test_a_poll_goes_on_from_any_cursor(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                pages = await bench.drain(report, trial.window)
                step = max(1, len(pages) // MAX_RESUMES)
                for position in range(0, len(pages) - 1, step):
                    cursor = pages[position].cursor
                    must(isinstance(cursor, str) and cursor, f"A cursor of {report.name} is not text.")
                    rest = await bench.drain(report, trial.window, cursor)
                    same = canonical_statement(rest) == canonical_statement(pages[position + 1 :])
                    must(same, f"{report.name}, taken up after page {position + 1}, says other things than in one go.")

    async def test_a_window_without_spend_is_fine(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for report in bucketed(self.plugin):
                pages = await bench.drain(report, trial.empty)
                spent = [row for page in pages for row in page.rows if row.cost_usd or row.byok_usd or row.tokens.total]
                must(not spent, f"{report.name} has spend in the trial's empty window.")

    # What it does to others, and what others do to it

    async def test_it_only_reads(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for name in bench.calls:
                error = await bench.outcome(name)
                must(error is None, f"{name} fails: {error!r}")
            must(bench.wire.seen, "It asked nothing of the vendor through the client it was lent.")
            for method, url in bench.wire.seen:
                listed = method == "POST" and url.path.endswith(self.plugin.reading_posts)
                must(method == "GET" or listed, f"It sent {method} {url.path}, which is not known to only read.")

    async def test_its_secret_shows_nowhere(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            shown = [repr(trial.good), str(trial.good), str(trial.good.model_dump()), trial.good.model_dump_json()]
            with everything_logged() as lines:
                for status in (200, 400, 401, 500):
                    if status != 200:
                        bench.wire.fail(
                            InjectedFault(status, b'{"error":{"message":"no: %s"}}' % trial.secret.encode())
                        )
                    errors = [await bench.outcome(name) for name in bench.calls]
                    shown += [f"{error!r} {error}" for error in errors]
                async with bench.ledger() as ledger:
                    shown += [repr(ledger), str(ledger), repr(ledger.context)]
            shown += [*lines, *(str(url) for _, url in bench.wire.seen)]
            for text in shown:
                must(trial.secret not in text, f"The secret shows: {text.replace(trial.secret, '[SECRET]')[:300]}")

    async def test_a_short_429_is_waited_out(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for name in bench.calls:
                first = len(bench.wire.times)
                bench.wire.fail(InjectedFault(429, headers={"Retry-After": "7"}, times=1))
                await bench.outcome(name)
                bench.wire.mend()
                asked = bench.wire.times[first : first + 2]
                waited = len(asked) < 2 or asked[1] - asked[0] >= 7
                must(waited, f"{name} did not wait as long as a 429 told it to.")

    async def test_a_long_429_is_handed_to_the_host(self) -> None:
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            bench.wire.fail(InjectedFault(429, headers={"Retry-After": "3600"}))
            for name in bench.calls:
                before = len(bench.wire.seen)
                error = await bench.outcome(name)
                if len(bench.wire.seen) == before:
                    continue
                must(isinstance(error, RateLimited), f"{name} makes {error!r} of a 429 of an hour, not RateLimited.")
                later = isinstance(error, RateLimited) and error.retry_at > trial.clock.now()
                must(later, f"{name} tells the host to come back in the past.")

    async def test_a_refused_credential_is_told_as_such(self) -> None:
        await self._expect(InjectedFault(401, b'{"error":{"message":"no such key"}}'), (NeedsReauth, BadConfig))

    async def test_a_failing_server_is_transient(self) -> None:
        await self._expect(InjectedFault(500), (Transient,))

    async def test_a_dropped_connection_is_transient(self) -> None:
        await self._expect(InjectedFault(0), (Transient,))

    async def test_half_an_answer_is_an_error(self) -> None:
        await self._expect(InjectedFault(200, b'{"data": [{"'), (PluginError,))

    async def test_a_web_page_is_an_error(self) -> None:
        await self._expect(InjectedFault(200, b"<!doctype html><title>Sign in</title>"), (PluginError,))

    async def test_nonsense_is_an_error_and_not_no_spend(self) -> None:
        for body in NONSENSE:
            await self._expect(InjectedFault(200, body), (PluginError,))

    async def _expect(self, fault: InjectedFault, wanted: tuple[type[PluginError], ...]) -> None:
        """Check that each call raises one of these errors on the fault, at its first request and at its last."""
        answer = f"answered with {fault.status} {fault.body.decode()[:40]!r}" if fault.status else "cut off"
        names = " or ".join(kind.__name__ for kind in wanted)
        async with self.make() as trial:
            bench = LedgerBench(self.plugin, trial)
            for name in bench.calls:
                before = len(bench.wire.seen)
                await bench.outcome(name)
                last = len(bench.wire.seen) - before  # a call that asks nothing has nothing to fail at
                for nth in sorted({1, last} if last else ()):
                    bench.wire.fail(fault, after=nth - 1)
                    error = await bench.outcome(name)
                    bench.wire.mend()
                    told = f"{name}, {answer} at request {nth} of {last}, gives {error!r} instead of {names}."
                    must(isinstance(error, wanted), told)
