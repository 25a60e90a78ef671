"""Entry of the fake Web API: arguments in every form Slack takes, the token, its scopes, faults, the call log.

A method is a function from `ApiRequest` to the fields of the answer; it raises `FakeSlackError` to refuse. The scope
it needs is in the table where it is registered, so that a run can verify the manifest's list.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from outlay.fakes.slack.block_kit_schema import BlockKitSchema
from outlay.fakes.slack.call_log import CallLog
from outlay.fakes.slack.faults import HANG_SECONDS, FakeSlackFault, FakeSlackFaults
from outlay.fakes.slack.validation import (
    BLOCKS_CHARACTERS_MAX,
    BUDGET_CHARACTERS,
    TEXT_MAX,
    VIEW_BYTES_MAX,
    characters,
    check_blocks,
    check_view,
)
from outlay.fakes.slack.workspace import FakeSlackError, FakeWorkspace

Json = dict[str, Any]

Caller = Literal["bot", "app", "anyone"]
_PARSED = ("blocks", "view", "metadata", "files", "attachments")


@dataclass(slots=True)
class ApiRequest:
    """Call of the Web API as a method sees it."""

    world: FakeWorkspace
    args: Json
    scopes: frozenset[str]
    inspect: "PayloadValidator"
    base_url: str
    warnings: list[str] = field(default_factory=list)

    def need(self, name: str) -> str:
        """Return a required argument; raise Refused if it is missing."""
        value = self.args.get(name)
        if value in (None, ""):
            words = [f"[ERROR] missing required field: {name}"]
            raise FakeSlackError("invalid_arguments", response_metadata={"messages": words})
        return str(value)

    def text(self, name: str) -> str:
        """Return an optional argument, or an empty string."""
        return str(self.args.get(name) or "")

    def need_scope(self, *any_of: str) -> None:
        """Raise Refused with `missing_scope` unless the token has one of these."""
        if any_of and not self.scopes.intersection(any_of):
            raise FakeSlackError("missing_scope", needed=any_of[0], provided=",".join(sorted(self.scopes)))


@dataclass(frozen=True, slots=True)
class ApiMethod:
    """Method of the Web API. `scopes`: any one of them is enough; with none, any token will do."""

    run: Callable[[ApiRequest], Json]
    scopes: tuple[str, ...] = ()
    caller: Caller = "bot"


class PayloadValidator:
    """Checker of payloads with blocks or a view: by this project's limits, and the JSON schema if there is one."""

    def __init__(self, faults: FakeSlackFaults, schema: BlockKitSchema | None = None) -> None:
        self._faults = faults
        self._schema = schema

    def validate_message(self, text: str, blocks: object, *, budget: bool = True) -> list[str]:
        """Raise Refused for a message that Slack would refuse; return warnings about one that it would accept."""
        if len(text) > TEXT_MAX:
            raise FakeSlackError("msg_too_long")
        if not blocks:
            if not text:
                raise FakeSlackError("no_text")
            return []
        problems = check_blocks(blocks, "message", unknown=self._faults.unknown_blocks)
        if self._schema and not problems and isinstance(blocks, list):
            problems = self._schema.check_blocks(blocks)
        if problems or not isinstance(blocks, list):
            words = [str(problem) for problem in problems]
            bare = [word.removeprefix("[ERROR] ") for word in words]
            raise FakeSlackError("invalid_blocks", errors=bare, response_metadata={"messages": words})
        size = characters(blocks)
        if budget and size > BLOCKS_CHARACTERS_MAX:
            raise FakeSlackError("msg_blocks_too_long")
        warnings = [] if text else ["missing_text_in_message"]
        return [*warnings, "blocks_over_budget"] if budget and size > BUDGET_CHARACTERS else warnings

    def validate_view(self, view: object, *kinds: str) -> Json:
        """Return the view if Slack would accept it as one of these kinds, else raise Refused.

        Wrong blocks in a view are `invalid_arguments`, as at Slack.
        """
        problems = check_view(view, unknown=self._faults.unknown_blocks)
        if self._schema and not problems and isinstance(view, dict):
            problems = self._schema.check_view(view)
        words = [str(problem) for problem in problems]
        if isinstance(view, dict) and not problems and view["type"] not in kinds:
            words = [f"[ERROR] unsupported type: {view['type']} [json-pointer:/view/type]"]
        if words or not isinstance(view, dict):
            raise FakeSlackError("invalid_arguments", response_metadata={"messages": words})
        if len(json.dumps(view).encode()) > VIEW_BYTES_MAX:
            raise FakeSlackError("view_too_large")
        return view


