"""Money paid upstream counts where it is reported only while the upstream's own ledger does not count it."""

from datetime import UTC, datetime

import pytest

from outlay.books.byok import ByokPolicy, keeping_books
from outlay.books.byok_rules import byok_counts, upstream_ledger
from outlay.database.tables import FIGURES, Connection

OCTOBER = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
NOVEMBER = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
DECEMBER = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
PAID = tuple({"cost_nano_usd": 5, "byok_nano_usd": 3}.get(name, 0) for name in FIGURES)


@pytest.mark.parametrize(
    ("model", "connected", "counted"),
    [
        ("anthropic/claude-sonnet-4.5", {"anthropic"}, False),
        ("claude-sonnet-4-5-20250929", {"anthropic"}, False),  # under any of its spellings
        ("anthropic/claude-sonnet-4.5", {"openai"}, True),
        ("anthropic/claude-sonnet-4.5", set(), True),
        ("a-model-of-nobody", {"anthropic", "openai"}, True),
        ("", {"anthropic"}, True),
    ],
)
def test_it_counts_unless_its_makers_ledger_is_connected(model: str, connected: set[str], counted: bool) -> None:
    assert byok_counts(model, connected) is counted


def test_a_model_without_a_maker_is_nobodys() -> None:
    assert (upstream_ledger("a-model-of-nobody"), upstream_ledger("openai/gpt-5")) == ("", "openai")


def test_only_a_connected_ledger_whose_dollars_count_keeps_the_books() -> None:
    def connection(ledger: str, role: str = "books", disconnected_at: int | None = None) -> Connection:
        return Connection(ledger=ledger, role=role, disconnected_at=disconnected_at)

    every = [connection("openai"), connection("litellm", "attribution"), connection("anthropic", disconnected_at=1)]
    assert keeping_books(every) == {"openai"}


def test_a_closed_month_keeps_the_ledgers_that_it_was_closed_with() -> None:
    upstream = ByokPolicy(frozenset({"openai"}), {OCTOBER: frozenset()})
    assert upstream.with_byok(PAID, "openai/gpt-5", OCTOBER) == ((8, *PAID[1:]), 3)
    assert upstream.with_byok(PAID, "openai/gpt-5", NOVEMBER - 1) == ((8, *PAID[1:]), 3)
    assert upstream.with_byok(PAID, "openai/gpt-5", NOVEMBER) == (PAID, 0)
    assert upstream.with_byok(PAID, "anthropic/claude-sonnet-4.5", NOVEMBER) == ((8, *PAID[1:]), 3)
    assert upstream.edges(OCTOBER, DECEMBER) == {NOVEMBER}
    assert upstream.edges(OCTOBER - 1, DECEMBER) == {OCTOBER, NOVEMBER}


def test_money_that_was_not_paid_upstream_is_left_alone() -> None:
    upstream = ByokPolicy(frozenset(), {})
    nothing = tuple(None if name == "byok_nano_usd" else figure for name, figure in zip(FIGURES, PAID, strict=True))
    assert upstream.with_byok(nothing, "openai/gpt-5", NOVEMBER) == (nothing, 0)


def test_the_model_matters_while_its_maker_keeps_or_kept_the_books() -> None:
    upstream = ByokPolicy(frozenset({"openai"}), {OCTOBER: frozenset({"anthropic"})})
    assert upstream.depends_on_the_model(["", "openai/gpt-5"])
    assert upstream.depends_on_the_model(["anthropic/claude-sonnet-4.5"])
    assert not upstream.depends_on_the_model(["", "mistral/large"])
