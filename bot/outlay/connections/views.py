"""Views of connections and polls: plain values, which Slack, the terminal and JSON each render."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from outlay.core.owner import Owner
from outlay.plugin.errors import BadConfig
from outlay.plugin.forms import FormField

Choices = Mapping[str, tuple[tuple[str, str], ...]]  # of a field: what can be chosen, as (value, label)
MAX_NAMED = 20


class ChoiceNeeded(BadConfig):
    """Right credential with something yet to be chosen. `choices` are for the second step of the form."""

    def __init__(self, field: str, choices: Choices) -> None:
        found = choices.get(field, ())
        named = ", ".join(value if value == label else f"{value} ({label})" for value, label in found[:MAX_NAMED])
        more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
        super().__init__(field, f"choose one of: {named}{more}" if found else "there is nothing to choose from yet")
        self.choices = choices


@dataclass(frozen=True, slots=True)
class LedgerForm:
    """Kind of connection that can be made, and the fields of its form."""

    slug: str
    title: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class SavedConnection:
    """Connection that was just saved. `fingerprint` is all that is ever shown of its credential."""

    id: str
    name: str
    ledger_title: str
    account_title: str
    fingerprint: str
    can_read: tuple[str, ...]
    is_sink: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionSummary:
    """Existing connection, as the Home tab and the form that replaces its credential need it."""

    id: str
    name: str
    slug: str
    ledger_title: str
    state: str = "ok"
    is_sink: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """Connection with its health. `state`: ok, paused, needs_reauth or failing."""

    id: str
    name: str
    ledger: str
    role: str
    account_id: str
    account_title: str
    fingerprint: str
    state: str
    fresh_until: datetime | None
    last_poll: datetime | None
    next_poll: datetime | None
    error: str
    notes: str = ""
    credential: str = ""  # which kind it is, such as `management key`
    title: str = ""  # of the ledger, as people know it
    in_front_of: str = ""  # CONNECTION or CONNECTION:KEY_ID, for role attribution


@dataclass(slots=True)
class PollResult:
    """Result of one poll of a connection. `error` is in words a person can act on; '' when all went well."""

    name: str
    ok: bool = True
    new: int = 0
    changed: int = 0
    same: int = 0
    requests: int = 0
    error: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """Key with its current owner. `number` is the books' own; `spent_nano_usd` is of this month so far."""

    number: int
    name: str
    ledger_id: str
    connection: str
    owner: Owner
    spent_nano_usd: int
    email: str = ""
    last_used_at: datetime | None = None
