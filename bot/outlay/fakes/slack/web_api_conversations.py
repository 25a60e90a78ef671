"""`auth.test`, `team.info`, `users.*` and `conversations.*` methods: who is in the workspace, and where they talk."""

from typing import Any

from outlay.fakes.slack.payloads import message_payload
from outlay.fakes.slack.people import Channel, FakeSlackUser
from outlay.fakes.slack.web_api import ApiMethod, ApiRequest
from outlay.fakes.slack.workspace import FakeMessage, FakeSlackError

Json = dict[str, Any]

PAGE_MAX = 1_000


def auth_test(request: ApiRequest) -> Json:
    """Answer auth.test."""
    world = request.world
    return {
        "url": f"https://{world.team_domain}.slack.com/",
        "team": world.team_name,
        "user": world.bot.name,
        "team_id": world.team_id,
        "user_id": world.bot.id,
        "bot_id": world.bot_id,
        "is_enterprise_install": False,
    }


def team_info(request: ApiRequest) -> Json:
    """Answer team.info."""
    world = request.world
    return {"team": {"id": world.team_id, "name": world.team_name, "domain": world.team_domain}}


def users_info(request: ApiRequest) -> Json:
    """Answer users.info."""
    return {"user": _person(request, request.world.person(request.need("user")))}


def users_list(request: ApiRequest) -> Json:
    """Answer users.list."""
    people = [_person(request, person) for person in request.world.people.values()]
    page, after = _page(request, people)
    return {"members": page, "response_metadata": {"next_cursor": after}}


def lookup_by_email(request: ApiRequest) -> Json:
    """Answer users.lookupByEmail; deleted people are not found."""
    email = request.need("email").casefold()
    for person in request.world.people.values():
        if person.email.casefold() == email and not person.deleted:
            return {"user": _person(request, person)}
    raise FakeSlackError("users_not_found")


def conversations_open(request: ApiRequest) -> Json:
    """Answer conversations.open, for one person only."""
    users = [name for name in request.text("users").split(",") if name]
    if len(users) > 1:
        request.need_scope("mpim:write")
        raise FakeSlackError("not_implemented_by_the_stand_in")
    if not users:
        raise FakeSlackError("users_list_not_supplied")
    if users[0] not in request.world.people:
        raise FakeSlackError("user_not_found")
    if users[0] == request.world.bot.id:
        raise FakeSlackError("cannot_dm_bot")
    channel = request.world.direct(users[0])
    return {"channel": _channel(request, channel)}


def conversations_info(request: ApiRequest) -> Json:
    """Answer conversations.info."""
    channel = request.world.channels.get(request.need("channel"))
    if channel is None or (channel.is_private and request.world.bot.id not in channel.members):
        raise FakeSlackError("channel_not_found")
    request.need_scope(_read_scope(channel))
    return {"channel": _channel(request, channel)}


def conversations_list(request: ApiRequest) -> Json:
    """Answer conversations.list, with the channels that the bot can see."""
    kinds = (request.text("types") or "public_channel").split(",")
    without_archived = request.text("exclude_archived").lower() in ("1", "true")
    found = []
    for channel in request.world.channels.values():
        kind = "im" if channel.user else "private_channel" if channel.is_private else "public_channel"
        visible = not channel.is_private or request.world.bot.id in channel.members
        if kind in kinds and visible and not (channel.is_archived and without_archived):
            request.need_scope(_read_scope(channel))
            found.append(_channel(request, channel))
    page, after = _page(request, found)
    return {"channels": page, "response_metadata": {"next_cursor": after}}


def conversations_history(request: ApiRequest) -> Json:
    """Answer conversations.history, latest message first, without the replies in threads."""
    channel = _readable(request)
    oldest, latest = float(request.text("oldest") or 0), float(request.text("latest") or "inf")
    found = [
        message
        for message in reversed(_standing(request, channel))
        if message.thread_ts in ("", message.ts) and oldest <= float(message.ts) <= latest
    ]
    return _messages(request, found)


