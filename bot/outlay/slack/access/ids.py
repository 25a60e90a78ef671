"""Every id of the settings feature, `settings:verb`, written down once."""

from enum import StrEnum


class Action(StrEnum):
    """What can be pressed; each has a listener."""

    ADD = "settings:add_team"
    CHANGE = "settings:change_team"  # the value is the team's name


class View(StrEnum):
    """What can be submitted."""

    FORM = "settings:form"
    TEAM = "settings:team_form"


class Input(StrEnum):
    """Fields: each its own block too, so that an error lands on it."""

    OPEN = "settings:open"
    ADMINS = "settings:admins"
    NAME = "settings:name"
    MANAGERS = "settings:managers"
    MEMBERS = "settings:members"
