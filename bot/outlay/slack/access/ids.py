"""Every id of the settings feature, `settings:verb`, written down once."""

from enum import StrEnum


class Action(StrEnum):
    """Buttons; each has a listener."""

    ADD = "settings:add_team"
    CHANGE = "settings:change_team"  # the value is the team's name


class View(StrEnum):
    """Views that can be submitted."""

    FORM = "settings:form"
    TEAM = "settings:team_form"


class Input(StrEnum):
    """Form fields: each is a block of its own too, so that an error is shown at it."""

    OPEN = "settings:open"
    ADMINS = "settings:admins"
    NAME = "settings:name"
    MANAGERS = "settings:managers"
    MEMBERS = "settings:members"