class WebApi:
    """All methods behind one address, `/api/NAME`."""

    def __init__(
        self,
        world: FakeWorkspace,
        journal: CallLog,
        faults: FakeSlackFaults,
        inspector: PayloadValidator,
        *,
        methods: dict[str, ApiMethod],
        tokens: dict[str, tuple[Caller, frozenset[str]]],
    ) -> None:
        self._world = world
        self._journal = journal
        self._faults = faults
        self._inspector = inspector
        self._methods = methods
        self.tokens = tokens
        self.other_workspaces: list[WebApi] = []  # other workspaces, whose tokens work at this address too

    async def endpoint(self, http: HttpRequest) -> Response:
        """Answer one call, or apply the fault that waits for it."""
        method, args, token = http.path_params["method"], await arguments(http), _token(http)
        token = token or str(args.pop("token", ""))
        args.pop("token", None)
        for neighbour in self.other_workspaces:
            if token in neighbour.tokens and token not in self.tokens:
                return await neighbour.endpoint(http)
        if method in self._methods and self._methods[method].caller == "anyone":
            args |= _basic(http)
        self._journal.in_flight += 1
        try:
            return await self._weather(method, args, token, str(http.base_url))
        finally:
            self._journal.in_flight -= 1
            self._journal.pulse.notify()

    async def _weather(self, method: str, args: Json, token: str, base_url: str) -> Response:
        fault = self._faults.pop(method)
        if fault is None:
            answer, warnings = self._perform(method, args, token, base_url)
            return self._answered(method, args, 200, answer, warnings)
        if fault.kind == "rate_limit":
            answer = {"ok": False, "error": fault.error}
            retry = {"Retry-After": str(fault.retry_after_seconds)}
            return self._answered(method, args, 429, answer, [], retry)
        if fault.kind == "refuse":
            words = ["[ERROR] refused on request [json-pointer:/blocks]"] if "blocks" in fault.error else []
            answer = {"ok": False, "error": fault.error, "response_metadata": {"messages": words}}
            return self._answered(method, args, 200, answer, [])
        if fault.kind == "server_error":
            self._journal.call(method, args, 500, {"ok": False, "error": fault.error}, self._world.clock.now(), ())
            return PlainTextResponse("<html><h1>500 Internal Server Error</h1></html>", 500, media_type="text/html")
        return await self._silence(fault, method, args, token, base_url)

    async def _silence(self, fault: FakeSlackFault, method: str, args: Json, token: str, base_url: str) -> Response:
        done = self._perform(method, args, token, base_url)[0] if fault.performed else {"ok": False}
        answer = {**done, "error": fault.error, "performed": fault.performed}
        self._journal.call(method, args, 0, {**answer, "ok": False}, self._world.clock.now(), ())
        return await withhold_answer(fault, self._faults, self._journal)

    def _perform(self, name: str, args: Json, token: str, base_url: str) -> tuple[Json, list[str]]:
        request = ApiRequest(self._world, args, frozenset(), self._inspector, base_url)
        try:
            method = self._methods.get(name)
            if method is None:
                raise FakeSlackError("unknown_method", req_method=name)
            if method.caller == "anyone":
                return {"ok": True, **method.run(request)}, request.warnings
            if not token:
                raise FakeSlackError("not_authed")
            if token not in self.tokens:
                raise FakeSlackError("invalid_auth")
            caller, request.scopes = self.tokens[token]
            if caller != method.caller:
                raise FakeSlackError("not_allowed_token_type")
            request.need_scope(*method.scopes)
            return {"ok": True, **method.run(request)}, request.warnings
        except FakeSlackError as refusal:
            return {"ok": False, "error": refusal.error, **refusal.more}, request.warnings

    def _answered(
        self,
        method: str,
        args: Json,
        status: int,
        answer: Json,
        warnings: list[str],
        headers: dict[str, str] | None = None,
    ) -> Response:
        if warnings:
            answer = answer | {"warning": ",".join(warnings)}
        args = {name: value for name, value in args.items() if name != "client_secret"}
        self._journal.call(method, args, status, answer, self._world.clock.now(), tuple(warnings))
        return JSONResponse(answer, status, headers)


async def withhold_answer(fault: FakeSlackFault, faults: FakeSlackFaults, journal: CallLog) -> Response:
    """Give no answer: at once for `lose`; for `hang` when released, or after a minute."""
    if fault.kind == "hang":
        journal.in_flight -= 1  # a hanging call must not keep `Chat.settle` waiting
        try:
            async with asyncio.timeout(HANG_SECONDS):
                await faults.released.wait()
        except TimeoutError:
            pass  # a minute without an answer is what `hang` promises
        finally:
            journal.in_flight += 1
    return BrokenResponse()


class BrokenResponse(Response):
    """Response that breaks off: its header promises more than ever comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"ok":', "more_body": True})
        raise ConnectionAbortedError("the answer was to be lost")


async def arguments(http: HttpRequest) -> Json:
    """Return the arguments from the query, a form or JSON; JSON inside a form is parsed."""
    args: Json = dict(http.query_params)
    body = (await http.body()).decode("utf-8", "replace")
    if http.headers.get("content-type", "").startswith("application/json"):
        try:
            parsed = json.loads(body or "{}")
        except ValueError:
            parsed = {}
        args |= parsed if isinstance(parsed, dict) else {}
    else:
        args |= dict(parse_qsl(body, keep_blank_values=True))
    for name in _PARSED:
        if isinstance(args.get(name), str):
            try:
                args[name] = json.loads(args[name])
            except ValueError:
                continue  # stays text, which the inspector refuses: it is not a list of blocks
    return args


def _token(http: HttpRequest) -> str:
    scheme, _, token = http.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic(http: HttpRequest) -> Json:
    """Return the client's id and secret from HTTP Basic authorization; empty without it."""
    scheme, _, packed = http.headers.get("authorization", "").partition(" ")
    try:
        name, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": name, "client_secret": secret} if scheme.lower() == "basic" else {}
