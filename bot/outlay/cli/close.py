"""`outlay close`: freeze a month and print its totals as of then."""

import argparse

from outlay.books.closing import closed_totals as closing_closed_totals
from outlay.core import months
from outlay.core.money import exact
from outlay.services import Services
from outlay.spend.serialization import format_utc
from outlay.terminal import output as terminal_output
from outlay.terminal import tables as terminal_tables


async def close(home: Services, arguments: argparse.Namespace) -> int:
    """Close a month, or print the earlier close again. Raises MonthError and NotClosableError."""
    month = months.parse(arguments.month)
    done = await home.bookkeeping.close(await home.workspace(), month, force=arguments.force)
    if arguments.format == "text":
        state = "is closed" if done.new else "was closed already"
        terminal_output.line(f"{months.name(month)} {state}: {exact(done.total_nano_usd)} USD")
        terminal_output.line(f"hash {done.hash}")
        terminal_tables.print_closed_totals(done.totals, done.closed_at)
        return 0
    terminal_output.document(
        {
            "month": months.name(month),
            "hash": done.hash,
            "closed_at": format_utc(done.closed_at),
            "total_usd": exact(done.total_nano_usd),
            "new": done.new,
            "totals": {
                kind: [
                    {"id": row.id, "name": row.name, "usd": exact(row.nano_usd)}
                    for row in done.totals
                    if row.kind == kind
                ]
                for kind in closing_closed_totals.KINDS
            },
            "totals_hash": done.totals_hash,
        }
    )
    return 0
