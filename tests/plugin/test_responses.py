"""What a vendor says is shown short and without secrets; when it says to wait, it is understood."""

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.plugin import PluginError
from outlay.plugin.responses import MAX_HINT_SECONDS, MAX_WORDS_CHARACTERS, parse, secrets_in, vendor_words, wait_hint

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def said(message: object) -> bytes:
    return json.dumps({"error": {"code": 400, "message": message}}).encode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (said("Date must be within the last 30 days"), "Date must be within the last 30 days"),
        (said("  two\n lines\x00 \x1b[31m "), "two lines [31m"),
        (said("Incorrect API key provided: sk-proj-abcdEFGH1234"), "Incorrect API key provided: …"),
        (said("Incorrect API key provided: sk-abc****************6789."), "Incorrect API key provided: …"),
        (said("Bearer abcdef is wrong"), "… is wrong"),
        (said("request 0f8fad5bd9cb469fa16570867728950e failed"), "request … failed"),
        (said("usage_report_messages_by_workspace is unknown"), "usage_report_messages_by_workspace is unknown"),
        (said(["a", "list"]), ""),
        (b'{"error": "plain"}', "plain"),
        (b'{"type": "error", "error": {"message": "beta"}, "message": "alpha"}', "beta"),
        (b'{"message": "alpha"}', "alpha"),
        (b'{"detail": "delta"}', "delta"),
        (b"[1]", ""),
        (b"<h1>no</h1>", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_the_vendor_s_own_words(body: bytes, words: str) -> None:
    assert vendor_words(body, ()) == words


def test_long_words_are_cut() -> None:
    words = vendor_words(said("no " * 500), ())
    assert len(words) == MAX_WORDS_CHARACTERS
    assert words.endswith("…")


@given(st.text(st.characters(codec="ascii", exclude_categories=("Cc", "Zs")), min_size=6, max_size=60), st.text())
def test_a_secret_that_is_echoed_is_taken_out(secret: str, around: str) -> None:
    words = vendor_words(said(f"{around}{secret}{around}"), secrets_in({"x-api-key": secret}))
    assert secret not in words or secret in around


def test_both_halves_of_a_basic_credential_are_secret() -> None:
    packed = base64.b64encode(b"pk-lf-1234:hunter2hunter2").decode()
    secrets = secrets_in({"Authorization": f"Basic {packed}"})
    assert {"hunter2hunter2", "pk-lf-1234", packed} <= set(secrets)
    assert vendor_words(said("user pk-lf-1234, password hunter2hunter2"), secrets) == "user …, password …"


@given(st.binary(max_size=200))
def test_any_body_is_json_or_one_of_the_five(body: bytes) -> None:
    try:
        found = parse(body, "Vendor")
    except PluginError as error:
        found = [str(error)]
    assert isinstance(found, (dict, list))


def test_endless_words_are_looked_through_in_no_time() -> None:
    began = time.process_time()
    assert vendor_words(said("a" * 60_000), ()) == ""
    assert vendor_words(said("no " * 660 + "x" * 19 + "sk-proj-abcdEFGH1234"), ()).startswith("no no")
    assert time.process_time() - began < 0.5


@given(st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-reset"]), st.text(max_size=30)))
def test_any_hint_is_bounded(headers: dict[str, str]) -> None:
    hint = wait_hint(headers, NOW)
    assert hint is None or 0 <= hint <= MAX_HINT_SECONDS


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Sat, 21 Nov 2026 14:00:00 +0200"}, 0),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:00"}, 60),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-reset": "1e400"}, None),
        ({"anthropic-ratelimit-requests-reset": "2026-11-21T13:00:05+01:00"}, 5),
        ({"anthropic-ratelimit-requests-reset": "later"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_hint(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (rb'["\ud83d\ude00 ok"]', ["\U0001f600 ok"]),
        (rb'["\ud83d half"]', ["? half"]),
        (b'["\xed\xa0\xbd half"]', ["? half"]),
        (rb'{"a\u0000b": ["x\u0000"]}', {"ab": ["x"]}),
        ('{"é": "ü"}'.encode(), {"é": "ü"}),
    ],
)
def test_what_json_can_spell_and_no_database_takes_is_left_out(body: bytes, read: object) -> None:
    assert parse(body, "A ledger") == read
