"""Slack ids of the alerts feature, each `alerts:verb`."""

from enum import StrEnum


class Action(StrEnum):
    """Ids of buttons and selects; each has a listener. The value is an incident's number, or begins with it."""

    ACKNOWLEDGE = "alerts:acknowledge"
    SNOOZE = "alerts:snooze"
    EXPECT = "alerts:expect"
    FILE = "alerts:file"
    LOOK = "alerts:look"  # shows the figures behind it, as `/spend` does
    UNDO = "alerts:undo"
    SHOW = "alerts:show"  # one incident in full, in a modal
    PICK = "alerts:pick"  # the same, chosen from a group's message
    OPEN = "alerts:open"  # opens what `/spend alerts` opens
    TAKE_BACK = "alerts:take_back"
    PLAN = "alerts:plan"
    SETTINGS = "alerts:settings"
    CHANNEL = "alerts:channel"
    SEND_AGAIN = "alerts:send_again"  # the value is the number of an outbox message
    SEND_ALL_AGAIN = "alerts:send_all_again"


class View(StrEnum):
    """Ids of modals that can be submitted."""

    EXPECT = "alerts:expect_form"
    OVERVIEW = "alerts:overview"
    PLAN = "alerts:plan_form"
    SETTINGS = "alerts:settings_form"
    CHANNEL = "alerts:channel_form"


class Input(StrEnum):
    """Ids of form fields; each is also its block's id, so that an error is shown under it."""

    REASON = "alerts:reason"
    HOW = "alerts:how"
    UNTIL = "alerts:until"
    DAY_USD = "alerts:day_usd"
    DIRECT = "alerts:direct"
    OWNER = "alerts:owner"
    FROM = "alerts:from"
    SENSITIVITY = "alerts:sensitivity"
    FLOOR_USD = "alerts:floor_usd"
    PLACE = "alerts:place"
    QUIET_FROM = "alerts:quiet_from"
    QUIET_TO = "alerts:quiet_to"


METADATA = "outlay_incident"  # event type of the metadata by which Outlay finds its own messages
REPLY_METADATA = "outlay_incident_reply"
