"""The living message as data: what it says in each state, what can be pressed, and that no name does more than name."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from outlay.incidents.service import IncidentView
from outlay.incidents.tables import IncidentChange
from outlay.slack.incidents import blocks, expect_form
from outlay.slack.incidents import modals as incident_modals
from outlay.slack.incidents import wording as incident_wording
from outlay.slack.incidents.blocks import GROUP_SHOWN
from tests.slack.fakes import DOLLAR, NOW, incident
from tests.slack.validity import assert_message, assert_view, mrkdwn_texts

EVIL = "<!channel> *x* `y` <https://evil.example|z> @here _i_ ~s~\nnew line"


def change(what: str, who: str = "", detail: str = "") -> IncidentChange:
    return IncidentChange(id=9, incident_id=7, at=int(NOW.timestamp()) - 60, who=who, what=what, detail=detail)


def after(what: str, state: str, who: str = "U02BEN", detail: str = "", **more: Any) -> IncidentView:
    found = incident(state=state, **more)
    return replace(found, changes=(*found.changes, change(what, who, detail)))


def pressed(view: IncidentView) -> list[str]:
    return [element["action_id"].removeprefix("alerts:") for element in blocks.buttons(view)]


def said(view: IncidentView, **more: Any) -> str:
    message = blocks.message(view, NOW, **more)
    assert_message(message)
    headers = [block["text"]["text"] for block in message.forms[0][1] if block["type"] == "header"]
    return "\n".join([*headers, *mrkdwn_texts(message.forms[0][1])])


def test_it_says_how_bad_who_how_much_and_how_to_check() -> None:
    shown = said(incident())

    assert shown.startswith("Look now: ci spends $31.00 an hour")
    assert "When it was noticed: usually $2.10 by 02:40 on a Saturday, now $83, 39×" in shown
    assert "*Owner*: agent ci" in shown
    for fact in ("$83.00", "$2.10", "$31.00", "$390.42", "anthropic/claude-opus-4.1 on key agent-ci"):
        assert fact in shown
    assert "`/spend today owner:agent:ci by hour`" in shown
    assert "Open: nobody has taken it yet." in shown
    assert "main read up to" in shown


def test_the_words_for_notifications_hold_the_number() -> None:
    text = blocks.message(incident(), NOW).text
    assert text == ("Look now: ci has spent $83.00 since 02:10 UTC, $31.00 an hour, at this pace $390.42 by midnight.")
    assert blocks.message(incident(severity="notice"), NOW).text.startswith("Worth a look: ")


@pytest.mark.parametrize(
    ("view", "buttons", "line"),
    [
        (incident(), ["acknowledge", "snooze", "expect", "look"], "Open: nobody has taken it yet."),
        (incident(sinks=1, unfiled=((2, "tickets"),)), ["acknowledge", "snooze", "expect", "file", "look"], "Open"),
        (after("acknowledge", "acknowledged"), ["undo", "expect", "look"], "*Acknowledged by <@U02BEN>"),
        (after("snooze", "snoozed", snoozed_until=NOW + timedelta(hours=4)), ["undo", "expect", "look"],
         "*Snoozed by <@U02BEN> until <!date^"),
        (after("expect", "expected", detail="the nightly batch"), ["undo", "look"],
         "*Marked as expected by <@U02BEN>"),
        (after("dismiss", "false"), ["undo", "look"], "*Marked as nothing by <@U02BEN>"),
        (after("resolve", "resolved", who="", ended_at=NOW), ["look"], "*Over"),
    ],
)  # fmt: skip
def test_buttons_make_room_for_who_did_what(view: IncidentView, buttons: list[str], line: str) -> None:
    assert pressed(view) == buttons
    assert line in said(view)
    assert_view(incident_modals.incident_view(view, NOW))


def test_the_pace_is_that_of_the_last_look_and_not_of_the_first() -> None:
    faster = incident(spent_nano_usd=200 * DOLLAR, numbers={**incident().numbers, "rate_nano_usd": 60 * DOLLAR})
    assert said(faster).startswith("Look now: ci spends $60.00 an hour")
    assert "$795.00" in said(faster)  # 200 + 60 an hour from 14:05 on
    slower = incident(numbers={**incident().numbers, "rate_nano_usd": 0})
    assert said(slower).startswith("Look now: ci has spent $83.00")
    assert "By midnight" not in said(slower)


def test_what_is_over_says_what_it_cost_and_no_pace() -> None:
    over = after("resolve", "resolved", who="", ended_at=NOW)

    assert said(over).startswith("Over: ci spent $83.00")
    assert blocks.message(over, NOW).text == "Over: ci has spent $83.00 since 02:10 UTC."


def test_the_reason_and_the_ticket_are_shown() -> None:
    expected = after("expect", "expected", detail="the nightly batch", tickets=(("Linear", "https://linear.app/a|b>"),))

    assert "file" not in pressed(incident(sinks=1, tickets=expected.tickets))
    message = blocks.message(expected, NOW)

    texts = mrkdwn_texts(message.forms[0][1])
    assert any(text.endswith(": the nightly batch") for text in texts)
    assert any("Ticket: <https://linear.app/a%7Cb&gt;|Linear>" in text for text in texts)


def test_it_can_be_filed_wherever_nothing_was_made_of_it() -> None:
    (one,) = [
        found for found in blocks.buttons(incident(sinks=2, unfiled=((3, "board"),))) if "file" in found["action_id"]
    ]
    assert (one["text"]["text"], one["value"]) == ("File in board", "7:3")
    places = tuple((number, f"place {number} <!channel>") for number in range(2, 40))
    view = incident(sinks=40, unfiled=places)
    (many,) = [found for found in blocks.buttons(view) if "file" in found["action_id"]]
    assert [option["value"] for option in many["options"]][:2] == ["7:2", "7:3"]
    assert (many["options"][-1]["text"]["text"], many["options"][-1]["value"]) == ("All of them", "7:")
    assert_view(incident_modals.incident_view(view, NOW))


def test_an_address_that_is_none_is_no_link() -> None:
    assert "Ticket" not in said(incident(tickets=(("Linear", "javascript:alert(1)"),)))


def test_only_who_asked_for_it_is_mentioned() -> None:
    person = incident(subject="U02BEN", name="Ben Okafor", kind="person")

    assert "*Owner*: Ben Okafor" in said(person)
    assert "*Owner*: <@U02BEN>" in said(person, direct={"U02BEN"})
    assert "<@" not in said(person, direct={"U03CHIARA"})


@pytest.mark.parametrize("kind", ["agent", "key", "person", "everybody"])
def test_no_name_from_outside_mentions_links_or_formats(kind: str) -> None:
    numbers = {**incident().numbers, "model": EVIL, "key": EVIL, "sentence": EVIL}
    hostile = incident(name=f"{EVIL} (main)", subject=f"agent:{EVIL}", kind=kind, numbers=numbers)
    hostile = replace(hostile, state="expected", changes=(change("expect", EVIL, EVIL),))
    group = incident(members=tuple(replace(hostile, number=number) for number in range(8)))

    for view in (hostile, group):
        message = blocks.message(view, NOW)
        shown = f"{said(view)}".partition("\n")[2] + message.text  # a header is plain text: nothing in it is live
        assert "<!channel>" not in shown
        assert "<https" not in shown
        assert " *x* " not in shown  # in the question, which is code, patterns may stand
    for what in ("doubled", "reopened", "raised", "resolved", "woke"):
        assert_message(blocks.reply(hostile, what, None, NOW))


@pytest.mark.parametrize(
    ("more", "query"),
    [
        ({}, "today owner:agent:ci by hour"),
        ({"since": NOW - timedelta(days=2)}, "from 2026-11-19 to 2026-11-21 owner:agent:ci by hour"),
        ({"since": NOW - timedelta(days=3), "ended_at": NOW - timedelta(days=2)},
         "from 2026-11-18 to 2026-11-19 owner:agent:ci by hour"),
        ({"kind": "everybody", "subject": "*"}, "today by hour"),
        ({"subject": "team:data platform", "kind": "team"}, "today owner:team:data*platform by hour"),
        ({"subject": "key:3", "kind": "key", "name": "my key (main)"}, "today key:my*key connection:main by hour"),
    ],
)  # fmt: skip
def test_the_question_that_checks_it_is_one_that_outlay_understands(more: dict[str, Any], query: str) -> None:
    from outlay.spend.parser import parse

    assert incident_wording.spend_query(incident(**more), NOW) == query
    assert parse(query, today=NOW.date()).by == ("hour",)


def test_many_at_once_are_the_biggest_and_how_many_more() -> None:
    members = tuple(
        incident(number, name=f"dev-{number}", kind="person", spent_nano_usd=(20 - number) * DOLLAR)
        for number in range(12)
    )
    shown = said(incident(0, members=members))

    assert shown.startswith("Look now: 12 owners at once, $174.00")
    assert f"dev-{GROUP_SHOWN - 1}" in shown
    assert f"dev-{GROUP_SHOWN}*" not in shown
    assert "and 7 more, $" in shown
    (row,) = [block for block in blocks.message(incident(0, members=members), NOW).forms[0][1]
              if block["type"] == "actions"]  # fmt: skip
    assert [option["value"] for option in row["elements"][0]["options"]] == [str(number) for number in range(12)]


def test_many_that_are_over_say_so() -> None:
    members = tuple(after("resolve", "resolved", who="", number=number, ended_at=NOW) for number in range(6))
    assert blocks.message(incident(members=members), NOW).text == "Over: 6 owners at once, $498.00, all of them over."


@pytest.mark.parametrize(
    ("what", "nano_usd", "words"),
    [
        ("doubled", 166 * DOLLAR, "It has doubled: $166.00 by now, $31.00 an hour (agent ci)."),
        ("reopened", None, "It is back: agent ci spends $31.00 an hour again, $83.00 so far."),
        ("raised", None, "This has become urgent: agent ci has spent $83.00, $31.00 an hour."),
        ("joined", None, "One more: agent ci has spent $83.00, $31.00 an hour."),
        ("resolved", 90 * DOLLAR, "Over: agent ci is back to usual. It cost $90.00 in 11 h 55 min."),
        ("woke", None, "The snooze is over and it still goes on: agent ci has spent $83.00, $31.00 an hour."),
    ],
)
def test_replies_in_the_thread(what: str, nano_usd: int | None, words: str) -> None:
    message = blocks.reply(incident(), what, nano_usd, NOW)
    assert_message(message)
    assert message.text == words


def test_the_form_of_expected_proposes_a_tenth_more_than_the_day_will_cost_and_knows_the_key() -> None:
    form = expect_form.expect_form_view(incident(), NOW, "")
    assert_view(form)
    fields = {block["block_id"]: block["element"] for block in form["blocks"] if block["type"] == "input"}

    assert fields["alerts:day_usd"]["initial_value"] == "430"
    assert [option["value"] for option in fields["alerts:how"]["options"]] == [
        "once",
        "key",
        "owner",
        "raise",
        "nothing",
    ]
    keyless = expect_form.expect_form_view(incident(kind="everybody", subject="*", numbers={}), NOW, "")
    assert_view(keyless)
    assert "This key" not in str(keyless)
