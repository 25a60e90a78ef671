"""Who is at the proxy: its users, its teams, and its keys, deleted ones too where the version remembers them."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TypeVar

from outlay.plugin import Context, Key, Permanent
from outlay_plugins._litellm.client import ask
from outlay_plugins._litellm.schemas import KeyLine, KeyPage, Team, TeamPage, User, UserPage, read

PAGE_ROWS = 100  # the most that each list gives
MAX_PAGES = 500
MAX_DELETED_PAGES = 20  # an archive only grows
_NOT_THERE = (400, 403, 404, 405, 422)  # what an older version says of a list or a filter that it does not have
P = TypeVar("P", KeyPage, UserPage, TeamPage)


class People:
    """Lists them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def users(self) -> list[User]:
        """All users that the credential sees."""
        return [user async for page in self._pages(UserPage, "/user/list", "page_size") for user in page.users]

    async def keys(self, users: list[User]) -> list[Key]:
        """All keys, with the e-mail of whose they are and the name of their team."""
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

    async def _teams(self) -> list[Team]:
        """All teams; none where the version has no such list."""
        try:
            return [team async for page in self._pages(TeamPage, "/v2/team/list", "page_size") for team in page.teams]
        except Permanent as error:
            if error.status not in _NOT_THERE:
                raise
            return []

    async def _pages(
        self, shape: type[P], path: str, size: str, params: dict[str, str | int] | None = None
    ) -> AsyncIterator[P]:
        """All pages of a list, as many as it says it has."""
        for number in range(1, MAX_PAGES + 1):
            asked = {**(params or {}), "page": number, size: PAGE_ROWS}
            page = read(shape, await ask(self._context, path, asked))
            yield page
            if number >= page.total_pages:
                return
        raise Permanent(f"LiteLLM's {path} goes on beyond {MAX_PAGES} pages; that is more than Outlay reads.")


def first_made(users: list[User]) -> datetime | None:
    """When the oldest user was made: as old as the proxy's database, or None where it does not say."""
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
