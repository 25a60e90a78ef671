"""The views of connecting: valid for Slack, and never with a credential in them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlay.plugin.forms import FormField
from outlay.slack.connections import blocks, form
from outlay.slack.connections.form import ConnectFormDraft
from outlay.slack.connections.notices import needs_reauth
from outlay.slack.protocols import ConnectionSummary, LedgerForm, SavedConnection
from tests.slack.fakes import LITELLM, NOW, OPENROUTER, SAVED
from tests.slack.validity import assert_message, assert_view, mrkdwn_texts

MAIN = ConnectionSummary("c7", "main", "openrouter", "OpenRouter")


def block_ids(view: dict[str, object]) -> list[str]:
    """The blocks that have a name."""
    return [block["block_id"] for block in view["blocks"] if "block_id" in block]  # type: ignore[attr-defined]


@pytest.mark.parametrize("ledger", [OPENROUTER, LITELLM])
@pytest.mark.parametrize("advanced", [True, False])
@pytest.mark.parametrize("replace", [None, MAIN])
def test_every_form_is_valid(ledger: LedgerForm, advanced: bool, replace: ConnectionSummary | None) -> None:
    assert_view(blocks.form_view(ConnectFormDraft(ledger, "x", advanced, replace), (OPENROUTER, LITELLM)))


def test_advanced_fields_wait_until_asked_for() -> None:
    few = blocks.form_view(ConnectFormDraft(LITELLM, "x"), (LITELLM,))
    all_of_them = blocks.form_view(ConnectFormDraft(LITELLM, "x", advanced=True), (LITELLM,))

    assert "connect:field:litellm:days" not in block_ids(few)
    assert "connect:field:litellm:days" in block_ids(all_of_them)


def test_one_ledger_is_preselected_and_calls_nobody() -> None:
    select = blocks.form_view(ConnectFormDraft(OPENROUTER, "x"), (OPENROUTER,))["blocks"][0]

    assert select["element"]["initial_option"]["value"] == "openrouter"
    assert select["dispatch_action"] is False


def test_a_renewal_keeps_ledger_and_name() -> None:
    view = blocks.form_view(ConnectFormDraft(OPENROUTER, "main", replace=MAIN), (OPENROUTER, LITELLM))

    assert block_ids(view) == ["connect:secret:openrouter:key"]
    assert "*main*" in mrkdwn_texts(view["blocks"])[0]


def test_a_secret_has_no_first_value_whatever_was_typed() -> None:
    draft = ConnectFormDraft(
        OPENROUTER, "x", typed={"key": "sk-planted", "base_url": "https://x.example"}, advanced=True
    )
    view = blocks.form_view(draft, (OPENROUTER,))

    assert "sk-planted" not in str(view)
    assert "https://x.example" in str(view)


def test_the_field_for_a_secret_says_how_it_is_kept_and_what_else_works() -> None:
    view = blocks.form_view(ConnectFormDraft(OPENROUTER, "x"), (OPENROUTER,))
    hint = next(block["hint"]["text"] for block in view["blocks"] if block.get("block_id", "").endswith(":key"))

    for said in ("Management keys", "no password field", "encrypted on arrival", "env:NAME", "file:/path"):
        assert said in hint


def test_what_is_filled_in_comes_back_by_field_and_its_repr_has_no_values() -> None:
    view = blocks.form_view(ConnectFormDraft(LITELLM, "x", advanced=True), (LITELLM,))
    values = {
        "connect:name:litellm": {"connect:name": {"type": "plain_text_input", "value": " prod "}},
        "connect:secret:litellm:key": {"connect:value": {"type": "plain_text_input", "value": "sk-planted"}},
        "connect:field:litellm:base_url": {"connect:value": {"type": "plain_text_input", "value": None}},
        "connect:field:litellm:role": {
            "connect:value": {"type": "static_select", "selected_option": {"value": "books"}}
        },
        "connect:field:litellm:hourly": {"connect:value": {"type": "checkboxes", "selected_options": []}},
        "connect:field:other:days": {"connect:value": {"type": "number_input", "value": "3"}},
    }
    filled = form.parse_form({**view, "state": {"values": values}})

    assert (filled.slug, filled.name, filled.advanced, filled.replace_id) == ("litellm", "prod", True, None)
    assert filled.values == {"key": "sk-planted", "role": "books", "hourly": "false"}
    assert "sk-planted" not in repr(filled)
    assert form.without_secrets(filled, LITELLM.fields) == {"role": "books", "hourly": "false"}
    assert form.secrets(filled, LITELLM.fields) == {"sk-planted"}


def test_names_in_use_are_counted_on() -> None:
    assert form.free_name("openrouter", []) == "openrouter"
    assert form.free_name("openrouter", ["openrouter", "openrouter-2"]) == "openrouter-3"


@settings(deadline=None, max_examples=20)  # six views against the whole schema
@given(st.text(), st.text(), st.text(max_size=500), st.text(max_size=200))
def test_whatever_things_are_called_every_view_is_valid(name: str, title: str, hint: str, account: str) -> None:
    field = FormField("key", title or "x", hint, "secret", True)
    choice = FormField("kind", title or "x", hint, "choice", False, "a", (("a", title or "x"),))
    ledger = LedgerForm("slug", title or "x", (field, choice))
    existing = ConnectionSummary("c1", name, "slug", title, "failing")

    assert_view(blocks.form_view(ConnectFormDraft(ledger, name or "x"), (ledger, OPENROUTER)))
    assert_view(blocks.form_view(ConnectFormDraft(ledger, name, replace=existing), (ledger,)))
    assert_view(blocks.checking_view(title))
    assert_view(blocks.done_view(SavedConnection("c1", name, title, account, hint, (account, hint))))
    assert_message(needs_reauth(existing, NOW - timedelta(days=2), NOW))


def test_a_notice_says_who_refuses_what_since_when_and_its_button_holds_the_id_alone() -> None:
    notice = needs_reauth(MAIN, NOW, NOW)

    assert notice.text.startswith("OpenRouter has refused the credential of main since <!date^")
    button = notice.forms[0][1][-1]["elements"][0]
    assert (button["action_id"], button["value"]) == ("connect:reconnect", "c7")
    assert "figures stand still" in notice.text
    assert_message(notice)


def test_a_notice_about_a_sink_says_what_becomes_of_what_it_has_to_be_told() -> None:
    notice = needs_reauth(ConnectionSummary("c8", "tickets", "linear", "Linear", is_sink=True), NOW, NOW)

    assert "What it has to be told waits in order" in notice.text
    assert "figures" not in notice.text
    assert_message(notice)


def test_connected_shows_a_fingerprint_and_what_comes_next() -> None:
    view = blocks.done_view(SAVED)

    assert "7f3a…c2" in str(view)
    assert "in about a minute: try `/spend`" in str(view)
