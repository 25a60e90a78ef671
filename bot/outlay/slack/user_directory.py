"""Directory of Slack users, read from `users.info` and cached for a minute.

If Slack cannot be asked, the user counts as a guest. Admins are the workspace's admins and owners and the people in
OUTLAY_ADMINS. Guests, deactivated users, bots and users of other workspaces see nothing and may press nothing.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import Clock
from outlay.slack.client import TokenOf

REMEMBERED_MAX = 1_000
REMEMBERED_SECONDS = 60.0
FRESH_SECONDS = 5.0
ASK_SECONDS = 1.0  # a form that is being submitted waits for this, within Slack's three seconds


@dataclass(frozen=True, slots=True)
class SlackUserStatus:
    """Status of a Slack user."""

    is_admin: bool
    is_guest: bool


class SlackUserDirectory:
    """Membership and admin checks over `users.info`."""

    def __init__(
        self,
        token_of: TokenOf,
        client_for: Callable[[str], AsyncWebClient],
        clock: Clock,
        log: logging.Logger,
        admins: Collection[str] = (),
    ) -> None:
        self._token_of = token_of
        self._client_for = client_for
        self._clock = clock
        self._log = log
        self._admins = frozenset(admins)
        self._known: OrderedDict[tuple[str, str], tuple[float, SlackUserStatus]] = OrderedDict()

    async def is_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> bool:
        person = await self._person(workspace_id, user_id, FRESH_SECONDS if fresh else REMEMBERED_SECONDS)
        return person is not None and not person.is_guest and (person.is_admin or user_id in self._admins)

    async def is_guest(self, workspace_id: str, user_id: str) -> bool:
        person = await self._person(workspace_id, user_id, REMEMBERED_SECONDS)
        return person is None or person.is_guest

    def forget(self, workspace_id: str) -> None:
        """Drop the cache of a workspace that has removed the app."""
        for key in [key for key in self._known if key[0] == workspace_id]:
            del self._known[key]

    async def _person(self, workspace_id: str, user_id: str, age_seconds: float) -> SlackUserStatus | None:
        key = (workspace_id, user_id)
        known = self._known.get(key)
        if known and self._clock.monotonic() - known[0] <= age_seconds:
            self._known.move_to_end(key)
            return known[1]
        person = await self._ask(workspace_id, user_id)
        if person is None:
            self._known.pop(key, None)
            return None
        self._known[key] = (self._clock.monotonic(), person)
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return person

    async def _ask(self, workspace_id: str, user_id: str) -> SlackUserStatus | None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                client = await self._client(workspace_id)
                reply = await client.users_info(user=user_id) if client else None
        except (SlackClientError, aiohttp.ClientError, OSError) as error:
            self._log.warning("Slack did not say who %s is: %s", user_id, _why(error))
            return None
        user = reply.get("user") if reply else None
        return _person(user, workspace_id) if isinstance(user, dict) else None

    async def _client(self, workspace_id: str) -> AsyncWebClient | None:
        token = await self._token_of(workspace_id)
        return self._client_for(token) if token else None


def _person(user: dict[str, Any], workspace_id: str) -> SlackUserStatus:
    guest = any(user.get(flag) for flag in ("is_restricted", "is_ultra_restricted", "is_stranger", "deleted", "is_bot"))
    home = user.get("team_id", workspace_id)
    elsewhere = home != workspace_id and workspace_id not in (user.get("enterprise_user") or {}).get("teams", ())
    admin = any(user.get(flag) for flag in ("is_admin", "is_owner", "is_primary_owner"))
    return SlackUserStatus(is_admin=admin, is_guest=guest or elsewhere)


def _why(error: Exception) -> str:
    return str(error.response.get("error")) if isinstance(error, SlackApiError) else type(error).__name__
