"""The Linear stand-in: files an issue once, and refuses the second time in Linear's own words."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import is_scalar_type

from outlay.core.clock import FakeClock
from outlay.fakes.http_server import serving
from outlay.fakes.linear.server import API_KEY, PATH, FakeLinear, linear_app, schema_of, small_schema

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a plain one is quick; httpx would read all certificates each time
NOW = datetime(2026, 11, 20, 15, 40, tzinfo=UTC)
ISSUE_ID = "6f2b1c9e-3d4a-4b5c-8d6e-7f8091a2b3c4"
CREATE = """
mutation Create($input: IssueCreateInput!) {
  issueCreate(input: $input) { success issue { id identifier url title state { type } team { key } } }
}
"""


class Linear:
    def __init__(self, client: httpx.AsyncClient, ours: FakeLinear) -> None:
        self.client, self.ours = client, ours

    async def ask(self, query: str, key: str = API_KEY, **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return await self.client.post(PATH, json=body, headers={"authorization": key})


@pytest.fixture
async def linear() -> AsyncIterator[Linear]:
    app = linear_app(FakeClock(NOW))
    async with serving(app) as base_url, httpx.AsyncClient(base_url=base_url, verify=NO_TLS) as client:
        yield Linear(client, app.state.standin)


async def test_whose_key_it_is_and_which_teams_there_are(linear: Linear) -> None:
    query = (
        "query { viewer { id name email app } organization { id name urlKey } teams(first: 50) { nodes { id key } } }"
    )
    data = (await linear.ask(query)).json()["data"]
    assert set(data["viewer"]) == {"id", "name", "email", "app"}
    assert data["viewer"]["email"] == "alice@brightloom.example"
    assert data["organization"]["urlKey"] == "brightloom"
    first, second = data["teams"]["nodes"]
    assert (first, second["key"]) == ({"id": linear.ours.team["id"], "key": "ENG"}, "OPS")


@pytest.mark.parametrize("key", ["", "lin_api_wrong", f"Bearer {API_KEY}"])
async def test_a_bad_key_is_told_by_its_code(linear: Linear, key: str) -> None:
    response = await linear.ask("{ viewer { id } }", key)
    assert response.status_code == 401
    error = response.json()["errors"][0]
    assert (error["extensions"]["code"], error["extensions"]["type"]) == (
        "AUTHENTICATION_ERROR",
        "authentication error",
    )


async def test_an_issue_is_filed_once_and_the_same_id_is_refused(linear: Linear) -> None:
    wanted = {"id": ISSUE_ID, "teamId": linear.ours.team["id"], "title": "agent-ci runs away", "priority": 2}
    created = (await linear.ask(CREATE, input=wanted)).json()["data"]["issueCreate"]
    assert created["success"] is True
    assert created["issue"] == {
        "id": ISSUE_ID,
        "identifier": "ENG-1",
        "url": "https://linear.app/brightloom/issue/ENG-1",
        "title": "agent-ci runs away",
        "state": {"type": "triage"},
        "team": {"key": "ENG"},
    }
    again = await linear.ask(CREATE, input=wanted)
    assert again.status_code == 200
    assert again.json() == {
        "data": None,
        "errors": [
            {
                "message": "conflict on insert of Issue",
                "extensions": {
                    "type": "invalid input",
                    "code": "INPUT_ERROR",
                    "userError": True,
                    "userPresentableMessage": f"Entity Issue with id {ISSUE_ID} already exists.",
                },
            }
        ],
    }
    assert list(linear.ours.issues) == [ISSUE_ID]
    read = await linear.ask("query ($id: String!) { issue(id: $id) { identifier createdAt } }", id=ISSUE_ID)
    assert read.json()["data"]["issue"] == {"identifier": "ENG-1", "createdAt": "2026-11-20T15:40:00.000Z"}


async def test_what_linear_would_not_take(linear: Linear) -> None:
    team = linear.ours.team["id"]
    for wanted, code in (
        ({"teamId": "nobody", "title": "x"}, "INPUT_ERROR"),
        ({"teamId": team}, "INVALID_INPUT"),
        ({"teamId": team, "title": "x", "id": "6f2b1c9e-3d4a-5b5c-8d6e-7f8091a2b3c4"}, "INVALID_INPUT"),
    ):
        answer = (await linear.ask(CREATE, input=wanted)).json()
        assert answer["errors"][0]["extensions"]["code"] == code
    assert not linear.ours.issues
    unknown = await linear.ask("{ viewer { shoeSize } }")
    assert (unknown.status_code, unknown.json()["errors"][0]["extensions"]["code"]) == (
        400,
        "GRAPHQL_VALIDATION_FAILED",
    )
    for nonsense in ("", "{ viewer", "{"):
        assert (await linear.ask(nonsense)).status_code == 400
    assert (await linear.client.post(PATH, content=b"{", headers={"authorization": API_KEY})).status_code == 400


async def test_faults_to_order_and_a_journal(linear: Linear) -> None:
    linear.ours.faults.status(PATH, 500)
    assert [(await linear.ask("{ viewer { id } }")).status_code for _ in range(2)] == [500, 200]
    assert linear.ours.journal.paths() == ["POST /graphql", "POST /graphql"]
    assert API_KEY not in repr(linear.ours.journal.asked)


def test_the_demos_schema_is_a_part_of_linears_own() -> None:
    path = Path(__file__).parents[3] / "shared" / "specs" / "linear.schema.graphql"
    if not path.exists():
        pytest.skip("no copy of Linear's schema beside the repository")
    theirs = schema_of(path.read_text(encoding="utf-8"))
    for name, ours in small_schema().type_map.items():
        if name.startswith("__") or is_scalar_type(ours):
            continue
        their = theirs.type_map[name]
        for field_name, field in ours.fields.items():  # type: ignore[attr-defined]
            wanted = their.fields[field_name]  # type: ignore[attr-defined]
            assert str(field.type).rstrip("!") == str(wanted.type).rstrip("!"), f"{name}.{field_name}"
            for argument, ours_of_it in getattr(field, "args", {}).items():
                assert str(ours_of_it.type) == str(wanted.args[argument].type), f"{name}.{field_name}({argument})"
