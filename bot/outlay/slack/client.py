"""Slack Web API client: its base URL, and which methods may be retried.

Only idempotent methods are retried. `chat.postMessage` is not among them and never will be: Slack has no idempotency
key, so the outbox deals with a message whose outcome is unknown.
"""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient

API_URL = "https://slack.com/api/"
REQUEST_SECONDS = 10
RETRIES_MAX = 1
WAIT_SECONDS_MAX = 30  # a longer Retry-After fails at once, because a person is waiting for the response
IDEMPOTENT = frozenset(
    {
        "apps.connections.open",
        "auth.test",
        "chat.update",
        "conversations.open",
        "users.info",
        "users.lookupByEmail",
        "views.publish",
        "views.update",
    }
)

TokenOf = Callable[[str], Awaitable[str | None]]


class RateLimitRetry(AsyncRateLimitErrorRetryHandler):
    """Retry handler for a 429 of an idempotent method: once, and only if the wait is short."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = await super()._can_retry_async(state=state, request=request, response=response, error=error)
        return limited and is_idempotent(request.url) and _wait_seconds(response) <= WAIT_SECONDS_MAX


class ConnectionRetry(AsyncConnectionErrorRetryHandler):
    """Retry handler for a dropped connection of an idempotent method: once."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        dropped = await super()._can_retry_async(state=state, request=request, response=response, error=error)
        return dropped and is_idempotent(request.url)


def web_client(token: str | None, api_url: str, log: logging.Logger) -> AsyncWebClient:
    """Build a client for the Slack API at `api_url` (with or without a trailing slash)."""
    return AsyncWebClient(
        token=token,
        base_url=api_url.rstrip("/") + "/",
        timeout=REQUEST_SECONDS,
        logger=log,
        retry_handlers=_retries(),
    )


def one_workspace(token: str, workspace_id: str | None = None) -> TokenOf:
    """Build a token lookup that knows one token; if `workspace_id` is given, other workspaces get None."""

    async def token_of(asked: str) -> str | None:
        return token if workspace_id in (None, asked) else None

    return token_of


def is_idempotent(url: str) -> bool:
    """Report whether the Slack method of this URL can be called twice with the effect of one call."""
    return urlsplit(url).path.rsplit("/", 1)[-1] in IDEMPOTENT


def _retries() -> list[AsyncRetryHandler]:
    return [RateLimitRetry(max_retry_count=RETRIES_MAX), ConnectionRetry(max_retry_count=RETRIES_MAX)]


def _wait_seconds(response: HttpResponse | None) -> float:
    headers = {key.lower(): value for key, value in (response.headers if response else {}).items()}
    found = headers.get("retry-after", "1")
    text = found if isinstance(found, str) else found[0]
    return float(text) if text.isdigit() else WAIT_SECONDS_MAX + 1
