"""Langfuse on paper: one label is the key, answers cut short are asked for in halves, and never a trace."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins import langfuse
from outlay_plugins.langfuse import Langfuse, LangfuseConfig
from tests.plugins.documented_vendor import DAY, HOUR, NOW, TODAY, Asked, Paper, Published, asking, drain, rows_of

PUBLIC, SECRET = "pk-lf-1111", "sk-lf-9f0c2b7e-example"
HEADER = ("authorization", f"Basic {base64.b64encode(f'{PUBLIC}:{SECRET}'.encode()).decode()}")
Traced = list[tuple[datetime, Any, str | None, Any]]  # when, label, model, dollars


def vendor(traced: Traced) -> Paper:
    """The project: counts are text, as ClickHouse gives them."""

    def metrics(asked: Asked) -> Any:
        query = json.loads(asked["query"])
        start, end = (datetime.fromisoformat(query[f"{name}Timestamp"]) for name in ("from", "to"))
        label = query["dimensions"][1]["field"]
        lines = [
            {"time_dimension": f"{at:%Y-%m-%dT%H:00:00Z}", label: name, "providedModelName": model}
            | {"sum_totalCost": usd, "sum_inputTokens": "100", "sum_outputTokens": 40, "count_count": "2"}
            for at, name, model, usd in traced
            if start <= at < end
        ]
        return {"data": lines[: query["config"]["row_limit"]]}

    routes = {
        "GET /api/public/projects": lambda _: {"data": [{"id": "prj_1", "name": "Assistant"}]},
        f"GET {langfuse.METRICS_PATH}": metrics,
    }
    return Paper(HEADER, routes)


def config(secret: str = SECRET, **more: Any) -> LangfuseConfig:
    return LangfuseConfig(public_key=PUBLIC, secret_key=SecretStr(secret), **more)


def busy() -> Traced:
    found: Traced = []
    for hour in range(0, 48, 3):
        at = TODAY - 4 * DAY + hour * HOUR
        found += [
            (at, "production", "gpt-4o", "0.011"),
            (at, "staging", "gpt-4o", Decimal("0.5")),
            (at, None, "m", None),
        ]
        found += [(at, "production", None, 0)]
    return [line if line[2] else (*line[:2], None, 0) for line in found]


@asynccontextmanager
async def project() -> AsyncIterator[Trial]:
    yield Trial(
        good=config(),
        wrong=config("sk-lf-of-somebody-else"),
        secret=SECRET,
        window=Window(TODAY - 4 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 20 * DAY, TODAY - 18 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor(busy()).handle),
    )


TestLangfuse = ledger_conformance(Langfuse, make=project)


async def test_the_label_of_choice_is_the_key() -> None:
    at = TODAY - 3 * DAY
    traced: Traced = [(at, ["b", "a"], "gpt-4o", "0.1"), (at, ["a", "b"], "gpt-4o", "0.2"), (at, [], "gpt-4o", None)]
    async with asking(Langfuse, config(split_by="tags"), vendor(traced)) as ledger:
        rows = await rows_of(ledger, "metrics", at, at + DAY)
    assert [(row.key, row.cost_usd, row.requests, row.tokens.total) for row in rows] == [
        ("a, b", Decimal("0.3"), 4, 280),
        ("", None, 2, 140),
    ]
    assert rows[1].reason == "traced without tags"


async def test_a_full_answer_is_asked_for_again_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(langfuse, "MAX_ROWS", 4)
    traced: Traced = [(TODAY - 3 * DAY + hour * HOUR, "p", "m", "0.01") for hour in range(24)]
    async with asking(Langfuse, config(), vendor(traced)) as ledger:
        (page,) = await drain(ledger, "metrics", TODAY - 3 * DAY, TODAY - 2 * DAY)
    assert (len(page.rows), page.complete) == (24, True)

    crowded: Traced = [(TODAY - 3 * DAY, f"label{number}", "m", "0.01") for number in range(9)]
    async with asking(Langfuse, config(), vendor(crowded)) as ledger:
        (page,) = await drain(ledger, "metrics", TODAY - 3 * DAY, TODAY - 2 * DAY)
    assert not page.complete
    assert "cut its answer short" in page.disagrees[0]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (LangfuseConfig(public_key="sk-lf-1", secret_key=SecretStr(SECRET)), "public_key"),
        (LangfuseConfig(public_key=PUBLIC, secret_key=SecretStr("pk-lf-1")), "secret_key"),
        (config("sk-lf-wrong"), "secret_key"),
    ],
)
async def test_keys_in_the_wrong_place_are_refused_on_their_field(settings: LangfuseConfig, field: str) -> None:
    async with asking(Langfuse, settings, vendor([])) as ledger:
        with pytest.raises(BadConfig) as refused:
            await ledger.check()
    assert refused.value.field == field


async def test_the_project_is_told_and_an_older_langfuse_is_refused() -> None:
    paper = vendor([])
    async with asking(Langfuse, config(), paper) as ledger:
        checked = await ledger.check()
    assert (checked.account_id, checked.account_title) == ("prj_1", "Assistant")
    paper.routes = {"GET /api/public/projects": paper.routes["GET /api/public/projects"]}
    async with asking(Langfuse, config(), paper) as ledger:
        with pytest.raises(BadConfig) as refused:
            await ledger.check()
    assert refused.value.field == "base_url"


async def test_labels_of_the_last_day_are_the_keys() -> None:
    traced: Traced = [
        (NOW - HOUR, "production", "m", 1),
        (NOW - timedelta(hours=30), "old", "m", 1),
        (NOW, None, "m", 1),
    ]
    async with asking(Langfuse, config(), vendor(traced)) as ledger:
        assert [key.id for key in await ledger.keys()] == ["production"]


async def test_requests_and_answers_fit_the_published_schema() -> None:
    published = Published("langfuse-metrics.openapi.yaml")
    paper = vendor(busy())
    async with asking(Langfuse, config(), paper) as ledger:
        await ledger.check()
        await drain(ledger, "metrics", TODAY - 4 * DAY, TODAY - 2 * DAY)
    assert published.track(paper, unpublished=frozenset({"/api/public/projects"})) == 3
