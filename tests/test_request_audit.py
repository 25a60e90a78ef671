"""The watch over all requests: what it lets pass, what it does not, and that a run in which it sees one fails."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from outlay.plugin import loader
from tests.request_audit import READING_POSTS, WRITER, SentRequest, problem
from tests.request_audit_plugin import LEDGERS, Watch

ROOT = Path(__file__).parents[1]
READER = "GuardedClient"
TRIAL = """
import os, subprocess, sys
import httpx
from datetime import UTC, datetime
from outlay.core.clock import FakeClock
from outlay.plugin import GuardedClient, request_guards

SENDS = '''
import asyncio
import httpx
from datetime import UTC, datetime
from outlay.core.clock import FakeClock
from outlay.plugin import GuardedClient, request_guards

async def main():
    async with GuardedClient(
        base_url="https://a.example", headers={}, reading_posts=("/keys",),
        clock=FakeClock(datetime(2026, 1, 1, tzinfo=UTC)),
        transport=httpx.MockTransport(lambda request: httpx.Response(200, json={})), title="OpenRouter",
    ) as http:
        await SENT

SETUP
asyncio.run(main())
'''

def send(what, setup=""):
    program = SENDS.replace("SENT", what).replace("SETUP", setup)
    if HERE:
        exec(program, {"__name__": "here"})
    else:
        subprocess.run([sys.executable, "-c", program], check=True)

def test_reads(): send('http.get("/keys")')
def test_writes(): send('http.post("/keys", {})')
def test_prompts(): send('http.get("/generation/content")', "request_guards._PROMPT_PATHS = ()")
"""


@pytest.mark.parametrize("here", [True, False], ids=["in the test", "in a process it starts"])
def test_a_run_fails_in_which_a_ledger_writes_or_a_prompt_is_asked_for(tmp_path: Path, here: bool) -> None:
    (tmp_path / "test_trial.py").write_text(f"HERE = {here}\n{TRIAL}")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.request_audit_plugin",
        "-p",
        "no:cacheprovider",
        "-n",
        "1",
        str(tmp_path),
    ]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}  # without the watch of the run around it
    ran = subprocess.run(  # noqa: S603  pytest itself
        [*command, "--rootdir", str(tmp_path), "-c", "/dev/null", "-q", "-rE"],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ran.returncode == 1
    assert "3 passed, 2 errors" in ran.stdout
    assert "OpenRouter, a ledger, was sent POST /keys" in ran.stdout
    assert "GET /generation/content, which may return prompts" in ran.stdout


@pytest.mark.parametrize(
    "one",
    [
        SentRequest(READER, "OpenAI", "POST", "/organization/admin_api_keys", "/v1/organization/admin_api_keys"),
        SentRequest(READER, "OpenRouter", "PATCH", "/keys/abc", "/api/v1/keys/abc"),
        SentRequest(READER, "Cloudflare AI Gateway", "POST", "/graphql", "/client/v4/graphql", mutates=True),
        SentRequest(READER, "LiteLLM", "POST", "/analytics/query", "/analytics/query"),  # only OpenRouter's reads
        SentRequest(WRITER, "LiteLLM", "DELETE", "/key/delete", "/key/delete"),  # a ledger that got a sink's client
        SentRequest(READER, "OpenRouter", "GET", "/generation/content", "/api/v1/generation/content"),
        SentRequest(READER, "LiteLLM", "GET", "/spend/logs", "/spend/logs"),
        SentRequest(READER, "LiteLLM", "GET", "/spend/logs/ui/abc", "/spend/logs/ui/abc"),
        SentRequest(READER, "Helicone", "POST", "/v1/request/query", "/v1/request/query"),
        SentRequest(READER, "Cloudflare AI Gateway", "GET", "/x", "/accounts/a/ai-gateway/gateways/g/logs/1/response"),
        SentRequest(READER, "Portkey", "GET", "/logs/exports/1/download", "/v1/logs/exports/1/download"),
        SentRequest(READER, "Langfuse", "GET", "/api/public/observations", "/api/public/v2/observations"),
        SentRequest(WRITER, "Webhook", "POST", "/v1/chat/completions", "/v1/chat/completions"),
    ],
    ids=lambda one: f"{one.title} {one.method} {one.whole}",
)
def test_writes_of_ledgers_and_ways_to_prompts_are_told(one: SentRequest) -> None:
    assert problem(one, LEDGERS)


@pytest.mark.parametrize(
    "one",
    [
        SentRequest(READER, "OpenRouter", "POST", "/analytics/query", "/api/v1/analytics/query"),
        SentRequest(READER, "LiteLLM", "GET", "/spend/logs/v2", "/spend/logs/v2"),
        SentRequest(READER, "OpenAI", "GET", "/organization/usage/completions", "/v1/organization/usage/completions"),
        SentRequest(READER, "Anthropic", "GET", "/x", "/v1/organizations/usage_report/messages"),
        SentRequest(WRITER, "Linear", "POST", "", "/graphql", mutates=True),
    ],
    ids=lambda one: f"{one.title} {one.method} {one.whole}",
)
def test_reading_and_filing_pass(one: SentRequest) -> None:
    assert problem(one, LEDGERS) is None


def test_every_post_that_a_built_in_ledger_lists_is_argued_for_here() -> None:
    listed = {(one.meta.title, path) for one in loader.load().ledgers().values() for path in one.reading_posts}

    assert listed == {(title, path) for title, path in READING_POSTS if title in LEDGERS}


def test_no_plugin_can_reach_a_network_but_by_the_client_it_is_lent() -> None:
    ways = {"httpx", "aiohttp", "requests", "urllib.request", "urllib3", "http", "socket", "ssl", "smtplib", "ftplib"}
    ways |= {"websockets", "asyncpg", "subprocess", "multiprocessing", "ctypes", "importlib", "pickle", "telnetlib"}
    found = {
        f"{path.name}: {name}"
        for path in sorted([*ROOT.glob("plugins/**/*.py"), *ROOT.glob("docs/examples/*.py")])
        for name in _reached(path)
        if name in ways or name.split(".")[0] in ways
    }

    assert found == set()


def _reached(path: Path) -> set[str]:
    """What a file imports, and the ways of asyncio to a network that it names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and node.attr in ("open_connection", "create_connection", "__import__"):
            names.add("socket")
        elif isinstance(node, ast.Name) and node.id in ("__import__", "eval", "exec"):
            names.add("importlib")
    return names


def test_the_watch_sees_what_is_sent(watched: Watch) -> None:
    assert watched.problems() == []
    watched.here.append(SentRequest(READER, "OpenAI", "DELETE", "/keys", "/v1/keys"))

    assert len(watched.problems()) == 1
    assert watched.problems() == []
