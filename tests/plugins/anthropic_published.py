"""Validator of requests and answers against the description of Anthropic's API beside this repository."""

from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPEC = Path(__file__).parents[2].parent / "shared" / "specs" / "anthropic-admin.openapi.yaml"
_NAME = "urn:anthropic"


class Published:
    """The API description, and checks of requests and answers against it."""

    def __init__(self) -> None:
        self.document = yaml.load(SPEC.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  safe, and quick
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self.registry: Registry[Any] = Registry().with_resource(_NAME, resource)

    def check_request(self, request: httpx.Request) -> None:
        """Check that method, path, headers and parameters are documented, of the right type, and complete."""
        operation = self.document["paths"][request.url.path][request.method.lower()]
        known = {(one["in"], one["name"]): one for one in map(self._resolved, operation["parameters"])}
        asked: dict[str, list[str]] = {}
        for name, value in request.url.params.multi_items():
            asked.setdefault(name, []).append(value)
        for name, values in asked.items():
            schema = known["query", name]["schema"]
            self._validate(schema, values if schema["type"] == "array" else _typed(values[0], schema))
        for (place, name), one in known.items():
            given = asked if place == "query" else request.headers
            assert not one.get("required") or name in given, f"{request.url.path} wants {name}"
            if place == "header" and name in request.headers:
                self._validate(one["schema"], request.headers[name])
        assert request.headers["x-api-key"]
        groups = set(asked.get("group_by[]", ())) - {"cost_type", "token_type"}
        assert len(groups) <= 5

    def check_response(self, path: str, status: int, body: Any) -> None:
        """Check that this path can give such an answer; an undocumented refusal has to look like the others."""
        responses = self.document["paths"][path]["get"]["responses"]
        found = self._resolved(responses.get(str(status), {"$ref": "#/components/responses/Error"}))
        self._validate(found["content"]["application/json"]["schema"], body)

    def _resolved(self, node: dict[str, Any]) -> Any:
        found: Any = node
        if "$ref" in node:
            found = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
        return found

    def _validate(self, schema: dict[str, Any], value: Any) -> None:
        Draft202012Validator(
            _absolute(schema), registry=self.registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        ).validate(value)


class Recorder(httpx.AsyncBaseTransport):
    """Transport that passes requests on and records them with their answers."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.seen: list[tuple[httpx.Request, httpx.Response]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        passed = await self._inner.handle_async_request(request)
        body = await passed.aread()
        self.seen.append((request, httpx.Response(passed.status_code, headers=passed.headers, content=body)))
        return httpx.Response(passed.status_code, headers=passed.headers, content=body)


def published() -> Published:
    """Load the description. Skips the test without it."""
    if not SPEC.exists():
        pytest.skip("what is known of Anthropic's API is not beside this repository")
    return Published()


def _typed(text: str, schema: dict[str, Any]) -> Any:
    if schema["type"] == "integer":
        return int(text)
    if schema["type"] == "boolean":
        return {"true": True, "false": False}[text]
    if schema.get("format") == "date-time":
        assert datetime.fromisoformat(text).tzinfo, text
    return text


def _absolute(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: f"{_NAME}{value}" if name == "$ref" else _absolute(value) for name, value in node.items()}
    return [_absolute(item) for item in node] if isinstance(node, list) else node
