"""Modals of one incident: the incident in full, and the figures behind it. Pure."""

from datetime import datetime

from outlay.incidents.service import IncidentView
from outlay.slack import block_kit
from outlay.slack.incidents import blocks
from outlay.slack.message_poster import RenderedMessage


def incident_view(view: IncidentView, now: datetime) -> block_kit.View:
    """Build the modal of one incident with all its actions."""
    return {
        "type": "modal",
        "title": block_kit.plain("Incident"),
        "close": block_kit.plain("Close"),
        "blocks": blocks.incident_blocks(view, now),
    }


def answer_view(said: RenderedMessage) -> block_kit.View:
    """Build a modal with an answer of `/spend`, in its plainest form, since modals do not show tables."""
    return {
        "type": "modal",
        "title": block_kit.plain("What Was Spent"),
        "close": block_kit.plain("Close"),
        "blocks": said.forms[-1][1],
    }
