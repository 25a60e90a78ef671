"""OpenAI's published schema: every request of the plugin and every answer of the stand-in is one that it knows."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from jsonschema import ValidationError

from outlay.core.clock import FakeClock
from outlay.fakes.openai.faults import ExtraCostLine
from outlay.fakes.openai.query import USAGE_GROUPS
from outlay.fakes.openai.server import ADMIN_KEY, ROOT, fake_openai_of, openai_app
from outlay.plugin import Window
from outlay.plugin.session import plugin_session
from outlay_plugins.openai import OpenAI, OpenAIConfig
from tests.plugins.documented_vendor import Published
from tests.plugins.openai_account import COMPANY, DAY, NOW, START, TODAY


class Document(Published):
    """The schema, as a request and an answer on the wire are held to it."""

    def check_request(self, request: httpx.Request) -> str:
        """Path and parameters are known, each of its type and among its values. Gives the path as published."""
        found = self.operation(request.method, request.url.path.removeprefix(ROOT))
        assert found, f"{request.method} {request.url.path} is nowhere in the schema"
        published, operation = found
        parameters = {one["name"]: one for one in map(self._at, operation.get("parameters", ()))}
        asked: dict[str, list[str]] = {}
        for name, value in request.url.params.multi_items():
            asked.setdefault(name, []).append(value)
        for name, values in asked.items():
            schema = parameters[name]["schema"]
            self._validate(schema, values if schema["type"] == "array" else _typed(values[0], schema["type"]))
        required = {name for name, one in parameters.items() if one.get("required") and one["in"] == "query"}
        assert required <= set(asked)
        return published

    def check_answer(self, published: str, response: httpx.Response) -> None:
        """A good answer fits the path's schema, a refusal that of refusals."""
        if response.status_code == 200:
            answers = self.document["paths"][published]["get"]["responses"]["200"]
            self._validate(answers["content"]["application/json"]["schema"], response.json())
        else:
            self._validate({"$ref": "#/components/schemas/ErrorResponse"}, response.json())


class Held(httpx.AsyncBaseTransport):
    """Passes requests on, and holds both ways to the document."""

    def __init__(self, inner: httpx.AsyncBaseTransport, document: Document) -> None:
        self._inner, self._document = inner, document
        self.seen: Counter[tuple[str, int]] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        published = self._document.check_request(request)
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        answer = httpx.Response(response.status_code, headers=response.headers, content=body)
        self._document.check_answer(published, answer)
        self.seen[published, response.status_code] += 1
        return answer


@pytest.fixture(scope="module")
def document() -> Document:
    return Document("openai-admin.openapi.yaml")


async def test_all_that_is_asked_and_answered_is_published(document: Document) -> None:
    clock = FakeClock(NOW)
    app = openai_app(COMPANY, clock)
    faults = fake_openai_of(app).faults
    faults.oddities.add("money_as_numbers")  # as published; strings are what is seen
    faults.extras.append(ExtraCostLine(START, "vector storage", 5, COMPANY.keys[0].workspace.id))
    held = Held(httpx.ASGITransport(app), document)
    config = OpenAIConfig.model_validate({"api_key": ADMIN_KEY})
    async with plugin_session(OpenAI, config, clock=clock, transport=held) as plugin:
        await plugin.check()
        assert await plugin.keys()
        for report, start, end in (
            ("costs", START, START + 9 * DAY),
            ("usage", TODAY - 4 * DAY, TODAY - 3 * DAY + timedelta(hours=2)),
        ):
            cursor = None
            while True:
                page = await plugin.poll(report, Window(start, end), cursor)
                if (cursor := page.cursor) is None:
                    break
        faults.keys_since = START + DAY
        await plugin.poll("costs", Window(START, START + 2 * DAY), None)
    asked = {path for path, _ in held.seen}
    assert asked == {
        "/organization/projects",
        "/organization/users",
        "/organization/projects/{project_id}/api_keys",
        "/organization/costs",
        *(f"/organization/usage/{kind}" for kind in KINDS),
    }
    assert held.seen["/organization/costs", 400] == 1


