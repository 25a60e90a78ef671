"""Digests in the test workspace: set up in a form with a preview, shown at once, posted once; and how they read."""

import asyncio
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from outlay.core.calendar_periods import last_span
from outlay.core.owner import Owner
from outlay.digests.digest import Digest, SpendChange
from outlay.digests.subscriptions import DigestSubscriptions
from outlay.slack.digests import blocks, form, wording
from outlay.slack.digests.chart import chart
from outlay.spend.forecast import Forecast
from tests.slack.fake_digests_budgets import DOLLAR, digest
from tests.slack.fakes import NOW, answer_of
from tests.slack.snapshots import same_message, same_view
from tests.slack.validity import assert_message, assert_view
from tests.workspace import ALICE, BEN, FINANCE, GENERAL, GUEST, Workspace


async def test_an_admin_sets_it_up_with_a_preview_and_gets_their_own(slack: Workspace) -> None:
    modal = (await slack.command("/spend digest", user=ALICE)).modal
    assert modal is not None
    assert modal.title == "Digests"
    assert "Friday 20 Nov cost $340.00" in modal.words

    await modal.submit(
        {"digest:channels": [GENERAL, FINANCE], "digest:periods": ["day", "week"], "digest:at": "08:30",
         "digest:own": ["month"], "digest:picture": ["yes"]}
    )  # fmt: skip

    kept = slack.bot.digests.kept
    assert (kept.channels, kept.periods, kept.at, kept.by) == ((GENERAL, FINANCE), ("day", "week"), time(8, 30), ALICE)
    assert kept.people == {ALICE: ("month",)}
    assert kept.picture
    assert "daily and weekly, at 08:30 (UTC). The weekly chart comes as a picture too." in modal.words


async def test_a_form_that_is_submitted_twice_is_kept_once(slack: Workspace) -> None:
    modal = (await slack.command("/spend digest", user=ALICE)).modal
    assert modal is not None
    filled = {"digest:channels": [GENERAL], "digest:periods": ["week"], "digest:own": ["day"]}
    await asyncio.gather(modal.submit(filled), modal.submit(filled))
    kept = slack.bot.digests.kept
    assert (kept.channels, kept.periods, kept.people) == ((GENERAL,), ("week",), {ALICE: ("day",)})


async def test_a_member_chooses_only_their_own(slack: Workspace) -> None:
    modal = (await slack.command("/spend digest", user=BEN)).modal
    assert modal is not None
    assert "digest:channels" not in str(modal.blocks)

    await modal.submit({"digest:own": ["day"]})

    assert slack.bot.digests.kept.people == {BEN: ("day",)}
    assert not slack.bot.digests.kept.chosen


async def test_a_member_who_submits_the_form_of_an_admin_changes_nothing(slack: Workspace) -> None:
    modal = (await slack.command("/spend digest", user=ALICE)).modal
    assert modal is not None
    await slack.submit(modal, {"digest:channels": [GENERAL], "digest:periods": ["day"]}, user=BEN)
    assert slack.bot.digests.kept.channels == ()


async def test_channels_without_a_period_are_told_on_the_field(slack: Workspace) -> None:
    modal = (await slack.command("/spend digest", user=ALICE)).modal
    assert modal is not None
    reply = await modal.submit({"digest:channels": [GENERAL], "digest:periods": []})
    assert list(reply.errors) == ["digest:periods"]


async def test_a_button_on_a_digest_of_last_year_posts_nothing_and_says_what_does(slack: Workspace) -> None:
    slack.bot.digests.found = digest(start=date(2025, 11, 20), end=date(2025, 11, 20))
    reply = await slack.command("/spend digest now", user=BEN)

    pressed = await reply.click("digest:post", user=BEN)

    assert slack.bot.digests.posted == []
    assert "A newer digest is there by now. /spend digest now shows it" in pressed.words


