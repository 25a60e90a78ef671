"""Conformance kit for sinks, as a test class that any plugin author runs in one line.

    TestMySink = sink_conformance(MySink, make=my_trial)

`my_trial` is an async context manager that brings a server up and yields a `SinkTrial`. The heart of it is what happens
when an answer is lost: the kit loses each one in turn, repeats the event, and checks that there is still one ticket,
with everything said once and in order. Needs pytest and pytest-asyncio.
"""

import itertools
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from outlay.plugin.contract import CheckResult, Sink
from outlay.plugin.errors import BadConfig, NeedsReauth, PluginError, RateLimited, Transient
from outlay.plugin.events import Receipt
from outlay.plugin.testing.common import PluginConformance, must
from outlay.plugin.testing.ledger_trial import InjectedFault, everything_logged
from outlay.plugin.testing.sink_trial import (
    EVIL,
    HOSTILE,
    LIFE,
    SinkBench,
    SinkTrial,
    event_at,
    returned,
    sample_finding,
)

__all__ = ["Make", "SinkConformance", "SinkTrial", "sink_conformance"]

Make = Callable[[], AbstractAsyncContextManager[SinkTrial]]
NONSENSE = (b'{"unexpected": true}', b"[]", b'"x"')


def sink_conformance(plugin: type[Sink[Any]], *, make: Make) -> type["SinkConformance"]:
    """Return the test class for one sink. Assign it to a name that begins with `Test`."""
    return type(f"Test{plugin.__name__}", (SinkConformance,), {"plugin": plugin, "make": staticmethod(make)})


