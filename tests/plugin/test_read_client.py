"""The guarded client against a vendor made of functions: what it sends, what it refuses, how often it tries."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from outlay.core.clock import FakeClock
from outlay.plugin import (
    BadConfig,
    GuardedClient,
    NeedsReauth,
    Permanent,
    PluginError,
    RateLimit,
    RateLimited,
    Transient,
    read_client,
)
from outlay.plugin.rate_limits import RequestPacer
from outlay.plugin.testing.ledger_trial import everything_logged

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "sk-or-v1-0123456789abcdef0123456789abcdef"
Handler = Callable[[httpx.Request], httpx.Response]


class Raw(httpx.AsyncByteStream):
    """A body as it comes over the network, packed or not."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body


def packed(body: bytes) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Raw(body))


class Vendor:
    """Answers with what it was given, in order, the last one for ever; keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def ok(body: str | bytes = b"{}") -> httpx.Response:
    return httpx.Response(200, content=body)


def limited(**headers: str) -> httpx.Response:
    return httpx.Response(429, headers={name.replace("_", "-"): value for name, value in headers.items()})


def make(vendor: Handler, clock: FakeClock | None = None, **options: object) -> GuardedClient:
    settings: dict[str, object] = {
        "base_url": "https://openrouter.ai/api/v1",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "reading_posts": ("/analytics/query",),
        "clock": clock or FakeClock(NOW),
        "transport": httpx.MockTransport(vendor),
        "title": "OpenRouter",
    }
    return GuardedClient(**(settings | options))


async def error_of(vendor: Handler, clock: FakeClock | None = None, path: str = "/keys") -> PluginError:
    async with make(vendor, clock) as http:
        with pytest.raises(PluginError) as caught:
            await http.get(path)
    return caught.value


async def test_dollars_arrive_exact() -> None:
    async with make(Vendor(ok(b'{"usage": 0.1, "big": 12345678901234567890.123456789, "n": 3}'))) as http:
        answer = await http.get("/keys")
    assert answer == {"usage": Decimal("0.1"), "big": Decimal("12345678901234567890.123456789"), "n": 3}
    assert isinstance(answer["n"], int)


@pytest.mark.parametrize("base_url", ["https://h.example/api/v1", "https://h.example/api/v1/"])
@pytest.mark.parametrize("path", ["/keys", "keys"])
async def test_paths_are_below_the_base_last_slash_or_not(base_url: str, path: str) -> None:
    vendor = Vendor(ok())
    async with make(vendor, base_url=base_url) as http:
        await http.get(path, [("id", "a"), ("id", "b c"), ("limit", 5)])
        assert list(http.journal) == [("GET", "/keys")]
    assert str(vendor.asked[0].url) == "https://h.example/api/v1/keys?id=a&id=b+c&limit=5"


async def test_it_says_who_it_is_and_carries_the_credential() -> None:
    vendor = Vendor(ok())
    async with make(vendor) as http:
        await http.post("/analytics/query", {"metrics": ["total_usage"]})
    sent = vendor.asked[0]
    assert sent.headers["User-Agent"].startswith("outlay/0.")
    assert sent.headers["Authorization"] == f"Bearer {SECRET}"
    assert json.loads(sent.content) == {"metrics": ["total_usage"]}


async def test_one_request_may_say_more_than_the_others() -> None:
    vendor = Vendor(ok())
    async with make(vendor) as http:
        await http.get("/keys", headers={"vendor-beta": "tomorrow"})
        await http.get("/keys")
    assert [request.headers.get("vendor-beta") for request in vendor.asked] == ["tomorrow", None]
    assert all(request.headers["authorization"] == f"Bearer {SECRET}" for request in vendor.asked)


async def test_a_post_that_is_not_listed_is_not_sent() -> None:
    vendor = Vendor(ok())
    async with make(vendor) as http:
        for path in ("/keys", "/analytics/query/", "/analytics", "/analytics/QUERY"):
            with pytest.raises(Permanent, match="only read"):
                await http.post(path, {})
        assert http.requests == 0
    assert vendor.asked == []


async def test_a_url_of_endless_length_is_not_sent() -> None:
    vendor = Vendor(ok())
    async with make(vendor) as http:
        with pytest.raises(Permanent, match="longer URL"):
            await http.get("/keys", {"id": "x" * 10_000})
    assert vendor.asked == []


async def test_a_prompt_is_not_asked_for_even_by_a_listed_post() -> None:
    vendor = Vendor(ok())
    async with make(vendor, reading_posts=("/v1/request/query",)) as http:
        with pytest.raises(Permanent, match="prompts"):
            await http.post("/v1/request/query", {})
        with pytest.raises(Permanent, match="prompts"):
            await http.get("/generation/content", {"id": "gen-1"})
    assert vendor.asked == []


async def test_a_redirect_is_not_followed() -> None:
    vendor = Vendor(httpx.Response(302, headers={"Location": "https://evil.example/"}))
    error = await error_of(vendor)
    assert isinstance(error, Permanent)
    assert "redirect" in str(error)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (ok("<!doctype html><h1>Sign in</h1>"), Permanent, "OpenRouter answered with a web page instead of JSON"),
        (ok('"just text"'), Permanent, "not a JSON object"),
        (ok("pong"), Permanent, "not a JSON object"),
        (ok('{"usage": NaN}'), Permanent, "no number"),
        (ok('{"usage": -Infinity}'), Permanent, "no number"),
        (ok("[" * 100_000), Permanent, "nested too deep"),
        (ok('{"data": [{"us'), Transient, "cut-off"),
        (ok(b'{"name": "\xff"}'), Transient, "broken"),
        (ok(""), Transient, "nothing at all"),
        (httpx.Response(500, content=b"<h1>oops</h1>"), Transient, "500"),
        (httpx.Response(408), Transient, "408"),
        (httpx.Response(529), Transient, "529"),
        (httpx.ReadError("reset"), Transient, "dropped the connection"),
        (httpx.RemoteProtocolError("gone"), Transient, "dropped the connection"),
        (httpx.ReadTimeout("slow"), Transient, "did not answer within"),
        (httpx.ConnectError("refused"), Transient, "cannot be reached"),
        (httpx.Response(401), NeedsReauth, "401"),
        (httpx.Response(402, json={"error": {"message": "Out of credits"}}), Permanent, "Out of credits"),
        (httpx.Response(403, json={"error": {"message": "Only management keys"}}), Permanent, "Only management keys"),
        (httpx.Response(400, json={"error": "bad date"}), Permanent, "bad date"),
        (httpx.Response(404, json={"message": "no such thing"}), Permanent, "no such thing"),
        (httpx.Response(409, json={"detail": "conflict"}), Permanent, "conflict"),
        (httpx.Response(410), Permanent, "410"),
        (httpx.Response(422, json={"detail": [{"loc": []}]}), Permanent, "422"),
    ],
)
async def test_what_comes_back_is_one_of_the_five(
    answer: httpx.Response | Exception, kind: type[PluginError], words: str
) -> None:
    error = await error_of(Vendor(answer))
    assert type(error) is kind
    assert words in str(error)
    assert "OpenRouter" in str(error)
    if isinstance(answer, httpx.Response) and answer.status_code >= 400:
        assert error.status == answer.status_code


async def test_trouble_is_tried_again_with_growing_waits_and_then_told() -> None:
    clock, vendor = FakeClock(NOW), Vendor(httpx.Response(503))
    assert isinstance(await error_of(vendor, clock), Transient)
    assert len(vendor.asked) == read_client.MAX_TRIES
    assert len(clock.slept_seconds) == read_client.MAX_TRIES - 1
    for number, seconds in enumerate(clock.slept_seconds, start=1):
        assert 0 <= seconds <= read_client.BACKOFF_SECONDS * 2**number


@pytest.mark.parametrize("trouble", [httpx.Response(500), httpx.ReadError("reset"), ok('{"data": [')])
async def test_trouble_that_passes_is_not_told(trouble: httpx.Response | Exception) -> None:
    async with make(Vendor(trouble, trouble, ok('{"a": 1}'))) as http:
        assert await http.get("/keys") == {"a": 1}
        assert http.requests == 3


async def test_a_refusal_is_not_tried_again() -> None:
    for status in (400, 401, 402, 403, 404, 410, 422):
        vendor = Vendor(httpx.Response(status))
        await error_of(vendor)
        assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (limited(Retry_After="7"), 7),
        (limited(Retry_After="0"), 1),
        (limited(Retry_After="Sat, 21 Nov 2026 12:00:20 GMT"), 20),
        (limited(X_RateLimit_Reset=str(int(NOW.timestamp()) + 9)), 9),
        (limited(X_RateLimit_Reset=str((int(NOW.timestamp()) + 9) * 1000)), 9),
        (limited(anthropic_ratelimit_requests_reset="2026-11-21T12:00:11Z"), 11),
        (limited(Retry_After="3", X_RateLimit_Reset="25"), 3),
        (limited(Retry_After="soon", X_RateLimit_Reset="25"), 25),
    ],
)
async def test_a_429_waits_as_told_and_goes_on(answer: httpx.Response, seconds: float) -> None:
    clock = FakeClock(NOW)
    async with make(Vendor(answer, ok('{"a": 1}')), clock) as http:
        assert await http.get("/keys") == {"a": 1}
    assert clock.slept_seconds == [pytest.approx(seconds)]


async def test_a_429_that_says_nothing_is_waited_out_longer_each_time() -> None:
    clock, vendor = FakeClock(NOW), Vendor(limited())
    error = await error_of(vendor, clock)
    assert isinstance(error, RateLimited)
    assert error.retry_at > clock.now()
    assert error.status == 429
    assert len(vendor.asked) == read_client.MAX_LIMITED_TRIES
    for number, seconds in enumerate(clock.slept_seconds, start=1):
        assert read_client.SHORTEST_WAIT_SECONDS <= seconds <= read_client.SHORTEST_WAIT_SECONDS * 2**number


async def test_a_long_429_is_for_the_host() -> None:
    clock, vendor = FakeClock(NOW), Vendor(limited(Retry_After="31"))
    error = await error_of(vendor, clock)
    assert isinstance(error, RateLimited)
    assert error.retry_at == NOW + timedelta(seconds=31)
    assert clock.slept_seconds == []


async def test_short_waits_that_add_up_are_for_the_host() -> None:
    clock, vendor = FakeClock(NOW), Vendor(limited(Retry_After="25"))
    assert isinstance(await error_of(vendor, clock), RateLimited)
    assert clock.slept_seconds == [25, 25]


async def test_nobody_is_believed_who_says_to_come_back_next_year() -> None:
    error = await error_of(Vendor(limited(Retry_After="999999999999")))
    assert isinstance(error, RateLimited)
    assert error.retry_at == NOW + timedelta(days=1)


async def test_the_secret_is_in_no_error_log_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    echo = {"error": {"message": f"Key {SECRET} (Bearer {SECRET[:-4]}) is not good, nor is sk-proj-abc123def456"}}
    vendor = Vendor(httpx.Response(500, json=echo), httpx.Response(401, json=echo))
    with everything_logged() as lines:
        error = await error_of(vendor)
        async with make(vendor) as http:
            lines.append(f"{http!r} {http}")
    for text in (repr(error), str(error), *lines):
        assert SECRET[8:20] not in text
        assert "abc123def456" not in text
    assert "is not good" in str(error)
    chain = [error.__cause__, error.__context__]
    assert chain == [None, None], "an error of httpx carries the request, and the request the credential"


async def test_a_credential_that_no_header_can_hold_is_told_without_echo() -> None:
    for bad in (f"{SECRET}\nX-Evil: 1", f"{SECRET}–"):
        with pytest.raises(NeedsReauth) as caught:
            make(Vendor(ok()), headers={"Authorization": f"Bearer {bad}"})
        assert SECRET not in str(caught.value)


async def test_a_body_beyond_the_bound_is_not_read() -> None:
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 1
            yield b" " * 1024 * 1024

    async with make(lambda request: httpx.Response(200, content=endless())) as http:
        with pytest.raises(Permanent, match="more than 32 MiB"):
            await http.get("/keys")
    assert read == read_client.MAX_BODY_BYTES // 1024**2 + 1


async def test_a_packed_bomb_does_not_go_off() -> None:
    bomb = gzip.compress(b"[" + b" " * (read_client.MAX_BODY_BYTES + 1))
    async with make(lambda request: packed(bomb)) as http:
        with pytest.raises(Permanent, match="more than 32 MiB"):
            await http.get("/keys")


async def test_what_does_not_unpack_is_tried_again_and_told() -> None:
    answers = [packed(b"no gzip at all"), packed(gzip.compress(b'{"a": 1}')[:-12]), packed(b"")]
    async with make(lambda request: answers.pop(0)) as http:
        with pytest.raises(Transient):
            await http.get("/keys")
    assert answers == []
    async with make(
        lambda request: httpx.Response(200, headers={"Content-Encoding": "zstd"}, stream=Raw(b"x"))
    ) as http:
        with pytest.raises(Permanent, match="zstd"):
            await http.get("/keys")


async def test_a_packed_answer_is_read() -> None:
    async with make(lambda request: packed(gzip.compress(b'{"usage": 0.1}'))) as http:
        assert await http.get("/keys") == {"usage": Decimal("0.1")}


async def test_requests_keep_the_pace_and_share_it_with_the_same_credential() -> None:
    clock = FakeClock(NOW)
    pacer, pace = RequestPacer(clock), RateLimit("GET", "/keys*", 2, 60.0)
    options = {"pacer": pacer, "paces": (pace,)}
    first, second = make(Vendor(ok()), clock, **options), make(Vendor(ok()), clock, **options)
    other = make(Vendor(ok()), clock, headers={"Authorization": "Bearer other"}, **options)
    async with first, second, other:
        await first.get("/keys")
        await second.get("/keys/abc")
        await first.get("/credits")
        await other.get("/keys")
        assert clock.slept_seconds == []
        await second.get("/keys")
    assert clock.slept_seconds == [pytest.approx(60)]


async def test_many_at_once_do_not_overrun_the_pace() -> None:
    clock = FakeClock(NOW)
    sent: list[float] = []

    def vendor(request: httpx.Request) -> httpx.Response:
        sent.append(clock.monotonic())
        return ok()

    async with make(vendor, clock, paces=(RateLimit("GET", "/keys", 4, 10.0),)) as http:
        await asyncio.gather(*(http.get("/keys") for _ in range(20)))
    for early, late in zip(sent, sent[4:], strict=False):
        assert late - early >= 10.0 - 1e-6


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://h.example",
        "file:///etc",
        "h.example/v1",
        "https://",
        "https://user:pw@h.example",
        "https://h.example?a=b",
    ],
)
def test_a_base_url_that_is_none_lands_on_its_field(base_url: str) -> None:
    with pytest.raises(BadConfig) as caught:
        make(Vendor(ok()), base_url=base_url)
    assert caught.value.field == "base_url"
    assert "pw" not in str(caught.value)


async def test_the_vendor_s_host_stands_in_for_a_title() -> None:
    async with make(Vendor(ok("<p>")), title="") as http:
        with pytest.raises(Permanent, match=r"^openrouter\.ai answered"):
            await http.get("/keys")


def test_httpx_is_not_made_chatty() -> None:
    assert logging.getLogger("httpx").level == logging.NOTSET
