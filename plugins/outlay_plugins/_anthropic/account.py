"""The organization's API keys and their owners; its members are listed beside them, as seats.

Claude can be used without a key, signed in at the Console or in Claude Code: that is billed to the person, and the
person's own id stands where a key's would. An e-mail address comes from the list of members, never from a name.
"""

from outlay.plugin import Key
from outlay_plugins._anthropic.client import AnthropicClient
from outlay_plugins._anthropic.rows import DEFAULT_WORKSPACE
from outlay_plugins._anthropic.schemas import AnthropicApiKey, AnthropicMember, AnthropicWorkspace, Listing, utc

DEFAULT_WORKSPACE_NAME = "Default workspace"
SEAT = "seat: use without a key"
NO_LONGER_USED = ("inactive", "archived", "expired")


class AnthropicDirectory:
    """Directory of an Anthropic organization: its keys, workspaces and members."""

    def __init__(self, asking: AnthropicClient) -> None:
        self._asking = asking

    async def keys(self) -> list[Key]:
        """Return all keys, in any status, and a seat for each member."""
        people = await self._asking.listing("/users", Listing[AnthropicMember])
        places = await self._asking.listing("/workspaces", Listing[AnthropicWorkspace], [("include_archived", "true")])
        found = await self._asking.listing("/api_keys", Listing[AnthropicApiKey])
        emails = {person.id: person.email for person in people}
        names = {DEFAULT_WORKSPACE: DEFAULT_WORKSPACE_NAME} | {place.id: place.name for place in places}
        keys = {key.id: _key(key, emails, names) for key in found}  # a key that moved between two pages comes twice
        seats = {person.id: Key(person.id, person.name or person.email, SEAT, email=person.email) for person in people}
        return [*keys.values(), *(seat for seat_id, seat in seats.items() if seat_id not in keys)]


def _key(key: AnthropicApiKey, emails: dict[str, str], names: dict[str, str]) -> Key:
    project = _workspace(key)
    return Key(
        id=key.id,
        name=key.name,
        label=key.partial_key_hint,
        project_id=project,
        project_name=names.get(project, ""),
        email=emails.get(_person(key), ""),
        disabled=key.status in NO_LONGER_USED,
        created_at=utc(key.created_at) if key.created_at else None,
    )


def _workspace(key: AnthropicApiKey) -> str:
    """Return the id of the workspace that a key belongs to, "" for a key of the whole organization."""
    if key.scope is None or key.scope.type == "":
        return key.workspace_id or DEFAULT_WORKSPACE
    return (key.scope.workspace_id or DEFAULT_WORKSPACE) if key.scope.type == "workspace" else ""


def _person(key: AnthropicApiKey) -> str:
    """Return the id of the user that a key acts for, else of its creator; "" for a service account's key."""
    principal, maker = key.principal, key.created_by
    if principal and "service" in principal.type:
        return ""
    return (principal and (principal.user_id or principal.id)) or (maker.id if maker else "")
