"""The webhook sink keeps every promise of the contract, and the rules of Standard Webhooks."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Config, NeedsReauth, Permanent, PluginError, RateLimited, Transient, forms
from outlay.plugin.session import plugin_session
from outlay.plugin.testing.ledger_trial import InjectedFault
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance
from outlay.plugin.testing.sink_trial import AT, SinkBench, event_at
from outlay_plugins.webhook import Webhook, WebhookConfig
from tests.plugins.http_vendor import Answer, Asked, vendor

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEW_SECRET = "whsec_" + base64.b64encode(bytes(range(100, 148))).decode()
FOREIGN = "whsec_" + base64.b64encode(b"x" * 24).decode()
TOLERANCE_SECONDS = 300


class Receiver:
    """A receiver as the rules ask for one: it checks signature and time, and takes each message once."""

    def __init__(self, clock: FakeClock, secret: str = SECRET) -> None:
        self.clock = clock
        self.secret = secret
        self.asked: list[Asked] = []
        self.taken: dict[str, dict[str, Any]] = {}
        self.status = 204

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.path != "/hooks/outlay" or asked.method != "POST":
            return Answer(404)
        if not self.verified(asked):
            return Answer(401, {"message": "bad signature"})
        if self.status < 300 and asked.json["type"] != "check":
            self.taken.setdefault(asked.headers["webhook-id"], asked.json)
        return Answer(self.status)

    def verified(self, asked: Asked) -> bool:
        message, seconds = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
        if "." in message or abs(int(seconds) - self.clock.now().timestamp()) > TOLERANCE_SECONDS:
            return False
        key = base64.b64decode(self.secret.split("_", 1)[1])
        signed = hmac.digest(key, f"{message}.{seconds}.".encode() + asked.body, hashlib.sha256)
        right = f"v1,{base64.b64encode(signed).decode()}"
        return any(hmac.compare_digest(one, right) for one in asked.headers["webhook-signature"].split(" "))


@asynccontextmanager
async def receiver(secret: str = SECRET) -> AsyncIterator[tuple[Receiver, SinkBench]]:
    clock = FakeClock(AT)
    found = Receiver(clock, secret)
    async with vendor(found) as base_url:
        address = f"{base_url}/hooks/outlay"
        trial = SinkTrial(
            good=WebhookConfig(base_url=address, secret=SecretStr(SECRET)),
            wrong=WebhookConfig(base_url=address, secret=SecretStr(FOREIGN)),
            secret=SECRET,
            made=lambda: list({message["data"]["incident"] for message in found.taken.values()}),
            told=lambda: [json.dumps(message, sort_keys=True) for message in found.taken.values()],
            live=list,  # a program reads it; what it makes of a text is its own
            clock=clock,
            answers=False,
        )
        yield found, SinkBench(Webhook, trial)


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    async with receiver() as (_, bench):
        yield bench.trial


TestWebhook = sink_conformance(Webhook, make=trial)


def with_(bench: SinkBench, **more: Any) -> Config:
    return bench.trial.good.model_copy(update=more)


async def test_a_retry_has_the_same_id_and_body_and_a_fresh_time() -> None:
    async with receiver() as (found, bench):
        found.status = 503
        assert isinstance(await bench.outcome(event_at(0)), Transient)
        bench.trial.clock.advance(timedelta(hours=3))
        found.status = 200
        await bench.tell(event_at(0))
    first, second = found.asked
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3 * 3600
    assert len(found.taken) == 1


async def test_each_event_has_an_id_of_its_own() -> None:
    async with receiver() as (found, bench):
        await bench.live_through()
    types = [message["type"] for message in found.taken.values()]
    assert types == ["incident.opened", "incident.updated", "incident.updated", "incident.resolved"]


@pytest.mark.parametrize("secret", [SECRET, NEW_SECRET])
async def test_while_a_secret_is_changed_both_sign(secret: str) -> None:
    async with receiver(secret) as (found, bench):
        changing = with_(bench, secret=SecretStr(NEW_SECRET), old_secrets=SecretStr(SECRET))
        async with bench.sink(changing) as sink:
            await sink.opened(event_at(0))
    assert len(found.asked[0].headers["webhook-signature"].split(" ")) == 2
    assert len(found.taken) == 1


async def test_the_body_is_the_finding_with_its_version_and_exact_dollars() -> None:
    async with receiver() as (found, bench):
        await bench.tell(event_at(0, spent_usd=None))
        await bench.tell(event_at(1))
    first, second = found.taken.values()
    assert (first["version"], first["data"]["finding"]["spent_usd"]) == (1, None)
    assert second["data"]["finding"]["spent_usd"] == "450"
    assert second["data"]["finding"]["excess_usd"] == "410.90"
    assert second["data"]["finding"]["facts"][0] == {"label": "Spent", "value": "$450"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BadConfig), (307, BadConfig), (400, Transient), (404, Transient), (401, NeedsReauth), (410, NeedsReauth),
        (429, RateLimited), (500, Transient), (200, type(None)), (202, type(None)), (204, type(None)),
    ],
)  # fmt: skip
async def test_what_becomes_of_a_status(status: int, kind: type[PluginError]) -> None:
    async with receiver() as (_, bench):
        bench.wire.fail(InjectedFault(status, headers={"Location": "http://127.0.0.1:1/"}))
        error = await bench.outcome(event_at(0))
        assert len(bench.wire.seen) == 1
    assert type(error) is kind


async def test_gone_is_said_in_words() -> None:
    async with receiver() as (_, bench):
        bench.wire.fail(InjectedFault(410))
        assert "gone for good" in str(await bench.outcome(event_at(0)))


async def test_a_receiver_that_refuses_the_check_is_a_wrong_address() -> None:
    async with receiver() as (_, bench):
        elsewhere = with_(bench, base_url=f"{with_(bench).model_dump()['base_url']}/nowhere")
        async with bench.sink(elsewhere) as sink:
            with pytest.raises(BadConfig) as told:
                await sink.check()
    assert told.value.field == "base_url"


@pytest.mark.parametrize(
    "secret", ["hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", SECRET.removeprefix("whsec_"), f"{SECRET} nonsense"]
)
def test_what_is_no_secret_is_refused_on_its_field_and_not_echoed(secret: str) -> None:
    with pytest.raises(BadConfig) as told:
        forms.build(Webhook, {"base_url": "https://hooks.example/x", "secret": secret})
    assert told.value.field == "secret"
    assert secret not in str(told.value)


async def test_a_public_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leads_inside(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("10.0.0.7", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", leads_inside)
    config = WebhookConfig(base_url="https://hooks.example/x", secret=SecretStr(SECRET))
    async with plugin_session(Webhook, config, clock=FakeClock(AT)) as sink:
        with pytest.raises(Permanent, match="private address"):
            await sink.opened(event_at(0))


@pytest.mark.parametrize("address", ["https://hooks.example", "https://hooks.example/", "https://hooks.example/a/b/"])
async def test_an_address_is_posted_to_as_it_was_given(address: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(204)

    config = WebhookConfig(base_url=address, secret=SecretStr(SECRET))
    async with plugin_session(Webhook, config, clock=FakeClock(AT), transport=httpx.MockTransport(answer)) as sink:
        await sink.opened(replace(event_at(0), asked_by="ana"))
    assert [url.rstrip("/") for url in asked] == [address.rstrip("/")]
