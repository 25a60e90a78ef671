"""`outlay workspace`: time zone, month close, retention and visibility; `outlay team`: the people of a team."""

import argparse

from outlay.access.policy import AccessSettings, TeamAccess
from outlay.services import Services
from outlay.terminal import output as terminal_output

VISIBILITIES = ("everybody", "own")


async def workspace(home: Services, arguments: argparse.Namespace) -> int:
    """Show or change the workspace's settings. Raises BadConfig."""
    id_ = await home.workspace()
    row = await home.bookkeeping.set_up(
        id_,
        time_zone=arguments.time_zone,
        close_day=arguments.close_day,
        hours_kept_days=arguments.hours_kept,
    )
    rights = await home.ruling.rights(id_)
    if arguments.visibility or arguments.admins is not None:
        rights = await home.ruling.choose(
            id_,
            open_=arguments.visibility == "everybody" if arguments.visibility else None,
            admins=None if arguments.admins is None else arguments.admins.split(","),
        )
    if arguments.format == "json":
        terminal_output.document(
            {
                "id": row.id,
                "name": row.name,
                "time_zone": row.time_zone,
                "close_day": row.close_day,
                "hours_kept_days": row.hours_kept_days,
                "visibility": "everybody" if rights.open else "own",
                "admins": list(rights.admins),
            }
        )
        return 0
    closes = f"months close on day {row.close_day}" if row.close_day else "months are closed by hand"
    kept = f"hours kept for {row.hours_kept_days} days" if row.hours_kept_days else "hours kept for ever"
    terminal_output.line(f"{row.id} {row.name}".strip() + f": days in {row.time_zone}, {closes}, {kept}")
    seen = "everybody sees everybody" if rights.open else "people see themselves and the totals"
    terminal_output.line(f"{seen}; admins besides Slack's own: {', '.join(rights.admins) or 'none'}")
    return 0


async def team(home: Services, arguments: argparse.Namespace) -> int:
    """List teams, or set who manages one and who belongs to it. Raises BadConfig."""
    id_ = await home.workspace()
    if arguments.name is None:
        rights = await home.ruling.rights(id_)
    elif arguments.forget or arguments.manager or arguments.member:
        people = TeamAccess() if arguments.forget else TeamAccess(tuple(arguments.manager), tuple(arguments.member))
        rights = await home.ruling.set_team(id_, arguments.name, people)
    else:
        found = await home.ruling.rights(id_)
        wanted = arguments.name.removeprefix("team:")
        rights = AccessSettings(teams={name: one for name, one in (found.teams or {}).items() if name == wanted})
    teams = rights.teams or {}
    if arguments.format == "json":
        terminal_output.document(
            [
                {"name": name, "managers": list(one.managers), "members": list(one.members)}
                for name, one in teams.items()
            ]
        )
        return 0
    for name, one in teams.items():
        terminal_output.line(
            f"{name}: managed by {', '.join(one.managers) or 'nobody'}, of {', '.join(one.members) or 'nobody'}"
        )
    if not teams:
        terminal_output.line("no team has people yet: outlay team NAME --manager ID --member ID")
    return 0
