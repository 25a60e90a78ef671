"""Access gate before the services: looks up who acts and refuses what they may not do, whatever was pressed.

`guarded` wraps a service for the Slack face. Only the methods that a table names can be reached, each with who may call
it; where figures of people are shown, the service is passed the viewer. So a listener that forgets to ask, or a forged
payload, gets no further than a button would.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from outlay.access.policy import NotAllowedError, Permission, Viewer, require_permission
from outlay.access.service import read_rights
from outlay.core.actor import Actor, current_actor
from outlay.database.engine import Database

T = TypeVar("T")


class SlackRoleLookup(Protocol):
    """Protocol of Slack's own answers about a user; see `outlay.slack.user_directory`."""

    async def is_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> bool: ...

    async def is_guest(self, workspace_id: str, user_id: str) -> bool: ...


class AccessGate:
    """Authorization: finds a user's role, and admits or refuses an action."""

    def __init__(self, database: Database, people: SlackRoleLookup) -> None:
        self._database = database
        self._people = people

    async def is_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> bool:
        """Report whether a user is an admin; never true of a guest.

        Admins are Slack's admins and owners, those in OUTLAY_ADMINS, and those whom the workspace has named.
        """
        if await self._people.is_admin(workspace_id, user_id, fresh=fresh):
            return True
        if await self._people.is_guest(workspace_id, user_id):
            return False
        async with self._database.read() as session:
            return user_id in (await read_rights(session, workspace_id)).admins

    async def is_guest(self, workspace_id: str, user_id: str) -> bool:
        """Report whether a user is a guest or stranger; true of everybody while Slack cannot be asked."""
        return await self._people.is_guest(workspace_id, user_id)

    async def viewer(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> Viewer:
        """Return a user's role and what they may see. A guest sees nothing."""
        is_admin = await self._people.is_admin(workspace_id, user_id, fresh=fresh)
        if not is_admin and await self._people.is_guest(workspace_id, user_id):
            return Viewer(user_id, "guest", frozenset())
        async with self._database.read() as session:
            rights = await read_rights(session, workspace_id)
        return rights.viewer(user_id, is_admin=is_admin or user_id in rights.admins)

    async def admit(self, workspace_id: str, action: Permission, *, fresh: bool = False) -> Viewer:
        """Return the acting user, if they may do that in that workspace. Raises NotAllowedError."""
        who = current_actor()
        if who.origin != "slack" or not who.who or who.workspace_id != workspace_id:
            raise NotAllowedError("Slack does not say that this is asked by somebody of this workspace.")
        viewer = await self.viewer(workspace_id, who.who, fresh=fresh)
        require_permission(viewer.role, action)
        return viewer


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Permission to call a method. `sees`: it is passed the viewer. `own`: the argument that must be the acting user.

    `fresh`: a cached answer of Slack that is older than a few seconds is not enough, because something is about to be
    saved.
    """

    action: Permission
    sees: bool = False
    own: str = ""
    fresh: bool = False


FREE: Mapping[str, None] = {"forms": None}  # methods without a check: the same for everybody, and of no workspace
_ASK, _SEE = AccessRule(Permission.ASK), AccessRule(Permission.ASK, sees=True)
_DECIDE = AccessRule(Permission.DECIDE, sees=True)
RULES: Mapping[str, Mapping[str, AccessRule]] = {
    "asking": {"spend": _SEE},
    "connecting": {
        "connections": _ASK,
        "connect": AccessRule(Permission.CONNECT, fresh=True),
        "disconnect": AccessRule(Permission.DISCONNECT, fresh=True),
    },
    "owning": {"keys": _SEE, "own": AccessRule(Permission.OWN, fresh=True)},
    "desk": {
        "incident": _SEE,
        "recent": _SEE,
        "expected": _SEE,
        "do": _DECIDE,
        "expect": _DECIDE,
        "plan": _DECIDE,
        "take_back": _DECIDE,
        "file": AccessRule(Permission.FILE, sees=True),
        "alerting": _ASK,
        "choose": AccessRule(Permission.ALERTS, fresh=True),
        "want_direct": AccessRule(Permission.WISH, own="user_id"),
    },
    "digests": {
        "plan": _ASK,
        "choose": AccessRule(Permission.DIGESTS, fresh=True),
        "want": AccessRule(Permission.WISH, own="user_id"),
        "last": _SEE,
        "compose": _SEE,
        "post": AccessRule(Permission.POST),
    },
    "budgets": {
        "standings": _SEE,
        "subjects": AccessRule(Permission.BUDGET),
        "keep": AccessRule(Permission.BUDGET, fresh=True),
        "remove": AccessRule(Permission.BUDGET, fresh=True),
    },
    "homes": {"mine": AccessRule(Permission.ASK, own="user_id"), "admin_summary": AccessRule(Permission.CARE)},
    "ruling": {
        "rights": AccessRule(Permission.SETTINGS),
        "choose": AccessRule(Permission.SETTINGS, fresh=True),
        "set_team": AccessRule(Permission.SETTINGS, fresh=True),
    },
    "bookkeeping": {"close": AccessRule(Permission.CLOSE, fresh=True)},
    "undelivered": {"given_up": AccessRule(Permission.REPLAY), "send_again": AccessRule(Permission.REPLAY, fresh=True)},
}


def guarded(service: T, gate: AccessGate, port: str) -> T:
    """Wrap a service for the Slack face: behind the gate, by the rules of its port."""
    return cast(T, _Guarded(service, gate, port))


class _Guarded:
    def __init__(self, service: object, gate: AccessGate, port: str) -> None:
        self._service = service
        self._gate = gate
        self._port = port

    def __getattr__(self, name: str) -> Any:
        if name in FREE:
            return getattr(self._service, name)
        rule = RULES[self._port].get(name)
        if rule is None:
            raise AttributeError(f"nobody may call {self._port}.{name}: outlay.access.gate has to say who may")
        method = getattr(self._service, name)

        async def admitted(workspace_id: str, *args: Any, **more: Any) -> Any:
            viewer = await self._gate.admit(workspace_id, rule.action, fresh=rule.fresh)
            if rule.own:
                _only_own(inspect.signature(method).bind(workspace_id, *args, **more), rule.own, current_actor())
            if rule.sees:
                more["viewer"] = viewer
            return await method(workspace_id, *args, **more)

        return admitted


def _only_own(call: inspect.BoundArguments, name: str, who: Actor) -> None:
    if call.arguments.get(name) != who.who:
        raise NotAllowedError("Everybody chooses that for themselves alone.")
