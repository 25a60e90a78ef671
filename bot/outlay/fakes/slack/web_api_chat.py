"""`chat.*` methods and the response_url: the bot posts, edits and deletes its messages."""

from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from outlay.fakes.slack.call_log import CallLog
from outlay.fakes.slack.faults import FakeSlackFaults
from outlay.fakes.slack.payloads import message_payload
from outlay.fakes.slack.web_api import ApiMethod, ApiRequest, PayloadValidator, arguments, withhold_answer
from outlay.fakes.slack.workspace import FakeMessage, FakeSlackError, FakeWorkspace, ResponseUrl

Json = dict[str, Any]

SCHEDULE_DAYS_MAX = 120
_DAY_SECONDS = 86_400


def post_message(request: ApiRequest) -> Json:
    """Answer chat.postMessage; `chat:write.public` lets the bot post in public channels that it is not in."""
    text, blocks = request.text("text"), request.args.get("blocks")
    public_too = "chat:write.public" in request.scopes
    channel = request.world.writable_channel(request.need("channel"), public_too=public_too)
    request.warnings += request.inspect.validate_message(text, blocks)
    metadata, thread = request.args.get("metadata"), request.text("thread_ts")
    message = request.world.post(channel.id, text, blocks or [], metadata=metadata, thread_ts=thread)
    return {"channel": channel.id, "ts": message.ts, "message": message_payload(message, request.world)}


def post_ephemeral(request: ApiRequest) -> Json:
    """Answer chat.postEphemeral, for a member of the channel only."""
    text, blocks, user = request.text("text"), request.args.get("blocks"), request.need("user")
    channel = request.world.writable_channel(request.need("channel"))
    if user not in channel.members:
        raise FakeSlackError("user_not_in_channel")
    request.warnings += request.inspect.validate_message(text, blocks)
    thread = request.text("thread_ts")
    message = request.world.post(channel.id, text, blocks or [], ephemeral_for=user, thread_ts=thread)
    return {"message_ts": message.ts}


def update(request: ApiRequest) -> Json:
    """Answer chat.update, for a message of the bot only."""
    message = _own(request, otherwise="cant_update_message")
    text = request.args.get("text")
    blocks = request.args.get("blocks")
    request.warnings += request.inspect.validate_message(str(text or ""), blocks) if text or blocks else []
    if text is None and blocks is None:
        raise FakeSlackError("no_text")
    request.world.edit(message, None if text is None else str(text), blocks)
    shown = message_payload(message, request.world)
    return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": shown}


def delete(request: ApiRequest) -> Json:
    """Answer chat.delete, for a message of the bot only."""
    message = _own(request, otherwise="cant_delete_message")
    request.world.delete(message)
    return {"channel": message.channel, "ts": message.ts}


def get_permalink(request: ApiRequest) -> Json:
    """Answer chat.getPermalink."""
    channel, ts = request.need("channel"), request.need("message_ts")
    if (channel, ts) not in request.world.messages:
        raise FakeSlackError("message_not_found")
    domain = request.world.team_domain
    return {"channel": channel, "permalink": f"https://{domain}.slack.com/archives/{channel}/p{ts.replace('.', '')}"}


def schedule_message(request: ApiRequest) -> Json:
    """Answer chat.scheduleMessage; the message is recorded, and never posted."""
    text, blocks = request.text("text"), request.args.get("blocks")
    channel = request.world.writable_channel(request.need("channel"))
    request.warnings += request.inspect.validate_message(text, blocks)
    now, post_at = request.world.clock.now().timestamp(), int(request.need("post_at"))
    if post_at <= now:
        raise FakeSlackError("time_in_past")
    if post_at > now + SCHEDULE_DAYS_MAX * _DAY_SECONDS:
        raise FakeSlackError("time_too_far")
    name = f"Q{len(request.world.scheduled) + 1:08d}"
    request.world.scheduled[name] = {"channel": channel.id, "post_at": post_at, "text": text, "blocks": blocks or []}
    return {"channel": channel.id, "scheduled_message_id": name, "post_at": post_at, "message": {"text": text}}


