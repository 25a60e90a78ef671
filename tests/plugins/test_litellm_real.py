"""A real LiteLLM proxy without a database, before a mocked upstream: what can be proven without an account, is proven.

Runs only where OUTLAY_TEST_LITELLM names LiteLLM's executable; tests/README.md has the one command. Starting it takes
half a minute, so all tests share one proxy.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from outlay.books.pricing.price_list import PriceList
from outlay.core.clock import FakeClock
from outlay.core.money import to_nano
from outlay.core.tokens import Tokens
from outlay.plugin import BadConfig, Transient, Window
from outlay.plugin.session import plugin_session
from outlay_plugins._litellm import aggregation
from outlay_plugins._litellm import schemas as litellm_schemas
from outlay_plugins._litellm.schemas import COLUMNS, LogPage
from outlay_plugins.litellm import LiteLLM, LiteLLMConfig
from tests.cli.run_cli import Terminal
from tests.plugins.test_litellm_standin import END, START, proxy

EXECUTABLE = os.environ.get("OUTLAY_TEST_LITELLM", "")
MASTER = "sk-a-master-key-of-this-test"
SAID = "a question that nobody else may read"
START_SECONDS, LOOK_SECONDS = 180, 0.5
NOW = datetime(2026, 11, 21, 9, 20, 30, tzinfo=UTC)
MODELS = {
    "quick": "openai/gpt-5-mini",
    "smart": "openai/gpt-5",
    "claude": "anthropic/claude-sonnet-4-5-20250929",
    "haiku": "anthropic/claude-haiku-4-5-20251001",
}
# Writes down the row that LiteLLM would put into its database, made by LiteLLM's own code.
KEEPER = """
import json, os
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload

