"""A small but real Bolt app for the tests of the fake Slack: its listeners, over sockets and over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.workspace import Workspace

SECRET = "signing-secret"


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(action_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": "Press"}, **more}


def form(text: str = "", **more: Any) -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": "typed"}
    field = {"type": "input", "block_id": "name", "label": {"type": "plain_text", "text": "Name"}, "element": element}
    return {
        "type": "modal",
        "callback_id": "form",
        "title": {"type": "plain_text", "text": "A form"},
        "submit": {"type": "plain_text", "text": "Save"},
        "blocks": [field, *([section(text)] if text else [])],
        **more,
    }


class LittleBot:
    """A Bolt app whose listeners are set by each test, and the errors of its calls."""

    def __init__(self, app: AsyncApp) -> None:
        self.app = app
        self.refused: list[SlackApiError] = []
        self.held = asyncio.Event()

    async def attempt(self, call: Any) -> Any:
        """Make a call and record Slack's refusal instead of raising it."""
        try:
            return await call
        except SlackApiError as error:
            self.refused.append(error)
            return None


def little_app(api_url: str, bot_token: str, **more: Any) -> LittleBot:
    client = AsyncWebClient(token=bot_token, base_url=api_url)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=2))
    bot = LittleBot(AsyncApp(client=client, **more))
    app = bot.app

    @app.command("/hello")
    async def hello(ack: Any, respond: Any, command: dict[str, Any]) -> None:
        await ack()
        await respond(f"hello {command['text']}")

    @app.command("/quick")
    async def quick(ack: Any) -> None:
        await ack("at once")

    @app.command("/silent")
    async def silent() -> None:
        await bot.held.wait()

    @app.command("/form")
    async def open_form(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await bot.attempt(client.views_open(trigger_id=body["trigger_id"], view=form()))

    @app.view("form")
    async def submitted(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        name = body["view"]["state"]["values"]["name"]["typed"]["value"]
        if name == "wrong":
            await ack(response_action="errors", errors={"name": "This name is taken."})
        elif name == "slow":
            await ack(response_action="update", view=form("Checking…"))
            await asyncio.sleep(0.05)  # the check; Bolt sends the ack up to 10 ms after it was given
            await client.views_update(view_id=body["view"]["id"], view=form("Checked."))
        else:
            await ack()
            await client.chat_postMessage(channel=body["user"]["id"], text=f"saved {name}")

    @app.event("app_home_opened")
    async def home(event: dict[str, Any], client: AsyncWebClient) -> None:
        view = {"type": "home", "blocks": [section(f"Hello <@{event['user']}>")]}
        await bot.attempt(client.views_publish(user_id=event["user"], view=view))

    @app.action("take")
    async def take(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        message = body["message"]
        by = f"taken by <@{body['user']['id']}>"
        await client.chat_update(channel=body["channel"]["id"], ts=message["ts"], text=by, blocks=[section(by)])

    return bot


@asynccontextmanager
async def little_bot(api_url: str, bot_token: str, app_token: str) -> AsyncIterator[LittleBot]:
    bot = little_app(api_url, bot_token)
    handler = AsyncSocketModeHandler(
        bot.app, app_token, web_client=AsyncWebClient(token=app_token, base_url=api_url), ping_interval=1
    )
    await handler.connect_async()
    try:
        yield bot
    finally:
        bot.held.set()
        await handler.close_async()


def on_command(slack: Workspace, command: str, listener: Any) -> None:
    """Add a command whose listener acks and then awaits `listener(client, body)`; refusals are recorded."""

    @slack.bot.app.command(command)
    async def _listener(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await slack.bot.attempt(listener(client, body))


@asynccontextmanager
async def over_http(api_url: str, bot_token: str, app_token: str) -> AsyncIterator[httpx.AsyncClient]:
    bot = little_app(api_url, bot_token, signing_secret=SECRET)
    handler = AsyncSlackRequestHandler(bot.app)

    async def endpoint(request: Request) -> Response:
        return await handler.handle(request)

    app = Starlette(routes=[Route("/slack/events", endpoint, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        yield client
