"""What the detector is fed: once a poll, the money that this poll showed and the poll before had not.

Money belongs to the stretch of time in which it was spent, not to the moment at which a ledger told of it: a delta has
the narrowest span that is known. After a missed poll that is the whole gap; of an hourly report it is the hour, or the
part of it since the poll before. A ledger that lags brings its spans later, and nothing is concluded from its silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Delta(NamedTuple):
    """Money that was not known at the poll before; negative where the ledger took some back.

    `start`, `end`: seconds since 1970, UTC; spent after `start` and not after `end`. `tokens`, `requests`: None where
    the ledger does not say. A named tuple, since a poll may make ten thousand of them.
    """

    subject: str
    key: str
    model: str
    tokens: int | None
    requests: int | None
    cost_nano_usd: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Spending that somebody expects, so that it does not ring: declared beforehand, or said afterwards.

    Money of a plan neither rings nor teaches. `key`: only this key's; empty for all of the subject. `end`: None for
    until it is taken back. An opt-out is a plan without key and end. `start`, `end`: seconds since 1970, by when it is
    spent.
    `below_nano_usd`: a raised threshold instead, for the subject as a whole: nothing rings while the last 24 hours stay
    below it, and all money goes on to count and to teach. A plan for everybody (`*`) silences the alert on everybody at
    once and lets ring only who stands out even so; it sets no money aside.
    """

    id: str
    subject: str
    start: int
    end: int | None = None
    key: str = ""
    below_nano_usd: int | None = None

    def covers(self, at: int) -> bool:
        """Is it in force at this moment?"""
        return self.start <= at and (self.end is None or at < self.end)


Deltas = Sequence[Delta]
