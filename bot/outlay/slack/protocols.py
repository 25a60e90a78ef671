"""Protocols that the Slack face needs from the services, so that tests and other services can stand in.

The composition root (`outlay.app`) passes in the implementations.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from outlay.access.policy import AccessSettings, TeamAccess
from outlay.budgets.budget import Budget, BudgetStatus
from outlay.budgets.service import BudgetSubjects
from outlay.connections.views import ConnectionSummary, LedgerForm, OwnedKey, SavedConnection
from outlay.core.calendar_periods import Period
from outlay.delivery.dead_letters import DeadLetter
from outlay.digests.digest import Digest
from outlay.digests.subscriptions import DigestSubscriptions
from outlay.home import AdminSummary, PersonalSummary
from outlay.incidents.alert_settings import AlertSettings
from outlay.incidents.service import IncidentView
from outlay.incidents.state_machine import IncidentAction
from outlay.incidents.tables import Expectation
from outlay.spend.answer import Answer


class SpendProtocol(Protocol):
    """Questions to the books."""

    async def spend(self, workspace_id: str, text: str, *, me: str) -> Answer:
        """Answer a question in words, asked by the user `me`. Raises QueryError for an unknown word."""
        ...


class ConnectionsProtocol(Protocol):
    """Connections to ledgers."""

    def forms(self) -> tuple[LedgerForm, ...]:
        """Return the form of each ledger that can be connected, by title."""
        ...

    async def connections(self, workspace_id: str) -> tuple[ConnectionSummary, ...]:
        """Return what is connected in this workspace, by name."""
        ...

    async def connect(
        self, workspace_id: str, slug: str, name: str, values: Mapping[str, str], *, replace: bool = False, by: str = ""
    ) -> SavedConnection:
        """Check with the ledger, encrypt the credential and save the connection.

        Raises BadConfig (its `field` is "name" for a name in use), any other PluginError; nothing is saved then.
        """
        ...


class OwnershipProtocol(Protocol):
    """Owners of keys."""

    async def keys(self, workspace_id: str) -> Sequence[OwnedKey]:
        """Return every key of the workspace, those without an owner first."""
        ...

    async def own(self, workspace_id: str, number: int, owner_id: str, start: date | None) -> bool:
        """Set a key's owner from a day on, or for all time; False for a key that this workspace does not have."""
        ...


class MembershipProtocol(Protocol):
    """Membership and admin checks, made when a view opens and again when it is submitted."""

    async def is_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> bool:
        """Report whether the user is a workspace admin or owner, or in OUTLAY_ADMINS.

        False if Slack cannot be asked: fails closed. `fresh`: an answer older than a few seconds will not do, because
        something is about to be saved.
        """
        ...

    async def is_guest(self, workspace_id: str, user_id: str) -> bool:
        """Report whether the user is a guest or of another workspace, and so sees nothing.

        True if Slack cannot be asked: fails closed.
        """
        ...


class IncidentsProtocol(Protocol):
    """Incidents, people's responses to them, and the alert preferences.

    Raises IncidentNotFoundError, InvalidTransitionError.
    """

    async def incident(self, workspace_id: str, number: int) -> IncidentView:
        """Return an incident with all its details."""
        ...

    async def recent(self, workspace_id: str, *, subject: str = "") -> Sequence[IncidentView]:
        """Return the newest incidents, of all subjects or of one; open ones first."""
        ...

    async def do(
        self,
        workspace_id: str,
        number: int,
        deed: IncidentAction,
        *,
        who: str,
        until: datetime | None = None,
        reason: str = "",
    ) -> IncidentView:
        """Apply an action (acknowledge, snooze, dismiss, undo) and return the incident after it."""
        ...

    async def expect(
        self,
        workspace_id: str,
        number: int,
        *,
        who: str,
        reason: str,
        until: datetime | None,
        only_key: bool = False,
        below_nano_usd: int | None = None,
    ) -> IncidentView:
        """Mark the incident as expected, because its spend was planned."""
        ...

    async def plan(
        self, workspace_id: str, subject: str, *, who: str, reason: str, start: datetime, until: datetime | None
    ) -> None:
        """Declare planned work in advance. `until` None: without end."""
        ...

    async def expected(self, workspace_id: str) -> Sequence[Expectation]:
        """Return what is expected now or later."""
        ...

    async def take_back(self, workspace_id: str, number: int) -> None:
        """Withdraw an expectation."""
        ...

    async def file(
        self, workspace_id: str, number: int, *, who: str, who_name: str, connections: Collection[int] | None = None
    ) -> int:
        """File a ticket for the incident at every sink, or at those of `connections`; return how many."""
        ...

    async def alerting(self, workspace_id: str) -> AlertSettings:
        """Return the workspace's alert preferences."""
        ...

    async def choose(self, workspace_id: str, chosen: AlertSettings) -> None:
        """Save the workspace's alert preferences."""
        ...

    async def want_direct(self, workspace_id: str, user_id: str, wanted: bool) -> None:
        """Set whether a user gets direct messages about their own incidents."""
        ...


