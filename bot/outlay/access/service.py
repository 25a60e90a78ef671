"""Access settings of a workspace: who may see and do what; each change is a row in the audit trail."""

import json
import re
from collections.abc import Collection

from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.access.policy import AccessSettings, TeamAccess
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.plugin.errors import BadConfig
from outlay.workspaces import preferences
from outlay.workspaces.store import ensure

PREFIX = "rights."
PEOPLE_MAX = 100  # admins of the list, managers or members of a team
TEAMS_MAX = 100
NAME_CHARACTERS_MAX = 60
_OPEN, _ADMINS, _TEAM = "rights.open", "rights.admins", "rights.team."
_USER = re.compile(r"[UW][A-Z0-9]{1,30}")


class AccessService:
    """Service that stores and reads access settings."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def rights(self, workspace_id: str) -> AccessSettings:
        """Return the access settings; by default everybody sees everybody."""
        async with self._database.read() as session:
            return await read_rights(session, workspace_id)

    async def choose(
        self, workspace_id: str, *, open_: bool | None = None, admins: Collection[str] | None = None
    ) -> AccessSettings:
        """Set who sees whom, and the admins besides Slack's own; None: as it is. Raises BadConfig."""
        values: dict[str, str | None] = {}
        if open_ is not None:
            values[_OPEN] = None if open_ else "no"
        if admins is not None:
            values[_ADMINS] = ",".join(_users("admins", admins)) or None
        async with self._database.write() as session:
            await ensure(session, workspace_id, now=self._clock.now())
            await preferences.write(session, workspace_id, values)
            chosen = await read_rights(session, workspace_id)
            if values:
                await audit_log.append(
                    session, workspace_id, AuditedAction.RIGHTS, f"workspace:{workspace_id}", now=self._clock.now(),
                    everybody_sees_everybody=chosen.open, admins=chosen.admins,
                )  # fmt: skip
            return chosen

    async def set_team(self, workspace_id: str, name: str, team: TeamAccess) -> AccessSettings:
        """Set a team's members and managers; a team without any is deleted. Raises BadConfig."""
        name = name.strip().removeprefix("team:").strip()
        if not name or len(name) > NAME_CHARACTERS_MAX:
            raise BadConfig("name", f"a team has a name of at most {NAME_CHARACTERS_MAX} characters")
        managers, members = _users("managers", team.managers), _users("members", team.members)
        said = json.dumps({"managers": managers, "members": members}) if managers or members else None
        async with self._database.write() as session:
            await ensure(session, workspace_id, now=self._clock.now())
            before = await read_rights(session, workspace_id)
            if said and name not in (before.teams or {}) and len(before.teams or {}) >= TEAMS_MAX:
                raise BadConfig("name", f"there are {TEAMS_MAX} teams already, which is as many as can be")
            await preferences.write(session, workspace_id, {f"{_TEAM}{name}": said})
            await audit_log.append(
                session, workspace_id, AuditedAction.TEAM, f"team:{name}", now=self._clock.now(),
                managers=managers, members=members,
            )  # fmt: skip
            return await read_rights(session, workspace_id)


async def read_rights(session: AsyncSession, workspace_id: str) -> AccessSettings:
    """Read the workspace's access settings, with defaults for those never set."""
    said = await preferences.read(session, workspace_id, PREFIX)
    teams = {name[len(_TEAM) :]: json.loads(value) for name, value in said.items() if name.startswith(_TEAM)}
    return AccessSettings(
        open=_OPEN not in said,
        admins=tuple(one for one in said.get(_ADMINS, "").split(",") if one),
        teams={
            name: TeamAccess(tuple(team["managers"]), tuple(team["members"])) for name, team in sorted(teams.items())
        },
    )


def _users(field: str, ids: Collection[str]) -> list[str]:
    found = list(dict.fromkeys(one.strip() for one in ids if one.strip()))
    for one in found:
        if not _USER.fullmatch(one):
            raise BadConfig(field, f"«{one[:40]}» is no Slack user id, such as U012AB3CD")
    if len(found) > PEOPLE_MAX:
        raise BadConfig(field, f"at most {PEOPLE_MAX} people")
    return found
