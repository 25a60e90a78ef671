"""The Slack Web API client: where it lives, and what it may try again.

A retry is safe only where doing a thing twice is doing it once. `chat.postMessage` is not on that list and never will
be: Slack has no idempotency key, so a message whose fate is unknown is the outbox's business.
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
WAIT_SECONDS_MAX = 30  # a longer Retry-After is not waited out: somebody is sitting in front of it
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
    """Waits out a 429 of an idempotent method, once, if the wait is short."""

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
    """Tries an idempotent method again after a dropped connection, once."""

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
    """A client for the Slack API at `api_url` (with or without a slash at its end)."""
    return AsyncWebClient(
        token=token,
        base_url=api_url.rstrip("/") + "/",
        timeout=REQUEST_SECONDS,
        logger=log,
        retry_handlers=_retries(),
    )


def one_workspace(token: str, workspace_id: str | None = None) -> TokenOf:
    """The token of the only workspace. With its id, every other workspace gets none."""

    async def token_of(asked: str) -> str | None:
        return token if workspace_id in (None, asked) else None

    return token_of


def is_idempotent(url: str) -> bool:
    """Whether doing this method twice is doing it once."""
    return urlsplit(url).path.rsplit("/", 1)[-1] in IDEMPOTENT


def _retries() -> list[AsyncRetryHandler]:
    return [RateLimitRetry(max_retry_count=RETRIES_MAX), ConnectionRetry(max_retry_count=RETRIES_MAX)]


def _wait_seconds(response: HttpResponse | None) -> float:
    headers = {key.lower(): value for key, value in (response.headers if response else {}).items()}
    found = headers.get("retry-after", "1")
    text = found if isinstance(found, str) else found[0]
    return float(text) if text.isdigit() else WAIT_SECONDS_MAX + 1
