"""Home tab, digests and budgets in bad weather at each step: what failed once works; nothing is half done."""

from collections.abc import Awaitable, Callable

import pytest

from outlay.core.calendar_periods import Period
from tests.slack.fake_digests_budgets import digest, standing
from tests.workspace import ALICE, BEN, GENERAL, Workspace

Trouble = Callable[[Workspace, str], None]
TROUBLES: dict[str, Trouble] = {
    "429": lambda slack, method: slack.faults.rate_limit(method, retry_after_seconds=0),
    "500": lambda slack, method: slack.faults.server_error(method),
    "lost": lambda slack, method: slack.faults.lose(method, performed=False),
    "refused": lambda slack, method: slack.faults.refuse(method, "internal_error"),
    "invalid_blocks": lambda slack, method: slack.faults.refuse(method, "invalid_blocks"),
}


async def home(slack: Workspace) -> str:
    await slack.home(user=ALICE)
    return (await slack.home(user=ALICE)).words


async def digest_form(slack: Workspace) -> str:
    reply = await slack.command("/spend digest", user=ALICE)
    return reply.modal.words if reply.modal else reply.text


async def digest_now(slack: Workspace) -> str:
    return (await slack.command("/spend digest now", user=BEN)).words


async def budget_list(slack: Workspace) -> str:
    return (await slack.command("/spend budget", user=BEN)).words


async def budget_form(slack: Workspace) -> str:
    reply = await (await slack.command("/spend budget", user=ALICE)).click("budget:add")
    return reply.modal.words if reply.modal else reply.text


STEPS: list[tuple[str, str, Callable[[Workspace], Awaitable[str]], str]] = [
    ("home", "views.publish", home, "Your November 2026"),
    ("digest form", "views.open", digest_form, "Where to"),
    ("preview", "views.update", digest_form, "Where to"),
    ("digest now", "response_url", digest_now, "cost $340.00"),
    ("budgets", "response_url", budget_list, "$412.00 of $600.00"),
    ("budget form", "views.open", budget_form, "For whom or what?"),
]


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
@pytest.mark.parametrize(("method", "step", "words"), [one[1:] for one in STEPS], ids=[one[0] for one in STEPS])
async def test_after_one_failure_the_same_works_again(
    slack: Workspace, method: str, step: Callable[[Workspace], Awaitable[str]], words: str, trouble: Trouble
) -> None:
    slack.bot.budgets.found = [standing()]
    trouble(slack, method)
    try:
        first = await step(slack)
    except LookupError:
        first = ""  # nothing was drawn at all
    assert "Traceback" not in first

    assert words in await step(slack)
    assert slack.bot.budgets.kept == []
    assert slack.bot.digests.posted == []


async def test_the_socket_drops_between_any_two_steps(slack: Workspace) -> None:
    slack.bot.budgets.found = [standing()]
    modal = (await slack.command("/spend digest", user=ALICE)).modal
    assert modal is not None
    await slack.drop_socket()
    await modal.submit({"digest:channels": [GENERAL], "digest:periods": ["week"]})
    assert slack.bot.digests.kept.channels == (GENERAL,)
    await slack.drop_socket()
    assert "Your November 2026" in (await slack.home(user=BEN)).words
    listed = await slack.command("/spend budget", user=ALICE)
    await slack.drop_socket()
    form = (await listed.click("budget:add")).modal
    assert form is not None
    await slack.drop_socket()
    await form.submit({"budget:limit": "600"})
    assert [one.limit_nano_usd for one in slack.bot.budgets.kept] == [600 * 10**9]


async def test_a_form_that_was_closed_before_its_preview_came_is_left_alone(slack: Workspace) -> None:
    slack.faults.refuse("views.update", "not_found")
    reply = await slack.command("/spend digest", user=BEN)
    assert reply.modal is not None
    assert "on its way" in reply.modal.words
    assert "Something went wrong" not in reply.words


@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_what_is_asked_for_now_has_no_chart_where_slack_knows_none(slack: Workspace, period: Period) -> None:
    slack.bot.digests.found = digest(period=period)
    slack.faults.forget_blocks("data_visualization", "data_table", "table")
    assert "$340.00" in (await slack.command("/spend digest now", user=BEN)).words