METHODS = {
    "chat.postMessage": ApiMethod(post_message, ("chat:write",)),
    "chat.postEphemeral": ApiMethod(post_ephemeral, ("chat:write",)),
    "chat.update": ApiMethod(update, ("chat:write",)),
    "chat.delete": ApiMethod(delete, ("chat:write",)),
    "chat.scheduleMessage": ApiMethod(schedule_message, ("chat:write",)),
    "chat.getPermalink": ApiMethod(get_permalink),
}


class ResponseUrls:
    """`/response/…`: answers to one interaction, without a token, five times in half an hour."""

    def __init__(
        self, world: FakeWorkspace, journal: CallLog, faults: FakeSlackFaults, inspector: PayloadValidator
    ) -> None:
        self._world = world
        self._journal = journal
        self._faults = faults
        self._inspector = inspector

    async def endpoint(self, http: HttpRequest) -> Response:
        """Answer one request to a response_url, or apply the fault that waits for it."""
        args = await arguments(http)
        self._journal.in_flight += 1
        try:
            return await self._weather(http.path_params["name"], args)
        finally:
            self._journal.in_flight -= 1
            self._journal.pulse.notify()

    async def _weather(self, name: str, args: Json) -> Response:
        fault = self._faults.pop("response_url")
        if fault is None:
            return self._answered(args, *self._perform(name, args))
        if fault.kind in ("hang", "lose"):
            if fault.performed:
                self._perform(name, args)
            self._write_down(args, 0, {"ok": False, "error": fault.error, "performed": fault.performed}, [])
            return await withhold_answer(fault, self._faults, self._journal)
        status = {"rate_limit": 429, "refuse": 400}.get(fault.kind, 500)
        headers = {"Retry-After": str(fault.retry_after_seconds)} if status == 429 else None
        return self._answered(args, status, {"ok": False, "error": fault.error}, [], headers)

    def _perform(self, name: str, args: Json) -> tuple[int, Json, list[str]]:
        try:
            url = self._world.use_response_url(name)
        except FakeSlackError as refusal:
            return 404, {"ok": False, "error": refusal.error}, []
        try:
            return 200, {"ok": True}, self.apply_answer(url, args)
        except FakeSlackError as refusal:
            return 400, {"ok": False, "error": refusal.error, **refusal.more}, []

    def _answered(
        self, args: Json, status: int, answer: Json, warnings: list[str], headers: dict[str, str] | None = None
    ) -> Response:
        self._write_down(args, status, answer, warnings)
        if answer["ok"]:
            return PlainTextResponse("ok")
        return JSONResponse({"ok": False, "error": answer["error"]}, status, headers)

    def _write_down(self, args: Json, status: int, answer: Json, warnings: list[str]) -> None:
        self._journal.call("response_url", args, status, answer, self._world.clock.now(), tuple(warnings))

    def apply_answer(self, url: ResponseUrl, args: Json) -> list[str]:
        """Do what an answer asks for: a new message (private unless `in_channel`), a replacement, a deletion.

        Returns warnings about blocks that Slack would accept.
        """
        if args.get("delete_original") and url.message is not None:
            self._world.delete(url.message)
            return []
        text, blocks = str(args.get("text") or ""), args.get("blocks")
        warnings = self._inspector.validate_message(text, blocks, budget=False)
        if args.get("replace_original") and url.message is not None and not url.message.deleted:
            self._world.edit(url.message, text, blocks or [])
            return warnings
        private = "" if args.get("response_type") == "in_channel" else url.user
        thread = str(args.get("thread_ts") or "")
        self._world.post(url.channel, text, blocks or [], ephemeral_for=private, thread_ts=thread)
        return warnings


def _own(request: ApiRequest, *, otherwise: str) -> FakeMessage:
    """Return the message of the bot that the request names; raise Refused with `otherwise` if it is not the bot's."""
    channel = request.world.writable_channel(request.need("channel"), public_too=True)
    return request.world.own_message(channel.id, request.need("ts"), otherwise=otherwise)