class UndeliveredProtocol(Protocol):
    """Messages whose delivery was given up."""

    async def given_up(self, workspace_id: str) -> Sequence[DeadLetter]:
        """Return what could not be delivered, newest first."""
        ...

    async def send_again(self, workspace_id: str, numbers: Sequence[int] | None = None) -> int:
        """Queue some of them, or all, for delivery again; return how many."""
        ...


class DigestsProtocol(Protocol):
    """Digests: composing, preferences, and posting on demand."""

    async def plan(self, workspace_id: str) -> DigestSubscriptions:
        """Return where digests go, how often and when."""
        ...

    async def choose(self, workspace_id: str, plan: DigestSubscriptions, *, by: str) -> None:
        """Save the channels, periods and time of a plan."""
        ...

    async def want(self, workspace_id: str, user_id: str, periods: tuple[Period, ...]) -> None:
        """Set how often a user gets a digest of their own figures."""
        ...

    async def last(self, workspace_id: str, period: Period, *, person: str = "") -> Digest:
        """Return the digest of the newest period that is over."""
        ...

    async def compose(
        self, workspace_id: str, period: Period, start: date, end: date, *, person: str = "", late: bool = False
    ) -> Digest:
        """Compose the digest of these days."""
        ...

    async def post(self, workspace_id: str, channel: str, period: Period, *, once: str, by: str = "") -> str:
        """Queue the newest digest for a channel; a second call with the same `once` has no effect."""
        ...


class BudgetsProtocol(Protocol):
    """Budgets and their state."""

    async def standings(self, workspace_id: str) -> Sequence[BudgetStatus]:
        """Return how each budget stands now."""
        ...

    async def subjects(self, workspace_id: str) -> BudgetSubjects:
        """Return for whom or what a budget can be set."""
        ...

    async def keep(self, workspace_id: str, budget: Budget, *, by: str) -> Budget:
        """Add a budget (its id is 0) or change it. Raises BudgetError."""
        ...

    async def remove(self, workspace_id: str, number: int) -> bool:
        """Remove a budget; False if it no longer exists."""
        ...


class HomeTabProtocol(Protocol):
    """Contents of the Home tab."""

    async def mine(self, workspace_id: str, user_id: str) -> PersonalSummary:
        """Return one user's own month and budgets."""
        ...

    async def admin_summary(self, workspace_id: str) -> AdminSummary:
        """Return the operational state that an admin sees."""
        ...


class AccessPolicyProtocol(Protocol):
    """Access policy: who sees what, and who may do what."""

    async def rights(self, workspace_id: str) -> AccessSettings:
        """Return the workspace's access policy."""
        ...

    async def choose(
        self, workspace_id: str, *, open_: bool | None = None, admins: Collection[str] | None = None
    ) -> AccessSettings:
        """Set who sees whose figures and who else is an admin; None leaves it unchanged. Raises BadConfig."""
        ...

    async def set_team(self, workspace_id: str, name: str, team: TeamAccess) -> AccessSettings:
        """Set the people of a team; an empty team is forgotten. Raises BadConfig."""
        ...


__all__ = [
    "AccessPolicyProtocol",
    "BudgetsProtocol",
    "ConnectionSummary",
    "ConnectionsProtocol",
    "DigestsProtocol",
    "IncidentsProtocol",
    "LedgerForm",
    "MembershipProtocol",
    "OwnedKey",
    "OwnershipProtocol",
    "SavedConnection",
    "SpendProtocol",
    "UndeliveredProtocol",
]
