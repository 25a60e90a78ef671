"""Every id of the alerts feature, `alerts:verb`, written down once."""

from enum import StrEnum


class Action(StrEnum):
    """What can be pressed or chosen; each has a listener. The value is an incident's number, or begins with it."""

    ACKNOWLEDGE = "alerts:acknowledge"
    SNOOZE = "alerts:snooze"
    EXPECT = "alerts:expect"
    FILE = "alerts:file"
    LOOK = "alerts:look"  # the figures, in `/spend`
    UNDO = "alerts:undo"
    SHOW = "alerts:show"  # one incident whole, in a modal
    PICK = "alerts:pick"  # the same, chosen from those that share a message
    OPEN = "alerts:open"  # what `/spend alerts` opens
    TAKE_BACK = "alerts:take_back"
    PLAN = "alerts:plan"
    SETTINGS = "alerts:settings"
    CHANNEL = "alerts:channel"
    SEND_AGAIN = "alerts:send_again"  # the value is a message's number
    SEND_ALL_AGAIN = "alerts:send_all_again"


class View(StrEnum):
    """What can be submitted."""

    EXPECT = "alerts:expect_form"
    OVERVIEW = "alerts:overview"
    PLAN = "alerts:plan_form"
    SETTINGS = "alerts:settings_form"
    CHANNEL = "alerts:channel_form"


class Input(StrEnum):
    """Fields: each its own block too, so that an error lands on it."""

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


METADATA = "outlay_incident"  # the event type by which Outlay finds its own message again
REPLY_METADATA = "outlay_incident_reply"
