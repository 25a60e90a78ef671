"""Words that people type, settings, webhooks, recorded streams, pages of a manifest's callback: an answer or a refusal
in our words, whatever comes."""

import asyncio
import contextlib
import gzip
import hashlib
import hmac
import json
import random
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import SecretStr

from outlay.cli.replay import StreamError, replay
from outlay.core.clock import FakeClock
from outlay.core.months import MonthError
from outlay.core.months import parse as month_of
from outlay.plugin import PluginError, loader
from outlay.plugin.contract import Sink
from outlay.plugin.session import plugin_session
from outlay.settings import SettingsError, documented_settings, load
from outlay.slack.installation.pages import failed_page, installed_page
from outlay.spend import grammar
from outlay.spend.parser import QueryError, parse
from outlay.vault.envelope import decode_envelope as parse_blob
from outlay.vault.errors import VaultError
from outlay.vault.kms.key_uri import parse_kms_uri as parse_address
from tests.fuzz.cases import SEEDS, WEIRD, bent, fuzzed, spelled, torn

TODAY, NOW = date(2026, 11, 20), datetime(2026, 11, 20, 15, 40, tzinfo=UTC)
SECRET = "whsec-0123456789"
KEYWORDS = sorted(grammar._KEYWORDS)
TYPED = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.one_of(
            st.sampled_from(KEYWORDS),
            st.sampled_from([f"{name}:a*" for name in grammar.FILTER_WORDS]),
            st.sampled_from(
                ["7d", "99999999999d", "2026-10", "2026-02-30..31", "0000-00", "9999-12", "by", "..", "top"]
            ),
            st.text(max_size=12),
        ),
        max_size=15,
    ).map(" ".join),
)
NAMES = [name for name, _, _ in documented_settings()]
VALUE = st.one_of(
    st.text(max_size=60),
    st.sampled_from([str(one) for one in WEIRD if isinstance(one, str | int | float)]),
    st.sampled_from(
        [
            "sqlite:////a",
            "postgresql://u:p@h:99999/d",
            "postgresql://[::1",
            "http://[",
            "aws-kms://arn:aws:kms",
            "~nobody/x",
        ]
    ),
)
ENVIRON = st.dictionaries(
    st.one_of(st.sampled_from(NAMES), st.text(max_size=12).map(lambda name: f"OUTLAY_{name}")), VALUE, max_size=4
)


@fuzzed(300, typed=TYPED)
def test_any_words_are_a_question_or_refused_quickly(typed: str) -> None:
    began = time.perf_counter()
    with contextlib.suppress(QueryError):
        parse(typed, today=TODAY, me="U1")
    with contextlib.suppress(MonthError):
        month_of(typed)
    assert time.perf_counter() - began < 2.0  # 50 ms on a machine that does nothing else


@fuzzed(300, environ=ENVIRON)
def test_any_environment_is_settings_or_one_line(environ: dict[str, str]) -> None:
    try:
        found = load(environ)
    except SettingsError as error:
        told = str(error)
    else:
        told = repr(found)
    assert "\n" not in told


@fuzzed(150, uri=VALUE, blob=st.binary(max_size=200))
def test_any_address_of_a_key_and_any_sealed_bytes_are_read_or_refused(uri: str, blob: bytes) -> None:
    with contextlib.suppress(VaultError):
        parse_address(uri)
    with contextlib.suppress(VaultError):
        parse_blob(blob)


# Webhooks

WEBHOOK = {
    "action": "update",
    "type": "Issue",
    "webhookTimestamp": int(NOW.timestamp() * 1000),
    "actor": {"id": "a", "name": "Ann"},
    "data": {
        "id": "0a1b",
        "trashed": False,
        "state": {"type": "started", "name": "In Progress"},
        "labels": [{"id": "l"}],
    },
}


def hearing() -> list[type[Sink[Any]]]:
    """The built-in sinks that take webhooks."""
    return [sink for sink in loader.load().sinks().values() if sink.can("webhook")]


def test_somebody_hears() -> None:
    assert {sink.meta.slug for sink in hearing()} == {"linear"}


@fuzzed(200, seed=SEEDS)
def test_no_webhook_breaks_the_sink_that_hears_it(seed: int) -> None:
    dice = random.Random(seed)
    body = spelled(bent(WEBHOOK, dice))
    body = torn(body, dice) if dice.random() < 0.2 else body
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "linear-signature": signature if dice.random() < 0.9 else dice.choice(("", "é", "0" * 64, signature[:9]))
    }

    async def heard() -> None:
        for sink in hearing():
            config = sink.Config.model_construct(
                api_key=SecretStr("lin_api_x"), webhook_secret=SecretStr(SECRET), base_url="https://a.example/graphql"
            )
            async with plugin_session(sink, config, clock=FakeClock(NOW)) as plugin:
                with contextlib.suppress(PluginError):
                    await plugin.webhook(headers, body)

    asyncio.run(heard())


# Recorded streams

STREAM = [
    ["ts", "developer", "key", "model", "tokens", "cost_usd"],
    *(
        [f"2026-03-02T{hour:02}:{minute:02}Z", f"dev{who}", f"k{who}", "m", "1200", "0.25"]
        for hour in range(3)
        for minute in range(0, 60, 15)
        for who in range(2)
    ),
]


@fuzzed(120, seed=SEEDS)
def test_any_stream_is_replayed_or_refused_with_its_line(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    dice = random.Random(seed)
    rows = bent(STREAM, dice)
    rows = rows if isinstance(rows, list) else [rows]
    text = "\n".join(",".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows)
    body = text.encode("utf-8", "surrogatepass")
    body = torn(body, dice) if dice.random() < 0.3 else body
    folder = _folder(tmp_path_factory)
    stream = folder / dice.choice(("s.csv", "s.csv.gz"))
    packed = gzip.compress(body) if stream.suffix == ".gz" else body
    stream.write_bytes(torn(packed, dice) if dice.random() < 0.3 else packed)

    with contextlib.suppress(StreamError):
        replay(stream, folder / "alerts.csv")


def _folder(factory: pytest.TempPathFactory) -> Path:
    folder = factory.getbasetemp() / "streams"
    folder.mkdir(exist_ok=True)
    return folder


# Pages that somebody sees who installs


@fuzzed(60, words=st.text(max_size=80))
def test_nothing_that_slack_sends_along_becomes_markup(words: str) -> None:
    page = installed_page(words, words, words) + failed_page(words)

    assert page.count("<") == installed_page("a", "a", "a").count("<") + failed_page("a").count("<")
    assert json.dumps(page)
