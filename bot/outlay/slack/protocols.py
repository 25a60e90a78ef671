"""What the Slack face asks of the rest of the house: eight small interfaces, so that a test or a new service swaps in.

The composition root (`outlay.app`) hands in what stands behind them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from outlay.access.policy import Rights, Team
from outlay.budgets.budget import Budget, Standing
from outlay.budgets.service import Subjects
from outlay.connections.views import Connected, Existing, LedgerForm, OwnedKey
from outlay.core.calendar_periods import Period
from outlay.delivery.dead_letters import GivenUp
from outlay.digests.digest import Digest
from outlay.digests.subscriptions import Plan
from outlay.home import Care, Mine
from outlay.incidents.alert_settings import Alerting
from outlay.incidents.service import IncidentView
from outlay.incidents.state_machine import Deed
from outlay.incidents.tables import Expectation
from outlay.spend.answer import Answer


class Asking(Protocol):
    """Answers questions from the books."""

    async def spend(self, workspace_id: str, text: str, *, me: str) -> Answer:
        """The answer to a question in words. Raises QueryError for a word it does not understand."""
        ...


class Connecting(Protocol):
    """Makes connections."""

    def forms(self) -> tuple[LedgerForm, ...]:
        """What can be connected, by title."""
        ...

    async def connections(self, workspace_id: str) -> tuple[Existing, ...]:
        """What is connected in this workspace, by name."""
        ...

    async def connect(
        self, workspace_id: str, slug: str, name: str, values: Mapping[str, str], *, replace: bool = False, by: str = ""
    ) -> Connected:
        """Checks with the ledger, encrypts, saves. Raises BadConfig (its `field` is "name" for a name in use), any
        other PluginError; nothing is saved then."""
        ...


class Owning(Protocol):
    """Says who answers for a key."""

    async def keys(self, workspace_id: str) -> Sequence[OwnedKey]:
        """Every key, those that nobody answers for first."""
        ...

    async def own(self, workspace_id: str, number: int, owner_id: str, start: date | None) -> bool:
        """Whose a key is, from a day on or always. False for a key that this workspace does not have."""
        ...


class Admitting(Protocol):
    """Says who somebody is. Checked when a view opens and again when it is submitted."""

    async def is_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> bool:
        """Workspace admins and owners, and OUTLAY_ADMINS. False when Slack cannot be asked: fails closed.

        `fresh`: an answer older than a few seconds will not do, because something is about to be saved.
        """
        ...

    async def is_guest(self, workspace_id: str, user_id: str) -> bool:
        """Guests (and strangers from another workspace) see and press nothing. True when Slack cannot be asked."""
        ...


class Desking(Protocol):
    """Shows incidents, takes what people say of them, and keeps how alerts go. Raises NoSuchIncident, NotNow."""

    async def incident(self, workspace_id: str, number: int) -> IncidentView:
        """An incident whole."""
        ...

    async def recent(self, workspace_id: str, *, subject: str = "") -> Sequence[IncidentView]:
        """The newest incidents, of all or of one subject; those that are not over first."""
        ...

    async def do(
        self, workspace_id: str, number: int, deed: Deed, *, who: str, until: datetime | None = None, reason: str = ""
    ) -> IncidentView:
        """Acknowledges, snoozes, dismisses or takes back."""
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
        """Says that it was planned."""
        ...

    async def plan(
        self, workspace_id: str, subject: str, *, who: str, reason: str, start: datetime, until: datetime | None
    ) -> None:
        """Declares planned work beforehand. `until` None: without end."""
        ...

    async def expected(self, workspace_id: str) -> Sequence[Expectation]:
        """What is expected now or later."""
        ...

    async def take_back(self, workspace_id: str, number: int) -> None:
        """Expects it no longer."""
        ...

    async def file(
        self, workspace_id: str, number: int, *, who: str, who_name: str, connections: Collection[int] | None = None
    ) -> int:
        """Has every sink, or some, make a ticket of it; gives how many."""
        ...

    async def alerting(self, workspace_id: str) -> Alerting:
        """What the workspace has chosen."""
        ...

    async def choose(self, workspace_id: str, chosen: Alerting) -> None:
        """Keeps what was chosen."""
        ...

    async def want_direct(self, workspace_id: str, user_id: str, wanted: bool) -> None:
        """Whether somebody wants a direct message about incidents of their own."""
        ...


class Undeliverables(Protocol):
    """Knows what was given up, and sends it again."""

    async def given_up(self, workspace_id: str) -> Sequence[GivenUp]:
        """What could not be delivered, the newest first."""
        ...

    async def send_again(self, workspace_id: str, numbers: Sequence[int] | None = None) -> int:
        """Some of it, or all, is delivered once more; gives how much."""
        ...


class Digests(Protocol):
    """Puts digests together, keeps where they go, and has one posted."""

    async def plan(self, workspace_id: str) -> Plan:
        """Where digests go, how often and when."""
        ...

    async def choose(self, workspace_id: str, plan: Plan, *, by: str) -> None:
        """Keeps the channels, periods and time of a plan."""
        ...

    async def want(self, workspace_id: str, user_id: str, periods: tuple[Period, ...]) -> None:
        """How often somebody wants their own figures."""
        ...

    async def last(self, workspace_id: str, period: Period, *, person: str = "") -> Digest:
        """The digest of the newest period that is over."""
        ...

    async def compose(
        self, workspace_id: str, period: Period, start: date, end: date, *, person: str = "", late: bool = False
    ) -> Digest:
        """The digest of these days."""
        ...

    async def post(self, workspace_id: str, channel: str, period: Period, *, once: str, by: str = "") -> str:
        """Has the newest posted in a channel; `once` makes the wish once."""
        ...


class Budgets(Protocol):
    """Keeps budgets and says how they stand."""

    async def standings(self, workspace_id: str) -> Sequence[Standing]:
        """How each stands now."""
        ...

    async def subjects(self, workspace_id: str) -> Subjects:
        """For whom or what one can be set."""
        ...

    async def keep(self, workspace_id: str, budget: Budget, *, by: str) -> Budget:
        """Adds one (its id is 0) or changes it. Raises BudgetError."""
        ...

    async def remove(self, workspace_id: str, number: int) -> bool:
        """Removes one; False if it is gone."""
        ...


class Homes(Protocol):
    """Gathers what the Home tab tells."""

    async def mine(self, workspace_id: str, user_id: str) -> Mine:
        """One person's own month and budgets."""
        ...

    async def care(self, workspace_id: str) -> Care:
        """How the house is doing, for an admin."""
        ...


class Ruling(Protocol):
    """Keeps who sees and may do what."""

    async def rights(self, workspace_id: str) -> Rights:
        """What the workspace has chosen."""
        ...

    async def choose(
        self, workspace_id: str, *, open_: bool | None = None, admins: Collection[str] | None = None
    ) -> Rights:
        """Who sees whom, and who else is an admin; None: as it is. Raises BadConfig."""
        ...

    async def set_team(self, workspace_id: str, name: str, team: Team) -> Rights:
        """The people of a team; nobody: it is forgotten. Raises BadConfig."""
        ...


__all__ = [
    "Admitting",
    "Asking",
    "Budgets",
    "Connected",
    "Connecting",
    "Desking",
    "Digests",
    "Existing",
    "LedgerForm",
    "OwnedKey",
    "Owning",
    "Ruling",
    "Undeliverables",
]
