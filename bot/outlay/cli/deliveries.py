"""`outlay deliveries`: list what waits for delivery and what was given up, and send that again."""

import argparse
from datetime import UTC, datetime

from outlay import outbox
from outlay.delivery import circuit_breaker
from outlay.logs import one_line
from outlay.services import Services
from outlay.spend.serialization import format_utc
from outlay.terminal import output as terminal_output


async def deliveries(home: Services, arguments: argparse.Namespace) -> int:
    """List the deliveries, or send those that were given up again."""
    workspace, now = await home.workspace(), home.clock.now()
    again = 0
    if arguments.again:
        again = await home.undelivered.send_again(workspace)
    async with home.database.read() as session:
        waiting = await outbox.waiting(session)
        dead = await outbox.dead(session, workspace)
        healths = await circuit_breaker.health(session)
    names = {int(view.id.removeprefix("con_")): view.name for view in await home.connections.views(workspace)}
    names[outbox.SLACK] = "Slack"
    held = {names[lane]: words for lane, health in healths.items() if lane in names if (words := health.words(now))}
    if arguments.format == "json":
        given_up = [
            {
                "id": one.id,
                "to": names.get(one.lane, ""),
                "what": one.kind,
                "said_at": format_utc(datetime.fromtimestamp(one.said_at, UTC)),
                "attempts": one.attempts,
                "error": one.error,
            }
            for one in dead
        ]
        terminal_output.document({"waiting": waiting, "again": again, "held": held, "given_up": given_up})
        return 0
    terminal_output.line(
        f"{waiting:,} waiting, {len(dead):,} given up" + (f", {again:,} sent again" if arguments.again else "")
    )
    for name, words in held.items():
        terminal_output.line(f"{name}: {one_line(words)}")
    for one in dead:
        terminal_output.line(
            f"{one.id} {names.get(one.lane, '?')} {one.kind}, {one.attempts} attempts: {one_line(one.error)}"
        )
    if dead:
        terminal_output.line("mend what the errors name, then `outlay deliveries --again`")
    return 0
