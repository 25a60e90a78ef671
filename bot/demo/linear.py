"""Linear on loopback: its GraphQL endpoint for the few operations that file an issue. Issues live in memory.

Whatever fields are selected come back, by name and no others, so no GraphQL engine is needed; arguments are variables.
An id that was used before is refused in Linear's own words, since that refusal is how a retry learns it had worked.
"""

import json
from typing import Any, Final
from uuid import UUID

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bot.core.clock import Clock
from bot.demo.graphql import UnknownField, select, selection
from bot.demo.staff import COMPANY_NAME, DOMAIN, PEOPLE, uuid_of
from bot.demo.standin import Faults, Journal, Wire

API_KEY: Final = "lin_api_brightloomDemoKeyBrightloomDemoKey0001"
PATH = "/graphql"


class LinearError(Exception):
    """One entry of `errors`. `status` is HTTP's; Linear answers 200 to most of what it refuses."""

    def __init__(self, message: str, code: str, kind: str, told: str = "", status: int = 200) -> None:
        super().__init__(message)
        self.status = status
        extensions = {"type": kind, "code": code, "userError": True, "userPresentableMessage": told or message}
        self.entry = {"message": message, "extensions": extensions}


class LinearStandin:
    """A Linear workspace with one team; `issues` by id."""

    def __init__(self, clock: Clock, api_key: str) -> None:
        self.clock, self._api_key = clock, api_key
        self.faults, self.journal = Faults(), Journal()
        self.issues: dict[str, dict[str, Any]] = {}
        backlog = {"id": uuid_of("linear", "backlog"), "name": "Backlog", "type": "backlog", "position": 0}
        triage = {"id": uuid_of("linear", "triage"), "name": "Triage", "type": "triage", "position": 1}
        self.team = {
            "id": uuid_of("linear", "team"),
            "key": "ENG",
            "name": "Engineering",
            "triageEnabled": True,
            "defaultIssueState": backlog,
            "triageIssueState": triage,
        }

    async def answer(self, request: Request) -> JSONResponse:
        """The endpoint."""
        try:
            return JSONResponse({"data": await self._data(request)})
        except LinearError as error:
            refused = error
        except UnknownField as error:
            words = f'Cannot query field "{error.args[0]}"'
            refused = LinearError(words, "GRAPHQL_VALIDATION_FAILED", "graphql error", status=400)
        except (ValueError, LookupError, TypeError, RecursionError):
            words = "Syntax Error: the request is not understood"
            refused = LinearError(words, "GRAPHQL_PARSE_FAILED", "graphql error", status=400)
        return JSONResponse({"data": None, "errors": [refused.entry]}, refused.status)

    async def _data(self, request: Request) -> dict[str, Any]:
        if request.headers.get("authorization") != self._api_key:  # a personal key comes without "Bearer"
            words = "Authentication required, not authenticated"
            raise LinearError(words, "AUTHENTICATION_ERROR", "authentication error", status=401)
        body = json.loads(await request.body())
        variables = body.get("variables") or {}
        fields = selection(str(body["query"]))
        return {name: select(self._field(name, variables), inner) for name, inner in fields.items()}

    def _field(self, name: str, variables: dict[str, Any]) -> Any:
        match name:
            case "viewer":
                admin = PEOPLE[0]
                return {
                    "id": uuid_of("linear", admin.email),
                    "name": admin.name,
                    "displayName": admin.name.split()[0].lower(),
                    "email": admin.email,
                    "active": True,
                    "app": False,
                }
            case "organization":
                return {"id": uuid_of("linear", DOMAIN), "name": COMPANY_NAME, "urlKey": COMPANY_NAME.lower()}
            case "teams":
                return {"nodes": [self.team], "pageInfo": {"hasNextPage": False, "endCursor": None}}
            case "issue":
                if variables.get("id") not in self.issues:
                    raise LinearError("Entity not found: Issue", "INPUT_ERROR", "invalid input")
                return self.issues[variables["id"]]
            case "issueCreate":
                return {"success": True, "lastSyncId": len(self.issues), "issue": self._create(variables["input"])}
        raise UnknownField(name)

    def _create(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted.get("teamId") != self.team["id"]:
            raise LinearError("Entity not found: Team", "INPUT_ERROR", "invalid input")
        number = len(self.issues) + 1
        identity = wanted.get("id") or uuid_of("linear", "issue", number)
        if not wanted.get("title") or not _is_uuid4(identity):
            raise LinearError("Argument Validation Error", "INVALID_INPUT", "invalid input")
        if identity in self.issues:
            told = f"Entity Issue with id {identity} already exists."
            raise LinearError("conflict on insert of Issue", "INPUT_ERROR", "invalid input", told)
        made = {
            "description": None,
            "priority": 0,
            **wanted,
            "id": identity,
            "number": number,
            "identifier": f"ENG-{number}",
            "url": f"https://linear.app/{COMPANY_NAME.lower()}/issue/ENG-{number}",
            "createdAt": f"{self.clock.now():%Y-%m-%dT%H:%M:%S}.000Z",
            "state": self.team["triageIssueState"],
            "team": self.team,
        }
        self.issues[identity] = made
        return made


def linear_app(clock: Clock, *, api_key: str = API_KEY) -> Starlette:
    """The stand-in as an ASGI app; `app.state.standin` has its issues, its faults and its journal."""
    ours = LinearStandin(clock, api_key)
    wire = Middleware(
        Wire, root="", clock=clock, faults=ours.faults, journal=ours.journal, forbidden=lambda method, path: False
    )
    app = Starlette(routes=[Route(PATH, ours.answer, methods=["POST"])], middleware=[wire])
    app.state.standin = ours
    return app


def _is_uuid4(text: object) -> bool:
    try:
        return UUID(str(text)).version == 4
    except ValueError:
        return False
