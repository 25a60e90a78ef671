"""`outlay export`: a month of the books to standard output, as long as it may be."""

import argparse
from contextlib import aclosing

from bot.books.export import BY, focus_rows, plain_rows
from bot.books.prices import PriceList
from bot.core import focus, months
from bot.core.plain import columns_of, flattened
from bot.house import House
from bot.terminal import out


async def export(home: House, arguments: argparse.Namespace) -> int:
    """Writes the rows as they come off the books. Raises MonthError."""
    month = months.parse(arguments.month)
    workspace, now = await home.workspace(), home.clock.now()
    async with home.database.read() as session:
        if arguments.format == "focus":
            prices = PriceList.read(home.settings.data_dir)
            titles = {slug: plugin.meta.title for slug, plugin in home.loaded.plugins.items()}
            charges = focus_rows(session, workspace, month, prices=prices, titles=titles, now=now)
            async with aclosing(charges):
                await out.stream_table(focus.COLUMNS, charges)
            return 0
        async with aclosing(plain_rows(session, workspace, month, now=now)) as rows:
            if arguments.format == "csv":
                await out.stream_table(columns_of(BY), (flattened(row) async for row in rows))
            else:
                await out.stream_array(rows)
    return 0
