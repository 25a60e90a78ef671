"""What OpenRouter may answer, and what is made of it: plain values, or words that name answer and field."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from outlay.plugin import Permanent
from outlay_plugins._openrouter import schemas as openrouter_schemas
from outlay_plugins._openrouter.analytics import METRICS
from outlay_plugins._openrouter.json_fields import Fields, many, moment, one

DAY_ROW: dict[str, Any] = {
    "date": "2026-11-20",
    "model": "vendor/model-a",
    "model_permaslug": "vendor/model-a-2026-09-01",
    "endpoint_id": "e1",
    "provider_name": "Example",
    "usage": Decimal("1.8421"),
    "byok_usage_inference": Decimal("0.5"),
    "requests": 312,
    "prompt_tokens": 901_223,
    "cached_tokens": 640_110,
    "completion_tokens": 70_112,
    "reasoning_tokens": 20_110,
}
HOUR_ROW: dict[str, Any] = {
    "date__hour": "2026-11-21T05:00:00Z",
    "api_key_id": "ci-bot",
    "model": "vendor/model-a",
    "credits_usage": Decimal("3.1174"),
    "byok_usage": 0,
    "total_usage": Decimal("3.1174"),
    "request_count": "412",
    "tokens_prompt": "1000000",
    "tokens_completion": 2_000,
    "reasoning_tokens": None,
    "cached_tokens": "918223",
}
KEY_ROW: dict[str, Any] = {"hash": "ab", "name": "x", "label": "sk-or-v1-a...b", "usage": 1, "byok_usage": 0}


def activity(**change: Any) -> Any:
    return openrouter_schemas.activity({"data": [DAY_ROW | change]})[0]


def hour(asked: tuple[str, ...] = METRICS, **change: Any) -> openrouter_schemas.AnalyticsLine:
    return openrouter_schemas.analytics({"data": {"data": [HOUR_ROW | change]}}, asked, 10_000).lines[0]


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("2026-11-21T05:00:00Z", 5),
        ("2026-11-21T05:00:00.000Z", 5),
        ("2026-11-21 05:00:00", 5),
        ("2026-11-21T06:00:00+01:00", 5),
        ("2026-11-21 05:00:00 UTC", 5),
        ("2026-11-21", 0),
        (1795237200, 5),
        ("1795237200000", 5),
        (Decimal("1795237200000"), 5),
    ],
)
def test_times_in_all_spellings(spelled: Any, meant: int) -> None:
    assert moment(spelled) == datetime(2026, 11, 21, meant, tzinfo=UTC)


@pytest.mark.parametrize("odd", [None, True, [], "soon", "", 10**40, Decimal("1e30")])
def test_what_is_no_time(odd: Any) -> None:
    assert moment(odd) is None


def test_a_day_of_activity() -> None:
    slot, figures = activity(a_field_of_tomorrow={"x": 1})
    assert slot.start == datetime(2026, 11, 20, tzinfo=UTC)
    assert (slot.model, slot.requested, slot.endpoint) == ("vendor/model-a-2026-09-01", "", "e1")
    assert (figures.cost_usd, figures.byok_usd, figures.requests) == (Decimal("1.8421"), Decimal("0.5"), 312)
    assert figures.tokens.total == 901_223 + 70_112


def test_a_router_is_what_was_asked_for() -> None:
    slot, _ = activity(model="openrouter/auto")
    assert (slot.model, slot.requested) == ("vendor/model-a-2026-09-01", "openrouter/auto")
    slot, _ = activity(model="openrouter/auto", model_permaslug="openrouter/auto")
    assert (slot.model, slot.requested) == ("openrouter/auto", "")


def test_numbers_may_be_text_and_cached_may_be_missing() -> None:
    row = {name: str(value) for name, value in DAY_ROW.items() if name != "cached_tokens"}
    _, figures = openrouter_schemas.activity({"data": [row]})[0]
    assert (figures.cost_usd, figures.requests, figures.cached) == (Decimal("1.8421"), 312, 0)
    assert figures.prompt == 901_223


def test_an_unknown_cost_stays_unknown() -> None:
    slot, figures = activity(usage=None)
    assert figures.cost_usd is None
    assert not slot.priced


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"usage": Decimal("-0.01")}, "`usage` is negative (-0.01)"),
        ({"usage": True}, "`usage` is true or false, not a number"),
        ({"usage": {}}, "`usage` is an object"),
        ({"usage": "much"}, "`usage` is not a number"),
        ({"usage": "NaN"}, "`usage` is not a finite number"),
        ({"usage": "Infinity"}, "`usage` is not a finite number"),
        ({"usage": 10**11}, "`usage` is more money than there is"),
        ({"usage": "1e999999999"}, "`usage` is beyond all bounds"),
        ({"requests": 1.5}, "`requests` is a binary fraction, not a number"),
        ({"requests": Decimal("1.5")}, "`requests` is not a whole number"),
        ({"prompt_tokens": -1}, "`prompt_tokens` is negative (-1)"),
        ({"completion_tokens": 2**63}, "`completion_tokens` is not a whole number"),
        ({"date": "2026-11-20T05:00:00Z"}, "`date` is not a day"),
        ({"date": "yesterday"}, "`date` is not a time"),
        ({"date": None}, "`date` is missing"),
        ({"model": None, "model_permaslug": ""}, "`model` is missing"),
        ({"model_permaslug": ["x"]}, "`model_permaslug` is a list, not text"),
    ],
)
def test_odd_activity_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Permanent) as refused:
        activity(**change)
    assert "answer about activity cannot be read" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("field", ["usage", "requests", "prompt_tokens", "byok_usage_inference", "date"])
def test_a_missing_field_is_named(field: str) -> None:
    row = {name: value for name, value in DAY_ROW.items() if name != field}
    with pytest.raises(Permanent, match=f"`{field}` is missing"):
        openrouter_schemas.activity({"data": [row]})


@pytest.mark.parametrize("body", [{}, [], {"data": None}, {"data": {}}, {"data": [1]}, {"unexpected": True}, None])
def test_an_answer_without_a_list_is_not_an_empty_one(body: Any) -> None:
    with pytest.raises(Permanent, match="`data`"):
        many(body, "activity")


@pytest.mark.parametrize("body", [{}, [], {"data": []}, {"data": 3}])
def test_an_answer_without_an_object_is_refused(body: Any) -> None:
    with pytest.raises(Permanent, match="`data`"):
        one(body, "credits")


def test_an_hour_of_analytics() -> None:
    line = hour()
    assert (line.key_name, line.slot.model) == ("ci-bot", "vendor/model-a")
    assert line.slot.start == datetime(2026, 11, 21, 5, tzinfo=UTC)
    assert (line.figures.cost_usd, line.figures.requests) == (Decimal("3.1174"), 412)
    assert line.figures.tokens.cache_read == 918_223
    row = {name: value for name, value in HOUR_ROW.items() if name != "date__hour"}
    body = {"data": {"data": [row | {"created_at__hour": "2026-11-21 05:00:00"}]}}
    assert openrouter_schemas.analytics(body, METRICS, 10_000).lines[0].slot == line.slot


def test_credits_are_what_is_left_of_the_whole_without_byok() -> None:
    line = hour(credits_usage=None, total_usage=Decimal("3.5"), byok_usage=Decimal("0.5"))
    assert (line.figures.cost_usd, line.figures.byok_usd) == (Decimal("3.0"), Decimal("0.5"))
    without = tuple(name for name in METRICS if name != "credits_usage")
    assert hour(without, total_usage=Decimal("0.3"), byok_usage=Decimal("0.3")).figures.cost_usd == 0
    with pytest.raises(Permanent, match="`total_usage` is less than `byok_usage`"):
        hour(credits_usage=None, total_usage=1, byok_usage=2)


def test_unknown_dollars_and_requests_of_an_hour() -> None:
    line = hour(credits_usage=None, total_usage=None, request_count=None)
    assert line.figures.cost_usd is None
    assert line.figures.requests is None
    assert not line.slot.priced
    assert line.figures.tokens.total == 1_002_000


def test_odd_hours_are_refused() -> None:
    with pytest.raises(Permanent, match="`date__hour` is not a full hour"):
        hour(date__hour="2026-11-21T05:30:00Z")
    with pytest.raises(Permanent, match="`tokens_prompt` is missing"):
        openrouter_schemas.analytics({"data": {"data": [{"date__hour": "2026-11-21"}]}}, ("tokens_prompt",), 10)
    row = {name: value for name, value in HOUR_ROW.items() if name != "date__hour"}
    with pytest.raises(Permanent, match="`date__hour` is missing"):
        openrouter_schemas.analytics({"data": {"data": [row]}}, METRICS, 10)


def test_a_full_answer_counts_as_cut_short() -> None:
    body: Any = {"data": {"data": [HOUR_ROW], "metadata": {"truncated": False}, "warnings": ["w"]}}
    assert not openrouter_schemas.analytics(body, METRICS, 2).truncated
    assert openrouter_schemas.analytics(body, METRICS, 1).truncated
    body["data"]["metadata"]["truncated"] = True
    assert openrouter_schemas.analytics(body, METRICS, 2).truncated
    assert openrouter_schemas.analytics(body, METRICS, 2).warnings == ("w",)


def test_a_key_without_a_name_keeps_its_label() -> None:
    found = openrouter_schemas.account_keys(
        {"data": [KEY_ROW | {"name": None, "creator_user_id": "u"}]}, {}, {"u": "a@b"}, "w1"
    )
    key = found[0].key
    assert (key.id, key.name, key.label, key.email, key.project_id) == ("ab", "", "sk-or-v1-a...b", "a@b", "w1")


@pytest.mark.parametrize(
    ("change", "field"), [({"hash": ""}, "hash"), ({"usage": None}, "usage"), ({"usage": -1}, "usage")]
)
def test_a_key_without_an_id_or_a_counter_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Permanent, match=f"`{field}`"):
        openrouter_schemas.account_keys({"data": [KEY_ROW | change]}, {}, {}, "")


def test_display_names_that_two_models_share_are_no_help() -> None:
    body = {
        "data": [
            {"id": "openai/gpt-4o", "canonical_slug": "openai/gpt-4o-2024-05-13", "name": "OpenAI: GPT-4o"},
            {"id": "a/x", "name": "Twin"},
            {"id": "b/x", "name": "Twin"},
        ]
    }
    assert openrouter_schemas.model_slugs(body) == {"OpenAI: GPT-4o": "openai/gpt-4o-2024-05-13"}


def test_a_generation() -> None:
    body = {
        "id": "gen-1",
        "created_at": "2026-11-21T05:11:09.433273+00:00",
        "model": "vendor/model-a",
        "router": "openrouter/auto",
        "provider_name": "Example",
        "is_byok": True,
        "total_cost": Decimal("0.0015"),
        "upstream_inference_cost": Decimal("0.03"),
        "native_tokens_prompt": 10,
        "native_tokens_cached": 3,
        "native_tokens_completion": 25,
        "native_tokens_reasoning": 5,
    }
    found = openrouter_schemas.generation({"data": body})
    assert (found.model, found.requested) == ("vendor/model-a", "openrouter/auto")
    assert (found.cost_usd, found.byok_usd) == (Decimal("0.0015"), Decimal("0.03"))
    assert (found.tokens.input, found.tokens.cache_read, found.tokens.output) == (7, 3, 25)
    plain = openrouter_schemas.generation({"data": body | {"is_byok": False, "router": None, "total_cost": None}})
    assert (plain.cost_usd, plain.byok_usd, plain.requested) == (None, 0, "")


def test_flags_are_flags() -> None:
    assert not Fields("the key", {"x": None}).flag("x")
    with pytest.raises(Permanent, match="`x` is text, not true or false"):
        Fields("the key", {"x": "no"}).flag("x")
