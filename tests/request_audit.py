"""Audit of every request that a plugin's client sends in tests, against a list independent of the plugins' own.

`watch` wraps the one method that both clients send by, below all their guards. So a path that slips through the
guards, or a writing POST that a plugin lists as read-only, is recorded as it leaves. Processes that tests start
watch themselves (`as_it_is_imported`, from a `sitecustomize` that the pytest plugin in `watched.py` makes) and write a
line of JSON for each request. This module is light: it is imported by every process that a test starts.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

WRITER = "SendingClient"  # only for sinks, never for ledgers
CLIENT = "outlay.plugin.read_client"
READING_POSTS = {  # POSTs that only read, by the ledger's title. Each new one needs a reason here
    ("OpenRouter", "/analytics/query"),
    ("Cursor", "/teams/filtered-usage-events"),
    ("Helicone", "/v1/user/metrics/query"),
    ("Helicone", "/v1/metrics/models"),
    ("Cloudflare AI Gateway", "/graphql"),  # and a query, no mutation
    ("Little", "/search"),  # the tests' own ledger
}
MAY_SHOW_PROMPTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"/generation/content\b",  # OpenRouter: the prompt and the answer of one request
        r"/spend/logs(?!/v2/?$)",  # LiteLLM, where prompts are stored; v2 leaves them out
        r"/v1/request\b",  # Helicone's requests
        r"/logs/[^/]+/(request|response)\b",  # Cloudflare's log lines
        r"/logs/exports?\b",  # Portkey's
        r"/api/public/(v\d+/)?(traces|observations|generations|sessions)\b",  # Langfuse's, with what went in and out
        r"(?<!/usage)(?<!/usage_report)/(completions|responses|messages|conversations|threads)(/|$)",  # a model's own
        r"/files/[^/]+/content\b",
    )
)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as it left. `path` is below the base URL, `whole` all of it; `client` the class that sent it."""

    client: str
    title: str
    method: str
    path: str
    whole: str
    mutates: bool = False


def problem(seen: SentRequest, ledgers: frozenset[str]) -> str | None:
    """Return why this request must not be sent, or None.

    `ledgers`: the titles of all ledgers, for whichever client they got.
    """
    if any(pattern.search(seen.whole.lower()) for pattern in MAY_SHOW_PROMPTS):
        return f"{seen.title} was asked for {seen.method} {seen.whole}, which may return prompts"
    if seen.client == WRITER and seen.title not in ledgers:
        return None
    if seen.method == "GET" or (
        (seen.title, seen.path) in READING_POSTS and seen.method == "POST" and not seen.mutates
    ):
        return None
    return f"{seen.title}, a ledger, was sent {seen.method} {seen.whole}, which is not known to only read"


def watch(module: ModuleType, note: Callable[[SentRequest], None]) -> Callable[[], None]:
    """Record all that the clients of `outlay.plugin.read_client` send from now on. Return a function that stops it."""
    client: Any = module.GuardedClient
    send = client._send

    async def noted(self: Any, request: Any, path: str) -> Any:
        kinds = [kind.__name__ for kind in type(self).__mro__]
        kind = WRITER if WRITER in kinds else "GuardedClient"
        note(SentRequest(kind, self.who, request.method, path, request.url.path, _mutates(request)))
        return await send(self, request, path)

    def stop() -> None:
        client._send = send

    client._send = noted
    return stop


def _mutates(request: Any) -> bool:
    """Report whether the body is a GraphQL mutation or subscription."""
    try:
        body = json.loads(request.content)
    except ValueError:
        return False
    return isinstance(body, dict) and bool(re.search(r"\b(mutation|subscription)\b", str(body.get("query", ""))))


# For a process that a test starts


class _OnImport:
    """Import finder that defers to the others and watches the client as soon as it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        if name != CLIENT:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        loader: Any = spec.loader
        run = loader.exec_module

        def run_and_watch(module: ModuleType) -> None:
            run(module)
            watch(module, self.note)

        loader.exec_module = run_and_watch
        return spec

    def note(self, seen: SentRequest) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(seen)) + "\n")


def as_it_is_imported(file: Path) -> None:
    """Watch the clients of this process once they are imported, and append what they send to a file."""
    sys.meta_path.insert(0, _OnImport(file))
