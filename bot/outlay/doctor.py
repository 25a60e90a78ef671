"""All checks of `outlay doctor`, in order.

Settings, database, vault, Slack, connections, deliveries, the last audit, plugins.
"""

from outlay.health import checks as health_checks
from outlay.health import connection_checks as health_connection_checks
from outlay.health.checks import HealthCheck
from outlay.services import Services
from outlay.slack.health_check import installed_checks, slack_check


async def run_checks(home: Services) -> list[HealthCheck]:
    """Run every check now; each connection is tested anew."""
    checks = [
        HealthCheck("settings", True, f"data in {home.settings.data_dir}"),
        await health_checks.database_check(home.database),
        await health_checks.vault_check(home.database, home.vault),
        await slack_check(
            home.settings.slack_bot_token,
            home.settings.slack_api_url,
            by_browser=home.settings.installs_by_browser() is not None,
        ),
        *await installed_checks(home.database, home.vault, home.settings.slack_api_url),
    ]
    workspace = await home.workspace()
    views = await home.connections.views(workspace)
    checks += [
        check
        async for check in health_connection_checks.connection_checks(
            home.database, home.connections, views, home.clock
        )
    ]
    checks.append(await health_checks.deliveries_check(home.database, workspace, home.clock))
    checks.append(await health_checks.audit_check(home.database, workspace))
    return checks + health_checks.plugin_checks(home.loaded.found)
