"""Every id of the connect feature, `feature:verb`, written down once."""

from enum import StrEnum

from outlay.slack.errors import CREDENTIAL_MARK


class Action(StrEnum):
    """What can be pressed or chosen; each has a listener."""

    OPEN = "connect:open"
    RECONNECT = "connect:reconnect"
    LEDGER = "connect:ledger"
    ADVANCED = "connect:advanced"


class View(StrEnum):
    """What can be submitted; each has a listener."""

    FORM = "connect:form"


class Shown(StrEnum):
    """Views that only show."""

    CHECKING = "connect:checking"
    DONE = "connect:done"


class Input(StrEnum):
    """Fields of the form. They are read when it is submitted, and call nobody before."""

    NAME = "connect:name"
    VALUE = "connect:value"


def name_block(slug: str) -> str:
    """The block of the connection's name. Another ledger has another block, so that Slack shows its own suggestion."""
    return f"{Input.NAME}:{slug}"


def field_block(slug: str, field: str, *, secret: bool) -> str:
    """The block of a ledger's own field. A secret's can be told by its id, wherever errors pass through."""
    return f"connect{CREDENTIAL_MARK if secret else ':field:'}{slug}:{field}"
