"""In-memory workspace of the fake Slack: people, channels, messages, views; state, and Slack's rules of access.

Nothing here speaks HTTP; the Web API methods (`slack_api_*`) and the simulated users (`slack_chat`) both act on it.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from outlay.core.clock import Clock
from outlay.fakes.slack.form_state import initial_values
from outlay.fakes.slack.people import BOT, PEOPLE, Channel, FakeSlackUser, channels_of

Json = dict[str, Any]

MESSAGES_MAX = 5_000
TRIGGERS_MAX = 1_000
VIEW_STACK_MAX = 3
TRIGGER_SECONDS = 3.0
RESPONSE_URL_SECONDS = 30 * 60
RESPONSE_URL_USES = 5


class FakeSlackError(Exception):
    """Answer with `ok: false`: Slack's error code, and fields that go with it."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more

    def __str__(self) -> str:
        messages = (self.more.get("response_metadata") or {}).get("messages") or self.more.get("errors") or []
        return "; ".join([self.error, *messages])


@dataclass(slots=True, eq=False)
class FakeMessage:
    """Message in its current state. `ephemeral_for`: only that person sees it, and no API can edit it."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json]
    ephemeral_for: str = ""
    thread_ts: str = ""
    metadata: Json | None = None
    edited: bool = False
    deleted: bool = False
    values: dict[tuple[str, str], Json] = field(default_factory=dict)
    touched: int = 0

    @property
    def ephemeral(self) -> bool:
        """Report whether only one person sees the message."""
        return bool(self.ephemeral_for)


@dataclass(slots=True, eq=False)
class FakeView:
    """Modal on a user's screen, or a Home tab. `values` are in its fields, `errors` are shown beside them."""

    id: str
    user: str
    definition: Json
    hash: str
    root_id: str
    previous_id: str | None = None
    values: dict[tuple[str, str], Json] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    touched: int = 0

    @property
    def blocks(self) -> list[Json]:
        """Return a new list of the view's blocks."""
        return list(self.definition["blocks"])


@dataclass(slots=True)
class Trigger:
    """Right to open one modal on one person's screen, for three seconds."""

    user: str
    issued: float
    used: bool = False
    view_id: str = ""


@dataclass(slots=True)
class ResponseUrl:
    """Right to answer one interaction five times within half an hour."""

    user: str
    channel: str
    message: FakeMessage | None
    issued: float
    uses: int = 0


