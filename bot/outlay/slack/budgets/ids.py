"""Slack ids of the budget feature, each `feature:verb`."""

from enum import StrEnum


class Action(StrEnum):
    """Ids of buttons and selects; each has a listener."""

    ADD = "budget:add"
    CHANGE = "budget:change"
    REMOVE = "budget:remove"
    SCOPE = "budget:scope"  # a choice in the form, which then asks for the subject


class View(StrEnum):
    """Ids of modals that can be submitted."""

    FORM = "budget:form"


class Input(StrEnum):
    """Ids of form fields; each is also its block's id, so that an error is shown under it."""

    SCOPE = "budget:scope"
    OWNER = "budget:owner"
    MODEL = "budget:model"
    LEDGER = "budget:ledger"
    LIMIT = "budget:limit"
    PERIOD = "budget:period"
    SHARES = "budget:shares"
    FORECAST = "budget:forecast"
    CHANNEL = "budget:channel"
