"""What the Slack face asks of the rest of the house: four small interfaces, so that a test or a new service swaps in.

The composition root (`bot.app`) hands in what stands behind them.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from bot.core.answer import Answer
from bot.work.views import Connected, Existing, LedgerForm, OwnedKey


class Asking(Protocol):
    """Answers questions from the books."""

    async def spend(self, workspace_id: str, text: str, *, me: str) -> Answer:
        """The answer to a question in words. Raises bot.core.query.QueryError for a word it does not understand."""
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


__all__ = ["Admitting", "Asking", "Connected", "Connecting", "Existing", "LedgerForm", "OwnedKey", "Owning"]
