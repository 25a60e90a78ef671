"""Bolt app assembly: authorization, event deduplication, the error boundary and every feature's listeners.

There is no global app, and no settings are read here: the composition root passes everything in.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.listener.async_listener_completion_handler import AsyncListenerCompletionHandler
from slack_bolt.listener.async_listener_start_handler import AsyncListenerStartHandler
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from outlay.core.actor import Actor, set_actor
from outlay.slack import errors
from outlay.slack.access import listeners as settings
from outlay.slack.budgets import listeners as budget
from outlay.slack.client import API_URL, TokenOf, web_client
from outlay.slack.connections import listeners as connect
from outlay.slack.deps import Deps
from outlay.slack.digests import listeners as digest
from outlay.slack.environment import without_slack_environment
from outlay.slack.home import listeners as home
from outlay.slack.incidents import listeners as alerts
from outlay.slack.installation import listeners as install
from outlay.slack.owners import listeners as owners
from outlay.slack.spend import listeners as spend
from outlay.slack.tasks import Tasks

LOGGER = "slack_bolt.outlay"
EVENTS_REMEMBERED_MAX = 2_000
FEATURES = (
    connect, owners, alerts, digest, budget, settings, spend, home, install,
)  # fmt: skip  # spend matches any `/spend`, so the features with a subcommand are bound before it


def build_app(deps: Deps, token_of: TokenOf, *, signing_secret: str | None = None, api_url: str = API_URL) -> AsyncApp:
    """Build the Bolt app with every listener on it; without a signing secret only Socket Mode can reach it."""
    log = quiet_logger()
    with without_slack_environment():
        app = AsyncApp(
            name=LOGGER,
            logger=log,
            client=web_client(None, api_url, log),
            authorize=_authorize(token_of),
            signing_secret=signing_secret or secrets.token_hex(32),
            user_facing_authorize_error_message="Outlay is not set up for this workspace.",
        )
    app.middleware(_drop_redelivered_events(OrderedDict()))
    app.middleware(_set_actor)
    app.listener_runner.listener_start_handler = _HoldTask(deps.tasks)
    app.listener_runner.listener_completion_handler = _KeepAck()
    errors.register(app, deps.log)
    for feature in FEATURES:
        feature.register(app, deps)
    return app


def quiet_logger() -> logging.Logger:
    """Return the logger for Bolt and the SDK, never below WARNING.

    Below it both can write whole request bodies, keys included.
    """
    for name in ("slack_bolt", "slack_sdk"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    log = logging.getLogger(LOGGER)
    log.setLevel(max(log.level, logging.WARNING))
    return log


def _authorize(token_of: TokenOf) -> Callable[..., Awaitable[Any]]:
    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        token = await token_of(team_id) if team_id else None
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token) if token else None

    return authorize


def _drop_redelivered_events(seen: OrderedDict[str, None]) -> Callable[..., Awaitable[BoltResponse]]:
    """Build middleware that acknowledges and drops an event that Slack delivers again.

    Slack resends an event when it is not sure that it arrived. The last EVENTS_REMEMBERED_MAX ids are remembered.
    """

    async def once(body: dict[str, Any], next_: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        event_id = body.get("event_id")
        if isinstance(event_id, str):
            if event_id in seen:
                return BoltResponse(status=200, body="")
            seen[event_id] = None
            if len(seen) > EVENTS_REMEMBERED_MAX:
                seen.popitem(last=False)
        return await next_()

    return once


async def _set_actor(context: AsyncBoltContext, next_: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
    """Set the acting user and workspace from the request, so that everything after it is done in their name."""
    set_actor(Actor(context.user_id or "", "slack", context.team_id or ""))
    return await next_()


class _HoldTask(AsyncListenerStartHandler):
    """Start handler that keeps a reference to each listener task.

    Bolt runs a listener as a task without keeping a reference. With one, the task cannot be garbage-collected, and a
    graceful stop waits for it.
    """

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def handle(self, request: AsyncBoltRequest, response: BoltResponse | None) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.track(task)


class _KeepAck(AsyncListenerCompletionHandler):
    """Completion handler that restores an acknowledgment that Bolt has dropped.

    Bolt forgets it when the listener fails within milliseconds of giving it, and Slack then shows that the app did not
    respond. The error boundary has saved it; here it is put back.
    """

    async def handle(self, request: AsyncBoltRequest, response: BoltResponse | None) -> None:
        given = request.context.get(errors.GIVEN_ACK)
        if given is not None and request.context.ack.response is None:
            request.context.ack.response = given
