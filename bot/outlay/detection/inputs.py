"""Input of the detector: once a poll, the money that this poll showed and the previous one had not.

Money belongs to the stretch of time in which it was spent, not to the moment at which a ledger reported it: a delta has
the narrowest span that is known. After a missed poll that is the whole gap; for an hourly report it is the hour, or the
part of it since the previous poll. A ledger that lags delivers its spans later; its silence means nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Delta(NamedTuple):
    """Money that was unknown at the previous poll; negative where the ledger corrected it downward.

    `start`, `end`: seconds since 1970, UTC; spent after `start` and not after `end`. `tokens`, `requests`: None where
    the ledger does not report them. A named tuple, since a poll may make ten thousand of them.
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
class ExpectedSpend:
    """Expected spending, which does not alert: declared beforehand, or marked afterwards.

    Money of a plan neither alerts nor teaches. `key`: only this key's; empty for all of the subject. `end`: None for
    no end. An opt-out is a plan without key and end. `start`, `end`: seconds since 1970, when it is spent.
    `below_nano_usd`: a raised threshold instead, for the subject as a whole: no alert while the last 24 hours stay
    below it, and all money still counts and teaches. A plan for the workspace (`*`) suppresses the workspace-wide alert
    and lets only those subjects alert that stand out even so; it excludes no money.
    """

    id: str
    subject: str
    start: int
    end: int | None = None
    key: str = ""
    below_nano_usd: int | None = None

    def covers(self, at: int) -> bool:
        """Report whether the plan is in force at this moment."""
        return self.start <= at and (self.end is None or at < self.end)


Deltas = Sequence[Delta]