class FakeWorkspace:
    """Workspace. Everything in it changes through these methods, so `changes` counts what happened."""

    def __init__(
        self,
        people: Iterable[FakeSlackUser] = PEOPLE,
        channels: Iterable[Channel] | None = None,
        *,
        bot: FakeSlackUser = BOT,
        team_id: str = "T01OUTLAY",
        team_name: str = "Example Company",
        clock: Clock,
    ) -> None:
        people = tuple(people)
        self.clock = clock
        self.team_id, self.team_name, self.team_domain = team_id, team_name, "example-company"
        self.app_id, self.bot_id, self.bot = "A01OUTLAY", "B01OUTLAY", bot
        self.people = {person.id: person for person in (*people, bot)}
        self.channels = {channel.id: channel for channel in channels or channels_of(people, bot)}
        self.messages: dict[tuple[str, str], FakeMessage] = {}
        self.scheduled: dict[str, Json] = {}
        self.stacks: dict[str, list[FakeView]] = {}
        self.homes: dict[str, FakeView] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.files: dict[str, Json] = {}
        self.changes = 0
        self._count = itertools.count(1)
        self._last_ts = 0

    # People and channels

    def change_person(self, person_id: str, **changes: Any) -> FakeSlackUser:
        """Change a person, for example to an admin, a guest, deleted: `change_person("U02BEN", is_admin=True)`."""
        self.people[person_id] = replace(self.people[person_id], **changes)
        return self.people[person_id]

    def person(self, person_id: str) -> FakeSlackUser:
        """Return the person; raise Refused with `user_not_found` if there is none."""
        if person_id not in self.people:
            raise FakeSlackError("user_not_found")
        return self.people[person_id]

    def direct(self, person_id: str) -> Channel:
        """Return the direct messages between the bot and this person, opening them if need be."""
        if person_id == self.bot.id or self.person(person_id).deleted:
            raise FakeSlackError(
                "user_disabled" if person_id in self.people and person_id != self.bot.id else "invalid_users"
            )
        channel_id = f"D{person_id[1:]}"
        return self.channels.setdefault(
            channel_id, Channel(channel_id, person_id, {person_id, self.bot.id}, is_private=True, user=person_id)
        )

    def writable_channel(self, channel_id: str, *, public_too: bool = False) -> Channel:
        """Return where the bot may write: a channel it is in, or direct messages. Else raise Refused as Slack would."""
        if channel_id in self.people:
            return self.direct(channel_id)
        channel = self.channels.get(channel_id.removeprefix("#")) or self._named(channel_id)
        if channel is None or (channel.is_private and self.bot.id not in channel.members):
            raise FakeSlackError("channel_not_found")
        if channel.is_archived:
            raise FakeSlackError("is_archived")
        if self.bot.id not in channel.members and not public_too:
            raise FakeSlackError("not_in_channel")
        return channel

    def _named(self, name: str) -> Channel | None:
        return next((channel for channel in self.channels.values() if f"#{channel.name}" == name), None)

    # Messages

    def next_ts(self) -> str:
        """Return a new timestamp of a message, which is also its id in the channel: never the same twice."""
        self._last_ts = max(self._last_ts + 1, int(self.clock.now().timestamp() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def post(self, channel: str, text: str, blocks: list[Json], **more: Any) -> FakeMessage:
        """Post a message of the bot; the oldest is dropped when there are too many."""
        self.changes += 1
        blocks = self.with_ids(blocks)
        message = FakeMessage(channel, self.next_ts(), self.bot.id, text, blocks, **more)
        message.values = initial_values(blocks)
        message.touched = self.changes
        self.messages[(channel, message.ts)] = message
        while len(self.messages) > MESSAGES_MAX:
            self.messages.pop(next(iter(self.messages)))
        return message

    def edit(self, message: FakeMessage, text: str | None, blocks: list[Json] | None) -> None:
        """Replace the text and the blocks of a message; what is None stays."""
        self.changes += 1
        message.text = message.text if text is None else text
        if blocks is not None:
            message.blocks = self.with_ids(blocks)
            message.values = {**initial_values(message.blocks), **_kept(message.values, message.blocks)}
        message.edited, message.touched = True, self.changes

    def delete(self, message: FakeMessage) -> None:
        """Delete a message."""
        self.changes += 1
        message.deleted, message.touched = True, self.changes

    def own_message(self, channel_id: str, ts: str, *, otherwise: str) -> FakeMessage:
        """Return a message of the bot, neither deleted nor ephemeral; else raise Refused with the error that fits."""
        message = self.messages.get((channel_id, ts))
        if message is None or message.deleted or message.ephemeral:
            raise FakeSlackError("message_not_found")
        if message.user != self.bot.id:
            raise FakeSlackError(otherwise)
        return message

    def with_ids(self, blocks: list[Json]) -> list[Json]:
        """Add the block_id and action_ids that blocks came without, as Slack does."""
        return [self._with_ids(block) for block in blocks]

    def _with_ids(self, block: Json) -> Json:
        named = {**block, "block_id": block.get("block_id") or f"b{next(self._count):04d}"}
        for place in ("accessory", "element"):
            if isinstance(block.get(place), dict) and block[place].get("type") != "image":
                named[place] = {"action_id": f"a{next(self._count):04d}", **block[place]}
        if block.get("type") == "actions":
            named["elements"] = [{"action_id": f"a{next(self._count):04d}", **part} for part in block["elements"]]
        return named

    # Trigger ids and response URLs

    def issue_trigger(self, user: str, view_id: str = "") -> str:
        """Issue a new trigger_id."""
        name = f"{next(self._count)}.{self.team_id}.trigger"
        self.triggers[name] = Trigger(user, self.clock.monotonic(), view_id=view_id)
        while len(self.triggers) > TRIGGERS_MAX:
            self.triggers.pop(next(iter(self.triggers)))
        return name

    def use_trigger(self, name: str) -> Trigger:
        """Exchange a trigger_id: once, and within three seconds; else raise Refused."""
        trigger = self.triggers.get(name)
        if trigger is None:
            raise FakeSlackError("invalid_trigger_id")
        if trigger.used:
            raise FakeSlackError("exchanged_trigger_id")
        if self.clock.monotonic() - trigger.issued > TRIGGER_SECONDS:
            raise FakeSlackError("expired_trigger_id")
        trigger.used = True
        return trigger

    def issue_response_url(self, user: str, channel: str, message: FakeMessage | None = None) -> str:
        """Return the secret part of a new response_url."""
        name = f"{self.team_id}-{next(self._count)}"
        self.response_urls[name] = ResponseUrl(user, channel, message, self.clock.monotonic())
        while len(self.response_urls) > TRIGGERS_MAX:
            self.response_urls.pop(next(iter(self.response_urls)))
        return name

    def use_response_url(self, name: str) -> ResponseUrl:
        """Exchange one of the five uses of a response_url; raise Refused if it is expired or used up."""
        url = self.response_urls.get(name)
        if url is None or self.clock.monotonic() - url.issued > RESPONSE_URL_SECONDS:
            raise FakeSlackError("expired_url")
        if url.uses >= RESPONSE_URL_USES:
            raise FakeSlackError("used_url")
        url.uses += 1
        return url

    # Views

    def open_modal(self, user: str, definition: Json, *, on_top: bool = False) -> FakeView:
        """Open a modal on a person's screen: a new one, or on top of the one that is there."""
        stack = self.stacks.setdefault(user, [])
        if not on_top:
            stack.clear()
        if len(stack) >= VIEW_STACK_MAX:
            raise FakeSlackError("push_limit_reached")
        if self._external(definition.get("external_id")):
            raise FakeSlackError("duplicate_external_id")
        view = self._view(user, definition)
        if stack:
            view.root_id, view.previous_id = stack[0].id, stack[-1].id
        stack.append(view)
        return view

    def publish(self, user: str, definition: Json, hash_: str = "") -> FakeView:
        """Publish a person's Home tab; an existing view of the tab keeps its id."""
        self.person(user)
        if user in self.homes:
            return self.update_view(self.homes[user], definition, hash_)
        self.homes[user] = self._view(user, definition)
        return self.homes[user]

    def update_view(self, view: FakeView, definition: Json, hash_: str = "") -> FakeView:
        """Replace what a view shows; typed values stay where block_id and action_id do. A stale hash is a conflict."""
        if hash_ and hash_ != view.hash:
            raise FakeSlackError("hash_conflict")
        other = self._external(definition.get("external_id"))
        if other is not None and other is not view:
            raise FakeSlackError("duplicate_external_id")
        self.changes += 1
        view.definition = {**definition, "blocks": self.with_ids(definition["blocks"])}
        view.values = {**initial_values(view.blocks), **_kept(view.values, view.blocks)}
        view.hash, view.touched, view.errors = self._hash(), self.changes, {}
        return view

    def find_view(self, view_id: str, external_id: str = "") -> FakeView:
        """Return a view on a screen or a Home tab; raise Refused with `not_found` if there is none."""
        found = self._external(external_id) or next((view for view in self._views() if view.id == view_id), None)
        if found is None:
            raise FakeSlackError("not_found")
        return found

    def top_modal(self, user: str) -> FakeView | None:
        """Return the topmost modal on this person's screen; None if there is none."""
        stack = self.stacks.get(user)
        return stack[-1] if stack else None

    def close(self, view: FakeView, *, all_of_them: bool = False) -> None:
        """Close a modal, with everything on top of it, or the whole stack."""
        self.changes += 1
        stack = self.stacks.get(view.user, [])
        if view in stack:
            del stack[0 if all_of_them else stack.index(view) :]

    def _views(self) -> Iterable[FakeView]:
        return itertools.chain(self.homes.values(), *self.stacks.values())

    def _external(self, external_id: str | None) -> FakeView | None:
        return next((v for v in self._views() if external_id and v.definition.get("external_id") == external_id), None)

    def _hash(self) -> str:
        return f"{next(self._count)}.{self.next_ts()}"

    def _view(self, user: str, definition: Json) -> FakeView:
        self.changes += 1
        view_id = f"V{next(self._count):08d}"
        definition = {**definition, "blocks": self.with_ids(definition["blocks"])}
        view = FakeView(view_id, user, definition, self._hash(), view_id, values=initial_values(definition["blocks"]))
        view.touched = self.changes
        return view


def _kept(values: dict[tuple[str, str], Json], blocks: list[Json]) -> dict[tuple[str, str], Json]:
    """Return the values whose field still exists with the same type."""
    fresh = initial_values(blocks)
    return {name: value for name, value in values.items() if name in fresh and fresh[name]["type"] == value["type"]}
