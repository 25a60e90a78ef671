"""Cursor on paper: fractions of cents, what the plan includes, ends that are inclusive, and pages that repeat."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Key, Permanent, Tokens, Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins import cursor
from outlay_plugins.cursor import CursorConfig, CursorLedger
from tests.plugins.documented_vendor import DAY, HOUR, NOW, TODAY, Asked, Paper, Published, asking, drain, rows_of

SECRET = "key_0f3c52d7a9be4410"
HEADER = ("authorization", f"Basic {base64.b64encode(f'{SECRET}:'.encode()).decode()}")
MEMBERS = [
    {"id": 12345, "name": "Ada", "email": "ada@brightloom.example", "role": "member"},
    {"id": 234, "name": "Bo", "email": "Bo@brightloom.example", "role": "owner"},
]


def ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def event(at: datetime, email: str | None = "ada@brightloom.example", **more: Any) -> dict[str, Any]:
    usage = {"inputTokens": 100, "outputTokens": 40, "cacheWriteTokens": 20, "cacheReadTokens": 300, "totalCents": 9}
    told = {"timestamp": ms(at), "userEmail": email, "serviceAccountId": None, "model": "claude-4.5-sonnet"}
    return (
        told
        | {"kind": "Usage-based", "isChargeable": True, "tokenUsage": usage, "chargedCents": Decimal("1.25")}
        | {"conversationId": f"c{at.timestamp()}", "requestsCosts": 1}
        | more
    )


def vendor(*events: dict[str, Any], page: int = 7, repeats: bool = False) -> Paper:
    """A team. `repeats`: its pages overlap by one, as they do when an event comes in between."""

    def told(asked: Asked) -> Any:
        inside = [one for one in events if asked["startDate"] <= int(one["timestamp"]) <= asked["endDate"]]
        size = min(asked["pageSize"], page)
        first = (asked["page"] - 1) * (size - repeats)
        last = max(1, -(-max(len(inside) - repeats, 0) // (size - repeats)))
        paging = {"currentPage": asked["page"], "pageSize": size, "numPages": last, "hasNextPage": asked["page"] < last}
        return {
            "totalUsageEventsCount": len(inside),
            "pagination": paging,
            "usageEvents": inside[first : first + size],
        }

    routes = {"GET /teams/members": lambda _: {"teamMembers": MEMBERS}, f"POST {cursor.EVENTS_PATH}": told}
    return Paper(HEADER, routes)


def config(secret: str = SECRET) -> CursorConfig:
    return CursorConfig(api_key=SecretStr(secret))


def busy() -> list[dict[str, Any]]:
    """Twelve events a day for three days: of members, of somebody who left, of a service account, included, failed."""
    found = []
    for number in range(36):
        at = TODAY - 5 * DAY + number * 2 * HOUR + timedelta(milliseconds=number)
        kinds: list[dict[str, Any]] = [
            {},
            {"userEmail": "gone@brightloom.example"},
            {"userEmail": None, "serviceAccountId": "sa_1", "model": "gpt-5"},
            {"isChargeable": False, "kind": "Included in Business"},
            {"isChargeable": False, "kind": "Errored, Not Charged"},
            {"tokenUsage": None},
        ]
        found.append(event(at, **kinds[number % len(kinds)]))
        if number % len(kinds) == 5:
            del found[-1]["chargedCents"]
    return found


@asynccontextmanager
async def team() -> AsyncIterator[Trial]:
    yield Trial(
        good=config(),
        wrong=config("key_of_somebody_else"),
        secret=SECRET,
        window=Window(TODAY - 5 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 20 * DAY, TODAY - 18 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor(*busy(), page=5).handle),
    )


TestCursor = ledger_conformance(CursorLedger, make=team)


async def test_what_is_charged_counts_to_the_fraction_of_a_cent_by_seat_and_hour() -> None:
    at = TODAY - DAY + 9 * HOUR
    events = [event(at, chargedCents="0.375"), event(at + timedelta(minutes=59)), event(at, "bo@brightloom.example")]
    async with asking(CursorLedger, config(), vendor(*events)) as ledger:
        rows = await rows_of(ledger, "events", TODAY - DAY, TODAY)
        assert {(row.key, row.cost_usd, row.requests) for row in rows} == {
            ("12345", Decimal("0.01625"), 2),
            ("234", Decimal("0.0125"), 1),
        }
        assert {row.start for row in rows} == {at}
        ada = next(row for row in rows if row.key == "12345")
        assert ada.tokens == Tokens(input=200, cache_read=600, cache_write_5m=40, output=80)


async def test_what_the_plan_includes_costs_nothing_and_what_failed_used_nothing() -> None:
    at = TODAY - DAY
    included = event(at, isChargeable=False, kind="Included in Business", chargedCents=900)
    failed = event(at, isChargeable=False, kind="Errored, Not Charged", chargedCents=900)
    unknown = event(at, chargedCents=None)
    async with asking(CursorLedger, config(), vendor(included, failed, unknown)) as ledger:
        rows = {dict(row.detail)["kind"]: row for row in await rows_of(ledger, "events", at, TODAY)}
    assert (rows["Included in Business"].cost_usd, rows["Included in Business"].tokens.total) == (0, 460)
    assert (rows["Errored, Not Charged"].cost_usd, rows["Errored, Not Charged"].tokens.total) == (0, 0)
    assert rows["Usage-based"].cost_usd is None


async def test_an_event_at_the_stroke_of_midnight_counts_once() -> None:
    paper = vendor(event(TODAY - DAY))
    async with asking(CursorLedger, config(), paper) as ledger:
        pages = await drain(ledger, "events", TODAY - 2 * DAY, TODAY)
    assert [sum(row.requests or 0 for row in page.rows) for page in pages] == [0, 1]
    ends = [asked["endDate"] for method, _, asked in paper.asked if method == "POST"]
    assert ends == [int(ms(TODAY - DAY)) - 1, int(ms(TODAY)) - 1]


async def test_pages_that_repeat_an_event_count_it_once_and_a_lost_one_is_told() -> None:
    events = [event(TODAY - DAY + number * HOUR) for number in range(9)]
    async with asking(CursorLedger, config(), vendor(*events, page=4, repeats=True)) as ledger:
        (page,) = await drain(ledger, "events", TODAY - DAY, TODAY)
    assert (sum(row.requests or 0 for row in page.rows), page.complete) == (9, True)

    paper = vendor(*events)
    told = paper.routes[f"POST {cursor.EVENTS_PATH}"]
    paper.routes = {
        **paper.routes,
        f"POST {cursor.EVENTS_PATH}": lambda asked: told(asked) | {"totalUsageEventsCount": 11},
    }
    async with asking(CursorLedger, config(), paper) as ledger:
        (page,) = await drain(ledger, "events", TODAY - DAY, TODAY)
    assert not page.complete
    assert page.disagrees == ("Cursor counted 11 events on 2026-11-19 and told 9.",)


async def test_events_alike_in_every_field_are_all_charged() -> None:
    """Case 12, and its twins on two pages; and twins beside pages that repeat."""
    at = TODAY - DAY + 9 * HOUR
    twin, other = event(at, chargedCents=40), event(at + HOUR, chargedCents=40)
    for size in (7, 2):
        async with asking(CursorLedger, config(), vendor(other, twin, twin, page=size)) as ledger:
            (page,) = await drain(ledger, "events", TODAY - DAY, TODAY)
        assert sum(row.requests or 0 for row in page.rows) == 3
        assert sum(row.cost_usd or 0 for row in page.rows) == Decimal("1.20")
        assert (page.complete, page.disagrees) == (True, ())
    more = [event(at + number * HOUR, chargedCents=40) for number in range(2, 6)]
    async with asking(CursorLedger, config(), vendor(twin, twin, *more, page=4, repeats=True)) as ledger:
        (page,) = await drain(ledger, "events", TODAY - DAY, TODAY)
    assert (sum(row.requests or 0 for row in page.rows), page.disagrees) == (6, ())


async def test_a_day_whose_events_come_in_while_it_is_read_is_read_again() -> None:
    events = [event(TODAY - DAY + number * HOUR) for number in range(6)]
    paper = vendor(*events[1:], page=3)
    before = paper.routes[f"POST {cursor.EVENTS_PATH}"]
    after = vendor(*events, page=3).routes[f"POST {cursor.EVENTS_PATH}"]

    def told(asked: Asked) -> Any:
        return (before if paper.count(cursor.EVENTS_PATH) == 1 else after)(asked)

    paper.routes = {**paper.routes, f"POST {cursor.EVENTS_PATH}": told}
    async with asking(CursorLedger, config(), paper) as ledger:
        (page,) = await drain(ledger, "events", TODAY - DAY, TODAY)
    assert (sum(row.requests or 0 for row in page.rows), page.disagrees) == (6, ())
    assert paper.count(cursor.EVENTS_PATH) == 4


async def test_pages_that_never_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "MAX_PAGES_A_DAY", 3)
    events = [event(TODAY - DAY + number * timedelta(minutes=1)) for number in range(20)]
    async with asking(CursorLedger, config(), vendor(*events, page=2)) as ledger:
        with pytest.raises(Permanent, match="beyond 3 pages"):
            await drain(ledger, "events", TODAY - DAY, TODAY)


async def test_a_seat_that_left_keeps_its_id_while_the_books_know_it() -> None:
    paper = vendor(event(TODAY - DAY, "gone@brightloom.example"))
    async with asking(
        CursorLedger, config(), paper, known_keys=(Key("777", "Cy", email="gone@brightloom.example"),)
    ) as ledger:
        (row,) = await rows_of(ledger, "events", TODAY - DAY, TODAY)
        assert row.key == "777"
    async with asking(CursorLedger, config(), paper) as ledger:
        (row,) = await rows_of(ledger, "events", TODAY - DAY, TODAY)
        assert (row.key, row.reason) == ("", cursor.NOBODY)


async def test_a_key_of_the_wrong_kind_is_refused_on_its_field() -> None:
    paper = vendor()
    paper.routes = {"GET /teams/members": lambda _: 403}
    async with asking(CursorLedger, config(), paper) as ledger:
        with pytest.raises(BadConfig, match="team admin") as refused:
            await ledger.check()
    assert refused.value.field == "api_key"


async def test_the_team_is_told_by_its_owner() -> None:
    async with asking(CursorLedger, config(), vendor()) as ledger:
        checked = await ledger.check()
    assert (checked.account_id, checked.account_title) == ("team of 234", "Cursor team of Bo")


async def test_requests_and_answers_fit_what_is_written_down() -> None:
    published = Published("cursor-admin.openapi.yaml")
    paper = vendor(*busy(), page=5)
    async with asking(CursorLedger, config(), paper) as ledger:
        await ledger.check()
        await drain(ledger, "events", TODAY - 5 * DAY, TODAY)
    assert published.track(paper) > 8
