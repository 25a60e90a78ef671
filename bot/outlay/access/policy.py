"""Access policy: which role may do what, and who sees whose figures; the gate checks it before a service acts.

Admins are Slack's own admins and owners and those on a list. A manager answers for a team, and sees it. Guests get
nothing. The command line is not checked: a user with access to the machine has the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from outlay.core.errors import OutlayError

Role = Literal["admin", "manager", "member", "guest"]
EVERYBODY = "*"  # subject of an incident of the whole workspace
NOBODYS = "key:"  # prefix of the subject of a key without an owner


class Permission(StrEnum):
    """A guarded action. The value ends the sentence "… is for workspace admins and owners"."""

    ASK = "asking"
    WISH = "choosing what one gets oneself"
    DECIDE = "saying what becomes of an alert"
    FILE = "having a ticket made"
    POST = "posting a digest"
    CONNECT = "connecting a ledger"
    DISCONNECT = "disconnecting a ledger"
    OWN = "saying whose a key is"
    BUDGET = "setting a budget"
    ALERTS = "saying how alerts go"
    DIGESTS = "saying where digests go"
    SETTINGS = "saying who sees and may do what"
    CARE = "seeing how the house is doing"
    CLOSE = "closing a month"
    REPLAY = "sending deliveries again"


_MEMBERS: frozenset[Role] = frozenset({"admin", "manager", "member"})
_ADMINS: frozenset[Role] = frozenset({"admin"})
_FOR_MEMBERS = frozenset({Permission.ASK, Permission.WISH, Permission.DECIDE, Permission.FILE, Permission.POST})
WHO: Mapping[Permission, frozenset[Role]] = {
    action: _MEMBERS if action in _FOR_MEMBERS else _ADMINS for action in Permission
}


class NotAllowedError(OutlayError):
    """Access denied. The message is for the user: plain text, whole sentences, naming who may."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user who looks at figures. `sees`: the owners whose figures they may see, besides totals; None: all."""

    user_id: str = ""
    role: Role = "admin"
    sees: frozenset[str] | None = None

    def may_see(self, subject: str) -> bool:
        """Report whether the viewer may see an owner's figures, or an incident of that subject."""
        return self.sees is None or subject in self.sees or subject == EVERYBODY or subject.startswith(NOBODYS)

    def require_visible(self, subject: str) -> None:
        """Raise NotAllowedError unless the viewer may see the subject."""
        if not self.may_see(subject):
            raise NotAllowedError(NOT_YOURS)


OPERATOR = Viewer()  # a user with access to the machine
CHANNEL = Viewer(role="member", sees=frozenset())  # in a workspace that is not open, a channel sees totals only
NOT_YOURS = (
    "That is somebody else's. In this workspace people see their own figures and the totals; managers see their team, "
    "and admins everybody."
)


@dataclass(frozen=True, slots=True)
class TeamAccess:
    """Members of a team, and the managers, who see its figures and theirs."""

    managers: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Access settings of a workspace. `open`: all see all. `admins`: besides Slack's own. Teams by name."""

    open: bool = True
    admins: tuple[str, ...] = ()
    teams: Mapping[str, TeamAccess] | None = None

    def viewer(self, user_id: str, *, is_admin: bool) -> Viewer:
        """Return the viewer for a user who is not a guest."""
        managed = {name: team for name, team in (self.teams or {}).items() if user_id in team.managers}
        role: Role = "admin" if is_admin else "manager" if managed else "member"
        if is_admin or self.open:
            return Viewer(user_id, role)
        theirs = {f"team:{name}" for name in managed} | {one for team in managed.values() for one in team.members}
        return Viewer(user_id, role, frozenset({user_id, *theirs}))


def require_permission(role: Role, action: Permission) -> None:
    """Raise NotAllowedError if a role may not do something."""
    if role in WHO[action]:
        return
    if role == "guest":
        raise NotAllowedError("Outlay is for members of this workspace; guests see and press nothing.")
    raise NotAllowedError(f"{action[0].upper()}{action[1:]} is for workspace admins and owners.")
