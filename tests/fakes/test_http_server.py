"""The server that stand-ins live in: up at once, down at once, WebSockets included, nothing in the log."""

import asyncio
import logging
import time
import warnings

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from outlay.fakes.http_server import serving

FAR_TOO_LONG_SECONDS = 600.0
SOON_SECONDS = 2.0


def app_with(entered: asyncio.Event) -> Starlette:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def never(request: Request) -> PlainTextResponse:
        entered.set()
        await asyncio.sleep(FAR_TOO_LONG_SECONDS)
        return PlainTextResponse("never")

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text(await socket.receive_text())

    return Starlette(routes=[Route("/hello", hello), Route("/never", never), WebSocketRoute("/echo", echo)])


async def test_it_answers_while_the_block_lasts_and_not_after() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        async with serving(app_with(asyncio.Event())) as base_url:
            assert (await client.get(f"{base_url}/hello")).text == "hello"
        with pytest.raises(httpx.TransportError):
            await client.get(f"{base_url}/hello")


async def test_a_taken_port_is_an_error_here_and_now() -> None:
    async with serving(app_with(asyncio.Event())) as base_url:
        port = int(base_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with serving(app_with(asyncio.Event()), port=port):
                raise AssertionError("it started on a taken port")


async def test_it_stops_at_once_with_open_sockets_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    entered = asyncio.Event()
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        async with httpx.AsyncClient(trust_env=False) as client:
            async with serving(app_with(entered)) as base_url:
                hanging = asyncio.create_task(client.get(f"{base_url}/never", timeout=FAR_TOO_LONG_SECONDS))
                await asyncio.wait_for(entered.wait(), SOON_SECONDS)
                websocket = await websockets.connect(f"ws{base_url.removeprefix('http')}/echo", proxy=None)
                await websocket.send("ping")
                assert await websocket.recv() == "ping"
                stopping = time.monotonic()
            assert time.monotonic() - stopping < SOON_SECONDS
            with pytest.raises(httpx.TransportError):
                await hanging
            with pytest.raises(websockets.ConnectionClosed):
                await websocket.recv()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
