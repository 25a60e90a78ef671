"""A digest's chart as a picture, where Slack's own is not known or by setting: in the thread, harming nothing."""

import asyncio
import logging
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import FakeClock
from outlay.outbox import OutboxMessage
from outlay.slack.chart_images.renderer import ChartRenderer, RenderFailedError
from outlay.slack.chart_images.upload import NOT_DRAWN, ChartUploader
from outlay.slack.client import web_client
from outlay.slack.digest_and_budget_sender import DigestAndBudgetSender
from outlay.slack.message_poster import Poster
from outlay.slack.tasks import Tasks
from tests.slack.fake_digests_budgets import FakeDigests
from tests.slack.fakes import DOLLAR, NOW, eventually
from tests.workspace import BEN, GENERAL, Workspace

LOG = logging.getLogger("tests.pictures")
MONDAY, SUNDAY = date(2026, 11, 9), date(2026, 11, 15)
DAYS = {SUNDAY - timedelta(days=n): (100 + 13 * n) * DOLLAR for n in range(20)}


class FakePainter(ChartRenderer):
    """Draws nothing, or fails."""

    def __init__(self) -> None:
        super().__init__(LOG)
        self.fails = False
        self.drawn: list[tuple[str, str]] = []

    async def chart_png(self, block: dict[str, Any], finding: str = "") -> bytes:
        if self.fails:
            raise RenderFailedError("the worker failed 2 times")
        self.drawn.append((block["title"], finding))
        return b"\x89PNG drawn"


class Post:
    """Letters to a workspace."""

    def __init__(self, slack: Workspace) -> None:
        self.slack = slack
        self.clock = FakeClock(NOW)
        self.painter, self.tasks, self.digests = FakePainter(), Tasks(LOG), FakeDigests()
        found = self.digests.found
        self.digests.found = replace(
            found, period="week", start=MONDAY, end=SUNDAY, compared=(MONDAY - timedelta(7), MONDAY - timedelta(1)),
            days=DAYS,
        )  # fmt: skip
        client: AsyncWebClient = web_client(slack.slack.bot_token, slack.slack.api_url, LOG)
        pictures = ChartUploader(self.painter, self.clock, LOG, self.tasks)
        self.letters = DigestAndBudgetSender(
            client, self.digests, Poster(self.clock, LOG), self.clock, self.nowhere, pictures
        )

    async def nowhere(self) -> str:
        raise AssertionError("every place is known")

    async def digest(self, place: str = GENERAL, period: str = "week") -> None:
        """Delivers a digest, and waits for what follows it."""
        payload = {"to": place, "period": period, "start": f"{MONDAY}", "end": f"{SUNDAY}", "late": False}
        await self.letters.deliver(OutboxMessage(1, "T1", "digest", payload, attempts=1, fence=1, key="k"))
        await self.tasks.idle()

    @property
    def uploads(self) -> list[dict[str, Any]]:
        """What was uploaded."""
        return [file for file in self.slack.world.files.values() if file["bytes"]]

    def posted(self) -> list[dict[str, Any]]:
        """What was posted, threads too."""
        return [call.args for call in self.slack.calls("chat.postMessage") if call.ok]


@pytest.fixture
async def post(slack: Workspace) -> Post:
    return Post(slack)


async def test_where_slack_knows_the_chart_there_is_no_picture(post: Post) -> None:
    await post.digest()

    (said,) = post.posted()
    assert [block["type"] for block in said["blocks"]][:3] == ["section", "data_visualization", "data_table"]
    assert post.uploads == []


async def test_where_it_does_not_the_same_chart_is_a_picture_in_the_thread_and_the_alt_text_holds_the_finding(
    post: Post,
) -> None:
    post.slack.faults.forget_blocks("data_visualization")
    await post.digest()

    said = post.posted()[-1]
    assert "data_visualization" not in [block["type"] for block in said["blocks"]]
    (file,) = post.uploads
    assert file["alt_txt"].startswith(
        "The week from 9 to 15 Nov cost $340.00, $120.00 more than the week before (55 %)"
    )
    assert (file["bytes"], file["name"]) == (b"\x89PNG drawn", "spend.png")
    (upload,) = post.slack.calls("files.completeUploadExternal")
    answered = post.slack.calls("chat.postMessage")[-1]
    assert upload.args["channel_id"] == GENERAL
    assert upload.args["thread_ts"] == answered.answer["ts"]


async def test_wanted_by_setting_it_comes_with_the_weekly_one_to_channels_alone(post: Post) -> None:
    post.digests.kept = replace(post.digests.kept, picture=True)
    for place, period, uploads in ((GENERAL, "day", 0), (BEN, "week", 0), (GENERAL, "week", 1)):
        await post.digest(place, period)
        assert len(post.uploads) == uploads


async def test_what_could_not_be_drawn_is_told_in_the_thread_and_the_digest_stands(post: Post) -> None:
    post.slack.faults.forget_blocks("data_visualization")
    post.painter.fails = True
    await post.digest()

    *_, digest, told = post.posted()
    assert told["text"] == NOT_DRAWN
    assert told["thread_ts"]
    assert "340.00" in digest["text"]


async def test_without_the_scope_it_is_not_tried_again_for_a_day(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.slack.faults.forget_blocks("data_visualization")
    post.slack.faults.refuse("files.getUploadURLExternal", "missing_scope")
    await post.digest()
    await post.digest()
    assert len(post.painter.drawn) == 1
    assert "files:write" in caplog.text
    await post.clock.sleep(90_000)
    await post.digest()
    assert len(post.uploads) == 1


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
@pytest.mark.parametrize("fault", ["server_error", "lose", "rate_limit"])
async def test_bad_weather_costs_the_picture_and_nothing_else(post: Post, method: str, fault: str) -> None:
    post.slack.faults.forget_blocks("data_visualization")
    getattr(post.slack.faults, fault)(method)
    await post.digest()

    assert len([one for one in post.posted() if "340.00" in one["text"]]) == 1
    assert len(post.slack.calls("files.completeUploadExternal")) <= 1


async def test_the_message_does_not_wait_for_its_picture(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.slack.faults.forget_blocks("data_visualization")
    gate = asyncio.Event()

    async def slow(block: dict[str, Any], finding: str = "") -> bytes:
        await gate.wait()
        return b"\x89PNG late"

    monkeypatch.setattr(post.painter, "chart_png", slow)
    waiting = asyncio.create_task(post.digest())
    await eventually(post.posted)
    assert post.uploads == []
    gate.set()
    await waiting
    assert len(post.uploads) == 1
