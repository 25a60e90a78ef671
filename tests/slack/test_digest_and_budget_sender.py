"""Digests and news of budgets on their way: deaf channels are told of once, and nothing is said twice."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from outlay.core.clock import FakeClock
from outlay.delivery.worker import UndeliverableError
from outlay.outbox import OutboxMessage
from outlay.plugin.errors import RateLimited
from outlay.slack.client import web_client
from outlay.slack.digest_and_budget_sender import DigestAndBudgetSender
from outlay.slack.message_poster import Poster
from tests.slack.fake_digests_budgets import FakeDigests
from tests.slack.fakes import DOLLAR, NOW
from tests.workspace import ALICE, BEN, FINANCE, GENERAL, RANDOM, Workspace

LOG = logging.getLogger("tests.letters")
BUDGET = {"scope": "owner", "subject": "team:web", "name": "web", "period": "month", "limit_nano_usd": 600 * DOLLAR}
DIGEST = OutboxMessage(
    1, "T1", "digest", {"to": GENERAL, "by": ALICE, "period": "day", "start": "2026-11-20", "end": "2026-11-20",
                        "late": False}, attempts=1, fence=1, key="digest:1",
)  # fmt: skip
NEWS = OutboxMessage(
    2, "T1", "budget", {"to": RANDOM, "mark": 80, "budget": BUDGET, "start": "2026-11-01", "end": "2026-11-30",
                        "today": "2026-11-21", "nano_usd": [490 * DOLLAR, None, None, None]}, attempts=1, fence=1,
    key="budget:1",
)  # fmt: skip


class Post:
    """Letters to a workspace; what nobody in particular is to hear goes to FINANCE."""

    def __init__(self, slack: Workspace) -> None:
        self.slack, self.clock, self.digests = slack, FakeClock(NOW), FakeDigests()
        client = web_client(slack.slack.bot_token, slack.slack.api_url, LOG)
        self.letters = DigestAndBudgetSender(
            client, self.digests, Poster(self.clock, LOG), self.clock, self.fallback_channel
        )

    async def fallback_channel(self) -> str:
        return FINANCE

    def said(self) -> list[tuple[str, str]]:
        """What was posted: where, and how it begins."""
        calls = self.slack.calls("chat.postMessage")
        return [(str(call.args["channel"]), str(call.args["text"])) for call in calls if call.ok]


@pytest.fixture
async def post(slack: Workspace) -> Post:
    return Post(slack)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("is_archived", "it is archived"),
        ("not_in_channel", "invite it with"),
        ("channel_not_found", "it is gone"),
        ("restricted_action", "only some people may post there"),
    ],
)
async def test_a_channel_that_takes_no_digest_is_told_to_who_chose_it_once_a_week(
    post: Post, code: str, why: str
) -> None:
    for days in (0, 1, 6):
        await post.clock.sleep(days * 86_400)
        post.slack.faults.refuse("chat.postMessage", code)
        with pytest.raises(UndeliverableError, match=code):
            await post.letters.deliver(replace(DIGEST, key=f"digest:{days}"))

    told = [text for _, text in post.said()]
    assert len(told) == 2
    assert told[0].startswith(f"A digest does not reach <#{GENERAL}>: ")
    assert why in told[0]
    assert "`/spend digest` changes where digests go" in told[0]


@pytest.mark.parametrize("code", ["user_disabled", "user_not_found", "cannot_dm_bot"])
async def test_somebody_who_has_left_gets_none_and_nobody_is_bothered(post: Post, code: str) -> None:
    post.slack.faults.refuse("conversations.open", code)
    with pytest.raises(UndeliverableError, match=code):
        await post.letters.deliver(replace(DIGEST, payload={**DIGEST.payload, "to": BEN}))
    assert post.said() == []


async def test_news_of_a_budget_goes_where_alerts_go_if_its_channel_is_deaf_and_says_so(post: Post) -> None:
    await post.letters.deliver(NEWS)  # the bot is not in RANDOM

    ((channel, text),) = post.said()
    assert channel == FINANCE
    assert text.startswith("The budget of team web is spent to 82 %: $490.00 of $600.00 this month.")
    assert text.endswith(f"This was to go to <#{RANDOM}>, but: Outlay is not in it; invite it with `/invite`.")


async def test_news_that_nobody_takes_is_given_up(post: Post) -> None:
    post.slack.faults.refuse("chat.postMessage", "is_archived", times=2)
    with pytest.raises(UndeliverableError, match="is_archived"):
        await post.letters.deliver(NEWS)
    assert post.said() == []


@pytest.mark.parametrize("message", [DIGEST, replace(NEWS, payload={**NEWS.payload, "to": GENERAL})])
async def test_what_was_posted_although_nobody_heard_so_is_not_said_again(post: Post, message: OutboxMessage) -> None:
    post.slack.faults.lose("chat.postMessage")
    with pytest.raises(Exception):  # noqa: B017, PT011  whichever way the connection breaks
        await post.letters.deliver(message)
    await post.letters.deliver(replace(message, attempts=2))
    await post.letters.deliver(replace(message, attempts=2, key="another"))

    assert len(await standing(post)) == 2


async def standing(post: Post) -> list[Any]:
    """What stands in GENERAL."""
    return [one for one in post.slack.world.messages.values() if one.channel == GENERAL and "$" in one.text]


async def test_asked_to_wait_it_waits_and_other_refusals_come_out_as_they_are(post: Post) -> None:
    post.slack.faults.rate_limit("chat.postMessage", retry_after_seconds=7)
    with pytest.raises(RateLimited):
        await post.letters.deliver(DIGEST)
    post.slack.faults.refuse("chat.postMessage", "fatal_error")
    with pytest.raises(SlackApiError):
        await post.letters.deliver(DIGEST)
    assert post.said() == []
