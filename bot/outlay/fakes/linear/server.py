"""Fake Linear on loopback: its GraphQL endpoint over a schema, with a workspace in memory behind it.

Every request is validated against the schema, variables included: an unknown field is refused, as Linear refuses it. An
id that was used before is refused in Linear's own words, since a retry learns from that refusal that it had worked.
Apps get tokens for their client id and secret; a new token revokes the one before, as at Linear.
"""

import json
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qs

from graphql import GraphQLError, GraphQLSchema, build_ast_schema, graphql, parse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from outlay.core.clock import Clock
from outlay.fakes.company.employees import uuid_of
from outlay.fakes.http_common import FaultMiddleware, HttpFaults, RequestLog
from outlay.fakes.linear.schema import SCHEMA
from outlay.fakes.linear.workspace import FakeLinearError, FakeLinearWorkspace

API_KEY: Final = "lin_api_brightloomDemoKeyBrightloomDemoKey0001"
CLIENT_ID: Final = "brightloom-app"
CLIENT_SECRET: Final = "lin_app_brightloomDemoSecret0001"  # noqa: S105  of an app that does not exist
PATH = "/graphql"
TOKEN_PATH = "/oauth/token"  # noqa: S105


class FakeLinear:
    """Fake Linear: `issues` by id, and the rest of the workspace in `world`."""

    def __init__(self, clock: Clock, api_key: str, schema: GraphQLSchema) -> None:
        self.world = FakeLinearWorkspace(clock)
        self.faults, self.journal = HttpFaults(), RequestLog()
        self.token, self.tokens_given = "", 0
        self._api_key, self._schema, self._clock = api_key, schema, clock

    @property
    def issues(self) -> dict[str, dict[str, Any]]:
        """Return all issues, by id."""
        return self.world.issues

    @property
    def team(self) -> dict[str, Any]:
        """Return the first team."""
        return self.world.teams[0]

    def rotate(self, api_key: str) -> None:
        """Accept only this API key from now on; the previous one is refused as unknown."""
        self._api_key = api_key

    def limit(self, *, status: int = 400, wait_seconds: float = 120, times: int = 1) -> None:
        """Let the next answers report an exhausted hourly limit; Linear does so with 400, and once did with 200."""
        words = "Rate limit exceeded. Only 1500 requests are allowed per 1 hour."
        extensions = {"type": "ratelimited", "code": "RATELIMITED", "statusCode": 429, "userError": True}
        body = json.dumps({"errors": [{"message": words, "extensions": extensions}]})
        reset = int((self._clock.now().timestamp() + wait_seconds) * 1000)
        headers = {"x-ratelimit-requests-remaining": "0", "x-ratelimit-requests-reset": str(reset)}
        self.faults.body(PATH, body, status=status, times=times, headers=headers)

    async def answer(self, request: Request) -> JSONResponse:
        """Answer one GraphQL request."""
        try:
            self._admit(request.headers.get("authorization", ""))
            body = json.loads(await request.body())
            query, variables = str(body["query"]), body.get("variables") or {}
            if not isinstance(variables, dict):
                raise TypeError
        except FakeLinearError as error:
            return JSONResponse({"data": None, "errors": [error.entry]}, error.status)
        except (ValueError, LookupError, TypeError, RecursionError):
            return _refused("Syntax Error: the request is not understood", "GRAPHQL_PARSE_FAILED")
        result = await graphql(self._schema, query, root_value=self.world.fields(), variable_values=variables)
        if not result.errors:
            return JSONResponse({"data": result.data})
        told = [error.original_error for error in result.errors]
        first = next((error for error in told if isinstance(error, FakeLinearError)), None)
        if first is None:
            return _refused(*_of_graphql(result.errors[0]))
        entries = [error.entry for error in told if isinstance(error, FakeLinearError)]
        return JSONResponse({"data": result.data, "errors": entries}, first.status)

    async def give_token(self, request: Request) -> JSONResponse:
        """Issue a token to an app and revoke the one before."""
        form = {name: found[0] for name, found in parse_qs((await request.body()).decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client", "error_description": "Invalid client"}, 401)
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        self.tokens_given += 1
        self.token = f"lin_oauth_{uuid_of('linear', 'token', self.tokens_given)}"
        found = {"access_token": self.token, "token_type": "Bearer", "expires_in": 2591999, "scope": "read write"}
        return JSONResponse(found)

    def _admit(self, said: str) -> None:
        """Raise FakeLinearError unless the header is the bare API key, or `Bearer` and the app's token."""
        if said != self._api_key and (not self.token or said != f"Bearer {self.token}"):
            words = "Authentication required, not authenticated"
            raise FakeLinearError(words, "AUTHENTICATION_ERROR", "authentication error", status=401)


def linear_app(clock: Clock, *, api_key: str = API_KEY, schema: GraphQLSchema | None = None) -> Starlette:
    """Build the fake server as an ASGI app; `app.state.standin` has its issues, its faults and its journal."""
    ours = FakeLinear(clock, api_key, schema or small_schema())
    wire = Middleware(
        FaultMiddleware,
        root="",
        clock=clock,
        faults=ours.faults,
        journal=ours.journal,
        forbidden=lambda method, path: False,
    )
    routes = [Route(PATH, ours.answer, methods=["POST"]), Route(TOKEN_PATH, ours.give_token, methods=["POST"])]
    app = Starlette(routes=routes, middleware=[wire])
    app.state.standin = ours
    return app


def schema_of(text: str) -> GraphQLSchema:
    """Build a schema from its text. Linear's own takes more than a second."""
    return build_ast_schema(parse(text, no_location=True), assume_valid=True)


@cache
def small_schema() -> GraphQLSchema:
    """Return the demo's own schema."""
    return schema_of(SCHEMA)


def _of_graphql(error: GraphQLError) -> tuple[str, str]:
    syntax = error.message.startswith("Syntax Error")
    return error.message, "GRAPHQL_PARSE_FAILED" if syntax else "GRAPHQL_VALIDATION_FAILED"


def _refused(words: str, code: str) -> JSONResponse:
    entry = FakeLinearError(words, code, "graphql error", status=400).entry
    return JSONResponse({"errors": [entry]}, 400)
