"""Questions in words, answered from the books. Slack and the terminal both ask here, so both get the same figures."""

from bot.books import capture, reports
from bot.books.database import Database
from bot.core.answer import Answer
from bot.core.attribution import Captures
from bot.core.clock import Clock
from bot.core.query import AUTO, Query, QueryError, parse


class Asking:
    """Answers questions. Reads only."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def spend(self, workspace_id: str, text: str, *, me: str = "") -> Answer:
        """The answer to a question. `me`: the asker's owner id. Raises QueryError for a word that is not understood."""
        now = self._clock.now()
        async with self._database.read() as session:
            zone = await reports.zone_of(session, workspace_id)
            query = parse(text, today=now.astimezone(zone).date(), me=me)
            if AUTO in query.filters:
                raise QueryError("auto", "What `auto` chose is not told apart yet.", "by model")
            return await reports.answer(session, workspace_id, query, now=now)

    async def captures(self, workspace_id: str, text: str) -> tuple[Query, list[Captures]]:
        """The capture of each gateway over a period of UTC days. Raises QueryError for anything but a period."""
        async with self._database.read() as session:
            zone = await reports.zone_of(session, workspace_id)
            query = parse(text, today=self._clock.now().astimezone(zone).date())
            if query.filters or query.top or query.by != ("owner",):
                raise QueryError(text, f"A capture rate is asked for by a period alone, not `{text}`.", query.period)
            return query, await capture.captures(session, workspace_id, query.start, query.end)
