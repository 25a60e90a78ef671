"""The modals of one incident: shown whole, and the figures behind it. Pure."""

from datetime import datetime

from bot.slack import kit
from bot.slack.alerts import blocks
from bot.slack.posting import Message
from bot.work.desk import IncidentView


def incident_view(view: IncidentView, now: datetime) -> kit.View:
    """One incident whole, with all that can be done."""
    return {
        "type": "modal",
        "title": kit.plain("Incident"),
        "close": kit.plain("Close"),
        "blocks": blocks.incident(view, now),
    }


def answer_view(said: Message) -> kit.View:
    """An answer of `/spend` in a modal, where tables do not work: the plainest form."""
    return {
        "type": "modal",
        "title": kit.plain("What Was Spent"),
        "close": kit.plain("Close"),
        "blocks": said.forms[-1][1],
    }
