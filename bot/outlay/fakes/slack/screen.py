"""What a user of the fake workspace sees: the reply to an action, a modal, the Home tab.

`screen` is what the demo would print. `words` is the same without layout, one space between words and no line broken
by its length: for `assert "OpenRouter spend is $412 today" in reply.words`.
"""

import io
import re
from collections.abc import Callable
from typing import Any, Protocol

from rich.console import Console

from outlay.fakes.slack.call_log import Ack, WebApiCall
from outlay.fakes.slack.rendering.terminal import render_home, render_message, render_modal
from outlay.fakes.slack.server import FakeSlack
from outlay.fakes.slack.workspace import FakeMessage, FakeView, FakeWorkspace

Json = dict[str, Any]

SCREEN_WIDTH = 100
_UNBROKEN_WIDTH = 5_000
_BOXES = re.compile(r"[─-╿]+")


class Driver(Protocol):
    """Part of the user driver that a screen needs: state to read, and actions to pass on."""

    slack: FakeSlack
    world: FakeWorkspace

    @property
    def names(self) -> dict[str, str]: ...

    def modal(self, user: str) -> "Modal | None": ...

    async def click(
        self,
        target: "Modal | HomeTab | Reply",
        action_id: str,
        *,
        user: str | None = None,
        value: str | None = None,
        confirm: bool = True,
        wait: bool = True,
    ) -> "Reply": ...

    async def choose(
        self,
        target: "Modal | HomeTab | Reply",
        action_id: str,
        choice: Any,
        *,
        user: str | None = None,
        wait: bool = True,
    ) -> "Reply": ...

    async def submit(
        self, modal: "Modal", values: Json | None = None, *, user: str | None = None, wait: bool = True
    ) -> "Reply": ...

    async def close(self, modal: "Modal", *, wait: bool = True) -> "Reply": ...


class Modal:
    """Modal on a user's screen in its current state; once closed it keeps showing its last state."""

    def __init__(self, chat: Driver, view: FakeView) -> None:
        self._chat = chat
        self.surface = view

    def __repr__(self) -> str:
        return f"<Modal {self.title!r} of {self.user}{', closed' if self.closed else ''}>"

    @property
    def user(self) -> str:
        """Return the id of the user who sees it."""
        return self.surface.user

    @property
    def view(self) -> Json:
        """Return the definition of the view."""
        return self.surface.definition

    @property
    def blocks(self) -> list[Json]:
        """Return the blocks of the view."""
        return self.surface.blocks

    @property
    def title(self) -> str:
        """Return the text of the title."""
        return str(self.view["title"]["text"])

    @property
    def errors(self) -> dict[str, str]:
        """Return the errors shown beside the fields, by block_id."""
        return self.surface.errors

    @property
    def closed(self) -> bool:
        """Report whether the modal is no longer on the screen."""
        return self.surface not in self._chat.world.stacks.get(self.user, [])

    def draw(self, console: Console) -> None:
        """Print the modal; secrets are dots."""
        names = self._chat.names
        render_modal(self.view, console=console, errors=self.errors, values=self.surface.values, names=names)

    @property
    def screen(self) -> str:
        """Return what `draw` prints."""
        return _screen(self.draw)

    @property
    def words(self) -> str:
        """Return the words of the modal without layout."""
        return _words(self.draw)

    async def submit(self, values: Json | None = None, *, user: str | None = None, wait: bool = True) -> "Reply":
        """Fill fields and press Submit; see `Chat.submit`."""
        return await self._chat.submit(self, values, user=user, wait=wait)

    async def click(self, action_id: str, **how: Any) -> "Reply":
        """Press a button; see `Chat.click`."""
        return await self._chat.click(self, action_id, **how)

    async def choose(self, action_id: str, choice: Any, **how: Any) -> "Reply":
        """Choose an option; see `Chat.choose`."""
        return await self._chat.choose(self, action_id, choice, **how)

    async def close(self) -> "Reply":
        """Close the modal; see `Chat.close`."""
        return await self._chat.close(self)


class HomeTab:
    """Home tab of a user in its current state."""

    def __init__(self, chat: Driver, user: str, reply: "Reply") -> None:
        self._chat = chat
        self.user = user
        self.reply = reply

    @property
    def surface(self) -> FakeView:
        """Return the published view. Raises LookupError if nothing was ever published."""
        view = self._chat.world.homes.get(self.user)
        if view is None:
            raise LookupError(f"nothing was published on the Home tab of {self.user}")
        return view

    @property
    def view(self) -> Json:
        """Return the definition of the view."""
        return self.surface.definition

    @property
    def blocks(self) -> list[Json]:
        """Return the blocks of the view."""
        return self.surface.blocks

    @property
    def calls(self) -> list[WebApiCall]:
        """Return the calls of the bot that followed from opening the tab."""
        return self.reply.calls

    def draw(self, console: Console) -> None:
        """Print the Home tab."""
        render_home(self.view, console=console, names=self._chat.names)

    @property
    def screen(self) -> str:
        """Return what `draw` prints."""
        return _screen(self.draw)

    @property
    def words(self) -> str:
        """Return the words of the Home tab without layout."""
        return _words(self.draw)

    async def click(self, action_id: str, **how: Any) -> "Reply":
        """Press a button; see `Chat.click`."""
        return await self._chat.click(self, action_id, **how)


