"""The daily activity: by key, whole past days only, and never a dollar more or less than the account's own."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from outlay.core.clock import FakeClock
from outlay.plugin import Key, Page, Permanent, Row, Window
from tests.plugins.openrouter_vendor import DAY, HOUR, LAB, MAIN, NOW, TODAY, Use, Vendor, digest, drain, ledger

ALICE, BOB, GONE = digest(1), digest(2), digest(3)


def rows_of(pages: Sequence[Page]) -> list[Row]:
    return [row for page in pages for row in page.rows]


def usd(rows: Sequence[Row]) -> Decimal:
    return sum((row.cost_usd or Decimal(0) for row in rows), Decimal(0))


async def test_rows_by_key_day_model_and_endpoint() -> None:
    uses = [
        Use(TODAY - 5 * HOUR, ALICE),
        Use(TODAY - 9 * HOUR, ALICE, usd=Decimal("0.5")),
        Use(TODAY - 9 * HOUR, ALICE, endpoint="e2", asked="openrouter/auto", byok=Decimal("0.2")),
        Use(TODAY - 30 * HOUR, BOB, usd=Decimal("0.000000001")),
    ]
    vendor = Vendor(uses, {ALICE: "alice", BOB: "bob"}, home={BOB: LAB})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - 3 * DAY, NOW)
    assert (page.window.start, page.window.end) == (TODAY - 3 * DAY, TODAY)
    found = {(row.key, row.start, dict(row.detail)["endpoint"]): row for row in page.rows}
    both = found[ALICE, TODAY - DAY, "e1"]
    assert (both.cost_usd, both.requests, both.project, both.requested) == (Decimal("0.75"), 4, MAIN, "")
    assert both.model == "openai/gpt-4.1-2025-04-14"
    assert both.tokens._asdict() == {
        "input": 1_200,
        "cache_read": 800,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "output": 200,
        "reasoning": 60,
    }
    routed = found[ALICE, TODAY - DAY, "e2"]
    assert (routed.requested, routed.byok_usd, routed.cost_usd) == ("openrouter/auto", Decimal("0.2"), Decimal("0.25"))
    assert found[BOB, TODAY - 2 * DAY, "e1"].project == LAB
    assert len(found) == len(page.rows) == 3


async def test_today_is_never_asked_for_nor_what_the_ledger_has_forgotten() -> None:
    vendor = Vendor([Use(TODAY, ALICE), Use(TODAY - 40 * DAY, ALICE)], {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY, NOW)
        assert (page.window.start, page.window.end, list(page.rows)) == (TODAY, TODAY, [])
        (page,) = await drain(plugin, "activity", TODAY - 50 * DAY, TODAY - 40 * DAY)
        assert (page.window.start, page.window.end) == (TODAY - 40 * DAY, TODAY - 40 * DAY)
        assert vendor.count("/activity") == 0
        pages = await drain(plugin, "activity", TODAY - 35 * DAY, NOW)
    assert (pages[0].window.start, pages[-1].window.end) == (TODAY - 30 * DAY, TODAY)


async def test_a_month_is_read_once_and_told_in_weeks() -> None:
    uses = [Use(TODAY - day * DAY + HOUR, ALICE) for day in range(1, 31)]
    vendor = Vendor(uses, {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        pages = await drain(plugin, "activity", TODAY - 30 * DAY, TODAY)
    assert [page.window.end - page.window.start for page in pages] == [7 * DAY] * 4 + [2 * DAY]
    assert all(page.window.start <= row.start < page.window.end for page in pages for row in page.rows)
    assert len(rows_of(pages)) == 30
    assert vendor.count("/activity") == 2
    async with ledger(vendor) as plugin:  # taken up by another instance
        rest = await drain(plugin, "activity", TODAY - 30 * DAY, TODAY)
    assert rows_of(rest) == rows_of(pages)


async def test_a_part_of_a_day_is_that_day() -> None:
    vendor = Vendor([Use(TODAY - 2 * DAY + HOUR, ALICE)], {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - 2 * DAY + 5 * HOUR, TODAY - 2 * DAY + 7 * HOUR)
    assert (page.window.start, page.window.end) == (TODAY - 2 * DAY, TODAY - DAY)
    assert len(page.rows) == 1


async def test_what_no_key_explains_has_a_reason() -> None:
    uses = [Use(TODAY - HOUR, ALICE), Use(TODAY - HOUR, GONE, usd=Decimal("0.5")), Use(TODAY - HOUR, "")]
    vendor = Vendor(uses, {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - DAY, TODAY)
    named, keyless = page.rows
    assert (named.key, named.cost_usd) == (ALICE, Decimal("0.25"))
    assert (keyless.key, keyless.cost_usd, keyless.requests) == ("", Decimal("0.75"), 4)
    assert keyless.reason == "used by a key that no longer exists, or without a key"
    assert keyless.tokens.total == 2_200
    assert usd(page.rows) == 1


async def test_a_key_that_the_books_have_met_answers_after_it_is_gone() -> None:
    vendor = Vendor([Use(TODAY - HOUR, ALICE), Use(TODAY - HOUR, GONE)], {ALICE: "alice"})
    met = (Key(GONE, "ci", project_id="w9"), Key(ALICE, "alice"))
    async with ledger(vendor, known_keys=met) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - DAY, TODAY)
    assert {(row.key, row.project) for row in page.rows} == {(ALICE, MAIN), (GONE, "w9")}


@pytest.mark.parametrize("status", [400, 404])
async def test_a_hash_that_the_ledger_forgot_is_no_failure(status: int) -> None:
    vendor = Vendor([Use(TODAY - HOUR, GONE)], forgotten={GONE: status})
    async with ledger(vendor, known_keys=[Key(GONE, "ci")]) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - DAY, TODAY)
    assert [row.key for row in page.rows] == [""]


async def test_a_key_that_is_refused_otherwise_ends_the_poll() -> None:
    vendor = Vendor([Use(TODAY - HOUR, ALICE)], {ALICE: "alice"}, forgotten={ALICE: 403})
    async with ledger(vendor) as plugin:
        with pytest.raises(Permanent):
            await drain(plugin, "activity", TODAY - DAY, TODAY)


async def test_idle_and_gone_keys_are_not_asked_for_nothing() -> None:
    names = {digest(number): f"key-{number}" for number in range(40)}
    uses = [Use(TODAY - HOUR, digest(0)), Use(TODAY - 20 * DAY, digest(1))]
    vendor = Vendor(uses, dict(names))
    async with ledger(vendor, known_keys=[Key(GONE, "ci")]) as plugin:
        await drain(plugin, "activity", TODAY - 3 * DAY, TODAY)
    assert vendor.count("/activity") == 2  # the account, and the one key used since


async def test_a_key_without_a_last_use_is_asked_if_it_ever_spent() -> None:
    vendor = Vendor([Use(TODAY - HOUR, ALICE)], {ALICE: "alice", BOB: "bob"}, last_used=False)
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - DAY, TODAY)
    assert [row.key for row in page.rows] == [ALICE]
    assert vendor.count("/activity") == 2


async def test_more_from_the_keys_than_from_the_account_is_told() -> None:
    vendor = Vendor([Use(TODAY - HOUR, ALICE)], {ALICE: "alice"}, loses_models=True)
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - DAY, TODAY)
    assert usd(page.rows) == Decimal("0.25")
    assert "$0.250000 more" in page.notes[0]


async def test_more_reasoning_than_output_is_clamped_and_told() -> None:
    vendor = Vendor([Use(TODAY - HOUR, ALICE, reasoning=500)], {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - DAY, TODAY)
    assert page.rows[0].tokens.reasoning == page.rows[0].tokens.output == 100
    assert page.notes[0].startswith("OpenRouter's activity counts more reasoning than output in 1 of its rows")


async def test_an_unpriced_day_stays_unpriced() -> None:
    vendor = Vendor([Use(TODAY - HOUR, ALICE, usd=None)], {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "activity", TODAY - DAY, TODAY)
    (row,) = page.rows
    assert row.cost_usd is None
    assert row.tokens.total == 1_100


async def test_midnight_between_two_pages_reads_afresh() -> None:
    uses = [Use(TODAY - day * DAY + HOUR, ALICE) for day in range(1, 20)]
    vendor, clock = Vendor(uses, {ALICE: "alice"}), FakeClock(TODAY + 23 * HOUR + timedelta(minutes=59))
    async with ledger(vendor, clock=clock) as plugin:
        first = await plugin.poll("activity", Window(TODAY - 10 * DAY, TODAY + DAY), None)
        clock.advance(timedelta(minutes=2))
        second = await plugin.poll("activity", Window(TODAY - 10 * DAY, TODAY + DAY), first.cursor)
    assert first.window.end == second.window.start
    assert second.window.end == TODAY + DAY
