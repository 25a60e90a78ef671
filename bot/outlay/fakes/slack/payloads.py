"""Payloads that Slack sends to an app when a person does something: slash command, click, submission, opened tab.

The field names and shapes are those of Slack's reference; only what an app may rely on is there.
"""

from typing import Any

from outlay.fakes.slack.form_state import as_state
from outlay.fakes.slack.people import Channel, FakeSlackUser
from outlay.fakes.slack.workspace import FakeMessage, FakeView, FakeWorkspace

Json = dict[str, Any]


def message_payload(message: FakeMessage, world: FakeWorkspace) -> Json:
    """Build a message as APIs and payloads show it."""
    payload: Json = {
        "type": "message",
        "user": message.user,
        "bot_id": world.bot_id,
        "app_id": world.app_id,
        "team": world.team_id,
        "ts": message.ts,
        "text": message.text,
        "blocks": message.blocks,
    }
    if message.thread_ts:
        payload["thread_ts"] = message.thread_ts
    if message.metadata is not None:
        payload["metadata"] = message.metadata
    if message.edited:
        payload["edited"] = {"user": message.user, "ts": message.ts}
    return payload


def view_payload(view: FakeView, world: FakeWorkspace) -> Json:
    """Build a view as APIs and payloads show it, with the values in its fields."""
    kind = view.definition["type"]
    payload = {
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "title": {"type": "plain_text", "text": "View Title"} if kind == "home" else None,
        "submit": None,
        "close": None,
        "clear_on_close": False,
        "notify_on_close": False,
        **view.definition,
    }
    return payload | {
        "id": view.id,
        "team_id": world.team_id,
        "app_id": world.app_id,
        "app_installed_team_id": world.team_id,
        "bot_id": world.bot_id,
        "hash": view.hash,
        "root_view_id": view.root_id,
        "previous_view_id": view.previous_id,
        "state": as_state(view.values),
    }


def slash_command(
    world: FakeWorkspace, command: str, text: str, person: FakeSlackUser, channel: Channel, response_url: str
) -> Json:
    """Build the payload of a slash command, such as `/spend 7d`, typed in a channel."""
    return {
        "token": "verification-token-of-old",
        "team_id": world.team_id,
        "team_domain": world.team_domain,
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.user else "privategroup" if channel.is_private else channel.name,
        "user_id": person.id,
        "user_name": person.name,
        "command": command,
        "text": text,
        "api_app_id": world.app_id,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": world.issue_trigger(person.id),
    }


def block_actions(
    world: FakeWorkspace, person: FakeSlackUser, action: Json, target: FakeMessage | FakeView, response_url: str
) -> Json:
    """Build the payload of a click or a choice in a message or a view."""
    payload = _interaction(world, person, "block_actions") | {
        "actions": [{**action, "action_ts": world.next_ts()}],
        "state": as_state(target.values),
    }
    if isinstance(target, FakeView):
        trigger = world.issue_trigger(person.id, target.id if target.definition["type"] == "modal" else "")
        container: Json = {"type": "view", "view_id": target.id}
        return payload | {"trigger_id": trigger, "container": container, "view": view_payload(target, world)}
    channel = world.channels[target.channel]
    container = {
        "type": "message",
        "message_ts": target.ts,
        "channel_id": channel.id,
        "is_ephemeral": target.ephemeral,
    }
    payload |= {
        "trigger_id": world.issue_trigger(person.id),
        "container": container,
        "channel": {"id": channel.id, "name": channel.name},
        "response_url": response_url,
    }
    return payload if target.ephemeral else payload | {"message": message_payload(target, world)}


def view_submission(world: FakeWorkspace, person: FakeSlackUser, view: FakeView) -> Json:
    """Build the payload of Submit pressed in a modal."""
    return _interaction(world, person, "view_submission") | {
        "trigger_id": world.issue_trigger(person.id, view.id),
        "view": view_payload(view, world),
        "response_urls": [],
    }


def view_closed(world: FakeWorkspace, person: FakeSlackUser, view: FakeView, *, is_cleared: bool) -> Json:
    """Build the payload of a modal with `notify_on_close` that the person closed."""
    return _interaction(world, person, "view_closed") | {"view": view_payload(view, world), "is_cleared": is_cleared}


def block_suggestion(
    world: FakeWorkspace, person: FakeSlackUser, view: FakeView, block_id: str, action_id: str, typed: str
) -> Json:
    """Build the payload of typing in an external select."""
    return _interaction(world, person, "block_suggestion") | {
        "container": {"type": "view", "view_id": view.id},
        "view": view_payload(view, world),
        "block_id": block_id,
        "action_id": action_id,
        "value": typed,
    }


def shortcut(world: FakeWorkspace, person: FakeSlackUser, callback_id: str) -> Json:
    """Build the payload of a global shortcut."""
    return _interaction(world, person, "shortcut") | {
        "callback_id": callback_id,
        "action_ts": world.next_ts(),
        "trigger_id": world.issue_trigger(person.id),
    }


def event(world: FakeWorkspace, kind: str, fields: Json, event_id: str = "") -> Json:
    """Build an Events API envelope around one event."""
    ts = world.next_ts()
    authorization = {"team_id": world.team_id, "user_id": world.bot.id, "is_bot": True, "is_enterprise_install": False}
    return {
        "token": "verification-token-of-old",
        "team_id": world.team_id,
        "api_app_id": world.app_id,
        "event": {"type": kind, "event_ts": ts, **fields},
        "type": "event_callback",
        "event_id": event_id or f"Ev{ts.replace('.', '')}",
        "event_time": int(world.clock.now().timestamp()),
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
    }


def _interaction(world: FakeWorkspace, person: FakeSlackUser, kind: str) -> Json:
    return {
        "type": kind,
        "token": "verification-token-of-old",
        "team": {"id": world.team_id, "domain": world.team_domain},
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": world.team_id},
        "api_app_id": world.app_id,
        "is_enterprise_install": False,
        "enterprise": None,
    }
