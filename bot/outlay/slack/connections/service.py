"""Logic between the modals: which form is shown, and what a submission leads to. Independent of Bolt."""

from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any

from outlay import wording
from outlay.slack import block_kit
from outlay.slack.connections import blocks, form
from outlay.slack.connections.credential_check import CheckOutcome, CredentialCheck, CredentialChecks, FailedCheck
from outlay.slack.connections.form import ConnectFormDraft, SubmittedConnectForm
from outlay.slack.deps import Deps
from outlay.slack.errors import PermissionRefusedError, UserFacingError
from outlay.slack.protocols import ConnectionSummary, LedgerForm, SavedConnection


class ConnectFlow:
    """Controller of the connect feature."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self.checks = CredentialChecks(deps.connecting, deps.tasks, deps.patience, deps.log)

    async def require_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> None:
        """Check that the user is an admin. Raises Refused. `fresh`: do not use an answer older than a few seconds."""
        if not await self._deps.admitting.is_admin(workspace_id, user_id, fresh=fresh):
            raise PermissionRefusedError(blocks.refusal_text(self._deps.admins))

    async def first_form(self, workspace_id: str, slug: str = "") -> block_kit.View:
        """Build an empty form for the named ledger, or for the first one. Raises Told for an unknown ledger."""
        slugs = [ledger.slug for ledger in self._ledgers()]
        if slug and slug not in slugs:
            raise UserFacingError(
                f"There is no ledger `{wording.safe(slug)}`. "
                f"Try {wording.either([f'`/spend connect {known}`' for known in slugs[:10]])}."
            )
        return blocks.form_view(await self._empty(workspace_id, slug), self._ledgers())

    async def renewal_form(self, workspace_id: str, connection_id: str) -> block_kit.View:
        """Build the form that replaces the credential of a connection."""
        existing = await self._existing(workspace_id, connection_id)
        return blocks.form_view(self._renewal(existing), self._ledgers())

    async def redrawn_form(
        self, workspace_id: str, view: Mapping[str, Any], *, toggle_advanced: bool = False
    ) -> block_kit.View:
        """Build the form after a choice in it, with what was typed.

        Slack itself keeps the secret in its field. `toggle_advanced`: show or hide the advanced settings.
        """
        filled = form.parse_form(view)
        slug = form.chosen_ledger(view)
        if slug and slug != filled.slug:
            return blocks.form_view(await self._other_ledger(workspace_id, filled, slug), self._ledgers())
        draft = await self.draft_of(workspace_id, filled)
        return blocks.form_view(changed(draft, advanced=draft.advanced != toggle_advanced), self._ledgers())

    async def draft_of(self, workspace_id: str, filled: SubmittedConnectForm) -> ConnectFormDraft:
        """Return the form as it was filled in, without its secrets."""
        if filled.replace_id is not None:
            existing = await self._existing(workspace_id, filled.replace_id)
            draft = self._renewal(existing)
        else:
            draft = ConnectFormDraft(self._ledger(filled.slug), filled.name)
        typed = form.without_secrets(filled, draft.ledger.fields)
        return changed(draft, advanced=filled.advanced, typed=typed)

    def start_check(
        self, workspace_id: str, view_id: str, filled: SubmittedConnectForm, draft: ConnectFormDraft, by: str
    ) -> tuple[CredentialCheck, bool]:
        """Start the check, or join the one that this form has already started. `by`: the user who submitted it.

        Returns the check and whether it is new.
        """
        named = changed(filled, name=draft.replace.name) if draft.replace else filled
        return self.checks.start_or_join(workspace_id, view_id, named, by)

    def outcome(self, check: CredentialCheck, filled: SubmittedConnectForm, draft: ConnectFormDraft) -> CheckOutcome:
        """Return the outcome of a check that has ended."""
        return self.checks.outcome(check, form.secrets(filled, draft.ledger.fields))

    def answer(self, outcome: CheckOutcome, draft: ConnectFormDraft) -> dict[str, Any]:
        """Build the response to a submission: an error under its field, or the next modal."""
        if isinstance(outcome, FailedCheck) and not outcome.choices:
            block_id = self._block_of(outcome, draft)
            if block_id:
                return {"response_action": "errors", "errors": {block_id: _unescaped(outcome.text)}}
        return {"response_action": "update", "view": self.view_of(outcome, draft)}

    def view_of(self, outcome: CheckOutcome, draft: ConnectFormDraft) -> block_kit.View:
        """Build the modal for an outcome: "Connected", or the form again with the error at the top."""
        if isinstance(outcome, SavedConnection):
            return blocks.done_view(outcome)
        hidden = outcome.field in {field.name for field in draft.ledger.fields if field.advanced}
        error = outcome.text if outcome.choices else self._titled(outcome, draft)
        again = changed(draft, error=error, advanced=draft.advanced or hidden, choices=outcome.choices)
        return blocks.form_view(again, self._ledgers())

    def text_of(self, outcome: CheckOutcome, draft: ConnectFormDraft) -> str:
        """Return the outcome in one line, for a user who has closed the modal."""
        if isinstance(outcome, SavedConnection):
            return blocks.done_text(outcome)
        return f"{wording.safe(draft.ledger.title)} was not connected. {outcome.text}"

    def _block_of(self, wrong: FailedCheck, draft: ConnectFormDraft) -> str:
        """Return the block under which an error is shown; "" if the form does not show it.

        An error of no particular field is shown under the credential.
        """
        shown = blocks.block_ids_by_field(draft)
        secret = next((field.name for field in draft.ledger.fields if field.kind == "secret"), "")
        return shown.get(wrong.field or secret, "")

    def _titled(self, wrong: FailedCheck, draft: ConnectFormDraft) -> str:
        title = next((field.title for field in draft.ledger.fields if field.name == wrong.field), "")
        return f"{title}: {wrong.text}" if title else wrong.text

    async def _empty(self, workspace_id: str, slug: str) -> ConnectFormDraft:
        ledgers = self._ledgers()
        ledger = next((ledger for ledger in ledgers if ledger.slug == slug), ledgers[0])
        taken = [existing.name for existing in await self._deps.connecting.connections(workspace_id)]
        return ConnectFormDraft(ledger, form.free_name(ledger.slug, taken))

    async def _other_ledger(self, workspace_id: str, filled: SubmittedConnectForm, slug: str) -> ConnectFormDraft:
        """Build the draft after another ledger was chosen.

        A typed name is kept; an unchanged suggestion is replaced by the other ledger's.
        """
        suggested = (await self._empty(workspace_id, filled.slug)).name
        draft = await self._empty(workspace_id, slug)
        return draft if filled.name in ("", suggested) else changed(draft, name=filled.name)

    def _renewal(self, existing: ConnectionSummary) -> ConnectFormDraft:
        return ConnectFormDraft(self._ledger(existing.slug), existing.name, replace=existing)

    async def _existing(self, workspace_id: str, connection_id: str) -> ConnectionSummary:
        for existing in await self._deps.connecting.connections(workspace_id):
            if existing.id == connection_id:
                return existing
        raise UserFacingError("That connection is no longer there. `/spend connect` makes a new one.")

    def _ledger(self, slug: str) -> LedgerForm:
        for ledger in self._ledgers():
            if ledger.slug == slug:
                return ledger
        raise UserFacingError("The plugin of that ledger is not loaded any more. `outlay plugins` says why.")

    def _ledgers(self) -> tuple[LedgerForm, ...]:
        ledgers = self._deps.connecting.forms()
        if not ledgers:
            raise UserFacingError("No ledger plugin is loaded, so nothing can be connected. `outlay plugins` says why.")
        return ledgers


def _unescaped(text: str) -> str:
    """Undo the escaping of mrkdwn, because an error under a field is plain text."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