async def test_now_shows_it_to_the_asker_and_a_button_posts_it_once(slack: Workspace) -> None:
    over = last_span("week", slack.world.clock.now().date())
    slack.bot.digests.found = digest(period="week", end=over[1])
    reply = await slack.command("/spend digest now week", user=BEN)

    assert reply.ephemeral
    assert slack.bot.digests.asked == ["week"]
    assert "cost $340.00, $120.00 more than the week before (55 %)." in reply.text
    assert "12 more" in reply.words
    await reply.click("digest:post", user=BEN)
    await reply.click("digest:post", user=BEN)
    posted = slack.bot.digests.posted
    assert len(posted) == 2
    assert len(set(posted)) == 1, "the same wish, which the outbox takes once"


@pytest.mark.parametrize("words", ["nwo", "now year", "now week please"])
async def test_what_is_not_understood_is_told_with_what_works(slack: Workspace, words: str) -> None:
    assert "/spend digest now week" in (await slack.command(f"/spend digest {words}", user=BEN)).text


async def test_guests_get_nothing(slack: Workspace) -> None:
    reply = await slack.command("/spend digest now", user=GUEST)
    assert reply.modal is None
    assert "members of this workspace" in reply.text
    assert (await slack.command("/spend digest", user=GUEST)).modal is None


# How it reads


def test_two_sentences_say_what_changed_and_why() -> None:
    said = digest()
    assert wording.what_changed(said) == ("Friday 20 Nov cost *$340.00*, $120.00 more than the Friday before (55 %).")
    assert wording.main_cause(said) == "Most of that is <@U04DANA> on anthropic/claude-opus-4.1, $98.00 after none."


def test_everything_worth_a_line_is_there() -> None:
    words = "\n".join(blocks.text(digest()))
    for part in (
        "12 more: $100.00",
        "*ci*: $18.00 less, $22.00 after $40.00",
        "*New:* openai/gpt-5.5 ($4.00).",
        "November 2026 is likely to end at $9,200 (between $8,600 and $9,900); $6,100 so far.",
        "*Everybody*, a month: $412.00 of $600.00, 69 %, day 21 of 30, likely $590.00",
        "*1 incident*: agent ci ($83.00, not over).",
        "Caching saved $31.00 at list price.",
    ):
        assert part in words


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (None, "Friday 20 Nov cost *$340.00*; the books hold no whole day before it to compare with."),
        (338, "Friday 20 Nov cost *$340.00*, about as much as the Friday before."),
        (400, "Friday 20 Nov cost *$340.00*, $60.00 less than the Friday before (15 %)."),
        (10, "Friday 20 Nov cost *$340.00*, $330.00 more than the Friday before, 34 times as much."),
        (0, "Friday 20 Nov cost *$340.00*, $340.00 more than the Friday before."),
    ],
)
def test_the_first_sentence(before: int | None, said: str) -> None:
    nano = None if before is None else before * DOLLAR
    assert wording.what_changed(digest(before_nano_usd=nano, moves=())) == said


def test_nothing_to_say_is_one_line() -> None:
    quiet = digest(answer=answer_of(), before_nano_usd=None, moves=(), episodes=())
    message = blocks.message(quiet, NOW)
    assert message.text == "Friday 20 Nov: nothing was spent that a connected ledger knows of."
    assert len(message.forms[0][1]) == 1


def test_too_little_history_is_said_instead_of_a_figure() -> None:
    young = digest(forecast=Forecast(DOLLAR, reason="too little history for a forecast: 3 complete days, it takes 10"))
    assert "November 2026: $1.00 so far; too little history" in "\n".join(blocks.text(young))


def test_a_late_one_says_so_and_the_text_holds_the_number() -> None:
    message = blocks.message(digest(late=True), NOW)
    assert "$340.00" in message.text
    assert "late" in message.text
    assert "late" in str(message.forms[0][1])


def test_every_form_is_what_slack_takes_and_no_name_does_anything() -> None:
    evil = Owner("evil@x", "<!channel> *b* <https://evil.example|x>", "person")
    hostile = digest(
        moves=(SpendChange(evil, 0, 50 * DOLLAR, "<!here>", 0, 50 * DOLLAR), SpendChange(evil, 0, 40 * DOLLAR)),
        new_models=(("<!everyone>", DOLLAR),),
    )
    for one in (digest(), digest(late=True, person="U02BEN"), hostile):
        message = blocks.message(one, NOW, post_to=GENERAL)
        assert_message(message)
        for _, parts in message.forms:
            assert "<https" not in str(parts)


