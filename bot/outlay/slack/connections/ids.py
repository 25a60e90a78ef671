"""Slack ids of the connect feature, each `feature:verb`."""

from enum import StrEnum

from outlay.slack.errors import CREDENTIAL_MARK


class Action(StrEnum):
    """Ids of buttons and selects; each has a listener."""

    OPEN = "connect:open"
    RECONNECT = "connect:reconnect"
    LEDGER = "connect:ledger"
    ADVANCED = "connect:advanced"


class View(StrEnum):
    """Ids of modals that can be submitted; each has a listener."""

    FORM = "connect:form"


class StaticView(StrEnum):
    """Ids of modals that only show something."""

    CHECKING = "connect:checking"
    DONE = "connect:done"


class Input(StrEnum):
    """Ids of form fields. They are read when the form is submitted, and trigger no listener before."""

    NAME = "connect:name"
    VALUE = "connect:value"


def name_block(slug: str) -> str:
    """Return the id of the block with the connection's name.

    It differs by ledger, so that Slack shows that ledger's suggestion instead of what was typed for another.
    """
    return f"{Input.NAME}:{slug}"


def field_block(slug: str, field: str, *, secret: bool) -> str:
    """Return the block id of a ledger's field. A secret's carries a mark, by which errors can be redacted."""
    return f"connect{CREDENTIAL_MARK if secret else ':field:'}{slug}:{field}"
