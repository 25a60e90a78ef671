"""`outlay export`: stream a month of the books to standard output, whatever its size."""

import argparse
from contextlib import aclosing

from outlay.books.pricing.price_list import PriceList
from outlay.core import months
from outlay.export import focus
from outlay.export.month_rows import BY, focus_rows, plain_rows
from outlay.services import Services
from outlay.spend.serialization import columns_of, flattened
from outlay.terminal import output as terminal_output


async def export(home: Services, arguments: argparse.Namespace) -> int:
    """Write the rows as they are read. Raises MonthError."""
    month = months.parse(arguments.month)
    workspace, now = await home.workspace(), home.clock.now()
    async with home.database.read() as session:
        if arguments.format == "focus":
            prices = PriceList.read(home.settings.data_dir)
            titles = {slug: plugin.meta.title for slug, plugin in home.loaded.plugins.items()}
            charges = focus_rows(session, workspace, month, prices=prices, titles=titles, now=now)
            async with aclosing(charges):
                await terminal_output.stream_table(focus.COLUMNS, charges)
            return 0
        async with aclosing(plain_rows(session, workspace, month, now=now)) as rows:
            if arguments.format == "csv":
                await terminal_output.stream_table(columns_of(BY), (flattened(row) async for row in rows))
            else:
                await terminal_output.stream_array(rows)
    return 0