def test_the_week_and_the_month_have_their_names() -> None:
    week = replace(digest(), period="week", start=digest().start.replace(day=9), end=digest().start.replace(day=15))
    assert wording.title(week) == "The week from 9 to 15 Nov"
    month = replace(digest(), period="month", start=digest().start.replace(month=10, day=1))
    assert wording.title(month) == "October 2026"


# How it went, drawn

DAYS = {date(2026, 11, 20) - timedelta(days=n): (100 + n) * DOLLAR for n in range(90)}


def drawn(found: Digest) -> tuple[str, dict[str, list[float]]]:
    """The chart's title, and its values by series."""
    block = chart(found)
    assert block is not None
    return block["title"], {one["name"]: [at["value"] for at in one["data"]] for one in block["chart"]["series"]}


def test_a_day_stands_at_the_end_of_two_weeks() -> None:
    title, series = drawn(digest(days=DAYS))
    assert title == "Spend by day, two weeks to 20 Nov"
    assert series == {"Spend": [float(113 - n) for n in range(14)]}


def test_a_week_stands_beside_the_week_before() -> None:
    week = digest(period="week", start=date(2026, 11, 9), end=date(2026, 11, 15),
                  compared=(date(2026, 11, 2), date(2026, 11, 8)), days=DAYS)  # fmt: skip
    assert drawn(week)[1] == {
        "9 to 15 Nov": [111.0, 110.0, 109.0, 108.0, 107.0, 106.0, 105.0],
        "2 to 8 Nov": [118.0, 117.0, 116.0, 115.0, 114.0, 113.0, 112.0],
    }
    assert list(drawn(replace(week, before_nano_usd=None))[1]) == ["9 to 15 Nov"]


def test_a_month_adds_up_beside_the_shorter_one_before() -> None:
    month = digest(period="month", start=date(2026, 10, 1), end=date(2026, 10, 31),
                   compared=(date(2026, 9, 1), date(2026, 9, 30)), days=DAYS)  # fmt: skip
    block = chart(month)
    assert block is not None
    labels = block["chart"]["axis_config"]["categories"]
    assert labels == [*(str(n) for n in range(2, 31, 2)), "31"]
    series = drawn(month)[1]
    assert list(series) == ["October 2026", "September 2026"]
    assert series["October 2026"][-1] == sum(DAYS[date(2026, 10, n)] for n in range(1, 32)) / DOLLAR
    assert series["September 2026"][-2:] == [sum(DAYS[date(2026, 9, n)] for n in range(1, 31)) / DOLLAR] * 2


def test_with_too_little_to_draw_there_is_no_chart_and_no_form_with_one() -> None:
    few = digest(days={date(2026, 11, 18) + timedelta(days=n): DOLLAR for n in range(3)})
    assert chart(few) is None
    assert [form for form, _ in blocks.message(few, NOW).forms] == ["data_table", "table", "fields"]
    assert blocks.message(digest(days=DAYS), NOW).forms[0][0] == "chart"
    assert_message(blocks.message(digest(days=DAYS), NOW))


@pytest.mark.parametrize("number", range(4))
def test_each_form_is_as_it_was(number: int) -> None:
    same_message(f"digest_{number}", blocks.message(digest(days=DAYS), NOW), number)


def test_the_form_is_as_it_was() -> None:
    plan = DigestSubscriptions(
        channels=("C01GENERAL",), periods=("day", "week"), people={"U02BEN": ("week",)}, picture=True
    )
    for name, is_admin in (("digest_form_admin", True), ("digest_form_member", False)):
        view = form.view(plan, digest(days=DAYS), "U02BEN", is_admin=is_admin)
        assert_view(view)
        same_view(name, view)
