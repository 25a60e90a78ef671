"""The sink of docs/examples keeps every promise of the contract; docs/plugins.md says that it does."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from docs.examples.example_sink import Clapper, ClapperConfig
from outlay.plugin import BadConfig
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance
from outlay.plugin.testing.sink_trial import SinkBench

SECRET = "clap-7d1c4e90ab52"
LIVE = re.compile(r"https?://\S+|www\.\S+|@\w+|<!\w+")


class Board:
    """Clapper's own side: cards and notes, put by id, and everything said in the order in which it came."""

    def __init__(self) -> None:
        self.cards: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, str] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] != f"Bearer {SECRET}":
            return httpx.Response(401, json={"message": "no such token"})
        parts = request.url.path.removeprefix("/api/").split("/")
        if parts == ["me"]:
            boards = [{"id": "ops", "name": "Operations"}, {"id": "fin", "name": "Finance"}]
            return httpx.Response(200, json={"id": "acc_1", "name": "Example Ltd", "boards": boards})
        said = json.loads(request.content)
        if "notes" in parts:
            self.notes[parts[-1]] = said["text"]
        else:
            self.cards[parts[-1]] = said
        return httpx.Response(200, json={"url": f"https://clapper.example/c/{parts[1]}"})


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    """What the kit tries the plugin with."""
    board = Board()
    yield SinkTrial(
        good=ClapperConfig(token=SecretStr(SECRET), board="ops"),
        wrong=ClapperConfig(token=SecretStr("clap-of-somebody-else"), board="ops"),
        secret=SECRET,
        made=lambda: list(board.cards),
        told=lambda: list(board.notes.values()),
        live=lambda: [
            found
            for text in (*board.notes.values(), *(card["title"] + card["text"] for card in board.cards.values()))
            for found in LIVE.findall(text)
        ],
        transport=httpx.MockTransport(board),
    )


TestClapper = sink_conformance(Clapper, make=trial)


@pytest.mark.asyncio
@pytest.mark.parametrize(("board", "asks"), [("", ("board",)), ("ops", ())])
async def test_the_check_asks_for_what_is_not_chosen_yet(board: str, asks: tuple[str, ...]) -> None:
    async with trial() as found:
        config = ClapperConfig(token=SecretStr(SECRET), board=board)
        async with SinkBench(Clapper, found).sink(config) as sink:
            checked = await sink.check()
    assert checked.asks == asks
    assert dict(checked.choices.get("board", ())).keys() == ({"ops", "fin"} if asks else set())


@pytest.mark.asyncio
async def test_a_board_that_is_not_there_is_told_on_its_field() -> None:
    async with trial() as found:
        config = ClapperConfig(token=SecretStr(SECRET), board="nope")
        async with SinkBench(Clapper, found).sink(config) as sink:
            with pytest.raises(BadConfig, match="ops, fin") as told:
                await sink.check()
    assert told.value.field == "board"
