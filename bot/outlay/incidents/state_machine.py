"""State machine of an incident, from first sign to recovery: allowed actions and the state after each.

It is *alive* while it is open, acknowledged or snoozed: it grows, its message is kept up to date, and in the end the
clock resolves it. A person may end it earlier as expected or as a false alarm. Each of these can be undone. The
severity only rises.
"""

from dataclasses import dataclass, replace
from typing import Literal

from outlay.core.errors import OutlayError

State = Literal["open", "acknowledged", "snoozed", "expected", "false", "resolved"]
IncidentAction = Literal["acknowledge", "snooze", "expect", "dismiss", "undo", "resolve", "reopen", "wake", "raise"]
Severity = Literal["notice", "page"]

ALIVE: tuple[State, ...] = ("open", "acknowledged", "snoozed")
_FROM: dict[IncidentAction, tuple[State, ...]] = {
    "acknowledge": ("open", "snoozed"),
    "snooze": ("open", "acknowledged", "snoozed"),
    "expect": ALIVE,
    "dismiss": ALIVE,
    "undo": ("acknowledged", "snoozed", "expected", "false"),
    "resolve": ALIVE,
    "reopen": ("resolved",),
    "wake": ("snoozed",),
    "raise": ALIVE,
}
_TO: dict[IncidentAction, State] = {
    "acknowledge": "acknowledged",
    "snooze": "snoozed",
    "expect": "expected",
    "dismiss": "false",
    "undo": "open",
    "resolve": "resolved",
    "reopen": "open",
    "wake": "open",
}


class InvalidTransitionError(OutlayError, ValueError):
    """That action is not allowed in the incident's state; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class IncidentStatus:
    """Status of an incident. `snoozed_until`, `quiet_since`: seconds since 1970.

    `quiet_since`: since when the rate is back to usual, according to the ledgers' data; None while it burns.
    `told_nano_usd`: the cost at the last message about a doubling.
    """

    state: State = "open"
    severity: Severity = "notice"
    snoozed_until: int | None = None
    quiet_since: int | None = None
    told_nano_usd: int = 0

    @property
    def alive(self) -> bool:
        """Report whether the incident is still active."""
        return self.state in ALIVE


def next_status(standing: IncidentStatus, deed: IncidentAction, *, until: int | None = None) -> IncidentStatus:
    """Return the status after an action. `until`: the end of a snooze. Raises InvalidTransitionError."""
    if standing.state not in _FROM[deed]:
        raise InvalidTransitionError(f"It is {words_of(standing.state)} already, so that changes nothing.")
    if deed == "snooze" and until is None:
        raise ValueError("a snooze has an end")
    state = _TO.get(deed, standing.state)
    return replace(
        standing,
        state=state,
        severity="page" if deed == "raise" else standing.severity,
        snoozed_until=until if deed == "snooze" else None if deed != "raise" else standing.snoozed_until,
        quiet_since=None if deed in ("reopen", "undo") else standing.quiet_since,
    )


def words_of(state: State) -> str:
    """Return the state in words."""
    return {"false": "marked as no incident", "expected": "marked as expected", "resolved": "over"}.get(state, state)


def has_doubled(standing: IncidentStatus, spent_nano_usd: int) -> bool:
    """Report whether the cost has doubled since the last message about it, while the incident is alive."""
    return standing.alive and standing.told_nano_usd > 0 and spent_nano_usd >= 2 * standing.told_nano_usd


def check_recovery(
    standing: IncidentStatus,
    *,
    rate_nano_usd: int,
    quiet_below_nano_usd: int,
    as_of: int,
    window_seconds: int,
    recovery_seconds: int,
) -> tuple[IncidentStatus, bool]:
    """Return the status after a check of the rate, and whether the incident has recovered.

    `rate_nano_usd`: dollars an hour over the last `window_seconds`; that whole window counts as quiet when the rate is.
    `as_of`: up to when the ledgers have reported. A ledger that is silent because it lags does not mean that spending
    stopped, so quiet time is counted on the ledger's clock, not on ours.
    """
    if not standing.alive:
        return standing, False
    if rate_nano_usd > quiet_below_nano_usd:
        return replace(standing, quiet_since=None), False
    since = as_of - window_seconds if standing.quiet_since is None else min(standing.quiet_since, as_of)
    return replace(standing, quiet_since=since), as_of - since >= recovery_seconds
