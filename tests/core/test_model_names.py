"""One name per model, whatever the spelling; what costs differently stays apart."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from genai_prices import data_snapshot
from hypothesis import example, given
from hypothesis import strategies as st

from outlay.core import model_names
from outlay.core.model_names import canonical

SPELLINGS = {
    "anthropic/claude-sonnet-4.5": [
        "anthropic/claude-4.5-sonnet-20250929",
        "anthropic/claude-sonnet-4.5",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5@20250929",
        "claude-sonnet-4-5",
        "openrouter/anthropic/claude-sonnet-4.5",
        " Anthropic/Claude-Sonnet-4.5 ",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/converse/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "vertex_ai/claude-sonnet-4-5@20250929",
        "publishers/anthropic/models/claude-sonnet-4-5@20250929",
        "claude-sonnet-4-5@default",
        "claude-sonnet-4-5-latest",
        "Claude Sonnet 4.5",
        "Anthropic: Claude Sonnet 4.5",
    ],
    "anthropic/claude-opus-4": [
        "claude-opus-4-20250514",
        "anthropic/claude-4-opus-20250522",
        "claude-opus-4",
        "claude-opus-4-0",
    ],
    "anthropic/claude-opus-4.7": ["claude-opus-4-7", "anthropic/claude-opus-4.7", "us.anthropic.claude-opus-4-7-v1:0"],
    "openai/gpt-5": ["gpt-5-2025-08-07", "azure/gpt-5", "azure_ai/gpt-5-2025-08-07", "openai/gpt-5"],
    "openai/gpt-5-mini": ["GPT-5 mini", "gpt-5-mini"],
    "openai/gpt-4o-2024-05-13": ["gpt-4o-2024-05-13", "azure/gpt-4o-2024-05-13"],  # costs twice what gpt-4o does
    "openai/chatgpt-4o-latest": ["chatgpt-4o-latest"],
    "google/gemini-2.0-flash": ["gemini-2.0-flash-001", "models/gemini-2.0-flash", "gemini/gemini-2.0-flash"],
    "google/gemini-1.5-pro-002": ["vertex_ai/gemini-1.5-pro-002"],
    "x-ai/grok-4.1-fast": ["grok-4-1-fast", "xai/grok-4.1-fast"],
    "meta-llama/llama-3.1-405b-instruct": ["Meta-Llama-3.1-405B-Instruct", "meta-llama/Llama-3.1-405B-Instruct"],
    "meta-llama/llama-3.1-8b-instruct": ["@cf/meta/llama-3.1-8b-instruct"],
    "deepseek/deepseek-v3.1": ["accounts/fireworks/models/deepseek-v3p1", "deepseek-ai/DeepSeek-V3.1"],
    "mistralai/mistral-medium-3.1": ["mistral-medium-3-1", "mistral/mistral-medium-3.1"],
    "amazon/nova-pro-v1": ["amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0", "amazon/nova-pro-v1"],
    "azure/our-deployment": ["azure/our-deployment"],  # only its operator knows what that is
    "ft:gpt-4o-mini-2024-07-18:org::id": ["ft:gpt-4o-mini-2024-07-18:org::id"],
    "anthropic/claude-haiku-3": ["claude-3-haiku-20240307", "anthropic/claude-3-haiku"],
    "anthropic/claude-sonnet-3.5": ["claude-3-5-sonnet-20241022", "anthropic/claude-3.5-sonnet"],
    "openai/gpt-4o": ["openai/gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o"],
    "openai/gpt-4o-mini": ["gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"],
    "openai/o3": ["o3-2025-04-16", "openai/o3"],
    "google/gemini-2.5-flash": ["google/gemini-2.5-flash", "gemini-2.5-flash"],
    "openrouter/auto": ["openrouter/auto"],
    "deepseek/deepseek-r1:free": ["deepseek/deepseek-r1:free", "deepseek-r1:free"],
    "anthropic/claude-sonnet-3.7:thinking": [
        "anthropic/claude-3.7-sonnet:thinking",
        "anthropic/claude-3-7-sonnet-20250219:thinking",
    ],
    "a-name-nobody-knows": ["A-Name-Nobody-Knows"],
    "acme/gpt-4o": ["acme/gpt-4o"],  # another maker's model of the same name is another model
}


@pytest.mark.parametrize(("name", "spelling"), [(name, each) for name, found in SPELLINGS.items() for each in found])
def test_spellings_of_one_model(name: str, spelling: str) -> None:
    assert canonical(spelling) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("openai/gpt-4o", "openai/gpt-4o-mini"),
        ("deepseek/deepseek-r1", "deepseek/deepseek-r1:free"),
        ("claude-3-opus-20240229", "claude-opus-4-20250514"),
        ("claude-sonnet-4", "claude-sonnet-4-5"),
        ("gpt-4.1", "gpt-4-1106-preview"),
        ("gpt-4-32k", "gpt-4"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("claude-opus-4-8", "claude-opus-4-8-fast"),
        ("claude-sonnet-latest", "claude-sonnet-4-5"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral.mistral-7b-instruct-v0:1"),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1:beta"),
    ],
)
def test_different_models_stay_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


PARTS = st.sampled_from(
    [
        "claude",
        "-",
        "3",
        ".5",
        "-sonnet",
        "gpt-4o",
        "/",
        ":",
        "free",
        "-20250101",
        "@2025-01-01",
        " ",
        "openai",
        "google",
        "İ",
        "us.anthropic.",
        "bedrock/",
        "models/",
        "-v1:0",
        "-latest",
        "-4-5",
        "meta-llama",
        ": ",
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(PARTS, max_size=8).map("".join)))
@example("gpt-4o-20250101-20250101")
@example("/gpt-4o")
@example("openai/claude-4-sonnet")
@example("gpt-4o :free")
def test_the_canonical_name_of_a_canonical_name_is_itself(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)
    if name.isascii():
        assert canonical(name.upper()) == canonical(name)
    assert canonical(f"  {name}  ") == canonical(name)


@given(st.sampled_from([spelling for found in SPELLINGS.values() for spelling in found]))
def test_case_says_nothing(spelling: str) -> None:
    assert canonical(spelling.upper()) == canonical(spelling.lower()) == canonical(spelling)


def prices_of(model: Any) -> dict[str, Any]:
    """What the bundled list has for a model now, where it has something."""
    prices = model.prices[-1].prices if isinstance(model.prices, list) else model.prices
    found = {name: getattr(prices, name, None) for name in ("input_mtok", "output_mtok", "cache_read_mtok")}
    return {name: getattr(price, "base", price) for name, price in found.items() if price is not None}


# One seller's list that has a model twice, the second time by its bare name and with a price of another day or host.
LISTED_TWICE = {
    ("openrouter", "google/gemma-2-9b-it"),
    ("openrouter", "meta-llama/llama-3.2-90b-vision-instruct"),
    ("openrouter", "mistralai/mistral-7b-instruct"),
    ("openrouter", "mistralai/mistral-7b-instruct-v0.1"),
    ("openrouter", "mistralai/mixtral-8x7b-instruct"),
}


def test_no_seller_s_models_of_different_prices_have_one_name() -> None:
    folded: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for seller in data_snapshot.get_snapshot().providers:
        for model in seller.models:
            if not model.id.startswith("regional."):  # Bedrock's surcharge for a region: the same model, dearer
                folded[seller.id, canonical(model.id)].append(model)
    differ = set()
    for place, found in folded.items():
        known = [prices_of(model) for model in found]
        for name in ("input_mtok", "output_mtok", "cache_read_mtok"):
            if len({prices[name] for prices in known if name in prices}) > 1:
                differ.add(place)

    assert len(folded) > 1_500
    assert differ == LISTED_TWICE
    for seller_id, name in LISTED_TWICE:
        assert {model.id.rpartition("/")[2] for model in folded[seller_id, name]} == {name.rpartition("/")[2]}


@pytest.fixture
def own() -> Iterator[None]:
    model_names.set_custom_names(
        {"azure/Our-Deployment": "openai/gpt-4o", "openai/gpt-4o-mini": "small", "A": "B", "B": "C"}
    )
    yield
    model_names.set_custom_names({})


@pytest.mark.usefixtures("own")
def test_an_operator_s_own_names_go_before_all() -> None:
    assert canonical("azure/our-deployment") == "openai/gpt-4o"
    assert canonical("gpt-4o-mini-2024-07-18") == "small"
    assert canonical("a") == "b"  # one step, and no more
    assert canonical("gpt-4o") == "openai/gpt-4o"


def test_an_operator_s_names_are_gone_with_their_table() -> None:
    assert canonical("azure/our-deployment") == "azure/our-deployment"
