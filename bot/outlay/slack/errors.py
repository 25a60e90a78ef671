"""Error boundary of the Slack face: every failure of a listener ends here, and the person gets a message.

An error with text for people shows that text. Any other shows a short id, and the traceback is logged once under the
same id. The body of a request is never logged: it may hold a credential.
"""

import logging
import traceback
from collections.abc import Collection, Mapping
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from outlay import wording
from outlay.access.policy import NotAllowedError
from outlay.core.errors import OutlayError
from outlay.logs import error_id
from outlay.plugin.errors import PluginError
from outlay.slack import block_kit
from outlay.slack.message_poster import BlocksRefusedError, NotDeliveredError, ephemeral_post, ephemeral_response
from outlay.spend.parser import QueryError
from outlay.vault.errors import VaultError

HIDDEN = "…"
GIVEN_ACK = "outlay_given_ack"  # key in a request's context under which the boundary saves an earlier acknowledgment
CREDENTIAL_MARK = ":secret:"  # a block whose id holds this is the field of a credential
SECRET_CHARACTERS_MIN = 6  # shorter ones are no secret, and hiding "key" everywhere would hide the error
TYPED_CHARACTERS_MIN = 16  # in any other field, what is as long as this may be a credential in the wrong place


class UserFacingError(OutlayError):
    """Error whose text is shown to the person: mrkdwn, whole sentences, names in it already escaped."""


class PermissionRefusedError(UserFacingError):
    """Error for an action that the person is not allowed to do; the text says who is."""


def message_for_user(error: BaseException, log: logging.Logger, hide: Collection[str] = ()) -> str:
    """Return the message for the person, as mrkdwn; an unexpected error is logged and shown as an id.

    `hide`: secrets in play, removed from both the message and the log.
    """
    if isinstance(error, UserFacingError):
        return str(error)
    if isinstance(error, QueryError):
        return wording.query_error_text(error)
    if isinstance(error, (PluginError, VaultError, NotAllowedError)):
        return wording.escape(_without(str(error), hide))
    found_id = error_id()
    trace = _without("".join(traceback.format_exception(error)), hide)
    log.error("error %s in the Slack face\n%s", found_id, trace.rstrip())
    return f"Something went wrong on our side (id {found_id}). It is in the log."


def register(app: AsyncApp, log: logging.Logger) -> None:
    """Bind the error boundary to the whole app."""

    @app.error
    async def boundary(
        error: Exception, body: Mapping[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> BoltResponse | None:
        context[GIVEN_ACK] = context.ack.response
        text = message_for_user(error, log, _typed(body))
        if context.ack.response is None and body.get("type") == "view_submission":
            return _instead_of_the_form(text)
        try:
            await _tell(text, body, context, client)
        except (SlackClientError, aiohttp.ClientError, OSError, BlocksRefusedError, NotDeliveredError) as failure:
            log.warning("could not tell the person about an error: %s", type(failure).__name__)
        return BoltResponse(status=200, body="") if context.ack.response is None else None


async def _tell(text: str, body: Mapping[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
    """Show the text where the person is: the message's channel, the open modal, or a modal over the Home tab."""
    view, event = _object(body.get("view")), _object(body.get("event"))
    if context.respond is not None and context.response_url:
        await ephemeral_response(context.respond)(text, [block_kit.section(text)])
    elif event.get("type") == "app_mention" and event.get("user"):
        await ephemeral_post(client, str(event.get("channel")), event["user"], event.get("thread_ts") or "")(
            text, [block_kit.section(text)]
        )
    elif view and view.get("type") == "modal":
        await client.views_update(view_id=str(view.get("id")), view=error_view(text))
    elif view and body.get("trigger_id"):
        await client.views_open(trigger_id=body["trigger_id"], view=error_view(text))


def error_view(text: str) -> block_kit.View:
    """Build a modal that only shows what happened."""
    return {
        "type": "modal",
        "title": block_kit.plain("Outlay"),
        "close": block_kit.plain("Close"),
        "blocks": [block_kit.section(text)],
    }


def _instead_of_the_form(text: str) -> BoltResponse:
    return BoltResponse(status=200, body={"response_action": "update", "view": error_view(text)})


def _typed(body: Mapping[str, Any]) -> set[str]:
    """Return what the person typed into a view that is, or could be, a credential.

    Accepts a body of any shape, because the error boundary itself must not fail.
    """
    blocks = _object(_object(_object(body.get("view")).get("state")).get("values"))
    return {
        value
        for block_id, block in blocks.items()
        for element in _object(block).values()
        if isinstance(value := _object(element).get("value", element), str)
        and len(value) >= (SECRET_CHARACTERS_MIN if CREDENTIAL_MARK in block_id else TYPED_CHARACTERS_MIN)
    }


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _without(text: str, hide: Collection[str]) -> str:
    for secret in sorted(hide, key=len, reverse=True):
        if len(secret) >= SECRET_CHARACTERS_MIN:
            text = text.replace(secret, HIDDEN)
    return text
