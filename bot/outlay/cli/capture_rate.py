"""`outlay capture`: which share of the bill behind each gateway the gateway saw."""

import argparse
from typing import Any

from outlay.core.money import exact
from outlay.services import Services
from outlay.spend.gateway_allocation import GatewayCapture
from outlay.terminal import output as terminal_output
from outlay.terminal import tables as terminal_tables


async def capture(home: Services, arguments: argparse.Namespace) -> int:
    """Write the capture rate of each gateway. Raises QueryError."""
    workspace = await home.workspace()
    query, found = await home.asking.captures(workspace, " ".join(arguments.period))
    never_paid = {slug for slug, plugin in home.loaded.ledgers().items() if plugin.notional}
    beside = {view.name for view in await home.connections.views(workspace) if view.ledger in never_paid}
    found = [one for one in found if one.connection not in beside]
    if arguments.format == "text":
        terminal_tables.print_capture_rates(found)
        return 0
    terminal_output.document(
        {
            "query": {"from": query.start.isoformat(), "to": query.end.isoformat(), "period": query.period},
            "connections": [
                {"connection": one.connection, "in_front_of": one.in_front_of or None}
                | _plain(one.whole)
                | {"word": one.whole.word, "days": [{"day": day} | _plain(capture) for day, capture in one.days]}
                for one in found
            ],
        }
    )
    return 0


def _plain(one: GatewayCapture) -> dict[str, Any]:
    return {
        "gateway_usd": None if one.gateway_nano_usd is None else exact(one.gateway_nano_usd),
        "billed_usd": None if one.billed_nano_usd is None else exact(one.billed_nano_usd),
        "rate": None if one.rate is None else str(one.rate),
    }
