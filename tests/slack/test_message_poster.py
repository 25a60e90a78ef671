"""Down the ladder from rich to plain, once a step, and remembered."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from outlay.core.clock import FakeClock
from outlay.slack import block_kit, message_poster
from outlay.slack.message_poster import (
    BlocksRefusedError,
    NotDeliveredError,
    Poster,
    RenderedMessage,
    ephemeral_response,
)

LOG = logging.getLogger("outlay.slack")
MESSAGE = RenderedMessage("$5", (("rich", [block_kit.section("rich")]), ("plain", [block_kit.section("plain")])))


class Sender:
    """A Slack that refuses some blocks."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.sent: list[str] = []

    async def __call__(self, text: str, blocks: list[block_kit.Block]) -> str:
        self.sent.append(blocks[0]["text"]["text"] if blocks else "")
        if self.sent[-1] in self.refused:
            raise BlocksRefusedError("invalid_blocks")
        return f"{text}:{self.sent[-1]}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 21, tzinfo=UTC))


async def test_what_is_refused_comes_in_the_next_form_and_the_workspace_is_remembered(clock: FakeClock) -> None:
    poster, slack = Poster(clock, LOG), Sender("rich")

    assert await poster.post("T1", MESSAGE, slack) == "$5:plain"
    await poster.post("T1", MESSAGE, slack)
    await poster.post("T2", MESSAGE, slack)

    assert slack.sent == ["rich", "plain", "plain", "rich", "plain"]


async def test_after_a_day_the_rich_form_gets_another_chance(clock: FakeClock) -> None:
    poster, slack = Poster(clock, LOG), Sender("rich")
    await poster.post("T1", MESSAGE, slack)
    slack.refused = ()
    clock.advance(timedelta(hours=25))

    assert await poster.post("T1", MESSAGE, slack) == "$5:rich"


async def test_when_every_form_is_refused_the_text_goes_alone_and_nothing_is_remembered(clock: FakeClock) -> None:
    poster, slack = Poster(clock, LOG), Sender("rich", "plain")

    assert await poster.post("T1", MESSAGE, slack) == "$5:"
    await poster.post("T1", MESSAGE, slack)

    assert slack.sent == ["rich", "plain", ""] * 2


async def test_what_is_too_much_for_one_message_is_not_even_tried(clock: FakeClock) -> None:
    long = [block_kit.section("x" * 3_000)] * 4
    many = [block_kit.section("x")] * 51
    slack = Sender()

    await Poster(clock, LOG).post("T1", RenderedMessage("$5", (("long", long), ("many", many), *MESSAGE.forms)), slack)

    assert slack.sent == ["rich"]


@dataclass
class Reply:
    status_code: int
    body: str


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, "ok", None),
        (200, '{"ok":true}', None),
        (200, "", None),
        (400, "invalid_blocks", BlocksRefusedError),
        (200, '{"ok":false,"error":"invalid_blocks"}', BlocksRefusedError),
        (404, "expired_url", NotDeliveredError),
        (500, "<html>", NotDeliveredError),
        (200, '{"half": a json', NotDeliveredError),
    ],
)
async def test_an_answer_that_slack_does_not_take_is_noticed(
    status: int, body: str, error: type[Exception] | None
) -> None:
    said: list[dict[str, Any]] = []

    async def respond(**how: Any) -> Reply:
        said.append(how)
        return Reply(status, body)

    send = ephemeral_response(respond)
    if error is None:
        await send("$5", [])
    else:
        with pytest.raises(error) as raised:
            await send("$5", [])
        assert "html" not in str(raised.value)
    assert said[0]["response_type"] == "ephemeral"
    assert said[0]["replace_original"] is False


@pytest.mark.parametrize(
    ("code", "headers", "seconds"),
    [
        ("ratelimited", {"Retry-After": "90"}, 90.0),
        ("ratelimited", {"retry-after": ["7"]}, 7.0),
        ("ratelimited", {}, message_poster.WAIT_SECONDS),
        ("channel_not_found", {"Retry-After": "90"}, None),
    ],
)
def test_how_long_slack_asks_to_be_left_alone(code: str, headers: dict[str, Any], seconds: float | None) -> None:
    response = AsyncSlackResponse(
        client=None, http_verb="POST", api_url="", req_args={}, data={"ok": False, "error": code}, headers=headers,
        status_code=429,
    )  # fmt: skip
    assert message_poster.retry_after_seconds(SlackApiError("no", response)) == seconds
