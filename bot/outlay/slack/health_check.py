"""Doctor checks for Slack: the token is accepted, and every scope that the manifest requests is granted."""

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError, SlackClientError

from outlay.database.engine import Database
from outlay.health.checks import HealthCheck
from outlay.slack.app import quiet_logger
from outlay.slack.client import web_client
from outlay.vault.errors import VaultError
from outlay.vault.vault import Vault
from outlay.workspaces import installations

COPY_AGAIN = "copy the xoxb-… token again (SLACK_BOT_TOKEN)"
REQUIRED_SCOPES = ("chat:write", "commands", "im:write", "users:read")
OPTIONAL_SCOPES = (
    "users:read.email",
    "app_mentions:read",
    "files:write",
    "channels:history",
    "groups:history",
    "im:history",
)


async def installed_checks(database: Database, vault: Vault, api_url: str) -> list[HealthCheck]:
    """Return one check for each workspace that installed the app from a browser."""
    async with database.read() as session:
        rows = await installations.every(session)
    checks = []
    for workspace, row in rows:
        name, again = f"slack {workspace.name or workspace.id}", "install the app there again, at /slack/install"
        try:
            token = await vault.open(workspace.id, installations.OWNER, installations.FIELD, row.blob)
        except VaultError as error:
            checks.append(HealthCheck(name, False, f"its token cannot be opened: {error}", again))
            continue
        found = await slack_check(token, api_url)
        checks.append(HealthCheck(name, found.ok, found.detail, found.mend.replace(COPY_AGAIN, again)))
    return checks


async def slack_check(token: SecretStr | None, api_url: str, *, by_browser: bool = False) -> HealthCheck:
    """Check the token and its granted scopes against Slack.

    Without a token there is nothing to check, and the result is ok: the command line works without Slack.
    """
    if token is None and by_browser:
        return HealthCheck("slack", True, "installed from the browser, at /slack/install of the bot's own address")
    if token is None:
        return HealthCheck("slack", True, "not set up here (SLACK_BOT_TOKEN); `outlay run` needs it")
    try:
        reply = await web_client(token.get_secret_value(), api_url, quiet_logger()).auth_test()
    except SlackApiError as error:
        code = error.response.get("error")
        return HealthCheck("slack", False, f"Slack refuses the token: {code}", COPY_AGAIN)
    except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
        return HealthCheck("slack", False, f"Slack cannot be reached: {type(error).__name__}", "check the network")
    header = {name.lower(): value for name, value in reply.headers.items()}.get("x-oauth-scopes", "")
    granted = {scope.strip() for scope in str(header).split(",") if scope.strip()}
    missing = [scope for scope in REQUIRED_SCOPES if granted and scope not in granted]
    where = f"workspace {reply.get('team')} ({reply.get('team_id')})"
    if missing:
        return HealthCheck(
            "slack", False, f"{where} lacks {', '.join(missing)}", "install the app again from manifest.yml"
        )
    absent = [scope for scope in OPTIONAL_SCOPES if granted and scope not in granted]
    return HealthCheck("slack", True, where + (f"; without the optional {', '.join(absent)}" if absent else ""))
