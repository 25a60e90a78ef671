"""Simulated users of the fake workspace: what they do, and what they then see. It reads like a chat:

    chat = Chat(slack)
    reply = await chat.command("/spend connect", user="U01ALICE")
    outcome = await reply.modal.submit({"Name": "production", "Management key": "sk-or-v1-wrong"})
    assert outcome.errors == {"secret": "This key is not valid."}

Each action returns once the bot is done: it acknowledged, its listeners have ended, and no call is in flight. A caller
that starts the bot may pass `idle`, which returns when the bot's queues are empty; without it a short quiet decides.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from outlay.fakes.slack import payloads
from outlay.fakes.slack.call_log import Ack
from outlay.fakes.slack.form_state import (
    Field,
    ImpossibleUserActionError,
    as_state,
    element_state,
    fields,
    find_field,
    submit_errors,
)
from outlay.fakes.slack.people import Channel, FakeSlackUser
from outlay.fakes.slack.screen import HomeTab, Modal, Reply
from outlay.fakes.slack.server import FakeSlack
from outlay.fakes.slack.validation import interactive_elements
from outlay.fakes.slack.workspace import FakeMessage, FakeSlackError, FakeView

Json = dict[str, Any]
Target = FakeMessage | FakeView | Modal | HomeTab | Reply
Idle = Callable[[], Awaitable[None]]

ALICE = "U01ALICE"
GENERAL = "C01GENERAL"
QUIET_SECONDS = 0.05
SETTLE_SECONDS = 10.0


class UserDriver:
    """Driver of all users of the workspace. `as_escaped`: the manifest has `should_escape` for its commands."""

    def __init__(self, slack: FakeSlack, *, idle: Idle | None = None, as_escaped: bool = True) -> None:
        self.slack = slack
        self.world = slack.world
        self.idle = idle
        self._as_escaped = as_escaped

    # Actions

    async def command(self, line: str, *, user: str = ALICE, channel: str = GENERAL, wait: bool = True) -> Reply:
        """Type a slash command. `wait` False returns at the ack; `settle` waits for the rest."""
        person, place = self.world.person(user), self._place(channel, user)
        command, _, text = line.strip().partition(" ")
        url = self._response_url(user, place.id)
        said = self._escaped(text.strip()) if self._as_escaped else text.strip()
        payload = payloads.slash_command(self.world, command, said, person, place, url)
        reply = self._reply(user)
        ack = await self._deliver(reply, "slash_commands", payload)
        if ack.payload and (ack.payload.get("text") or ack.payload.get("blocks")):
            self._say(url, ack.payload)
        return await self._finish(reply, wait)

    async def click(
        self,
        target: Target,
        action_id: str,
        *,
        user: str | None = None,
        value: str | None = None,
        confirm: bool = True,
        wait: bool = True,
    ) -> Reply:
        """Press a button. `value` picks among several with one action_id; `confirm` answers its dialog, if any."""
        block_id, element = self._element(target, action_id, "button", value)
        action = {"type": "button", "action_id": action_id, "block_id": block_id, "text": element["text"]}
        action |= {name: element[name] for name in ("value", "style", "confirm", "url") if name in element}
        if element.get("confirm") and not confirm:
            return await self._finish(self._reply(self._user(target, user)), wait)
        return await self._act(target, action, user, wait)

    async def choose(
        self, target: Target, action_id: str, choice: Any, *, user: str | None = None, wait: bool = True
    ) -> Reply:
        """Choose in a select, overflow, radio, checkboxes or date picker: by value or by the words shown."""
        surface = self._surface(target)
        block_id, element = self._element(target, action_id, None, None)
        if element["type"] == "overflow":
            state: Json = {
                "selected_option": element_state({**element, "type": "static_select"}, choice)["selected_option"]
            }
        else:
            state = element_state(element, choice)
            surface.values[(block_id, action_id)] = state
        if not self._tells_the_app(surface, block_id, action_id):
            return await self._finish(self._reply(self._user(target, user)), wait)
        action = {**state, "type": element["type"], "action_id": action_id, "block_id": block_id}
        return await self._act(target, action, user, wait)

    async def submit(
        self, modal: Modal, values: Json | None = None, *, user: str | None = None, wait: bool = True
    ) -> Reply:
        """Fill fields (by block_id, action_id or label) and press Submit. `user`: another user, who forges it.

        Raises ImpossibleUserActionError if the modal is closed, has no submit button, or lacks a field or choice.
        """
        view = modal.surface
        if modal.closed:
            raise ImpossibleUserActionError("this modal is closed")
        if not view.definition.get("submit"):
            raise ImpossibleUserActionError("this modal has no submit button")
        for name, value in (values or {}).items():
            found = find_field(view.blocks, name)
            view.values[found.name] = element_state(found.element, value)
        reply = self._reply(user or view.user)
        view.errors = submit_errors(view.blocks, view.values)
        if view.errors:
            self.world.changes += 1
            return await self._finish(reply, wait)
        payload = payloads.view_submission(self.world, self.world.person(user or view.user), view)
        ack = await self._deliver(reply, "interactive", payload)
        if ack.ok:
            self._apply(view, ack.payload or {})
        return await self._finish(reply, wait)

    async def close(self, modal: Modal, *, wait: bool = True) -> Reply:
        """Close a modal with its Cancel button or the cross."""
        view, reply = modal.surface, self._reply(modal.surface.user)
        self.world.close(view)
        if view.definition.get("notify_on_close"):
            payload = payloads.view_closed(self.world, self.world.person(view.user), view, is_cleared=False)
            await self._deliver(reply, "interactive", payload)
        return await self._finish(reply, wait)

    async def suggest(self, modal: Modal, name: str, typed: str) -> list[Json]:
        """Type in an external select; return the options that the app offered."""
        item: Field = find_field(modal.surface.blocks, name)
        person = self.world.person(modal.user)
        payload = payloads.block_suggestion(self.world, person, modal.surface, *item.name, typed)
        ack = await self._deliver(self._reply(modal.user), "interactive", payload)
        return list((ack.payload or {}).get("options") or [])

    async def home(self, user: str = ALICE, *, wait: bool = True) -> HomeTab:
        """Open the app's Home tab."""
        reply = self._reply(user)
        view = self.world.homes.get(user)
        fields_: Json = {"user": user, "channel": f"D{user[1:]}", "tab": "home"}
        if view is not None:
            fields_["view"] = payloads.view_payload(view, self.world)
        await self._deliver(reply, "events_api", payloads.event(self.world, "app_home_opened", fields_))
        await self._finish(reply, wait)
        return HomeTab(self, user, reply)

    async def event(self, kind: str, *, event_id: str = "", retry: int = 0, wait: bool = True, **fields_: Any) -> Reply:
        """Send any other event of the Events API. The same `event_id` with `retry` above zero is a redelivery."""
        reply = self._reply(str(fields_.get("user", ALICE)))
        payload = payloads.event(self.world, kind, fields_, event_id)
        await self._deliver(reply, "events_api", payload, retry=retry)
        return await self._finish(reply, wait)

    async def mention(self, text: str, *, user: str = ALICE, channel: str = GENERAL) -> Reply:
        """Mention the bot in a channel."""
        words = f"<@{self.world.bot.id}> {text}"
        return await self.event("app_mention", user=user, channel=channel, text=words, ts=self.world.next_ts())

    async def shortcut(self, callback_id: str, *, user: str = ALICE, wait: bool = True) -> Reply:
        """Start a global shortcut."""
        reply = self._reply(user)
        payload = payloads.shortcut(self.world, self.world.person(user), callback_id)
        await self._deliver(reply, "interactive", payload)
        return await self._finish(reply, wait)

    # What users see

    def messages(self, channel: str = GENERAL, *, user: str | None = None) -> list[FakeMessage]:
        """Return the messages of a channel, oldest first; with `user`, also those that only this person sees there."""
        return [
            message
            for message in self.world.messages.values()
            if message.channel == channel
            and not message.deleted
            and (not message.ephemeral or message.ephemeral_for == user)
        ]

    def dms(self, user: str) -> list[FakeMessage]:
        """Return what the bot wrote to this person directly."""
        return self.messages(f"D{user[1:]}", user=user)

    def modal(self, user: str = ALICE) -> Modal | None:
        """Return the modal on this person's screen; None if there is none."""
        view = self.world.top_modal(user)
        return Modal(self, view) if view else None

    @property
    def names(self) -> dict[str, str]:
        """Return the names of people and channels by id, for drawing messages."""
        names = {person.id: person.name for person in self.world.people.values()}
        for channel in self.world.channels.values():
            names[channel.id] = f"@{names[channel.user]}" if channel.user else channel.name
        return names

    # Waiting for the bot

    async def settle(self) -> None:
        """Wait until the bot is done with everything it was given. Raises TimeoutError after ten seconds."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while not await self._is_quiet():
                    continue
        except TimeoutError:
            busy = ", ".join(task.get_name() for task in _listeners()) or "the app"
            raise TimeoutError(f"the bot is still busy after {SETTLE_SECONDS:g} s: {busy}") from None

    async def _is_quiet(self) -> bool:
        """Wait once for whatever is still running; report whether nothing was, and nothing has happened meanwhile."""
        journal = self.slack.journal
        before = journal.number
        if listening := _listeners():
            await asyncio.wait(listening)
            return False
        if self.idle is not None:
            await self.idle()
        if journal.in_flight:
            await journal.pulse.until(lambda: not journal.in_flight, SETTLE_SECONDS, "calls in flight")
            return False
        if self.idle is None and not await journal.pulse.quiet(QUIET_SECONDS):
            return False
        return journal.number == before and not _listeners()

    async def _finish(self, reply: Reply, wait: bool) -> Reply:
        if wait:
            await self.settle()
            reply.freeze()
        return reply

    # Helpers

    def _reply(self, user: str) -> Reply:
        return Reply(self, user, self.slack.journal.number, self.world.changes)

    async def _deliver(self, reply: Reply, kind: str, payload: Json, *, retry: int = 0) -> Ack:
        if self.slack.delivery is self.slack.socket:
            await self.slack.socket.connected()
        reply.payload = payload
        reply.ack = await self.slack.delivery.deliver(kind, payload, retry=retry)
        return reply.ack

    async def _act(self, target: Target, action: Json, user: str | None, wait: bool) -> Reply:
        surface, who = self._surface(target), self._user(target, user)
        url = self._response_url(who, surface.channel, surface) if isinstance(surface, FakeMessage) else ""
        reply = self._reply(who)
        payload = payloads.block_actions(self.world, self.world.person(who), action, surface, url)
        await self._deliver(reply, "interactive", payload)
        return await self._finish(reply, wait)

    def _apply(self, view: FakeView, answer: Json) -> None:
        """Apply the answer to a submission. An empty answer closes the view."""
        action = answer.get("response_action", "close")
        if action == "errors":
            known = {item.block_id for item in fields(view.blocks)}
            if strange := set(answer["errors"]) - known:
                raise FakeSlackError(
                    "invalid_arguments", errors=[f"no input block is called {name}" for name in strange]
                )
            self.world.changes += 1
            view.errors = dict(answer["errors"])
        elif action == "update":
            self.world.update_view(view, self.slack.inspector.validate_view(answer.get("view"), "modal"))
        elif action == "push":
            self.world.open_modal(
                view.user, self.slack.inspector.validate_view(answer.get("view"), "modal"), on_top=True
            )
        else:
            self.world.close(view, all_of_them=action == "clear")

    def _say(self, url: str, answer: Json) -> None:
        """Show a message that came with the ack of a slash command."""
        name = url.rsplit("/", 1)[1]
        self.slack.response_urls.apply_answer(self.world.response_urls[name], answer)

    def _response_url(self, user: str, channel: str, message: FakeMessage | None = None) -> str:
        return f"{self.slack.base_url}/response/{self.world.issue_response_url(user, channel, message)}"

    def _place(self, channel: str, user: str) -> Channel:
        return self.world.direct(user) if channel == f"D{user[1:]}" else self.world.channels[channel]

    def _surface(self, target: Target) -> FakeMessage | FakeView:
        if isinstance(target, Reply):
            return target.message
        return target.surface if isinstance(target, (Modal, HomeTab)) else target

    def _user(self, target: Target, user: str | None) -> str:
        surface = self._surface(target)
        if user is not None:
            return user
        if isinstance(target, Reply):
            return target.user
        return surface.user if isinstance(surface, FakeView) else surface.ephemeral_for or ALICE

    def _element(self, target: Target, action_id: str, kind: str | None, value: str | None) -> tuple[str, Json]:
        known = []
        for block in self._surface(target).blocks:
            for element in interactive_elements(block):
                known.append(f"{element.get('action_id')}={element.get('value', '')}")
                if element.get("action_id") != action_id or (kind and element["type"] != kind):
                    continue
                if value is None or element.get("value") == value:
                    return str(block.get("block_id", "")), element
        raise ImpossibleUserActionError(
            f"nothing called {action_id!r} to press; there are: {', '.join(known) or 'none'}"
        )

    def _tells_the_app(self, surface: FakeMessage | FakeView, block_id: str, action_id: str) -> bool:
        """Report whether a choice in this field is sent to the app; one in an input block is so on request only."""
        found = [item for item in fields(surface.blocks) if item.name == (block_id, action_id)]
        return not found or found[0].dispatches

    def _escaped(self, text: str) -> str:
        """Escape `@alice` as Slack does in the text of a command with `should_escape`."""

        def person(match: re.Match[str]) -> str:
            found = self._named(match[1])
            return f"<@{found.id}|{found.name}>" if found else match[0]

        return re.sub(r"(?<![\w:])@([\w.-]+)", person, text)

    def _named(self, name: str) -> FakeSlackUser | None:
        return next((person for person in self.world.people.values() if person.name == name), None)


def state_of(surface: FakeMessage | FakeView) -> Json:
    """Return the values in the fields of a view or message, as payloads carry them."""
    return as_state(surface.values)


def _listeners() -> list[asyncio.Task[Any]]:
    """Return the Bolt listeners that still run in this loop.

    Bolt keeps no list of them, so they are recognized among other tasks by their code.
    """
    found = []
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and (
            "run_ack_function_asynchronously" in code.co_name or "lazy_listener" in code.co_filename
        ):
            found.append(task)
    return found
