"""The owner of a key, and a key as people see it."""

from dataclasses import dataclass
from typing import Literal

OwnerKind = Literal["person", "agent", "team", "unattributed"]


@dataclass(frozen=True, slots=True)
class Owner:
    """Owner of a key: who answers for it.

    `id`: a Slack user id, an e-mail address, `agent:NAME`, `team:NAME` or `unattributed`.
    """

    id: str
    name: str
    kind: OwnerKind


UNATTRIBUTED = Owner("unattributed", "unattributed", "unattributed")
OTHERS = Owner("others", "everybody else", "unattributed")  # sum of the owners whom the asker may not see


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A key as people see it. `id` is the ledger's own."""

    id: str
    name: str
    ledger: str
    connection: str
