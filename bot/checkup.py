"""Everything that `outlay doctor` looks at, in its order: settings, database, vault, Slack, connections,
deliveries, the last audit, plugins.
"""

from bot.house import House
from bot.slack.doctor import installed_checks, slack_check
from bot.work import doctor, examining
from bot.work.doctor import Check


async def checkup(home: House) -> list[Check]:
    """Looks at all of it now; each connection is asked anew."""
    checks = [
        Check("settings", True, f"data in {home.settings.data_dir}"),
        await doctor.database_check(home.database),
        await doctor.vault_check(home.database, home.vault),
        await slack_check(
            home.settings.slack_bot_token,
            home.settings.slack_api_url,
            by_browser=home.settings.installs_by_browser() is not None,
        ),
        *await installed_checks(home.database, home.vault, home.settings.slack_api_url),
    ]
    workspace = await home.workspace()
    views = await home.connections.views(workspace)
    checks += [check async for check in examining.connection_checks(home.database, home.connections, views, home.clock)]
    checks.append(await doctor.deliveries_check(home.database, workspace, home.clock))
    checks.append(await doctor.audit_check(home.database, workspace))
    return checks + doctor.plugin_checks(home.loaded.found)