class Keeper(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        row = get_logging_payload(kwargs, response_obj, start_time, end_time)
        with open(os.environ["ROWS"], "a") as rows:
            rows.write(json.dumps(row, default=str) + "\\n")

keeper = Keeper()
"""
# Lets LiteLLM's own code count and price a use of Anthropic's cache.
CACHED = """
import json, litellm
from litellm.llms.anthropic.chat.transformation import AnthropicConfig
counts = {"input_tokens": 100, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 1000, "output_tokens": 7}
usage = AnthropicConfig().calculate_usage(usage_object=counts, reasoning_content=None)
usd = litellm.cost_per_token(model="claude-sonnet-4-5-20250929", custom_llm_provider="anthropic", usage_object=usage)
print(json.dumps({"usage": usage.model_dump(), "usd": usd}))
"""

pytestmark = [
    pytest.mark.real_litellm,
    pytest.mark.skipif(not EXECUTABLE, reason="OUTLAY_TEST_LITELLM names no LiteLLM; see tests/README.md"),
]


@dataclass(frozen=True, slots=True)
class Real:
    """A proxy that runs, and where it writes the rows of its requests."""

    url: str
    rows_file: Path

    def call(self, group: str) -> httpx.Response:
        """One mocked request through it."""
        body = {"model": group, "messages": [{"role": "user", "content": SAID}]}
        headers = {"authorization": f"Bearer {MASTER}"}
        response = httpx.post(f"{self.url}/chat/completions", json=body, headers=headers, timeout=60, trust_env=False)
        assert response.status_code == 200, response.text
        return response

    def row(self, request_id: str) -> dict[str, Any]:
        """The row of a request, once LiteLLM has made it."""
        for _ in range(int(START_SECONDS / LOOK_SECONDS)):
            lines = self.rows_file.read_text(encoding="utf-8").splitlines() if self.rows_file.exists() else []
            for row in map(json.loads, lines):
                if row["request_id"] == request_id:
                    return dict(row)
            time.sleep(LOOK_SECONDS)
        raise AssertionError("LiteLLM made no row of the request")

    def config(self) -> LiteLLMConfig:
        return LiteLLMConfig.model_validate({"api_key": MASTER, "base_url": self.url})


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """Starts the proxy, and stops it in the end."""
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "keeper.py").write_text(KEEPER, encoding="utf-8")
    models = [
        {"model_name": group, "litellm_params": {"model": model, "api_key": "none", "mock_response": "An answer."}}
        for group, model in MODELS.items()
    ]
    config = {
        "model_list": models,
        "general_settings": {"master_key": MASTER},
        "litellm_settings": {"callbacks": ["keeper.keeper"]},
    }
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Real(f"http://127.0.0.1:{port}", folder / "rows.jsonl")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "ROWS": str(running.rows_file)}
    environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    command = [EXECUTABLE, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)  # noqa: S603  told to
    try:
        _wait(running, process, folder / "log")
        yield running
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _wait(real: Real, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(int(START_SECONDS / LOOK_SECONDS)):
        assert process.poll() is None, log.read_text(encoding="utf-8")[-2_000:]
        try:
            if httpx.get(f"{real.url}/health/readiness", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(LOOK_SECONDS)
    raise AssertionError(f"LiteLLM did not start: {log.read_text(encoding='utf-8')[-2_000:]}")


async def test_it_knows_every_route_and_parameter_that_the_plugin_asks_with(real: Real) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        published = (await client.get(f"{real.url}/openapi.json")).json()
    async with proxy() as at:
        await at.plugin.check()
        await at.plugin.keys()
        await at.drain("logs", START, START + timedelta(hours=2))
        await at.drain("daily", START, END)
        asked = list(at.witness.asked)

    assert len({url.path for url in asked}) == 7
    for url in asked:
        known = {one["name"]: one["schema"] for one in published["paths"][url.path]["get"].get("parameters", [])}
        for name, text in url.params.multi_items():
            assert name in known, f"{url.path} has no {name}"
            assert int(text) <= known[name]["maximum"] if "maximum" in known[name] else True, f"{url.path}: {name}"


async def test_it_is_refused_since_it_keeps_no_books(real: Real) -> None:
    async with plugin_session(LiteLLM, real.config(), clock=FakeClock(NOW)) as plugin:
        with pytest.raises(BadConfig, match="runs without a database") as caught:
            await plugin.check()
    assert caught.value.field == "base_url"


@pytest.mark.parametrize("what", ["keys", "daily", "logs"])
async def test_a_database_that_is_away_is_passing_trouble_and_no_revoked_key(real: Real, what: str) -> None:
    async with plugin_session(LiteLLM, real.config(), clock=FakeClock(NOW)) as plugin:
        with pytest.raises(Transient, match=r"database|500"):
            await (plugin.keys() if what == "keys" else plugin.poll(what, Window(START, END), None))


def test_connecting_it_is_refused_in_one_line(real: Real, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "data", FakeClock(NOW), KEY=MASTER)
    ran = terminal("connect", "litellm", "--name", "gate", "--secret-env", "KEY", "--set", f"base_url={real.url}")

    assert ran.code == 1
    assert ran.complaint.startswith("base_url: This LiteLLM runs without a database, so it keeps no books.")


@pytest.mark.parametrize("group", MODELS)
def test_what_it_reckons_for_a_request_is_our_list_price(real: Real, group: str) -> None:
    response = real.call(group)
    used = response.json()["usage"]
    tokens = Tokens(input=used["prompt_tokens"], output=used["completion_tokens"])

    unit = PriceList().unit("", MODELS[group], NOW.date())

    assert unit is not None
    assert tokens.total > 0
    assert unit.cost_nano_usd(tokens) == to_nano(Decimal(response.headers["x-litellm-response-cost"]))


@pytest.mark.parametrize("group", MODELS)
def test_the_row_that_it_writes_is_read_as_what_happened(real: Real, group: str) -> None:
    response = real.call(group)
    row = real.row(response.json()["id"])

    assert set(COLUMNS) <= set(row)
    page = litellm_schemas.read(LogPage, litellm_schemas.lines({"data": [row], "total": 1, "page": 1}))
    slot, found = aggregation.of_line(page.data[0])
    model = MODELS[group].partition("/")
    assert (slot.provider, slot.model.removeprefix(f"{slot.provider}/"), slot.requested) == (model[0], model[2], group)
    assert slot.key
    assert abs(slot.start - datetime.now(UTC)) < timedelta(hours=2)
    assert found.cost_usd == Decimal(str(row["spend"])) > 0
    used = response.json()["usage"]
    assert (found.tokens.input, found.tokens.output) == (used["prompt_tokens"], used["completion_tokens"])
    assert SAID not in repr(page)


def test_its_prompt_tokens_hold_the_cached_ones_and_taken_apart_they_cost_what_it_says(tmp_path: Path) -> None:
    ran = subprocess.run(  # noqa: S603  told to
        [Path(EXECUTABLE).with_name("python"), "-c", CACHED],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        check=True,
        text=True,
        timeout=START_SECONDS,
    )
    told = json.loads(ran.stdout.splitlines()[-1], parse_float=Decimal)
    tokens = aggregation.tokens_of(litellm_schemas.LiteLLMMetrics.model_validate({"spend": 0, **told["usage"]}))
    unit = PriceList().unit("", MODELS["claude"], NOW.date())

    assert told["usage"]["prompt_tokens"] == 1140
    assert tokens == Tokens(input=100, cache_read=1000, cache_write_5m=40, output=7)
    assert unit is not None
    assert unit.cost_nano_usd(tokens) == to_nano(sum(told["usd"]))
