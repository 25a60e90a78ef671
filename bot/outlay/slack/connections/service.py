"""What happens between the views: which form is shown, and what a submission leads to. Knows the ports, not Bolt."""

from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any

from outlay import wording
from outlay.slack import block_kit
from outlay.slack.connections import blocks, form
from outlay.slack.connections.credential_check import Check, Checks, Outcome, Wrong
from outlay.slack.connections.form import Draft, Filled
from outlay.slack.deps import Deps
from outlay.slack.errors import Refused, Told
from outlay.slack.protocols import Connected, Existing, LedgerForm


class Connect:
    """The feature, for one app."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self.checks = Checks(deps.connecting, deps.tasks, deps.patience, deps.log)

    async def admit(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> None:
        """Raises Refused for everybody who is not an admin."""
        if not await self._deps.admitting.is_admin(workspace_id, user_id, fresh=fresh):
            raise Refused(blocks.who_may(self._deps.admins))

    async def first_form(self, workspace_id: str, slug: str = "") -> block_kit.View:
        """An empty form, for the ledger asked for or the first there is. Raises Told for one that there is not."""
        slugs = [ledger.slug for ledger in self._ledgers()]
        if slug and slug not in slugs:
            raise Told(
                f"There is no ledger `{wording.safe(slug)}`. "
                f"Try {wording.either([f'`/spend connect {known}`' for known in slugs[:10]])}."
            )
        return blocks.form_view(await self._empty(workspace_id, slug), self._ledgers())

    async def renewal_form(self, workspace_id: str, connection_id: str) -> block_kit.View:
        """The form that replaces the credential of a connection."""
        existing = await self._existing(workspace_id, connection_id)
        return blocks.form_view(self._renewal(existing), self._ledgers())

    async def form_again(
        self, workspace_id: str, view: Mapping[str, Any], *, toggle_advanced: bool = False
    ) -> block_kit.View:
        """The form after a choice in it, with what was typed. Slack itself keeps the secret in its field."""
        filled = form.read(view)
        slug = form.chosen_ledger(view)
        if slug and slug != filled.slug:
            return blocks.form_view(await self._other_ledger(workspace_id, filled, slug), self._ledgers())
        draft = await self.draft_of(workspace_id, filled)
        return blocks.form_view(changed(draft, advanced=draft.advanced != toggle_advanced), self._ledgers())

    async def draft_of(self, workspace_id: str, filled: Filled) -> Draft:
        """The form as it was filled in, without its secrets."""
        if filled.replace_id is not None:
            existing = await self._existing(workspace_id, filled.replace_id)
            draft = self._renewal(existing)
        else:
            draft = Draft(self._ledger(filled.slug), filled.name)
        typed = form.without_secrets(filled, draft.ledger.fields)
        return changed(draft, advanced=filled.advanced, typed=typed)

    def begin(self, workspace_id: str, view_id: str, filled: Filled, draft: Draft, by: str) -> tuple[Check, bool]:
        """Starts the check, or joins the one that this form has already started. `by`: whoever submitted it."""
        named = changed(filled, name=draft.replace.name) if draft.replace else filled
        return self.checks.begin(workspace_id, view_id, named, by)

    def outcome(self, check: Check, filled: Filled, draft: Draft) -> Outcome:
        """What came of it."""
        return self.checks.outcome(check, form.secrets(filled, draft.ledger.fields))

    def answer(self, outcome: Outcome, draft: Draft) -> dict[str, Any]:
        """The answer to a submission: an error on the very field, or the next view."""
        if isinstance(outcome, Wrong) and not outcome.choices:
            block_id = self._block_of(outcome, draft)
            if block_id:
                return {"response_action": "errors", "errors": {block_id: _unescaped(outcome.text)}}
        return {"response_action": "update", "view": self.view_of(outcome, draft)}

    def view_of(self, outcome: Outcome, draft: Draft) -> block_kit.View:
        """The view that an outcome leads to: "Connected", or the form again with the error over it."""
        if isinstance(outcome, Connected):
            return blocks.done_view(outcome)
        hidden = outcome.field in {field.name for field in draft.ledger.fields if field.advanced}
        error = outcome.text if outcome.choices else self._titled(outcome, draft)
        again = changed(draft, error=error, advanced=draft.advanced or hidden, choices=outcome.choices)
        return blocks.form_view(again, self._ledgers())

    def text_of(self, outcome: Outcome, draft: Draft) -> str:
        """The outcome in one line, for whoever has closed the view."""
        if isinstance(outcome, Connected):
            return blocks.done_text(outcome)
        return f"{wording.safe(draft.ledger.title)} was not connected. {outcome.text}"

    def _block_of(self, wrong: Wrong, draft: Draft) -> str:
        """Where the error lands: on its field; one of no field on the credential; "" if the form shows neither."""
        shown = blocks.shown_blocks(draft)
        secret = next((field.name for field in draft.ledger.fields if field.kind == "secret"), "")
        return shown.get(wrong.field or secret, "")

    def _titled(self, wrong: Wrong, draft: Draft) -> str:
        title = next((field.title for field in draft.ledger.fields if field.name == wrong.field), "")
        return f"{title}: {wrong.text}" if title else wrong.text

    async def _empty(self, workspace_id: str, slug: str) -> Draft:
        ledgers = self._ledgers()
        ledger = next((ledger for ledger in ledgers if ledger.slug == slug), ledgers[0])
        taken = [existing.name for existing in await self._deps.connecting.connections(workspace_id)]
        return Draft(ledger, form.free_name(ledger.slug, taken))

    async def _other_ledger(self, workspace_id: str, filled: Filled, slug: str) -> Draft:
        """Another ledger was chosen. A name that was typed stays; a suggestion becomes the other ledger's."""
        suggested = (await self._empty(workspace_id, filled.slug)).name
        draft = await self._empty(workspace_id, slug)
        return draft if filled.name in ("", suggested) else changed(draft, name=filled.name)

    def _renewal(self, existing: Existing) -> Draft:
        return Draft(self._ledger(existing.slug), existing.name, replace=existing)

    async def _existing(self, workspace_id: str, connection_id: str) -> Existing:
        for existing in await self._deps.connecting.connections(workspace_id):
            if existing.id == connection_id:
                return existing
        raise Told("That connection is no longer there. `/spend connect` makes a new one.")

    def _ledger(self, slug: str) -> LedgerForm:
        for ledger in self._ledgers():
            if ledger.slug == slug:
                return ledger
        raise Told("The plugin of that ledger is not loaded any more. `outlay plugins` says why.")

    def _ledgers(self) -> tuple[LedgerForm, ...]:
        ledgers = self._deps.connecting.forms()
        if not ledgers:
            raise Told("No ledger plugin is loaded, so nothing can be connected. `outlay plugins` says why.")
        return ledgers


def _unescaped(text: str) -> str:
    """An error under a field is plain text."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