KINDS = ("completions", "embeddings", "images", "audio_speeches", "audio_transcriptions")


async def test_what_the_stand_in_can_beyond_what_is_asked(document: Document) -> None:
    app = openai_app(COMPANY, FakeClock(NOW))
    fake_openai_of(app).faults.oddities.add("money_as_numbers")
    held = Held(httpx.ASGITransport(app), document)
    start = int(START.timestamp())
    async with httpx.AsyncClient(transport=held, base_url=f"http://it{ROOT}") as client:
        client.headers["authorization"] = f"Bearer {ADMIN_KEY}"
        for kind in USAGE_GROUPS:
            answer = await client.get(f"/organization/usage/{kind}", params={"start_time": start, "limit": 3})
            assert answer.json()["has_more"] is True
            again = await client.get(
                f"/organization/usage/{kind}",
                params={"start_time": start, "limit": 3, "page": answer.json()["next_page"]},
            )
            assert again.json()["data"][0]["start_time"] == start + 3 * 86_400
        users = (await client.get("/organization/users", params={"limit": 5})).json()
        assert (len(users["data"]), users["has_more"]) == (5, True)
        rest = (await client.get("/organization/users", params={"limit": 5, "after": users["last_id"]})).json()
        assert (len(rest["data"]), rest["has_more"]) == (3, False)


COSTS = "/organization/costs"
PAST, LATER = int(START.timestamp()), int((NOW + DAY).timestamp())
REFUSED: list[tuple[str, dict[str, Any]]] = [
    (COSTS, {"start_time": PAST, "limit": 366}),
    (COSTS, {"start_time": PAST, "limit": 0}),
    (COSTS, {"start_time": PAST, "end_time": LATER}),
    (COSTS, {"start_time": PAST, "end_time": PAST}),
    (COSTS, {"start_time": 1_764_979_199, "group_by": "api_key_id"}),
    (COSTS, {"start_time": PAST, "group_by": "colour"}),
    (COSTS, {"start_time": PAST, "bucket_width": "1h"}),
    (COSTS, {}),
    ("/organization/usage/completions", {"start_time": PAST, "bucket_width": "1m", "limit": 1441}),
    ("/organization/usage/completions", {"start_time": PAST, "end_time": LATER}),
    ("/organization/usage/vector_stores", {"start_time": PAST, "group_by": "api_key_id"}),
    ("/organization/projects", {"limit": 101}),
]


@pytest.mark.parametrize(("path", "params"), REFUSED, ids=[f"{path[14:]}-{n}" for n, (path, _) in enumerate(REFUSED)])
async def test_questions_out_of_bounds_are_refused_and_not_clamped(
    document: Document, path: str, params: dict[str, Any]
) -> None:
    transport = httpx.ASGITransport(openai_app(COMPANY, FakeClock(NOW)))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://it{ROOT}") as client:
        response = await client.get(path, params=params, headers={"authorization": f"Bearer {ADMIN_KEY}"})
        assert response.status_code == 400, response.text
        document.check_answer(path, response)
        if "api_key_id" in params.values() and path == COSTS:
            assert "1764979200" in response.text


def test_the_document_refuses_what_does_not_fit(document: Document) -> None:
    for path, params in ((COSTS, {"start_time": "1.5"}), (COSTS, {"start_time": 1, "group_by": "colour"})):
        with pytest.raises(ValidationError):
            document.check_request(httpx.Request("GET", f"http://it{ROOT}{path}", params=params))
    with pytest.raises(AssertionError):
        document.check_request(httpx.Request("POST", f"http://it{ROOT}{COSTS}"))
    with pytest.raises(ValidationError):
        document.check_answer(COSTS, httpx.Response(200, json={"data": [{"start_time": 1}]}))


def _typed(text: str, kind: str) -> object:
    return text if kind == "string" else json.loads(text)
