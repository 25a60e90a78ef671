"""Every id of the budget feature, `feature:verb`, written down once."""

from enum import StrEnum


class Action(StrEnum):
    """What can be pressed; each has a listener."""

    ADD = "budget:add"
    CHANGE = "budget:change"
    REMOVE = "budget:remove"
    SCOPE = "budget:scope"  # chosen in the form, which then asks for which one


class View(StrEnum):
    """What can be submitted."""

    FORM = "budget:form"


class Input(StrEnum):
    """Fields: each its own block too, so that an error lands on it."""

    SCOPE = "budget:scope"
    OWNER = "budget:owner"
    MODEL = "budget:model"
    LEDGER = "budget:ledger"
    LIMIT = "budget:limit"
    PERIOD = "budget:period"
    SHARES = "budget:shares"
    FORECAST = "budget:forecast"
    CHANNEL = "budget:channel"