class SinkConformance(PluginConformance):
    """Checks of a sink: one a method, each with a fresh trial."""

    plugin: ClassVar[type[Sink[Any]]]

    @staticmethod
    def make() -> AbstractAsyncContextManager[SinkTrial]:
        """Return a fresh trial; `sink_conformance` puts the author's in its place."""
        raise NotImplementedError

    # Whose account it is

    async def test_a_good_credential_tells_the_account_and_makes_nothing(self) -> None:
        async with self.make() as trial:
            async with SinkBench(self.plugin, trial).sink() as sink:
                checked, again = await sink.check(), await sink.check()
            must(isinstance(checked, CheckResult), "check() gives something else than a Checked.")
            must(checked.account_id, "check() tells no account id, so everything could be told twice.")
            must(
                checked.account_title and checked.credential, "check() leaves the account's title or credential blank."
            )
            must(again.account_id == checked.account_id, "Two checks of one credential tell two account ids.")
            must(not trial.made(), "check() made something on the other side.")

    async def test_a_wrong_credential_is_refused(self) -> None:
        async with self.make() as trial, SinkBench(self.plugin, trial).sink(trial.wrong) as sink:
            try:
                await sink.check()
            except (NeedsReauth, BadConfig):
                return
            raise AssertionError("check() accepts a credential that the server does not.")

    # What it tells

    async def test_an_incident_is_one_thing_and_its_receipt_is_sound(self) -> None:
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            receipt: Receipt | None = None
            for number in range(len(LIFE)):
                receipt = await bench.tell(event_at(number, receipt=receipt))
                must(
                    len(trial.made()) == 1,
                    f"After event {number + 1} of its life there are {len(trial.made())} things.",
                )
                problem = receipt_problem(receipt)
                must(problem is None, f"The receipt of event {number + 1}: {problem}")

    async def test_another_incident_is_another_thing(self) -> None:
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            await bench.tell(event_at(0))
            await bench.tell(event_at(0, incident="U1/8"))
            await bench.tell(replace(event_at(0), scope="2/1763650000/acc"))
            must(len(trial.made()) == 3, "Another incident, or another connection, is taken for the same one.")

    async def test_news_come_in_order(self) -> None:
        async with self.make() as trial:
            said = await SinkBench(self.plugin, trial).live_through()
            for before, later in itertools.pairwise(said):
                must(later[: len(before)] == before, "What was said before is changed, or something is put before it.")

    async def test_whatever_is_told_twice_is_said_once(self) -> None:
        async with self.make() as once, self.make() as twice:
            calm = await SinkBench(self.plugin, once).live_through()
            again = await SinkBench(self.plugin, twice).live_through(times=2)
            must(len(twice.made()) == 1, "An event that is told twice makes two things.")
            must(calm == again, "An event that is told twice says something else than one that is told once.")

    async def test_a_lost_answer_is_made_good_by_telling_it_again(self) -> None:
        async with self.make() as trial:
            calm = await SinkBench(self.plugin, trial).live_through()
        for number in range(len(LIFE)):
            nth = 1
            while await self._lost(number, nth, calm[number]):
                nth += 1

    async def _lost(self, number: int, nth: int, calm: list[str]) -> bool:
        """Replay a life up to an event whose nth answer is lost. False: the event has fewer requests."""
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            receipt: Receipt | None = None
            for place in range(number + 1):
                event = event_at(place, receipt=receipt)
                if place == number:
                    before = len(bench.wire.seen)
                    bench.wire.fail(InjectedFault(lost=True, times=1), after=nth - 1)
                    error = await bench.outcome(event)
                    bench.wire.mend()
                    if len(bench.wire.seen) - before < nth:
                        return False
                    told = f"{event.what}, whose answer {nth} was lost, gives {error!r}"
                    must(error is None or isinstance(error, Transient), f"{told} instead of Transient.")
                receipt = await bench.tell(event)
            lost = f"Answer {nth} of {event_at(number).what} was lost"
            must(len(trial.made()) == 1, f"{lost}: now there are two things.")
            must(list(trial.told()) == calm, f"{lost}: other things are said.")
            return True

    async def test_what_was_over_and_comes_back_is_the_same_thing_again(self) -> None:
        """Call `opened` with a receipt: the incident has come back. Twice here, and each time it ends as well."""
        async with self.make() as once, self.make() as twice:
            calm = await self._comes_back(once, times=1)
            again = await self._comes_back(twice, times=2)
            for trial in (once, twice):
                must(len(trial.made()) == 1, "An incident that was over and comes back is another thing.")
            must(calm == again, "A return that is told twice says something else than one that is told once.")
            first, second = (len(later) - len(before) for before, later in itertools.pairwise(calm))
            must(first > 0, "Nothing is said of a return and its end.")
            must(first == second, "What is said of the second return is taken for what was said of the first.")

    async def _comes_back(self, trial: SinkTrial, *, times: int) -> list[list[str]]:
        """Send a life and two returns; return what was said by the end of each."""
        bench = SinkBench(self.plugin, trial)
        receipt: Receipt | None = None
        for number in range(len(LIFE)):
            receipt = await bench.tell(event_at(number, receipt=receipt))
        said = [list(trial.told())]
        for number in (1, 2):
            for what in ("opened", "resolved"):
                for _ in range(times):
                    given = await bench.tell(returned(number, what, receipt))
                receipt = given
            said.append(list(trial.told()))
        return said

    async def test_unknown_dollars_are_not_said_to_be_none(self) -> None:
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            unknown = replace(sample_finding(None), title="ana spends", sentences=("ana spends.",), facts=())
            receipt = await bench.tell(replace(event_at(0), finding=unknown))
            await bench.tell(replace(event_at(1, receipt=receipt), finding=unknown))
            for words in trial.told():
                zero = "$0" in words or "None" in words
                must(not zero, f"Dollars that nobody knows are said to be: {words[:200]}")

    async def test_a_name_means_nothing_to_a_readers_program(self) -> None:
        for name in HOSTILE:
            async with self.make() as trial:
                bench = SinkBench(self.plugin, trial)
                receipt: Receipt | None = None
                for number in range(len(LIFE)):
                    event = event_at(number, receipt=receipt)
                    receipt = await bench.tell(replace(event, finding=sample_finding(LIFE[number][1], name)))
                for target in trial.live():
                    bad = EVIL in target or "channel" in target or "everyone" in target
                    must(not bad, f"A key named {name!r} becomes {target!r} for whoever reads it.")

    # What it does to others, and what others do to it

    async def test_it_talks_to_its_own_host_alone(self) -> None:
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            await bench.live_through()
            must(bench.wire.seen, "It asked nothing of the other side through the client it was lent.")
            host = urlsplit(self.plugin.base_url(trial.good)).hostname
            must({url.host for _, url in bench.wire.seen} == {host}, "It talked to another host than its own.")

    async def test_its_secret_shows_nowhere(self) -> None:
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            shown = [repr(trial.good), str(trial.good), str(trial.good.model_dump()), trial.good.model_dump_json()]
            with everything_logged() as lines:
                receipt = await bench.tell(event_at(0))
                shown.append(repr(receipt))
                for status in (400, 401, 500):
                    bench.wire.fail(InjectedFault(status, b'{"message":"no: %s"}' % trial.secret.encode()))
                    for number in range(len(LIFE)):
                        error = await bench.outcome(event_at(number, receipt=receipt if number else None))
                        shown.append(f"{error!r} {error}")
                async with bench.sink() as sink:
                    shown += [repr(sink), str(sink), repr(sink.context)]
            shown += [*lines, *(str(url) for _, url in bench.wire.seen), *trial.told()]
            for text in shown:
                must(trial.secret not in text, f"The secret shows: {text.replace(trial.secret, '[SECRET]')[:300]}")

    async def test_whoever_asks_to_wait_is_left_alone_at_once(self) -> None:
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            receipt = await bench.tell(event_at(0))
            bench.wire.fail(InjectedFault(429, headers={"Retry-After": "600"}))
            began = trial.clock.now()
            for number in range(len(LIFE)):
                before = len(bench.wire.seen)
                error = await bench.outcome(event_at(number, receipt=receipt if number else None, incident="U1/9"))
                what = LIFE[number][0]
                must(isinstance(error, RateLimited), f"{what} makes {error!r} of a 429, not RateLimited.")
                later = isinstance(error, RateLimited) and error.retry_at > trial.clock.now()
                must(later, f"{what} tells the host to come back in the past.")
                must(len(bench.wire.seen) == before + 1, f"{what} goes on asking after a 429.")
            must(trial.clock.now() == began, "It waited by itself; waiting is the host's.")

    async def test_a_refused_credential_is_told_as_such(self) -> None:
        await self._expect(InjectedFault(401, b'{"message":"no such key"}'), (NeedsReauth, BadConfig))

    async def test_a_failing_server_is_transient(self) -> None:
        await self._expect(InjectedFault(503), (Transient,))

    async def test_a_dropped_connection_is_transient(self) -> None:
        await self._expect(InjectedFault(0), (Transient,))

    async def test_a_web_page_is_an_error(self) -> None:
        await self._expect(InjectedFault(200, b"<!doctype html><title>Sign in</title>"), await self._unreadable())

    async def test_half_an_answer_is_an_error(self) -> None:
        await self._expect(InjectedFault(200, b'{"data": [{"'), await self._unreadable())

    async def _unreadable(self) -> tuple[type[Any], ...]:
        """Return what may come of an unreadable answer: an error, or nothing where only the status counts."""
        async with self.make() as trial:
            return (PluginError,) if trial.answers else (PluginError, type(None))

    async def test_nonsense_is_no_bug(self) -> None:
        """Expect one of the five errors, whatever comes back, or none: some sinks do not read answers at all."""
        for body in NONSENSE:
            await self._expect(InjectedFault(200, body), (PluginError, type(None)))

    async def _expect(self, fault: InjectedFault, wanted: tuple[type[Any], ...]) -> None:
        """Check that each event raises one of these when every answer is the fault."""
        names = " or ".join(kind.__name__ for kind in wanted)
        async with self.make() as trial:
            bench = SinkBench(self.plugin, trial)
            receipt = await bench.tell(event_at(0))
            bench.wire.fail(fault)
            for number, (what, _) in enumerate(LIFE):
                event = event_at(number, receipt=receipt if number else None, incident="U1/7" if number else "U1/9")
                error = await bench.outcome(event)
                told = (
                    f"{what}, answered with {fault.status} {fault.body.decode()[:40]!r}, gives {error!r}, not {names}."
                )
                must(isinstance(error, wanted), told)

    async def test_a_webhook_without_a_signature_is_refused(self) -> None:
        if not self.plugin.can("webhook"):
            return
        async with self.make() as trial, SinkBench(self.plugin, trial).sink() as sink:
            for body in (b"", b"{}", b'{"type": "x"}'):
                try:
                    await sink.webhook({}, body)
                except PluginError:
                    continue
                raise AssertionError("It believes a webhook that nobody has signed.")


def receipt_problem(receipt: object) -> str | None:
    """Return what is wrong with a receipt, in words, or None."""
    if not isinstance(receipt, Receipt):
        return f"it is a {type(receipt).__name__}, not a Receipt."
    if receipt.url and urlsplit(receipt.url).scheme not in ("http", "https"):
        return f"its url {receipt.url[:60]!r} is none that a person can open."
    try:
        state = json.loads(json.dumps(dict(receipt.state), allow_nan=False))
    except (TypeError, ValueError):
        return "its state is no plain JSON."
    return None if state == dict(receipt.state) else "its state is not the same once it has been JSON."
