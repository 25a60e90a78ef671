"""The proxy's users, teams and keys, with deleted keys where the version of LiteLLM remembers them."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TypeVar

from outlay.plugin import Context, Key, Permanent
from outlay_plugins._litellm.client import get_json
from outlay_plugins._litellm.schemas import KeyLine, KeyPage, LiteLLMTeam, TeamPage, User, UserPage, read

PAGE_ROWS = 100  # the most that each list allows
MAX_PAGES = 500
MAX_DELETED_PAGES = 20  # the archive of deleted keys only grows
_NOT_THERE = (400, 403, 404, 405, 422)  # statuses of an older version that lacks a list or a filter
P = TypeVar("P", KeyPage, UserPage, TeamPage)


class LiteLLMDirectory:
    """Directory of a LiteLLM proxy: its users, teams and keys."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def users(self) -> list[User]:
        """Return all users that the credential can see."""
        return [user async for page in self._pages(UserPage, "/user/list", "page_size") for user in page.users]

    async def keys(self, users: list[User]) -> list[Key]:
        """Return all keys, with the e-mail of their user and the name of their team."""
        emails = {user.user_id: user.user_email for user in users}
        teams = {team.team_id: team.team_alias for team in await self._teams()}
        found: dict[str, Key] = {}
        async for line in self._lines({}):
            found.setdefault(line.token, _key(line, emails, teams, deleted=False))
        deleted = 0
        try:
            async for line in self._lines({"status": "deleted"}):
                found.setdefault(line.token, _key(line, emails, teams, deleted=True))
                deleted += 1
                if deleted >= MAX_DELETED_PAGES * PAGE_ROWS:
                    break
        except Permanent as error:
            if error.status not in _NOT_THERE:
                raise
        return list(found.values())

    async def _lines(self, filters: dict[str, str | int]) -> AsyncIterator[KeyLine]:
        asked = {"return_full_object": "true", **filters}
        async for page in self._pages(KeyPage, "/key/list", "size", asked):
            for item in page.keys:
                yield KeyLine(token=item) if isinstance(item, str) else item

    async def _teams(self) -> list[LiteLLMTeam]:
        """Return all teams, none where the version has no such list."""
        try:
            return [team async for page in self._pages(TeamPage, "/v2/team/list", "page_size") for team in page.teams]
        except Permanent as error:
            if error.status not in _NOT_THERE:
                raise
            return []

    async def _pages(
        self, shape: type[P], path: str, size: str, params: dict[str, str | int] | None = None
    ) -> AsyncIterator[P]:
        """Yield all pages of a list, as many as it says it has."""
        for number in range(1, MAX_PAGES + 1):
            asked = {**(params or {}), "page": number, size: PAGE_ROWS}
            page = read(shape, await get_json(self._context, path, asked))
            yield page
            if number >= page.total_pages:
                return
        raise Permanent(f"LiteLLM's {path} goes on beyond {MAX_PAGES} pages; that is more than Outlay reads.")


def oldest_user_created_at(users: list[User]) -> datetime | None:
    """Return when the oldest user was created, which dates the proxy's database; None if unknown."""
    return min((user.created_at for user in users if user.created_at), default=None)


def _key(line: KeyLine, emails: dict[str, str], teams: dict[str, str], *, deleted: bool) -> Key:
    return Key(
        id=line.token,
        name=line.key_alias,
        label=line.key_name,
        project_id=line.team_id,
        project_name=teams.get(line.team_id, ""),
        email=emails.get(line.user_id, ""),
        disabled=deleted or bool(line.blocked),
        created_at=line.created_at,
        last_used_at=line.last_active,
    )
