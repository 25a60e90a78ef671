"""Installation of the app from a browser, on Slack's side: the page that asks, and the exchange of a code for a token.

Slack's quirks are kept: a code is valid once and for ten minutes; the answer names no `bot_id`; the client's id and
secret come as HTTP Basic; a workspace that installs again while the app is installed gets the same token, and one
that had removed it gets another.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

from outlay.fakes.slack.web_api import ApiMethod, ApiRequest, WebApi
from outlay.fakes.slack.workspace import FakeSlackError, FakeWorkspace

Json = dict[str, Any]
CODE_SECONDS = 600.0
CODES_MAX = 1_000


class InstallTarget(Protocol):
    """Workspace that the app may be installed in."""

    world: FakeWorkspace
    api: WebApi
    bot_token: str


@dataclass(slots=True)
class AuthorizationCode:
    """Authorization code: what a person has allowed."""

    slack: InstallTarget
    user: str
    scopes: frozenset[str]
    redirect_uri: str
    issued: float


class Oauth:
    """OAuth of one app. `redirect_urls` are those of its manifest; the first is used where a link names none."""

    def __init__(self, *, client_id: str, client_secret: str, redirect_urls: Iterable[str] = ()) -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self.redirect_urls = tuple(redirect_urls)
        self._codes: dict[str, AuthorizationCode] = {}

    def allow(self, link: str, slack: InstallTarget, user: str, *, without: Iterable[str] = ()) -> str:
        """Follow a link to `/oauth/v2/authorize` and press Allow; return where the browser is sent.

        `without`: optional scopes that the person leaves out. Guests and deleted people get `access_denied`.
        Raises Refused for a link that Slack's page would not show.
        """
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        back = self._back(asked)
        person = slack.world.person(user)
        if person.is_guest or person.deleted:
            return f"{back}?{urlencode({'error': 'access_denied', 'state': asked.get('state', '')})}"
        name = secrets.token_hex(16)
        scopes = frozenset(asked["scope"].split(",")) - frozenset(without)
        self._codes[name] = AuthorizationCode(
            slack, user, scopes, asked.get("redirect_uri", ""), slack.world.clock.monotonic()
        )
        while len(self._codes) > CODES_MAX:
            self._codes.pop(next(iter(self._codes)))
        return f"{back}?{urlencode({'code': name, 'state': asked.get('state', '')})}"

    def cancel(self, link: str) -> str:
        """Follow the same link and press Cancel; return where the browser is sent."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        return f"{self._back(asked)}?{urlencode({'error': 'access_denied', 'state': asked.get('state', '')})}"

    def methods(self) -> dict[str, ApiMethod]:
        """Return the methods of the Web API that belong to OAuth."""
        return {"oauth.v2.access": ApiMethod(self._access, caller="anyone")}

    def _back(self, asked: dict[str, str]) -> str:
        """Return the redirect URL of a link; raise Refused for a link that Slack's page would not show."""
        if asked.get("client_id") != self.client_id:
            raise FakeSlackError("invalid_client_id")
        if not asked.get("scope"):
            raise FakeSlackError("no_scopes")
        back = asked.get("redirect_uri") or next(iter(self.redirect_urls), "")
        if back not in self.redirect_urls:
            raise FakeSlackError("bad_redirect_uri")
        return back

    def _access(self, request: ApiRequest) -> Json:
        """Answer oauth.v2.access: exchange a code for the bot's token."""
        if request.text("client_id") != self.client_id:
            raise FakeSlackError("invalid_client_id")
        if request.text("client_secret") != self.client_secret:
            raise FakeSlackError("bad_client_secret")
        code = self._codes.pop(request.text("code"), None)
        if code is None or code.slack.world.clock.monotonic() - code.issued > CODE_SECONDS:
            raise FakeSlackError("invalid_code")
        if request.text("redirect_uri") != code.redirect_uri:
            raise FakeSlackError("bad_redirect_uri")
        slack = code.slack
        if slack.bot_token not in slack.api.tokens:
            slack.bot_token = f"xoxb-{secrets.token_hex(12)}"
        slack.api.tokens[slack.bot_token] = ("bot", code.scopes)
        world = slack.world
        return {
            "access_token": slack.bot_token,
            "token_type": "bot",
            "scope": ",".join(sorted(code.scopes)),
            "bot_user_id": world.bot.id,
            "app_id": world.app_id,
            "team": {"id": world.team_id, "name": world.team_name},
            "enterprise": None,
            "authed_user": {"id": code.user},
            "is_enterprise_install": False,
        }
