"""The PagerDuty sink keeps every promise of the contract, and pages only for what is worth it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from outlay.plugin import Config, NeedsReauth, Permanent, Receipt
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance
from outlay.plugin.testing.sink_trial import SinkBench, event_at, sample_finding
from outlay_plugins.pagerduty import PagerDuty, PagerDutyConfig
from tests.plugins.http_vendor import Answer, Asked, vendor

KEY = "0123456789abcdef0123456789abcdef"
LIVE = re.compile(r"(?i)https?://\S+|www\.\S+|@\w+|<!\w+|\b[\w-]+\.example\b")
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")


def refused(*errors: str) -> Answer:
    return Answer(400, {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)})


class Service:
    """PagerDuty's side: alerts by deduplication key, and a log in which an event that is repeated stands once."""

    def __init__(self) -> None:
        self.alerts: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.events = 0

    def __call__(self, asked: Asked) -> Answer:
        event = asked.json
        if (asked.method, asked.path) != ("POST", "/v2/enqueue"):
            return Answer(404, {"message": "Not Found"})
        if len(str(event.get("routing_key"))) != 32:
            return refused("Length of 'routing_key' is incorrect (should be 32 characters)")
        if event["routing_key"] != KEY:
            return refused("Invalid routing key")
        action, key = event.get("event_action"), event.get("dedup_key")
        if action not in ACTIONS or not isinstance(key, str) or not 0 < len(key) <= 255:
            return refused("'event_action' or 'dedup_key' is invalid")
        self.events += 1
        if action == "trigger":
            payload = event["payload"]
            if not payload["summary"] or len(payload["summary"]) > 1024 or not payload["source"]:
                return refused("'payload.summary' or 'payload.source' is invalid")
            if payload["severity"] not in SEVERITIES:
                return refused("'payload.severity' is invalid")
            self.alerts[key] = event
            self._say(f"{key} {payload['summary']} {payload['custom_details']}")
        elif key in self.alerts:
            self._say(f"{key} {action}")
        return Answer(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _say(self, line: str) -> None:
        if line not in self.log:
            self.log.append(line)


def config(base_url: str, **more: Any) -> PagerDutyConfig:
    return PagerDutyConfig(**{"routing_key": SecretStr(KEY), "base_url": base_url, **more})


def with_(bench: SinkBench, **more: Any) -> Config:
    return bench.trial.good.model_copy(update=more)


@asynccontextmanager
async def service() -> AsyncIterator[tuple[Service, SinkBench]]:
    found = Service()
    async with vendor(found) as base_url:
        trial = SinkTrial(
            good=config(base_url),
            wrong=config(base_url, routing_key=SecretStr("f" * 32)),
            secret=KEY,
            made=lambda: list(found.alerts),
            told=lambda: found.log,
            live=lambda: [link for line in found.log for link in LIVE.findall(line)],
        )
        yield found, SinkBench(PagerDuty, trial)


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    async with service() as (_, bench):
        yield bench.trial


TestPagerDuty = sink_conformance(PagerDuty, make=trial)


@pytest.mark.parametrize("key", ["f" * 32, "short"])
async def test_a_key_that_pagerduty_does_not_know_asks_for_another(key: str) -> None:
    async with service() as (_, bench), bench.sink(with_(bench, routing_key=SecretStr(key))) as sink:
        with pytest.raises(NeedsReauth, match="integration key"):
            await sink.opened(event_at(0))


async def test_another_refusal_is_no_fault_of_the_key() -> None:
    async with service() as (_, bench):
        error = await bench.outcome(event_at(3, receipt=Receipt("", "x" * 300)))
    assert isinstance(error, Permanent)
    assert "dedup_key" in str(error)


@pytest.mark.parametrize(("severity", "pages"), [("info", False), ("warning", False), ("critical", True)])
async def test_only_what_is_critical_pages_by_itself(severity: Any, pages: bool) -> None:
    async with service() as (_, bench), bench.sink() as sink:
        assert sink.should_file(event_at(0, severity=severity)) is pages


async def test_dollars_may_be_a_second_threshold() -> None:
    async with service() as (_, bench), bench.sink(with_(bench, file_from_usd=Decimal(100))) as sink:
        assert not sink.should_file(event_at(0))
        assert sink.should_file(event_at(1))
        assert sink.should_file(event_at(1, spent_usd=None))


async def test_an_update_is_sent_when_the_money_doubles_or_it_gets_worse_and_else_not() -> None:
    async with service() as (found, bench):
        receipt = await bench.tell(event_at(0, severity="warning"))
        same = await bench.tell(replace(event_at(1, receipt=receipt), finding=sample_finding("150")))
        assert found.events == 2  # it is critical now
        same = await bench.tell(replace(event_at(1, receipt=same), finding=sample_finding("150")))
        assert found.events == 2
        await bench.tell(replace(event_at(1, receipt=same), finding=sample_finding("200")))
        assert found.events == 3


async def test_a_text_that_is_too_long_is_cut() -> None:
    async with service() as (found, bench):
        receipt = await bench.tell(event_at(0, title="long " * 1_000))
    assert len(found.alerts[receipt.external_id]["payload"]["summary"]) <= 1_024
