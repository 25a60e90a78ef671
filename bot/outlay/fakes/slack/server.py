"""Fake Slack on loopback: an unmodified Bolt app talks to it as to the real one, over Socket Mode or HTTP.

It keeps a workspace in memory (`world`), refuses what Slack would refuse (`slack_limits`), records what it saw
(`journal`) and injects faults on request (`faults`). Simulated users are in `slack_chat`.

    slack = FakeSlack(World(clock=clock))
    async with serving(slack.app) as base_url:
        slack.base_url = base_url
        # SLACK_API_URL = slack.api_url, SLACK_BOT_TOKEN = slack.bot_token, SLACK_APP_TOKEN = slack.app_token
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from outlay.fakes.slack import web_api_chat, web_api_conversations, web_api_files, web_api_views
from outlay.fakes.slack.block_kit_schema import BlockKitSchema
from outlay.fakes.slack.call_log import CallLog, ChangeSignal
from outlay.fakes.slack.faults import FakeSlackFaults
from outlay.fakes.slack.oauth import Oauth
from outlay.fakes.slack.signed_requests import SignedHttp
from outlay.fakes.slack.socket_mode import ACK_SECONDS, Delivery, SocketMode
from outlay.fakes.slack.web_api import ApiMethod, ApiRequest, Caller, PayloadValidator, WebApi
from outlay.fakes.slack.web_api_chat import ResponseUrls
from outlay.fakes.slack.web_api_files import Uploads
from outlay.fakes.slack.workspace import FakeWorkspace

Json = dict[str, Any]

# The scopes of manifest.yml, required and optional; a caller may pass others to verify which are needed.
SCOPES = (
    *("commands", "chat:write", "im:write", "users:read"),
    *("users:read.email", "app_mentions:read", "files:write"),  # optional
    *("channels:history", "groups:history", "im:history"),  # optional
)


class FakeSlack:
    """Fake Slack of one workspace. `app` is what a server serves; `base_url` must be set to where it is served."""

    def __init__(
        self,
        world: FakeWorkspace,
        *,
        scopes: Iterable[str] = SCOPES,
        bot_token: str = "",
        app_token: str = "",
        schema: Path | None = None,
        oauth: Oauth | None = None,
        ack_seconds: float = ACK_SECONDS,
    ) -> None:
        self.world = world
        self.pulse = ChangeSignal()
        self.journal = CallLog(self.pulse)
        self.faults = FakeSlackFaults()
        self.bot_token = bot_token or "xoxb-stand-in"
        self.app_token = app_token or "xapp-stand-in"
        self.base_url = ""
        self.oauth = oauth
        self.ack_seconds = ack_seconds
        self.socket = SocketMode(self.journal, app_id=self.world.app_id, ack_seconds=ack_seconds)
        self.delivery: Delivery = self.socket
        self.inspector = PayloadValidator(self.faults, BlockKitSchema(schema) if schema else None)
        self.api = WebApi(
            self.world, self.journal, self.faults, self.inspector, methods=self._methods(), tokens=self._tokens(scopes)
        )
        self.response_urls = ResponseUrls(self.world, self.journal, self.faults, self.inspector)
        self.app = Starlette(
            routes=[
                Route("/api/{method}", self.api.endpoint, methods=["GET", "POST"]),
                Route("/response/{name}", self.response_urls.endpoint, methods=["POST"]),
                Route("/upload/{name}", Uploads(self.world).endpoint, methods=["POST"]),
                WebSocketRoute("/link", self.socket.endpoint),
            ]
        )

    @property
    def api_url(self) -> str:
        """Return the value for `SLACK_API_URL`."""
        return f"{self.base_url}/api/"

    def grant(self, *scopes: str) -> None:
        """Give the bot's token exactly these scopes."""
        self.api.tokens.update(self._tokens(scopes))

    def revoke(self) -> None:
        """Invalidate the bot's token, as an uninstallation does."""
        self.api.tokens.pop(self.bot_token, None)

    def add_workspace(self, other: "FakeSlack") -> None:
        """Add another workspace of the same Slack: both addresses take the tokens of either, each for its own."""
        self.api.other_workspaces.append(other.api)
        other.api.other_workspaces.append(self.api)

    def over_http(
        self, url: str, signing_secret: str, *, client: httpx.AsyncClient | None = None, age_seconds: int = 0
    ) -> None:
        """Deliver envelopes as signed requests to this address from now on, instead of through the sockets."""
        self.delivery = SignedHttp(
            self.journal,
            url,
            signing_secret,
            client=client,
            age_seconds=age_seconds,
            ack_seconds=self.ack_seconds,
        )

    def _tokens(self, scopes: Iterable[str]) -> dict[str, tuple[Caller, frozenset[str]]]:
        return {
            self.bot_token: ("bot", frozenset(scopes)),
            self.app_token: ("app", frozenset({"connections:write"})),
        }

    def _methods(self) -> dict[str, ApiMethod]:
        return {
            **web_api_chat.METHODS,
            **web_api_views.METHODS,
            **web_api_conversations.METHODS,
            **web_api_files.METHODS,
            **(self.oauth.methods() if self.oauth else {}),
            "apps.connections.open": ApiMethod(self._open_connection, ("connections:write",), caller="app"),
        }

    def _open_connection(self, request: ApiRequest) -> Json:
        link = request.base_url.replace("http", "ws", 1)
        return {"url": f"{link}link?ticket={self.socket.ticket()}"}
