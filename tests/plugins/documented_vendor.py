"""Fake vendor that answers as the vendor's documentation shows, for ledgers that were never run live.

Routes are functions from the request to JSON. An unknown route is a 404, and a wrong credential gets a 401.
Also: a published schema, against which answers and requests are validated where its file exists.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from outlay.core.clock import FakeClock
from outlay.plugin import Config, Key, Ledger, Page, Row, Window
from outlay.plugin.session import plugin_session

SPECS = Path(__file__).parents[2].parent / "shared" / "specs"
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Asked = dict[str, Any]
Route = Callable[[Asked], Any]  # returns JSON, or a status
L = TypeVar("L", bound=Ledger[Any])


def dumps(value: Any) -> str:
    """Encode JSON with Decimals as numbers, digit by digit."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dumps(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


@dataclass
class Paper:
    """The vendor. `header`: name and value that a valid request has. `asked`: method, path and parameters."""

    header: tuple[str, str]
    routes: Mapping[str, Route]
    root: str = ""
    asked: list[tuple[str, str, Asked]] = field(default_factory=list)
    answers: list[tuple[str, str, Any]] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path = request.url.path.removeprefix(self.root)
        body = json.loads(request.content) if request.content else {}
        asked = body | dict(request.url.params)
        self.asked.append((request.method, path, asked))
        name, value = self.header
        if request.headers.get(name) != value:
            return httpx.Response(401, json={"message": "who are you?"})
        route = self.routes.get(f"{request.method} {path}")
        if route is None:
            return httpx.Response(404, json={"message": "no such thing"})
        answer = route(asked)
        if isinstance(answer, int):
            return httpx.Response(answer, json={"message": "not for you"})
        self.answers.append((request.method, path, answer))
        return httpx.Response(200, text=dumps(answer))

    def count(self, path: str) -> int:
        """Return how often a path was requested."""
        return sum(asked == path for _, asked, _ in self.asked)


@asynccontextmanager
async def asking(
    plugin: type[L], config: Config, vendor: Paper, *, known_keys: tuple[Key, ...] = ()
) -> AsyncIterator[L]:
    """Open the plugin, connected to the vendor."""
    transport = httpx.MockTransport(vendor.handle)
    async with plugin_session(
        plugin, config, clock=FakeClock(NOW), transport=transport, known_keys=known_keys
    ) as ledger:
        yield ledger


async def drain(ledger: Ledger[Any], report: str, start: datetime, end: datetime) -> list[Page]:
    """Return all pages of a poll."""
    pages = [await ledger.poll(report, Window(start, end), None)]
    while (cursor := pages[-1].cursor) is not None:
        pages.append(await ledger.poll(report, Window(start, end), cursor))
        assert len(pages) < 200
    return pages


async def rows_of(ledger: Ledger[Any], report: str, start: datetime, end: datetime) -> list[Row]:
    """Return all rows of a poll."""
    return [row for page in await drain(ledger, report, start, end) for row in page.rows]


class Published:
    """A vendor's published schema. Skips the test where its file is not beside this repository."""

    def __init__(self, name: str) -> None:
        path = SPECS / name
        if not path.exists():
            pytest.skip(f"{name} is not beside this repository")
        self.document = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  safe, and quick
        _without_nullable(self.document)
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:vendor", resource)

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """Return the published operation of a request, with its path; None if there is none."""
        for known, operations in self.document["paths"].items():
            parts, theirs = known.split("/"), path.split("/")
            same = len(parts) == len(theirs) and all(
                mine == other or mine.startswith("{") for mine, other in zip(parts, theirs, strict=True)
            )
            if same and method.lower() in operations:
                return known, operations[method.lower()]
        return None

    def track(self, vendor: Paper, *, unpublished: frozenset[str] = frozenset()) -> int:
        """Validate all requests and answers of the vendor against the schema; return how many answers were checked."""
        held = 0
        for method, path, asked in vendor.asked:
            found = self.operation(method, path)
            if found is None:
                assert path in unpublished, f"{method} {path} is nowhere in the schema"
                continue
            names = {self._at(parameter)["name"] for parameter in found[1].get("parameters", ())}
            if method == "GET":
                assert set(asked) <= names, f"{path} knows no {set(asked) - names}"
            else:
                self._validate(found[1]["requestBody"]["content"]["application/json"]["schema"], asked)
        for method, path, answer in vendor.answers:
            found = self.operation(method, path)
            if found is not None:
                response = self._at(found[1]["responses"]["200"])
                self._validate(response["content"]["application/json"]["schema"], json.loads(dumps(answer)))
                held += 1
        return held

    def _at(self, node: dict[str, Any]) -> dict[str, Any]:
        """Resolve a reference."""
        if "$ref" not in node:
            return node
        found: Any = self.document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)

    def _validate(self, schema: dict[str, Any], value: Any) -> None:
        rooted = json.loads(json.dumps(schema).replace('"#/', '"urn:vendor#/'))
        Draft202012Validator(rooted, registry=self._registry).validate(value)


def _without_nullable(node: Any) -> None:
    """Convert OpenAPI 3.0's `nullable` to JSON Schema, in place."""
    if isinstance(node, dict):
        if node.pop("nullable", False) is True:
            if isinstance(node.get("type"), str):
                node["type"] = [node["type"], "null"]
            else:
                rest = {name: node.pop(name) for name in ("$ref", "oneOf", "anyOf", "allOf") if name in node}
                if rest:
                    node["anyOf"] = [{"type": "null"}, rest]
        for item in list(node.values()):
            _without_nullable(item)
    elif isinstance(node, list):
        for item in node:
            _without_nullable(item)