class Reply:
    """Result of one action of a user: the ack, the calls of the bot, and what that user could see of it."""

    def __init__(self, chat: Driver, user: str, after_call: int, after_change: int) -> None:
        self._chat = chat
        self.user = user
        self.ack: Ack | None = None
        self.payload: Json = {}
        self._after = after_call, after_change
        self._until: int | None = None
        self._seen: tuple[list[FakeMessage], Modal | None, dict[str, str]] | None = None

    def __repr__(self) -> str:
        calls = ", ".join(f"{call.method} {call.error or 'ok'}" for call in self.calls)
        return f"<Reply acked={self.acked} calls=[{calls}] text={self.text[:80]!r}>"

    def freeze(self) -> None:
        """Freeze the reply: what happens from now on belongs to another action."""
        modal = self._chat.modal(self.user)
        self._seen = self._touched(), modal, dict(modal.errors) if modal else {}
        self._until = self._chat.slack.journal.number

    @property
    def acked(self) -> bool:
        """Report whether the app responded; False also if nothing was sent to it."""
        return self.ack is not None and self.ack.ok

    @property
    def calls(self) -> list[WebApiCall]:
        """Return the bot's calls to Slack, failures included; without `auth.test`, which Bolt calls by itself."""
        calls = self._chat.slack.journal.between(self._after[0], self._until)
        return [call for call in calls if call.method != "auth.test"]

    @property
    def messages(self) -> list[FakeMessage]:
        """Return the messages posted or edited, in the order of change, that this user can see."""
        return [message for message in (self._seen[0] if self._seen else self._touched()) if not message.deleted]

    @property
    def message(self) -> FakeMessage:
        """Return the last of them. Raises LookupError, naming what happened instead."""
        messages = self.messages
        if not messages:
            detail = self.ack.detail if self.ack else "nothing was sent to the bot"
            raise LookupError(f"the bot said nothing that {self.user} can see; {self!r} {detail}")
        return messages[-1]

    @property
    def text(self) -> str:
        """Return the text of the last message, for notifications and screen readers; empty if there is none."""
        return self.messages[-1].text if self.messages else ""

    @property
    def blocks(self) -> list[Json]:
        """Return the blocks of the last message; empty if there is none."""
        return self.messages[-1].blocks if self.messages else []

    @property
    def ephemeral(self) -> bool:
        """Report whether only this user can see the last message."""
        return bool(self.messages) and self.messages[-1].ephemeral_for == self.user

    @property
    def modal(self) -> Modal | None:
        """Return the modal on this user's screen when the bot was done; None if there was none."""
        return self._seen[1] if self._seen else self._chat.modal(self.user)

    @property
    def errors(self) -> dict[str, str]:
        """Return the errors that this modal then showed beside its fields, by block_id."""
        if self._seen:
            return self._seen[2]
        return self.modal.errors if self.modal else {}

    @property
    def closed(self) -> bool:
        """Report whether no modal is left on this user's screen."""
        return self.modal is None

    def draw(self, console: Console) -> None:
        """Print all messages of the reply, then the modal."""
        names = self._chat.names
        for message in self.messages:
            where, private = names[message.channel], message.ephemeral
            render_message(message.blocks, message.text, console=console, where=where, ephemeral=private, names=names)
        if self.modal:
            self.modal.draw(console)

    @property
    def screen(self) -> str:
        """Return what `draw` prints."""
        return _screen(self.draw)

    @property
    def words(self) -> str:
        """Return the words of the reply without layout."""
        return _words(self.draw)

    async def click(self, action_id: str, **how: Any) -> "Reply":
        """Press a button of the last message; see `Chat.click`."""
        return await self._chat.click(self, action_id, **how)

    async def choose(self, action_id: str, choice: Any, **how: Any) -> "Reply":
        """Choose an option in the last message; see `Chat.choose`."""
        return await self._chat.choose(self, action_id, choice, **how)

    def _touched(self) -> list[FakeMessage]:
        messages = self._chat.world.messages.values()
        touched = [message for message in messages if message.touched > self._after[1] and self._visible(message)]
        return sorted(touched, key=lambda message: message.touched)

    def _visible(self, message: FakeMessage) -> bool:
        if message.ephemeral:
            return message.ephemeral_for == self.user
        return self.user in self._chat.world.channels[message.channel].members


def _screen(draw: Callable[[Console], None], width: int = SCREEN_WIDTH) -> str:
    out = io.StringIO()
    draw(Console(file=out, width=width, force_terminal=False, color_system=None))
    return out.getvalue()


def _words(draw: Callable[[Console], None]) -> str:
    lines = (" ".join(line.split()) for line in _BOXES.sub(" ", _screen(draw, _UNBROKEN_WIDTH)).splitlines())
    return "\n".join(line for line in lines if line)
