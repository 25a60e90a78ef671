"""The organization's projects, archived ones too, with the keys of each, and its members as seats.

Use without a key, in the playground, is reported by person: so each member has a seat beside the keys.

An archived project can make no new key, so once the books know the account's keys, archived projects are not queried
again. Keys that were deleted are in no list; the books keep their names.
"""

import asyncio
from datetime import UTC, datetime

from outlay.plugin import Context, Key, Permanent
from outlay_plugins._openai.paging import fetch_list
from outlay_plugins._openai.schemas import Listed, OpenAIApiKey, OpenAIMember, OpenAIProject

AT_ONCE = 4  # projects whose keys are queried concurrently
SEAT = "seat: use without a key"
_GONE = (400, 403, 404)  # statuses of a project that no longer exists


class OpenAIDirectory:
    """Directory of an OpenAI organization: its projects, keys and users."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def projects(self) -> list[OpenAIProject]:
        """Return all projects there ever were, oldest first."""
        found = await fetch_list(
            self._context.http, "/organization/projects", [("include_archived", "true")], Listed[OpenAIProject]
        )
        return sorted(found, key=lambda project: (project.created_at, project.id))

    async def keys(self) -> list[Key]:
        """Return all enabled keys, whether or not their owner still has access, and a seat for each member."""
        known: dict[str, list[Key]] = {}
        for key in self._context.known_keys:
            known.setdefault(key.project_id, []).append(key)
        projects = await self.projects()
        resting = [project for project in projects if project.archived and known]
        asked = [project for project in projects if project not in resting]
        found: list[tuple[OpenAIProject, OpenAIApiKey]] = []
        for place in range(0, len(asked), AT_ONCE):
            part = asked[place : place + AT_ONCE]
            answers = await asyncio.gather(*(self._of_project(project) for project in part), return_exceptions=True)
            for project, answer in zip(part, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                found += [(project, key) for key in answer]
        people = await self._people()
        emails = {person.id: person.email for person in people}
        keys = {key.id: key for project in resting for key in known.get(project.id, ())}
        keys |= {key.id: self._key(project, key, emails) for project, key in found}
        seats = {one.id: Key(one.id, one.name or one.email, SEAT, email=one.email) for one in people}
        return [*keys.values(), *(seat for seat_id, seat in seats.items() if seat_id not in keys)]

    async def _of_project(self, project: OpenAIProject) -> list[OpenAIApiKey]:
        path = f"/organization/projects/{project.id}/api_keys"
        try:
            return await fetch_list(self._context.http, path, [("owner_project_access", "any")], Listed[OpenAIApiKey])
        except Permanent as error:
            if project.archived and error.status in _GONE:
                return []
            raise

    async def _people(self) -> list[OpenAIMember]:
        """Return the members, none if this key may not list them."""
        try:
            return await fetch_list(self._context.http, "/organization/users", [], Listed[OpenAIMember])
        except Permanent as error:
            if error.status in _GONE:
                return []
            raise

    def _key(self, project: OpenAIProject, key: OpenAIApiKey, emails: dict[str, str]) -> Key:
        """Convert a key; a service account's key is named after the account, which is what spends."""
        owner = key.owner
        user, account = (owner.user, owner.service_account) if owner else (None, None)
        expired = key.expires_at is not None and _time(key.expires_at) <= self._context.clock.now()
        return Key(
            id=key.id,
            name=(account.name if account else "") or key.name,
            label=key.redacted_value,
            project_id=project.id,
            project_name=project.name,
            email=(user.email or emails.get(user.id, "")) if user else "",
            disabled=project.archived or expired,
            created_at=None if key.created_at is None else _time(key.created_at),
            last_used_at=None if key.last_used_at is None else _time(key.last_used_at),
        )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
