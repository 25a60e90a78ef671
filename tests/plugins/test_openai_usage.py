"""OpenAI's lines of usage and of the bill as figures: disjoint tokens, which part of the list price, which model."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.core.clock import FakeClock
from outlay.core.model_names import canonical
from outlay.plugin import Page, Permanent, Row, Tokens, Window
from outlay.plugin.session import plugin_session
from outlay_plugins._openai.line_items import model_of
from outlay_plugins._openai.schemas import OpenAIUsageLine
from outlay_plugins._openai.usage import tokens_of
from outlay_plugins._openai.windows import UsageRange, next_usage_range, place
from outlay_plugins.openai import OpenAI, OpenAIConfig

NOW = datetime(2026, 11, 21, 9, 20, 30, tzinfo=UTC)
HOUR = NOW.replace(minute=0, second=0)
DAY = timedelta(days=1)
HALF = Decimal("0.5")


# Tokens


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"input_tokens": 100, "output_tokens": 7}, Tokens(input=100, output=7)),
        ({"input_tokens": 100, "input_cached_tokens": 60}, Tokens(input=40, cache_read=60)),
        (
            {"input_tokens": "100", "input_cached_tokens": "60", "input_cache_write_tokens": 15},
            Tokens(input=25, cache_read=60, cache_write_5m=15),
        ),
        (
            {"input_tokens": 100, "input_cache_write_tokens": 15, "input_cache_write_12h_tokens": 5},
            Tokens(input=85, cache_write_5m=10, cache_write_1h=5),
        ),
        ({"input_tokens": 100, "input_cache_write_12h_tokens": 5}, Tokens(input=95, cache_write_1h=5)),
        ({"input_tokens": 10, "input_cached_tokens": 11, "input_cache_write_tokens": 9}, Tokens(cache_read=10)),
        ({"input_tokens": None, "input_cached_tokens": None, "output_tokens": None}, Tokens()),
    ],
)
def test_each_token_is_in_one_class(line: dict[str, Any], expected: Tokens) -> None:
    assert tokens_of(OpenAIUsageLine.model_validate(line)) == expected


COUNT = st.integers(0, 1_000)


@given(COUNT, COUNT, COUNT, COUNT, COUNT)
def test_the_classes_add_up_to_openais_own_totals(
    whole: int, cached: int, written: int, long: int, output: int
) -> None:
    line = OpenAIUsageLine(
        input_tokens=whole,
        input_cached_tokens=cached,
        input_cache_write_tokens=written,
        input_cache_write_12h_tokens=long,
        output_tokens=output,
    )
    found = tokens_of(line)
    assert found.problem() is None
    assert found.total == whole + output


# What a row costs of the list price


async def rows(*lines: dict[str, Any], kind: str = "completions") -> list[Row]:
    """What the plugin makes of one bucket with these lines."""
    return list((await page(*lines, kind=kind)).rows)


async def page(*lines: dict[str, Any], kind: str = "completions") -> Page:
    def answer(request: httpx.Request) -> httpx.Response:
        told = [*lines] if request.url.path.endswith(f"/{kind}") else []
        bucket = {"start_time": int(HOUR.timestamp()), "results": told}
        return httpx.Response(200, json={"data": [bucket], "has_more": False, "next_page": None})

    config = OpenAIConfig.model_validate({"api_key": "sk-admin-x"})
    async with plugin_session(OpenAI, config, clock=FakeClock(NOW), transport=httpx.MockTransport(answer)) as plugin:
        return await plugin.poll("usage", Window(HOUR, NOW), None)


def line(**more: Any) -> dict[str, Any]:
    return {"api_key_id": "key_1", "model": "gpt-5", "input_tokens": 10, "output_tokens": 1, **more}


@pytest.mark.parametrize(
    ("more", "share", "detail"),
    [
        ({}, Decimal(1), {}),
        ({"service_tier": "default", "batch": False}, Decimal(1), {}),
        ({"service_tier": None, "batch": None}, Decimal(1), {}),
        ({"batch": True}, HALF, {"batch": "true"}),
        ({"batch": True, "service_tier": "default"}, HALF, {"batch": "true"}),
        ({"service_tier": "batch"}, HALF, {"tier": "batch"}),
        ({"service_tier": "flex"}, HALF, {"tier": "flex"}),
        ({"service_tier": "priority"}, None, {"tier": "priority"}),
        ({"service_tier": "scale"}, None, {"tier": "scale"}),
        ({"service_tier": "ultrafast", "batch": True}, None, {"batch": "true", "tier": "ultrafast"}),
        ({"input_audio_tokens": 3}, None, {"price": "unknown"}),
        ({"input_cached_audio_tokens": 3}, None, {"price": "unknown"}),
        ({"output_audio_tokens": 1}, None, {"price": "unknown"}),
        ({"output_image_tokens": 1}, None, {"price": "unknown"}),
        ({"input_image_tokens": 5}, Decimal(1), {}),
    ],
)
async def test_what_is_known_is_priced_and_what_is_not_stays_unpriced(
    more: dict[str, Any], share: Decimal | None, detail: dict[str, str]
) -> None:
    (row,) = await rows(line(**more))
    assert (row.list_price_factor, dict(row.detail), row.cost_usd) == (share, detail, None)


async def test_lines_that_differ_in_what_is_no_dimension_are_one_row() -> None:
    (row,) = await rows(
        line(service_tier=None), line(service_tier="default"), line(service_tier="auto", input_tokens=5)
    )
    assert (row.tokens.input, row.tokens.output) == (25, 3)


async def test_every_identity_has_one_price() -> None:
    found = await rows(line(), line(output_audio_tokens=1), line(batch=True), line(service_tier="flex"))
    found += await rows(line(service_tier="flex", output_audio_tokens=1), line(batch=True, output_audio_tokens=1))
    assert len({(row.key, row.model, row.detail) for row in found}) == len(found) == 6


async def test_use_without_a_key_says_so_and_images_are_counted_without_a_price() -> None:
    (row,) = await rows(line(api_key_id=None))
    assert (row.key, row.reason) == ("", "used without a key or a person that OpenAI names")
    (image,) = await rows({"api_key_id": "key_1", "model": "dall-e-3", "num_model_requests": 4}, kind="images")
    assert (image.requests, image.tokens.total, image.cost_usd, image.list_price_factor) == (4, 0, None, None)
    assert await rows({"api_key_id": "key_1", "model": "dall-e-3", "num_model_requests": 0}, kind="images") == []


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"input_tokens": -1}, "input_tokens"),
        ({"input_tokens": "many"}, "input_tokens"),
        ({"output_tokens": 1.5}, "output_tokens"),
        ({"num_model_requests": True}, "num_model_requests"),
        ({"model": {"name": "gpt-5"}}, "model"),
        ({"batch": "perhaps"}, "batch"),
        ({"input_tokens": 2**63}, "input_tokens"),
    ],
)
async def test_a_line_that_cannot_be_read_is_an_error_that_names_the_field(more: dict[str, Any], field: str) -> None:
    with pytest.raises(Permanent, match=field):
        await rows(line(**more))


@pytest.mark.parametrize("value", ["-0.01", "NaN", "Infinity", "1e30", True, "a lot", {"usd": 1}])
async def test_money_that_is_none_is_an_error(value: Any) -> None:
    with pytest.raises(Permanent, match="amount"):
        await bill({"value": value, "currency": "usd"})


async def test_money_of_another_currency_is_an_error_and_null_is_unknown() -> None:
    with pytest.raises(Permanent, match="eur"):
        await bill({"value": 1, "currency": "eur"})
    for nothing in (None, {"value": None, "currency": "usd"}, {}):
        (row,) = await bill(nothing)
        assert row.cost_usd is None
    (row,) = await bill({"value": "0.00000000123456789", "currency": "USD"})
    assert row.cost_usd == Decimal("1.23456789E-9")


async def bill(amount: Any, line_item: str = "gpt-5, input_tokens") -> list[Row]:
    """What the plugin makes of one line of the bill."""
    midnight = HOUR.replace(hour=0) - DAY

    def answer(request: httpx.Request) -> httpx.Response:
        told = {"amount": amount, "line_item": line_item, "api_key_id": "key_1"}
        bucket = {"start_time": int(midnight.timestamp()), "results": [told]}
        return httpx.Response(200, json={"data": [bucket], "has_more": False})

    config = OpenAIConfig.model_validate({"api_key": "sk-admin-x"})
    async with plugin_session(OpenAI, config, clock=FakeClock(NOW), transport=httpx.MockTransport(answer)) as plugin:
        return list((await plugin.poll("costs", Window(midnight, midnight + DAY), None)).rows)


# Which model a line of the bill is about


@pytest.mark.parametrize(
    ("item", "model"),
    [
        ("gpt-6-astra, input_tokens", "gpt-6-astra"),
        ("gpt-5-2025-08-07, cached input", "gpt-5-2025-08-07"),
        ("gpt-5-mini, output_tokens", "gpt-5-mini"),
        ("GPT-4o mini text input", "gpt-4o-mini"),
        ("gpt-5-flex, input", "gpt-5"),
        ("Batch gpt-5, output", "gpt-5"),
        ("o4-mini (batch), input", "o4-mini"),
        ("o3 deep research, input", "o3-deep-research"),
        ("gpt-4o-search-preview, output", "gpt-4o-search-preview"),
        ("text-embedding-3-small, input", "text-embedding-3-small"),
        ("DALL·E 3", "dall-e-3"),
        ("gpt-image-1, image output", "gpt-image-1"),
        ("web search tool calls", ""),
        ("gpt-4o web search", ""),
        ("gpt-5 | file search tool call", ""),
        ("code interpreter sessions", ""),
        ("vector storage", ""),
        ("other", ""),
        ("", ""),
        (", , ,", ""),
    ],
)
def test_which_model_a_line_is_about(item: str, model: str) -> None:
    assert model_of(item) == model


@pytest.mark.parametrize(
    ("item", "tier"),
    [
        ("gpt-5, input_tokens", None),
        ("gpt-5-flex, input", "flex"),
        ("Batch gpt-5, output", "batch"),
        ("o4-mini (batch), input", "batch"),
        ("batch storage", None),
    ],
)
async def test_a_line_that_names_a_tier_is_told_apart_by_it(item: str, tier: str | None) -> None:
    (found,) = await bill({"value": "1", "currency": "usd"}, item)
    assert dict(found.detail).get("service_tier") == tier


def test_a_line_and_the_snapshot_that_usage_names_are_one_model() -> None:
    assert canonical(model_of("gpt-5, input_tokens")) == canonical("gpt-5-2025-08-07") == "openai/gpt-5"
    assert canonical(model_of("gpt-5-mini, input_tokens")) != "openai/gpt-5"


@given(st.text(max_size=60))
def test_any_words_have_a_model_or_none(item: str) -> None:
    assert isinstance(model_of(item), str)


# Which stretch comes next


RECENT = NOW.replace(hour=0, minute=0, second=0) - 3 * DAY


@given(
    st.integers(-40 * 24 * 60, 10 * 60).map(lambda minutes: HOUR + timedelta(minutes=minutes)),
    st.integers(1, 12 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_stretches_cover_everything_once_within_openais_bounds(start: datetime, length: timedelta) -> None:
    end, parts = min(start + length, NOW + DAY), list[UsageRange]()
    at = start
    while at < end:
        part = next_usage_range(at, end, NOW)
        assert (part.start, part.end > at) == (at, True)
        assert part.bucket_count <= {"1m": 1440, "1h": 168}[part.width]
        whole_hours = not (part.start.minute or part.end.minute or part.start.second or part.end.second)
        assert part.width == "1m" or (whole_hours and part.end <= RECENT)
        parts.append(part)
        at = part.end
    assert len(parts) <= 12 * 24 / 6 + 4


@pytest.mark.parametrize("cursor", ["page 2", "2026-11-20T00:00:00", ""])
def test_a_bad_cursor_is_told(cursor: str) -> None:
    with pytest.raises(Permanent, match="no place"):
        place(cursor, HOUR)
