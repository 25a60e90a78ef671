"""Two ledgers' same model is one line, found by either spelling; an operator's own names go before all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from outlay.books.pricing.price_list import PriceList, PricesError
from outlay.core import model_names
from outlay.core.money import NANO_PER_USD as USD
from tests.books.factories import MONDAY, Books, connection, row

OPENROUTER, ANTHROPIC, BEDROCK = (
    "anthropic/claude-4.5-sonnet-20250929",
    "claude-sonnet-4-5-20250929",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
)


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Path]:
    """Where prices.toml lies."""
    yield tmp_path
    model_names.set_custom_names({})


async def test_two_ledgers_same_model_adds_up_and_either_spelling_finds_it(books: Books) -> None:
    async with books.database.write() as session:
        other = await connection(session, "T1", "other")
    await books.accept_rows([row(MONDAY, "1", model=OPENROUTER), row(MONDAY, "8", model="gpt-4o")])
    await books.accept_rows([row(MONDAY, "2", model=ANTHROPIC), row(MONDAY, "4", model=BEDROCK)], connection_id=other)
    found = await books.ask("7d by model")
    told = {line.model.id: (line.cost_nano_usd, line.model.names) for line in found.lines if line.model}
    assert told == {
        "anthropic/claude-sonnet-4.5": (7 * USD, tuple(sorted((OPENROUTER, ANTHROPIC, BEDROCK)))),
        "openai/gpt-4o": (8 * USD, ("gpt-4o",)),
    }
    for spelling in (OPENROUTER, ANTHROPIC, "claude-sonnet-4.5", "claude-4-5-sonnet", "anthropic/claude-sonnet-4-5"):
        assert (await books.ask(f"7d model:{spelling}")).total_nano_usd == 7 * USD, spelling
    assert (await books.ask("7d model:acme/claude-sonnet-4-5")).total_nano_usd == 0
    assert (await books.ask("7d model:claude-sonnet-4")).total_nano_usd == 0


async def test_an_operator_s_own_name_is_read_from_the_data_directory(books: Books, names: Path) -> None:
    (names / "prices.toml").write_text('[models]\n"azure/Team-GPT" = "openai/gpt-4o"\n')
    await books.accept_rows([row(MONDAY, "1", model="azure/team-gpt"), row(MONDAY, "2", model="gpt-4o-2024-08-06")])
    assert len((await books.ask("7d by model")).lines) == 2
    model_names.set_custom_names(PriceList.read(names).names)
    (line,) = (await books.ask("7d by model")).lines
    assert (line.model.id if line.model else "", line.cost_nano_usd) == ("openai/gpt-4o", 3 * USD)


@pytest.mark.parametrize("text", ["models = 3", "[models]\nx = 3", '[models]\nx = ""', "[names]\nx = 'y'"])
def test_a_table_of_names_that_is_none_is_refused(names: Path, text: str) -> None:
    (names / "prices.toml").write_text(text)
    with pytest.raises(PricesError, match=r"prices\.toml"):
        PriceList.read(names)
