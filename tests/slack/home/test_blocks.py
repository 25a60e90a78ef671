"""The Home tab as people read it: whose month, what is missing, what is wrong and how it is mended."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from outlay.home import AdminSummary, AuditSummary, DeadLetterSummary, PersonalSummary, UnownedKeys
from outlay.plugin.loader import FoundPlugin
from outlay.slack.home import blocks
from outlay.slack.message_poster import RenderedMessage
from outlay.spend.forecast import Forecast
from tests.slack.fake_digests_budgets import DOLLAR, care, connection, month, standing
from tests.slack.fakes import NOW, answer_of, incident, model_line
from tests.slack.snapshots import same_view
from tests.slack.validity import assert_view, mrkdwn_texts

NASTY = "<!channel> *bold* <https://evil.example|x> `a`\n&amp;"
TROUBLED = care(
    connections=(
        connection(),
        connection("bills", id="con_2", title="OpenAI", credential="admin key", state="needs_reauth",
                   error="OpenAI refuses the credential"),
        connection("slow", id="con_3", title="Anthropic", credential="", state="failing", error="no answer within 20 s",
                   next_poll=NOW + timedelta(minutes=4)),
        connection("tickets", id="con_4", role="sink", title="Linear", credential="API key", state="failing",
                   error="the team is gone"),
    ),
    unmapped=UnownedKeys(12, 83 * DOLLAR),
    plugins=(*care().plugins, FoundPlugin("acme", None, "", "folder", False, "no module named acme_sdk")),
    audited=AuditSummary(NOW - timedelta(hours=12), False, 10, "main, 2026-11-03: hour and day differ by $0.02"),
    given_up=DeadLetterSummary(3, False, "tickets", "the team is gone"),
    alerts=False,
    digests=False,
    budgets=0,
)  # fmt: skip


def view_of(message: RenderedMessage, form: int = 0) -> dict[str, Any]:
    """The tab in its richest form, checked as Slack would; or in another."""
    for _, one in message.forms:
        assert_view({"type": "home", "blocks": one})
    return {"type": "home", "blocks": message.forms[form][1]}


def said(message: RenderedMessage) -> str:
    """Every formatted text."""
    return "\n".join(mrkdwn_texts(view_of(message)["blocks"]))


def test_a_member_sees_their_own_month_first() -> None:
    budgets = (standing(scope="owner", subject="U02BEN"), standing())
    found = blocks.home_message(PersonalSummary(month(), budgets), [incident(8, subject="U02BEN", name="Ben")], NOW)

    assert found.text.startswith("$412.30 so far; November 2026 is likely to end at $590.30")
    same_view("home_member", view_of(found))
    same_view("home_member_oldest", view_of(found, 2))


def test_an_admin_with_everything_well_has_nothing_to_do_next() -> None:
    found = blocks.home_message(PersonalSummary(month(), ()), [], NOW, care())

    assert "What to do next" not in str(view_of(found))
    same_view("home_admin", view_of(found))


def test_an_admin_reads_what_is_wrong_and_how_it_is_mended() -> None:
    same_view("home_troubled", view_of(blocks.home_message(PersonalSummary(month(), ()), [incident()], NOW, TROUBLED)))


def test_the_first_step_is_the_only_one_before_a_ledger_is_connected() -> None:
    nothing = PersonalSummary(month(fresh_until={}), ())
    empty = care(connections=(), alerts=False, digests=False, budgets=0)

    same_view("home_first_step", view_of(blocks.home_message(nothing, [], NOW, empty)))
    assert blocks.NOT_CONNECTED in said(blocks.home_message(nothing, [], NOW))


def test_a_sink_alone_is_shown_and_a_ledger_still_comes_first() -> None:
    nothing = PersonalSummary(month(fresh_until={}), ())
    only_a_sink = care(connections=(connection("tickets", role="sink", title="Linear"),))

    words = said(blocks.home_message(nothing, [], NOW, only_a_sink))

    assert "Connect the first ledger" in words
    assert "*tickets* (Linear, management key) takes what it is told." in words


def test_who_has_no_key_is_told_how_to_get_one() -> None:
    mine = PersonalSummary(replace(month(), answer=answer_of(words="mtd by model")), ())

    assert "ask a workspace admin to give it to you with `/spend owners`" in said(blocks.home_message(mine, [], NOW))


@pytest.mark.parametrize(
    ("forecast", "words"),
    [
        (Forecast(5, reason="too little history for a forecast: 3 complete days, it takes 10"),
         "*$412.30* so far. No forecast yet: too little history for a forecast: 3 complete days, it takes 10."),
        (Forecast(5, 600 * DOLLAR, 500 * DOLLAR, 700 * DOLLAR),
         "*$412.30* so far; November 2026 is likely to end at *$600.00* (between $500.00 and $700.00)."),
    ],
)  # fmt: skip
def test_the_month_in_a_sentence(forecast: Forecast, words: str) -> None:
    assert blocks.month_so_far(replace(month(), forecast=forecast)) == words


def test_what_no_usage_explains_is_said_beside_the_total() -> None:
    found = month(residual_nano_usd=DOLLAR // 2)

    assert blocks.month_so_far(found).endswith(" $0.50 of it is on the bill, and no usage explains it.")


def test_tokens_without_a_price_are_not_called_nothing() -> None:
    unpriced = replace(model_line("x/new", 1), cost_nano_usd=None, unpriced_tokens=5_000, basis="unpriced")
    found = month(unpriced, basis="unpriced", unpriced_tokens=5_000, total_nano_usd=0)

    assert blocks.month_so_far(found).startswith("*5,000 tokens* so far, without a known price")


@pytest.mark.parametrize(
    "house",
    [
        care(
            connections=tuple(connection(f"c{n}", id=f"con_{n}", error="x" * 900, state="failing") for n in range(60))
        ),
        care(connections=tuple(connection(f"c{n}", id=f"con_{n}", state="needs_reauth") for n in range(60))),
        care(plugins=tuple(FoundPlugin(f"p{n}", None, "", "folder", False, "y" * 900) for n in range(40))),
        care(
            connections=(connection(NASTY, title=NASTY, credential=NASTY, error=NASTY, state="failing"),),
            plugins=(FoundPlugin(NASTY, None, "", "folder", False, NASTY),),
            audited=AuditSummary(NOW, False, 1, NASTY),
            given_up=DeadLetterSummary(100, True, NASTY, NASTY),
        ),
    ],
    ids=["many that fail", "many refused", "many plugins", "nasty names"],
)
def test_however_much_and_whatever_is_wrong_slack_takes_it(house: AdminSummary) -> None:
    assert said(blocks.home_message(PersonalSummary(month(), ()), [incident(n) for n in range(30)], NOW, house))
