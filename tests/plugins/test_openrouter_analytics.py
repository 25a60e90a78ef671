"""The hourly analytics: names joined to keys where that is certain, and all of it told however it is cut."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlay.plugin import Key, Page, Permanent, Row, Transient
from outlay_plugins._openrouter import analytics
from tests.plugins.openrouter_vendor import DAY, HOUR, LAB, NOW, TODAY, Use, Vendor, digest, drain, ledger

ALICE, BOB, CI, GONE = digest(1), digest(2), digest(3), digest(4)
THIS_HOUR = NOW.replace(minute=0)


def rows_of(pages: Sequence[Page]) -> list[Row]:
    return [row for page in pages for row in page.rows]


def by_key(rows: Sequence[Row]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for row in rows:
        found[row.key] = found.get(row.key, Decimal(0)) + (row.cost_usd or 0)
    return found


def assert_no_bucket_twice(rows: Sequence[Row]) -> None:
    buckets = [(row.start, row.key, row.model, row.requested, row.detail) for row in rows]
    assert len(set(buckets)) == len(buckets)


async def test_rows_by_key_hour_and_model_the_running_hour_included() -> None:
    uses = [
        Use(THIS_HOUR, ALICE),
        Use(THIS_HOUR, ALICE, model="a/other", usd=Decimal("0.000000001"), byok=Decimal("0.7")),
        Use(TODAY, BOB),
    ]
    vendor = Vendor(uses, {ALICE: "alice", BOB: "bob"}, home={BOB: LAB})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert (page.window.start, page.window.end, page.complete) == (TODAY, NOW, True)
    found = {(row.key, row.start, row.model): row for row in page.rows}
    assert found[ALICE, THIS_HOUR, "openai/gpt-4.1-2025-04-14"].requests == 2
    other = found[ALICE, THIS_HOUR, "a/other"]
    assert (other.cost_usd, other.byok_usd) == (Decimal("1e-9"), Decimal("0.7"))
    assert (other.tokens.input, other.tokens.cache_read, other.tokens.output) == (600, 400, 100)
    assert found[BOB, TODAY, "openai/gpt-4.1-2025-04-14"].project == LAB
    question = next(asked for path, asked in vendor.asked if path == "/analytics/query")
    assert question["time_range"] == {"start": "2026-11-21T00:00:00Z", "end": "2026-11-21T09:20:00Z"}
    assert (question["dimensions"], question["granularity"]) == (["api_key_id", "model"], "hour")
    assert vendor.count("/analytics/query") == 1


async def test_the_oldest_day_that_is_read_is_read_from_its_midnight_on() -> None:
    oldest = TODAY - 35 * DAY
    vendor = Vendor([Use(oldest, ALICE), Use(oldest - HOUR, ALICE)], {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        pages = await drain(plugin, "analytics", oldest - 9 * DAY, NOW)
    assert pages[0].window.start == oldest
    assert [row.start for row in rows_of(pages)] == [oldest]


async def test_namesakes_and_the_nameless_are_asked_by_their_hashes() -> None:
    names: dict[str, str | None] = {ALICE: "laptop", BOB: "laptop", CI: ""}
    uses = [
        Use(TODAY, ALICE, usd=Decimal(1)),
        Use(TODAY, BOB, usd=Decimal(2)),
        Use(TODAY, CI, usd=Decimal(4)),
        Use(TODAY, GONE, usd=Decimal(8)),
        Use(TODAY, "", usd=Decimal(16)),
    ]
    vendor = Vendor(uses, names, deleted={GONE: "laptop"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert by_key(page.rows) == {ALICE: 1, BOB: 2, CI: 4, "": 24}
    reasons = {row.reason: row.cost_usd for row in page.rows if not row.key}
    named = next(reason for reason in reasons if "laptop" in reason)
    assert reasons[named] == 8
    assert reasons[analytics.KEYLESS] == 16
    assert vendor.count("/analytics/query") == 4
    assert_no_bucket_twice(page.rows)


async def test_a_nameless_key_may_go_by_its_label_and_is_told_once() -> None:
    uses = [Use(TODAY, CI, usd=Decimal(4)), Use(TODAY, "", usd=Decimal(16))]
    vendor = Vendor(uses, {CI: ""}, shows_labels=True)
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert by_key(page.rows) == {CI: 4, "": 16}
    assert vendor.count("/analytics/query") == 1


async def test_an_hour_beyond_the_end_is_the_next_pages() -> None:
    uses = [Use(TODAY - back * HOUR, ALICE) for back in range(100)]
    async with ledger(Vendor(uses, {ALICE: "alice"}, generous=True)) as plugin:
        rows = rows_of(await drain(plugin, "analytics", TODAY - 4 * DAY, TODAY))
    assert len(rows) == 96
    assert_no_bucket_twice(rows)


async def test_a_key_that_no_longer_exists_is_named() -> None:
    uses = [Use(TODAY, GONE), Use(TODAY, CI, usd=Decimal(3))]
    vendor = Vendor(uses, deleted={GONE: "old-prototype", CI: "older"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert {(row.reason, row.cost_usd) for row in page.rows} == {
        ("used by a key named «old-prototype» that no longer exists", Decimal("0.25")),
        ("used by a key named «older» that no longer exists", Decimal(3)),
    }
    assert_no_bucket_twice(page.rows)


async def test_a_gone_key_that_the_books_have_met_keeps_its_spend() -> None:
    vendor = Vendor([Use(TODAY, GONE)], deleted={GONE: "old-prototype"})
    async with ledger(vendor, known_keys=[Key(GONE, "old-prototype", project_id="w9")]) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert [(row.key, row.project) for row in page.rows] == [(GONE, "w9")]


async def test_a_new_key_of_an_old_name_does_not_take_its_spend() -> None:
    vendor = Vendor([Use(TODAY, GONE), Use(TODAY, CI, usd=Decimal(3))], {CI: "ci"}, deleted={GONE: "ci"})
    async with ledger(vendor, known_keys=[Key(GONE, "ci")]) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert by_key(page.rows) == {CI: 3, GONE: Decimal("0.25")}


async def test_namesakes_not_used_since_are_not_asked() -> None:
    names: dict[str, str | None] = {ALICE: "laptop", BOB: "laptop"}
    vendor = Vendor([Use(TODAY, ALICE), Use(TODAY - 9 * DAY, BOB)], names)
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert by_key(page.rows) == {ALICE: Decimal("0.25")}
    assert vendor.count("/analytics/query") == 2


async def test_display_names_of_models_become_slugs() -> None:
    uses = [Use(TODAY, ALICE), Use(TODAY, ALICE, model="a/x")]
    vendor = Vendor(uses, {ALICE: "alice"}, display=lambda slug: slug if slug == "a/x" else "OpenAI: GPT-4.1")
    async with ledger(vendor) as plugin:
        for _ in range(2):
            (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert {row.model for row in page.rows} == {"a/x", "openai/gpt-4.1-2025-04-14"}
    assert vendor.count("/models") == 1
    vendor.faults["/models"] = (404, {})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert {row.model for row in page.rows} == {"a/x", "OpenAI: GPT-4.1"}


async def test_models_are_not_looked_up_for_slugs() -> None:
    vendor = Vendor([Use(TODAY, ALICE)], {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        await drain(plugin, "analytics", TODAY, NOW)
    assert vendor.count("/models") == 0


async def test_the_menu_is_looked_at_once_and_kept_to() -> None:
    offered = ("byok_usage", "total_usage", "tokens_prompt", "tokens_completion", "cache_hit_rate")
    vendor = Vendor([Use(TODAY, ALICE, byok=Decimal("0.05"))], {ALICE: "alice"}, metrics=offered)
    async with ledger(vendor) as plugin:
        for _ in range(2):
            (page,) = await drain(plugin, "analytics", TODAY, NOW)
    (row,) = page.rows
    assert (row.cost_usd, row.byok_usd, row.requests) == (Decimal("0.25"), Decimal("0.05"), None)
    assert vendor.count("/analytics/meta") == 1


async def test_a_menu_without_dollars_is_refused() -> None:
    vendor = Vendor([Use(TODAY, ALICE)], {ALICE: "alice"}, metrics=("tokens_prompt", "request_count"))
    async with ledger(vendor) as plugin:
        with pytest.raises(Permanent, match="no longer offers byok_usage, tokens_completion, total_usage"):
            await drain(plugin, "analytics", TODAY, NOW)


async def test_unknown_cost_beside_known() -> None:
    uses = [Use(TODAY, ALICE), Use(TODAY, ALICE, usd=None), Use(TODAY, GONE, usd=None)]
    vendor = Vendor(uses, {ALICE: "alice"}, deleted={GONE: "old"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert [(row.key, row.cost_usd) for row in page.rows] == [(ALICE, Decimal("0.25")), (ALICE, None), ("", None)]
    assert_no_bucket_twice(page.rows)


async def test_a_long_window_comes_in_slices_of_three_days_at_most() -> None:
    uses = [Use(TODAY - hours * HOUR, ALICE) for hours in range(1, 200)]
    async with ledger(Vendor(uses, {ALICE: "alice"})) as plugin:
        pages = await drain(plugin, "analytics", TODAY - 7 * DAY, TODAY)
        assert [page.window.end - page.window.start for page in pages] == [3 * DAY, 3 * DAY, DAY]
        assert len(rows_of(pages)) == 168
        again = await drain(plugin, "analytics", TODAY - 60 * DAY, TODAY - 50 * DAY)
    assert (again[0].window.start, list(again[0].rows)) == (TODAY - 50 * DAY, [])
    assert all(one.window.end == next_one.window.start for one, next_one in pairwise(pages))


async def test_a_truncated_answer_is_asked_again_for_half_the_time() -> None:
    names: dict[str, str | None] = {digest(number): f"key-{number}" for number in range(5)}
    uses = [Use(TODAY - hours * HOUR, key) for hours in range(1, 49) for key in names]
    vendor = Vendor(uses, names, max_rows=30)
    async with ledger(vendor) as plugin:
        pages = await drain(plugin, "analytics", TODAY - 2 * DAY, TODAY)
    assert all(page.complete for page in pages)
    assert pages[0].window.end - pages[0].window.start == 6 * HOUR  # 48, 24, 12 were too many
    assert len(rows_of(pages)) == 240
    assert_no_bucket_twice(rows_of(pages))


async def test_a_time_out_of_theirs_is_asked_again_for_half_the_time() -> None:
    uses = [Use(TODAY - back * HOUR, ALICE) for back in range(1, 25)]
    vendor = Vendor(uses, {ALICE: "alice"}, slow_above=5 * HOUR)
    async with ledger(vendor) as plugin:
        pages = await drain(plugin, "analytics", TODAY - DAY, TODAY)
        assert len(rows_of(pages)) == 24
        vendor.slow_above = HOUR / 2
        with pytest.raises(Transient):
            await drain(plugin, "analytics", TODAY - DAY, TODAY)


async def test_an_hour_that_is_too_much_is_asked_in_parts() -> None:
    names: dict[str, str | None] = {digest(number): f"key-{number}" for number in range(1, 21)} | {
        digest(30): "twin",
        digest(31): "twin",
        digest(32): "",
    }
    uses = [Use(TODAY, key, model=f"a/{model}") for key in names for model in range(3)]
    uses += [Use(TODAY, GONE + "x", usd=Decimal(2)), Use(TODAY, "", usd=Decimal(4))]
    vendor = Vendor(uses, names, deleted={GONE + "x": "old"}, max_rows=20)
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, TODAY + HOUR)
    assert page.complete
    found = by_key(page.rows)
    assert {key: found[key] for key in names} == dict.fromkeys(names, Decimal("0.75"))
    assert found[""] == 6
    assert_no_bucket_twice(page.rows)


async def test_more_reasoning_than_output_is_clamped_and_told() -> None:
    vendor = Vendor([Use(TODAY, ALICE, reasoning=500)], {ALICE: "alice"})
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, NOW)
    assert page.rows[0].tokens.reasoning == 100
    assert "in 1 of its rows" in page.notes[0]


async def test_what_even_one_key_is_too_much_for_is_said_to_be_cut_short() -> None:
    uses = [Use(TODAY, ALICE, model=f"a/{model}") for model in range(12)]
    vendor = Vendor(uses, {ALICE: "alice"}, max_rows=10)
    async with ledger(vendor) as plugin:
        (page,) = await drain(plugin, "analytics", TODAY, TODAY + HOUR)
    assert not page.complete
    assert "cut its answer" in page.notes[0]


hours = st.integers(1, 30).map(lambda back: TODAY - back * HOUR)
some_keys = st.sampled_from([ALICE, BOB, CI, GONE, ""])
some_uses = st.lists(
    st.builds(
        Use,
        hours,
        some_keys,
        st.sampled_from(["a/x", "b/y"]),
        st.integers(1, 10**12).map(lambda nano: Decimal(nano).scaleb(-9)),
    ),
    max_size=16,
)


@given(
    some_uses,
    st.lists(st.sampled_from(["laptop", "ci", "", None]), min_size=3, max_size=3),
    st.sampled_from([3, 5, 10_000]),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
async def test_however_it_is_cut_every_dollar_is_told_once(
    uses: list[Use], names: list[str | None], max_rows: int, met: bool
) -> None:
    vendor = Vendor(uses, dict(zip((ALICE, BOB, CI), names, strict=True)), deleted={GONE: "laptop"}, max_rows=max_rows)
    known = [Key(GONE, "laptop")] if met else []
    async with ledger(vendor, known_keys=known) as plugin:
        pages = await drain(plugin, "analytics", TODAY - 30 * HOUR, TODAY)
    rows = rows_of(pages)
    if all(page.complete for page in pages):
        assert sum(by_key(rows).values()) == sum(use.usd or 0 for use in uses)
        for key in (ALICE, BOB, CI):
            told = by_key(rows).get(key, Decimal(0))
            spent = sum((use.usd or Decimal(0) for use in uses if use.key == key), Decimal(0))
            stranger = not met and any(use.key == GONE for use in uses)  # never met: it cannot be told from a namesake
            assert told == spent or stranger
    for page in pages:
        assert all(page.window.start <= row.start < page.window.end for row in page.rows)
        assert_no_bucket_twice(page.rows)
