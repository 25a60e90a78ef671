"""Whatever a ledger's server answers, a plugin gives rows that make sense or raises one of the five errors."""

import asyncio
import contextlib
import importlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import httpx
import pytest

from outlay.core.clock import FakeClock
from outlay.plugin import PluginError, loader
from outlay.plugin.contract import Config, Ledger, Window
from outlay.plugin.rate_limits import RequestPacer
from outlay.plugin.responses import error_for, parse
from outlay.plugin.session import plugin_session
from outlay.plugin.testing.ledger_tests import LedgerConformance
from outlay.plugin.testing.ledger_trial import Trial
from outlay.plugin.testing.row_checks import row_problem
from tests.fuzz.cases import SEEDS, bent, fuzzed, spelled, torn

MODULES = (
    *("openrouter_conformance", "openai_conformance", "anthropic_conformance", "litellm_conformance", "cursor"),
    *("copilot", "helicone", "portkey", "cloudflare", "vercel", "langfuse", "claude_code"),
)
MOST_REQUESTS = 30  # of one case: then the server has had enough, and says so
MOST_PAGES = 3


@dataclass
class Recorded:
    """What a server said when all was well, by method and path."""

    plugin: type[Ledger[Any]]
    config: Config
    window: Window
    now: Any
    answers: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)


def trials() -> dict[str, Any]:
    """Every class of the conformance kit over a built-in ledger, by its name."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"tests.plugins.test_{name}")
        for what, kit in vars(module).items():
            if isinstance(kit, type) and what.startswith("Test") and issubclass(kit, LedgerConformance):
                found[what.removeprefix("Test")] = kit
    return found


TRIALS = trials()


class Recorder(httpx.AsyncBaseTransport):
    """Writes down what the server of a trial answers."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None, into: Recorded) -> None:
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._into = into

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        body = await answer.aread()
        if answer.status_code == 200:
            self._into.answers.setdefault((request.method, request.url.path), []).append(body)
        return httpx.Response(answer.status_code, content=body)

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def recorded(name: str) -> Recorded:
    """The good answers of a trial."""

    async def record() -> Recorded:
        kit = TRIALS[name]
        async with kit.make() as trial:
            found = Recorded(kit.plugin, trial.good, trial.window, trial.clock.now())
            await used(found, Recorder(trial.transport, found), _of(trial))
        return found

    return asyncio.run(record())


def _of(trial: Trial) -> FakeClock:
    return FakeClock(trial.clock.now())


async def used(one: Recorded, transport: httpx.AsyncBaseTransport, clock: FakeClock, dice: Any = None) -> list[str]:
    """Checks, lists keys and polls each report a little. What is wrong with what it gave, in words."""
    wrong: list[str] = []

    async def tried(work: Callable[[Ledger[Any]], Any]) -> Any:
        try:
            async with plugin_session(
                one.plugin, one.config, clock=clock, pacer=RequestPacer(clock), transport=transport
            ) as ledger:
                return await work(ledger)
        except PluginError:
            return None

    await tried(lambda ledger: ledger.check())
    await tried(lambda ledger: ledger.keys())
    for report in one.plugin.reports:
        cursor = None
        for _ in range(MOST_PAGES):
            page = await tried(
                lambda ledger, report=report, cursor=cursor: ledger.poll(report.name, one.window, cursor)
            )
            if page is None:
                break
            wrong += [problem for row in page.rows if (problem := row_problem(row))]
            cursor = page.cursor
            if cursor is None:
                break
    return wrong


def test_every_built_in_ledger_is_here() -> None:
    assert {kit.plugin.meta.slug for kit in TRIALS.values()} == set(loader.load().ledgers())


@pytest.mark.parametrize("name", sorted(TRIALS))
@fuzzed(12, seed=SEEDS)
def test_no_answer_of_a_ledger_breaks_its_plugin(name: str, seed: int) -> None:
    one, dice = recorded(name), random.Random(seed)
    every = [body for bodies in one.answers.values() for body in bodies]
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked > MOST_REQUESTS:
            return httpx.Response(410, content=b"{}")
        body = dice.choice(one.answers.get((request.method, request.url.path)) or every)
        how = dice.random()
        if how < 0.6:
            body = spelled(bent(json.loads(body, parse_float=Decimal), dice)) if body[:1] in b"{[" else torn(body, dice)
        elif how < 0.7:
            body = torn(body, dice)
        elif how < 0.75:
            return httpx.Response(
                dice.choice((201, 204, 206, 301, 400, 401, 403, 404, 418, 429, 500, 503)), content=body
            )
        return httpx.Response(200, content=body)

    wrong = asyncio.run(used(one, httpx.MockTransport(answer), FakeClock(one.now)))

    assert wrong == []


@fuzzed(150, seed=SEEDS)
def test_any_body_is_read_or_refused_in_our_words(seed: int) -> None:
    dice = random.Random(seed)
    body = torn(spelled(bent({"data": [{"id": "a", "usd": 0.1}], "error": {"message": "no", "code": 4}}, dice)), dice)
    with contextlib.suppress(PluginError):
        parse(body, "A ledger")
    told = error_for(dice.choice((400, 401, 402, 403, 404, 409, 422, 451, 500, 599)), body, "A ledger", ("sk-secret",))
    assert isinstance(told, PluginError)
    assert len(str(told)) < 1_000
