"""`outlay close`: freezes a month, and says what it came to as of then."""

import argparse

from bot.books import totals
from bot.core import months
from bot.core.money import exact
from bot.core.plain import stamp
from bot.house import House
from bot.terminal import out, text


async def close(home: House, arguments: argparse.Namespace) -> int:
    """Closes, or says again what was closed. Raises MonthError and NotClosable."""
    month = months.parse(arguments.month)
    done = await home.bookkeeping.close(await home.workspace(), month, force=arguments.force)
    if arguments.format == "text":
        state = "is closed" if done.new else "was closed already"
        out.line(f"{months.name(month)} {state}: {exact(done.total_nano_usd)} USD")
        out.line(f"hash {done.hash}")
        text.closed_totals(done.totals, done.closed_at)
        return 0
    out.document(
        {
            "month": months.name(month),
            "hash": done.hash,
            "closed_at": stamp(done.closed_at),
            "total_usd": exact(done.total_nano_usd),
            "new": done.new,
            "totals": {
                kind: [
                    {"id": row.id, "name": row.name, "usd": exact(row.nano_usd)}
                    for row in done.totals
                    if row.kind == kind
                ]
                for kind in totals.KINDS
            },
            "totals_hash": done.totals_hash,
        }
    )
    return 0
