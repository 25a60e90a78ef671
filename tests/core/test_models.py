"""One name per model, whatever the spelling; what costs differently stays apart."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core.models import canonical

SPELLINGS = {
    "anthropic/claude-sonnet-4.5": [
        "anthropic/claude-4.5-sonnet-20250929",
        "anthropic/claude-sonnet-4.5",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5@20250929",
        "claude-sonnet-4-5",
        "openrouter/anthropic/claude-sonnet-4.5",
        " Anthropic/Claude-Sonnet-4.5 ",
    ],
    "anthropic/claude-opus-4": ["claude-opus-4-20250514", "anthropic/claude-4-opus-20250522", "claude-opus-4"],
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
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(PARTS, max_size=8).map("".join)))
@example("gpt-4o-20250101-20250101")
@example("/gpt-4o")
@example("openai/claude-4-sonnet")
@example("gpt-4o :free")
def test_the_canonical_name_of_a_canonical_name_is_itself(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)
