"""The Slack app without any Slack: for tests that need no socket."""

import logging

from slack_bolt.async_app import AsyncApp

from outlay.core.clock import FakeClock
from outlay.slack.app import build_app
from outlay.slack.client import TokenOf, one_workspace
from tests.slack.fakes import NOW, deps_of


class NoAdmins:
    """A workspace of members, none of them an admin; lookups take no time."""

    async def is_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> bool:
        return False

    async def is_guest(self, workspace_id: str, user_id: str) -> bool:
        return False


def an_app(token_of: TokenOf = one_workspace("xoxb")) -> AsyncApp:  # noqa: B008 (it has no state)
    """Build the app, without a connection to Slack."""
    clock, log = FakeClock(NOW), logging.getLogger("outlay.slack")
    deps = deps_of(NoAdmins(), clock, log)
    return build_app(deps, token_of)
