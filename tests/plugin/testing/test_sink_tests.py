"""The kit passes a sink that keeps its promises, and each broken one fails at the check that is meant for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from outlay.plugin import CheckResult, Config, Event, Inbound, PluginInfo, Receipt, Sink
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance

SECRET = "horn-0123456789abcdef"


class HornConfig(Config):
    """A token and a place."""

    token: SecretStr
    base_url: str = "https://horn.example/v1"


class Horn(Sink[HornConfig]):
    """Keeps every promise: an alarm by id, and lines that each have an id."""

    meta = PluginInfo("horn", "Horn")
    Config = HornConfig

    @classmethod
    def headers(cls, config: HornConfig) -> dict[str, str]:
        return {"Authorization": config.token.get_secret_value()}

    async def check(self) -> CheckResult:
        await self.http.ask("GET", "/me")
        return CheckResult("a", "A", "token")

    async def opened(self, event: Event) -> Receipt:
        return await self.say(event, self.alarm(event), Receipt())

    async def updated(self, event: Event) -> Receipt:
        return await self.say(event, self.line(event), event.receipt)

    async def resolved(self, event: Event) -> Receipt:
        return await self.say(event, self.line(event), event.receipt)

    def alarm(self, event: Event) -> str:
        return event.uid("alarm")

    def line(self, event: Event) -> str:
        return event.uid(event.key)

    def text(self, event: Event) -> str:
        return (
            event.finding.title.replace("://", ": //").replace("www.", "www .").replace("@", "(at)").replace("<", "(")
        )

    async def say(self, event: Event, line: str, receipt: Any) -> Receipt:
        about = line if event.what == "opened" else receipt.external_id
        await self.http.ask("PUT", "/lines", json={"about": about, "line": line, "text": self.text(event)})
        return Receipt("https://horn.example/a", about, {"last": event.what})


class Forgetful(Horn):
    """A new id each time."""

    def alarm(self, event: Event) -> str:
        return str(uuid4())


class Talkative(Horn):
    """Says a note again when it is told again."""

    def line(self, event: Event) -> str:
        return str(uuid4())


class Fickle(Horn):
    """Makes another alarm of an incident that comes back."""

    def alarm(self, event: Event) -> str:
        return event.uid(event.key)


class Once(Horn):
    """Says of an end only once that it is one."""

    def line(self, event: Event) -> str:
        return event.uid(event.what)


class Counting(Horn):
    """Takes the second end after a return for the first."""

    def line(self, event: Event) -> str:
        return event.uid("back" if event.what == "resolved" and event.receipt.state["last"] == "opened" else event.key)


class OneForAll(Horn):
    """The same id for every incident."""

    def alarm(self, event: Event) -> str:
        return "0"


class Raw(Horn):
    """Takes a name for text."""

    def text(self, event: Event) -> str:
        return event.finding.title


class Zero(Horn):
    """Takes unknown for nothing."""

    def text(self, event: Event) -> str:
        return f"{super().text(event)} ${event.finding.spent_usd or 0}"


class Receiptless(Horn):
    """Gives back an address that is none."""

    async def opened(self, event: Event) -> Receipt:
        return Receipt("javascript:x", (await super().opened(event)).external_id)


class Loud(Horn):
    """Tells its credential to the log."""

    async def opened(self, event: Event) -> Receipt:
        self.context.log.debug("asking with %s", self.config.token.get_secret_value())
        return await super().opened(event)


class Impatient(Horn):
    """Asks again after a 429."""

    async def say(self, event: Event, line: str, receipt: Any) -> Receipt:
        sent = await self.http.send("PUT", "/lines", json={})
        assert sent.status
        return await super().say(event, line, receipt)


class Buggy(Horn):
    """Lets an exception of its own out."""

    async def say(self, event: Event, line: str, receipt: Any) -> Receipt:
        sent = await self.http.send("PUT", "/lines", json={"about": "x", "line": line, "text": ""})
        json.loads(sent.body)["ok"]
        return await super().say(event, line, receipt)


class Credulous(Horn):
    """Believes whatever comes in."""

    async def webhook(self, headers: Any, body: bytes) -> Inbound:
        return Inbound("x")


class Server:
    """Lines by their ids."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, str]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] != SECRET:
            return httpx.Response(401)
        if request.method == "PUT":
            said = json.loads(request.content)
            if said:
                self.lines.setdefault(said["line"], said)
        return httpx.Response(200, json={"ok": True})


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    server = Server()
    yield SinkTrial(
        good=HornConfig(token=SecretStr(SECRET)),
        wrong=HornConfig(token=SecretStr("horn-of-another-one")),
        secret=SECRET,
        made=lambda: sorted({line["about"] for line in server.lines.values()}),
        told=lambda: [line["text"] for line in server.lines.values()],
        live=lambda: [
            word
            for line in server.lines.values()
            for word in line["text"].split()
            if "://" in word or word.startswith(("@", "<", "www.")) or "](" in word
        ],
        transport=httpx.MockTransport(server),
    )


TestHorn = sink_conformance(Horn, make=trial)


@pytest.mark.parametrize(
    ("broken", "check", "words"),
    [
        (Forgetful, "test_whatever_is_told_twice_is_said_once", "makes two things"),
        (Forgetful, "test_a_lost_answer_is_made_good_by_telling_it_again", "now there are two things"),
        (Talkative, "test_whatever_is_told_twice_is_said_once", "says something else"),
        (Talkative, "test_a_lost_answer_is_made_good_by_telling_it_again", "other things are said"),
        (Fickle, "test_what_was_over_and_comes_back_is_the_same_thing_again", "is another thing"),
        (Once, "test_what_was_over_and_comes_back_is_the_same_thing_again", "Nothing is said of a return"),
        (Counting, "test_what_was_over_and_comes_back_is_the_same_thing_again", "of the second return"),
        (OneForAll, "test_another_incident_is_another_thing", "taken for the same one"),
        (Raw, "test_a_name_means_nothing_to_a_readers_program", "becomes"),
        (Zero, "test_unknown_dollars_are_not_said_to_be_none", r"said to be: .*\$0"),
        (Receiptless, "test_an_incident_is_one_thing_and_its_receipt_is_sound", "none that a person can open"),
        (Loud, "test_its_secret_shows_nowhere", r"The secret shows: .*\[SECRET\]"),
        (Impatient, "test_whoever_asks_to_wait_is_left_alone_at_once", "goes on asking after a 429"),
        (Buggy, "test_nonsense_is_no_bug", "KeyError"),
        (Buggy, "test_a_failing_server_is_transient", "gives"),
        (Credulous, "test_a_webhook_without_a_signature_is_refused", "nobody has signed"),
    ],
)
async def test_a_broken_sink_fails_at_the_check_meant_for_it(broken: type[Horn], check: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        await getattr(sink_conformance(broken, make=trial)(), check)()
