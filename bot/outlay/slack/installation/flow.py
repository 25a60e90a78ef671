"""OAuth installation from a browser, in HTTP mode: two pages around Bolt's OAuth flow.

`/slack/install` sends the visitor to Slack with a state that is also in a cookie; Slack sends them back to
`/slack/oauth_redirect` with the state and a code, which is exchanged for the workspace's token.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import Response

from outlay.slack.environment import without_slack_environment
from outlay.slack.installation import pages
from outlay.slack.installation.ids import INSTALL_PATH, REDIRECT_PATH
from outlay.workspaces.installations import STATE_LIFE

COOKIE = "outlay-install"
Endpoint = Callable[[Request], Awaitable[Response]]


def oauth_flow(
    client: AsyncWebClient,
    log: logging.Logger,
    *,
    client_id: str,
    client_secret: str,
    scopes: Sequence[str],
    installations: AsyncInstallationStore,
    states: AsyncOAuthStateStore,
    api_url: str,
) -> AsyncOAuthFlow:
    """Build Bolt's OAuth flow over our stores and pages. It reads no setting: all of them are passed in."""
    with without_slack_environment():
        settings = AsyncOAuthSettings(
            client_id=client_id,
            client_secret=client_secret,
            scopes=list(scopes),
            user_scopes=[],
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            install_page_rendering_enabled=False,
            authorization_url=authorize_url(api_url),
            callback_options=AsyncCallbackOptions(success=_success, failure=_failure),
            installation_store=installations,
            installation_store_bot_only=True,
            state_store=states,
            state_cookie_name=COOKIE,
            state_expiration_seconds=int(STATE_LIFE.total_seconds()),
            logger=log,
        )
    return AsyncOAuthFlow(client=client, logger=log, settings=settings)


def authorize_url(api_url: str) -> str:
    """Return the authorization URL on the API's host, so that another Slack (such as a fake) gets its own."""
    return api_url.rstrip("/").removesuffix("/api") + "/oauth/v2/authorize"


def routes(flow: AsyncOAuthFlow) -> tuple[tuple[str, Endpoint], ...]:
    """Return the paths and endpoints to mount, for GET."""

    def page(handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return to_starlette_response(await handle(to_async_bolt_request(request, b"")))

        return endpoint

    return (INSTALL_PATH, page(flow.handle_installation)), (REDIRECT_PATH, page(flow.handle_callback))


async def _success(args: AsyncSuccessArgs) -> BoltResponse:
    done, team_id = args.installation, args.installation.team_id or ""
    return _page(args.settings, 200, pages.installed_page(done.team_name or team_id, done.app_id or "", team_id))


async def _failure(args: AsyncFailureArgs) -> BoltResponse:
    return _page(args.settings, args.suggested_status_code, pages.failed_page(args.reason))


def _page(settings: AsyncOAuthSettings, status: int, body: str) -> BoltResponse:
    cookie = settings.state_utils.build_set_cookie_for_deletion()
    return BoltResponse(
        status=status, headers={"Content-Type": "text/html; charset=utf-8", "Set-Cookie": [cookie]}, body=body
    )
