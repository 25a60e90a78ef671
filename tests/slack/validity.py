"""Validation of what Slack would accept: the project's own limits always, the published schema where it exists."""

import json
import re
from typing import Any

from outlay.fakes.slack.block_kit_schema import BlockKitSchema
from outlay.fakes.slack.validation import Surface, check_blocks, check_view
from outlay.slack import block_kit
from outlay.slack.message_poster import RenderedMessage, fits
from tests.workspace import schema

_SCHEMA = BlockKitSchema(path) if (path := schema()) else None
# Markup that Slack turns into a mention or a link. Allowed: dates, and people and channels by their id.
_LIVE = re.compile(r"<(?!!date\^\d+\^[^<>|]*\|[^<>|]*>|@[UW][A-Z0-9]+>|#[CG][A-Z0-9]+>)")


def assert_message(message: RenderedMessage) -> None:
    """Check that every form of the message is valid, within the budget, and mentions nobody."""
    assert message.text
    assert not _LIVE.search(message.text), message.text
    for form, blocks in message.forms:
        assert fits(blocks), form
        assert_blocks(blocks, "message")


def assert_blocks(blocks: list[block_kit.Block], surface: Surface) -> None:
    """Check that the blocks are valid on this surface, and mention nobody."""
    problems = [*check_blocks(blocks, surface), *(_SCHEMA.check_blocks(blocks) if _SCHEMA else [])]
    assert not problems, problems
    for text in mrkdwn_texts(blocks):
        assert not _LIVE.search(text), text


def assert_view(view: block_kit.View) -> None:
    """Check that the view is valid, and that no part of it is an unserializable object."""
    problems = [*check_view(view), *(_SCHEMA.check_view(view) if _SCHEMA else [])]
    assert not problems, problems
    json.dumps(view)
    for text in mrkdwn_texts(view["blocks"]):
        assert not _LIVE.search(text), text


def mrkdwn_texts(node: Any) -> list[str]:
    """Return every text that Slack formats. Each must be verbatim, so that nothing becomes a link by itself."""
    if isinstance(node, list):
        return [text for part in node for text in mrkdwn_texts(part)]
    if not isinstance(node, dict):
        return []
    if node.get("type") == "mrkdwn":
        assert node.get("verbatim") is True, node
        return [node["text"]]
    return [text for part in node.values() for text in mrkdwn_texts(part)]
