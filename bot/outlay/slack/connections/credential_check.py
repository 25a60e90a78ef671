"""Checks of a submitted credential with its ledger: one per form however often it is submitted, with a time limit.

A form's task is known by its view. A second submission of the same view joins the first; one that succeeded is
remembered, so that a late repeat changes nothing.
"""

import asyncio
import dataclasses
import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from outlay import wording
from outlay.connections.views import ChoiceNeeded, Choices
from outlay.plugin.errors import BadConfig, RateLimited, Transient
from outlay.slack.connections.form import SubmittedConnectForm
from outlay.slack.deps import FormTimeouts
from outlay.slack.errors import message_for_user
from outlay.slack.protocols import ConnectionsProtocol, SavedConnection
from outlay.slack.tasks import Tasks

VIEWS_MAX = 500


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """Failed check; nothing was saved. `field` is where the error is shown, "" for no single field; `text` is mrkdwn.

    `choices`: the credential is valid, and these are the options for these fields.
    """

    field: str
    text: str
    choices: Choices = dataclasses.field(default_factory=dict)


CheckOutcome = SavedConnection | FailedCheck
CredentialCheck = asyncio.Task[SavedConnection]


class CredentialChecks:
    """Registry of the running and recently finished checks, by view."""

    def __init__(
        self, connecting: ConnectionsProtocol, tasks: Tasks, patience: FormTimeouts, log: logging.Logger
    ) -> None:
        self._connecting = connecting
        self._tasks = tasks
        self._patience = patience
        self._log = log
        self._by_view: OrderedDict[tuple[str, str], CredentialCheck] = OrderedDict()
        self._outcomes: WeakKeyDictionary[CredentialCheck, CheckOutcome] = (
            WeakKeyDictionary()
        )  # so each error is logged once

    def start_or_join(
        self, workspace_id: str, view_id: str, filled: SubmittedConnectForm, by: str
    ) -> tuple[CredentialCheck, bool]:
        """Start the check of a form, or join the one that is running or has succeeded.

        Returns the check and whether it is new. Raises Busy if too many tasks are running.
        """
        key = (workspace_id, view_id)
        known = self._by_view.get(key)
        if known is not None and (not known.done() or _succeeded(known)):
            return known, False
        check = self._tasks.start(self._connect(workspace_id, filled, by), f"connect {filled.slug}")
        self._by_view[key] = check
        self._by_view.move_to_end(key)
        while len(self._by_view) > VIEWS_MAX:
            self._by_view.popitem(last=False)
        return check, True

    async def wait(self, check: CredentialCheck, seconds: float) -> bool:
        """Wait up to `seconds` for the check; return whether it has ended, with success or not."""
        await asyncio.wait({check}, timeout=max(seconds, 0))
        return check.done()

    def outcome(self, check: CredentialCheck, hide: Collection[str]) -> CheckOutcome:
        """Return the outcome of a check that has ended. `hide`: the form's secrets, kept out of the text."""
        if check not in self._outcomes:
            self._outcomes[check] = self._read(check, hide)
        return self._outcomes[check]

    def _read(self, check: CredentialCheck, hide: Collection[str]) -> CheckOutcome:
        if check.cancelled():
            return FailedCheck("", "Outlay was stopped before the ledger answered. Try again in a minute.")
        error = check.exception()
        if error is None:
            return check.result()
        if isinstance(error, ChoiceNeeded):
            return FailedCheck(error.field, "The credential is right. Now choose where it goes.", error.choices)
        field = error.field if isinstance(error, BadConfig) else ""
        if isinstance(error, TimeoutError):
            return FailedCheck(field, "The ledger did not answer in time. Try again in a few minutes.")
        text = message_for_user(error, self._log, hide)
        if isinstance(error, RateLimited):
            at = wording.utc_clock(error.retry_at, error.retry_at)
            return FailedCheck(field, f"The ledger asks to be left alone until {at}. Try again after that.")
        if isinstance(error, Transient):
            return FailedCheck(field, f"{text} It may pass: try again in a few minutes.")
        return FailedCheck(field, text)

    async def _connect(self, workspace_id: str, filled: SubmittedConnectForm, by: str) -> SavedConnection:
        renewed = filled.replace_id is not None
        async with asyncio.timeout(self._patience.check_seconds):
            return await self._connecting.connect(
                workspace_id, filled.slug, filled.name, filled.values, replace=renewed, by=by
            )


def _succeeded(check: CredentialCheck) -> bool:
    return not check.cancelled() and check.exception() is None
