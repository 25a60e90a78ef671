"""Actions on an incident, and who may take them.

Membership is checked at every click; guests may do nothing.
"""

from collections.abc import Awaitable
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TypeVar

from outlay import wording
from outlay.incidents.service import IncidentNotFoundError, IncidentView
from outlay.incidents.state_machine import InvalidTransitionError
from outlay.slack.deps import Deps
from outlay.slack.errors import PermissionRefusedError, UserFacingError
from outlay.slack.incidents import wording as incident_wording
from outlay.slack.incidents.expect_form import ExpectationInput
from outlay.slack.message_poster import RenderedMessage
from outlay.slack.spend import blocks as spend

MORNING = time(9)
FOR_MEMBERS = "What becomes of an alert is for members of this workspace; guests see it and press nothing."
FOR_ADMINS = "How alerts go is for workspace admins and owners."
GONE = "That incident is not in the books. It may be from before they were begun anew."
NO_SINK = "No issue tracker is connected, so there is nowhere to file it. An admin connects one with `/spend connect`."

T = TypeVar("T")


class IncidentActions:
    """Actions of Slack users on incidents. Each also triggers an immediate delivery, which updates the message."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def require_member(self, workspace_id: str, user_id: str) -> None:
        """Check that the user is a member. Raises Refused for guests and strangers."""
        if await self._deps.admitting.is_guest(workspace_id, user_id):
            raise PermissionRefusedError(FOR_MEMBERS)

    async def is_admin(self, workspace_id: str, user_id: str) -> bool:
        """Report whether the user is an admin, who may change the alert settings."""
        return await self._deps.admitting.is_admin(workspace_id, user_id)

    async def require_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> None:
        """Check that the user is an admin. Raises Refused. `fresh`: do not use an answer older than a few seconds."""
        if not await self._deps.admitting.is_admin(workspace_id, user_id, fresh=fresh):
            raise PermissionRefusedError(FOR_ADMINS)

    async def load_incident(self, workspace_id: str, number: str) -> IncidentView:
        """Return one incident. Raises Told if it does not exist."""
        return await self._tried(workspace_id, number, self._deps.desk.incident(workspace_id, _number(number)))

    async def acknowledge(self, workspace_id: str, number: str, who: str) -> IncidentView:
        """Mark an incident as being handled by this user."""
        doing = self._deps.desk.do(workspace_id, _number(number), "acknowledge", who=who)
        return await self._done(workspace_id, number, doing)

    async def undo(self, workspace_id: str, number: str, who: str) -> IncidentView:
        """Undo the last decision on an incident, with all its consequences."""
        doing = self._deps.desk.do(workspace_id, _number(number), "undo", who=who)
        return await self._done(workspace_id, number, doing)

    async def snooze(self, workspace_id: str, chosen: str, who: str) -> IncidentView:
        """Snooze an incident. `chosen`: its number, a colon and the duration, such as `7:4h`."""
        number, _, choice = chosen.partition(":")
        view = await self.load_incident(workspace_id, number)
        until = snoozed_until(choice, self._deps.clock.now(), view.zone)
        doing = self._deps.desk.do(workspace_id, view.number, "snooze", who=who, until=until)
        return await self._done(workspace_id, number, doing)

    async def expect(self, workspace_id: str, number: int, said: ExpectationInput, who: str) -> None:
        """Mark an incident as expected or as a false alarm. Idempotent."""
        desk, view = self._deps.desk, await self.load_incident(workspace_id, str(number))
        if view.state == ("false" if said.dismissed else "expected"):
            return
        doing = (
            desk.do(workspace_id, number, "dismiss", who=who, reason=said.reason)
            if said.dismissed
            else desk.expect(
                workspace_id, number, who=who, reason=said.reason, until=said.until, only_key=said.only_key,
                below_nano_usd=said.below_nano_usd,
            )
        )  # fmt: skip
        await self._done(workspace_id, str(number), doing)

    async def file_ticket(self, workspace_id: str, chosen: str, who: str, who_name: str) -> IncidentView:
        """File tickets of an incident. `chosen`: its number, and after a colon a connection; none for all of them.

        Raises Told if no issue tracker is connected.
        """
        number, _, place = chosen.partition(":")
        connections = [_number(place)] if place else None
        filing = self._deps.desk.file(
            workspace_id, _number(number), who=who, who_name=who_name, connections=connections
        )
        if not await self._done(workspace_id, number, filing):
            raise UserFacingError(NO_SINK)
        return await self.load_incident(workspace_id, number)

    async def spend_answer(self, workspace_id: str, number: str, who: str) -> RenderedMessage:
        """Answer with the figures behind an incident, as `/spend` does."""
        view = await self.load_incident(workspace_id, number)
        asked = incident_wording.spend_query(view, self._deps.clock.now())
        return spend.answer(await self._deps.asking.spend(workspace_id, asked, me=who))

    async def _done(self, workspace_id: str, number: str, doing: Awaitable[T]) -> T:
        done = await self._tried(workspace_id, number, doing)
        self._deps.deliver_soon()
        return done

    async def _tried(self, workspace_id: str, number: str, doing: Awaitable[T]) -> T:
        try:
            return await doing
        except IncidentNotFoundError:
            raise UserFacingError(GONE) from None
        except InvalidTransitionError as error:
            self._deps.deliver_soon()  # the click was on an outdated message: update it
            view = await self._deps.desk.incident(workspace_id, _number(number))
            standing = incident_wording.state_text(view, self._deps.clock.now())
            raise UserFacingError(f"{wording.escape(str(error))} {standing}") from None


def snoozed_until(choice: str, now: datetime, zone: tzinfo) -> datetime:
    """Return when a snooze ends: after some hours (`4h`), or at 9:00 on the workspace's next day."""
    if choice.endswith("h") and choice[:-1].isdigit():
        return now + timedelta(hours=int(choice[:-1]))
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, MORNING, zone).astimezone(UTC)


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 16 else 0