def conversations_replies(request: ApiRequest) -> Json:
    """Answer conversations.replies: the parent message and its replies."""
    channel, parent = _readable(request), request.need("ts")
    found = [message for message in _standing(request, channel) if parent in (message.ts, message.thread_ts)]
    if not found:
        raise FakeSlackError("thread_not_found")
    return _messages(request, found)


def _readable(request: ApiRequest) -> Channel:
    channel = request.world.writable_channel(request.need("channel"))
    request.need_scope("im:history" if channel.user else "groups:history" if channel.is_private else "channels:history")
    return channel


def _standing(request: ApiRequest, channel: Channel) -> list[FakeMessage]:
    """Return the channel's messages that are neither ephemeral nor deleted."""
    return [
        message
        for message in request.world.messages.values()
        if message.channel == channel.id and not (message.ephemeral or message.deleted)
    ]


def _messages(request: ApiRequest, messages: list[FakeMessage]) -> Json:
    found = [message_payload(message, request.world) for message in messages]
    if request.text("include_all_metadata").lower() not in ("1", "true"):
        found = [{name: value for name, value in message.items() if name != "metadata"} for message in found]
    page, after = _page(request, found)
    return {"messages": page, "has_more": bool(after), "response_metadata": {"next_cursor": after}}


def _person(request: ApiRequest, person: FakeSlackUser) -> Json:
    profile = {"real_name": person.real_name, "display_name": person.name, "team": request.world.team_id}
    if "users:read.email" in request.scopes and person.email:
        profile["email"] = person.email
    shown: Json = {
        "id": person.id,
        "team_id": request.world.team_id,
        "name": person.name,
        "deleted": person.deleted,
        "is_bot": person.is_bot,
        "profile": profile,
    }
    if person.deleted:
        return shown
    return shown | {
        "real_name": person.real_name,
        "tz": person.tz,
        "is_admin": person.is_admin,
        "is_owner": person.is_owner,
        "is_primary_owner": person.is_owner,
        "is_restricted": person.is_guest,
        "is_ultra_restricted": False,
        "is_app_user": False,
    }


def _channel(request: ApiRequest, channel: Channel) -> Json:
    shown: Json = {"id": channel.id, "is_im": bool(channel.user), "is_archived": channel.is_archived}
    if channel.user:
        return shown | {"user": channel.user}
    return shown | {
        "name": channel.name,
        "is_channel": not channel.is_private,
        "is_group": channel.is_private,
        "is_private": channel.is_private,
        "is_member": request.world.bot.id in channel.members,
        "num_members": len(channel.members),
    }


def _read_scope(channel: Channel) -> str:
    return "im:read" if channel.user else "groups:read" if channel.is_private else "channels:read"


def _page(request: ApiRequest, items: list[Json]) -> tuple[list[Json], str]:
    start, size = int(request.text("cursor") or 0), min(int(request.text("limit") or PAGE_MAX), PAGE_MAX)
    return items[start : start + size], str(start + size) if start + size < len(items) else ""


METHODS = {
    "auth.test": ApiMethod(auth_test),
    "team.info": ApiMethod(team_info, ("team:read",)),
    "users.info": ApiMethod(users_info, ("users:read",)),
    "users.list": ApiMethod(users_list, ("users:read",)),
    "users.lookupByEmail": ApiMethod(lookup_by_email, ("users:read.email",)),
    "conversations.open": ApiMethod(conversations_open, ("im:write", "mpim:write")),
    "conversations.info": ApiMethod(conversations_info),
    "conversations.list": ApiMethod(conversations_list, ("channels:read", "groups:read", "im:read")),
    "conversations.history": ApiMethod(conversations_history, ("channels:history", "groups:history", "im:history")),
    "conversations.replies": ApiMethod(conversations_replies, ("channels:history", "groups:history", "im:history")),
}
