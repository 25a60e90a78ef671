"""The account's workspaces, members, and all keys of all workspaces with their lifetime counters.

Listed once for each task (a plugin lives no longer), however many reports ask. Keys that the books know and the ledger
no longer lists are the *gone* ones: their hashes still answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from outlay.plugin import Context, Key, Permanent, PluginError
from outlay_plugins._openrouter import schemas as openrouter_schemas
from outlay_plugins._openrouter.json_fields import many
from outlay_plugins._openrouter.schemas import AccountKey, OpenRouterWorkspace

PAGE_ROWS = 100
MAX_PAGES = 200  # of keys in one workspace, of workspaces, of members
MAX_GONE_KEYS = 200  # the most recently used ones
MEMORY_SECONDS = 300.0  # in a long task, the list of keys is read again after that
AT_ONCE = 8  # concurrent queries
USE_MARGIN = timedelta(days=1)  # how far `last_used_at` may lag behind
_NOT_FOR_US = (403, 404)

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class OpenRouterDirectory:
    """Directory of an OpenRouter account: workspaces and keys, cached for some minutes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._keys: tuple[AccountKey, ...] = ()
        self._read_at: datetime | None = None
        self._read_seconds = 0.0

    async def workspaces(self) -> list[OpenRouterWorkspace]:
        """Return all workspaces, none where the account has no such feature."""
        bodies = await self._pages("/workspaces", {"limit": PAGE_ROWS}, optional=True)
        return list({found.id: found for body in bodies for found in openrouter_schemas.workspaces(body)}.values())

    async def keys(self) -> tuple[AccountKey, ...]:
        """Return all keys of all workspaces, disabled and expired ones too, as they stood at `read_at`."""
        clock = self._context.clock
        if self._read_at is None or clock.monotonic() - self._read_seconds > MEMORY_SECONDS:
            self._read_at, self._read_seconds = clock.now(), clock.monotonic()
            self._keys = await self._list_keys()
        return self._keys

    async def read_at(self) -> datetime:
        """Return when the keys and their counters were read."""
        await self.keys()
        return self._read_at or self._context.clock.now()

    async def gone_keys(self) -> list[Key]:
        """Return keys that the books know and the ledger no longer lists, latest use first."""
        here = {found.key.id for found in await self.keys()}
        gone = [key for key in self._context.known_keys if key.id and key.id not in here]
        gone.sort(key=lambda key: key.last_used_at.timestamp() if key.last_used_at else float("inf"), reverse=True)
        return gone[:MAX_GONE_KEYS]

    async def _list_keys(self) -> tuple[AccountKey, ...]:
        names = {workspace.id: workspace.name for workspace in await self.workspaces()}
        addresses = await self._addresses()
        found: dict[str, AccountKey] = {}
        for workspace_id in names or [""]:  # without an id, only the default workspace's keys are listed
            params: dict[str, str | int] = {"include_disabled": "true", "include_expired": "true"}
            if workspace_id:
                params["workspace_id"] = workspace_id
            for body in await self._pages("/keys", params):
                listed = openrouter_schemas.account_keys(body, names, addresses, workspace_id)
                found |= {item.key.id: item for item in listed if item.key.id not in found}
        return tuple(found.values())

    async def _addresses(self) -> dict[str, str]:
        """Return members' e-mail by id, none for an individual's account, which has no members."""
        addresses: dict[str, str] = {}
        for body in await self._pages("/organization/members", {"limit": PAGE_ROWS}, optional=True):
            addresses |= openrouter_schemas.emails(body)
        return addresses

    async def _pages(self, path: str, params: dict[str, str | int], *, optional: bool = False) -> list[Any]:
        """Return the bodies of all pages: the list ends with the first page that is not full."""
        bodies: list[Any] = []
        for number in range(MAX_PAGES):
            try:
                body = await self._context.http.get(path, params | {"offset": number * PAGE_ROWS})
            except PluginError as error:
                if optional and error.status in _NOT_FOR_US:
                    return bodies
                raise
            bodies.append(body)
            if len(many(body, path)) < PAGE_ROWS:
                return bodies
        raise Permanent(
            f"OpenRouter's {path} goes on beyond {MAX_PAGES * PAGE_ROWS:,} rows; that is more than Outlay reads."
        )


def used_since(key: Key, start: datetime) -> bool:
    """Return whether a key may have been used since then, as far as the ledger says when it was used."""
    return key.last_used_at is None or key.last_used_at >= start - USE_MARGIN


async def answer_all(items: Sequence[Asked], ask: Callable[[Asked], Awaitable[Answered]]) -> list[Answered]:
    """Ask one question for each item, a few at once. The first failure ends it, with none left running."""
    answers: list[Answered] = []
    for place in range(0, len(items), AT_ONCE):
        found = await asyncio.gather(*(ask(item) for item in items[place : place + AT_ONCE]), return_exceptions=True)
        for answer in found:
            if isinstance(answer, BaseException):
                raise answer
            answers.append(answer)
    return answers
