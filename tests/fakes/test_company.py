"""The invented company tells one story, whichever way it is asked."""

import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from operator import add

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlay.core.money import NANO_PER_USD
from outlay.fakes.company.company import Company, Grain
from outlay.fakes.company.model_catalog import AUTO
from outlay.fakes.company.usage_model import AMOUNTS, DAY, HOUR, MINUTE

NOW = datetime(2026, 11, 21, 2, 40, 30, tzinfo=UTC)  # a Saturday
FRIDAY = datetime(2026, 11, 20, tzinfo=UTC)
COMPANY = Company(seed=7, now=NOW)
HOURS, MINUTES = len("2026-11-20T02"), len("2026-11-20T02:10")
FAST_ENOUGH_SECONDS = 3.0  # far more than it takes, on a machine that is busy


Figures = dict[tuple[str, ...], tuple[int, ...]]


def figures(company: Company, start: datetime, end: datetime, slot: int) -> Figures:
    """All figures by key, model and slot; slots are cut off an ISO time after so many characters."""
    grain: Grain = "minute" if slot > len("2026-11-20T02") else "hour"
    sums: Figures = {}
    for spend in company.spends(start, end, grain):
        group = (spend.key.hash, spend.requested, spend.model.slug, spend.start.isoformat()[:slot])
        sums[group] = tuple(map(add, sums.get(group, (0,) * len(AMOUNTS)), [getattr(spend, name) for name in AMOUNTS]))
    return sums


def test_a_seed_tells_one_story_and_another_seed_another() -> None:
    again, other = Company(seed=7, now=NOW), Company(seed=8, now=NOW)
    week = NOW - 7 * DAY
    assert COMPANY.truth(week, NOW, ("key", "hour")) == again.truth(week, NOW, ("key", "hour"))
    assert COMPANY.truth(week, NOW) != other.truth(week, NOW)
    assert {key.hash for key in COMPANY.keys}.isdisjoint(key.hash for key in other.keys)


def test_what_is_told_of_the_past_does_not_change_as_time_goes_on() -> None:
    fresh, asked = Company(seed=7, now=NOW), Company(seed=7, now=NOW)
    asked.truth(asked.start, NOW + 3 * DAY)
    assert figures(fresh, NOW - 3 * HOUR, NOW, MINUTES) == figures(asked, NOW - 3 * HOUR, NOW, MINUTES)


def test_minutes_add_up_to_their_hours_and_hours_to_their_days_in_every_figure() -> None:
    sums: Figures = {}
    for (*rest, minute), amounts in figures(COMPANY, FRIDAY, FRIDAY + DAY, MINUTES).items():
        hour = (*rest, minute[:HOURS])
        sums[hour] = tuple(map(add, sums.get(hour, (0,) * len(AMOUNTS)), amounts))
    assert sums == figures(COMPANY, FRIDAY, FRIDAY + DAY, HOURS)
    days = [spend.cost_nano_usd for key in COMPANY.keys for spend in COMPANY.day(key, FRIDAY)]
    assert {(): sum(days)} == COMPANY.truth(FRIDAY, FRIDAY + DAY)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3 * 24 * 60), st.integers(0, 3 * 24 * 60), st.integers(0, 3 * 24 * 60))
def test_any_stretch_is_the_sum_of_its_parts(one: int, two: int, three: int) -> None:
    first, middle, last = (NOW - 3 * DAY + minutes * MINUTE for minutes in sorted((one, two, three)))
    parts = [COMPANY.truth(first, middle).get((), 0), COMPANY.truth(middle, last).get((), 0)]
    assert sum(parts) == COMPANY.truth(first, last).get((), 0)


def test_cached_and_reasoning_tokens_are_parts_at_both_grains() -> None:
    grains: tuple[Grain, ...] = ("hour", "minute")
    for grain in grains:
        spends = list(COMPANY.spends(FRIDAY, FRIDAY + DAY, grain))
        assert any(spend.cached_tokens for spend in spends)
        assert any(spend.reasoning_tokens for spend in spends)
        assert all(spend.cached_tokens <= spend.prompt_tokens for spend in spends)
        assert all(spend.reasoning_tokens <= spend.completion_tokens for spend in spends)


def test_the_future_does_not_exist() -> None:
    noon = FRIDAY + 12 * HOUR + timedelta(minutes=5, seconds=59)
    latest = max(spend.start for spend in COMPANY.spends(FRIDAY, noon, "minute"))
    assert latest <= FRIDAY + 12 * HOUR + 4 * MINUTE
    assert list(COMPANY.spends(noon, noon - HOUR)) == []
    assert min(spend.start for spend in COMPANY.spends(COMPANY.start - 9 * DAY, NOW)) >= COMPANY.start


def test_the_company_is_alive() -> None:
    by_day = COMPANY.truth(COMPANY.start, NOW, ("day",))
    weekend = [by_day[day,] for day in ("2026-11-14", "2026-11-15")]
    week = [by_day[f"2026-11-{day}",] for day in range(16, 21)]
    assert max(weekend) * 3 < min(week)
    first = sum(by_day[f"2026-10-{day}",] for day in range(26, 31))
    assert sum(week) > first * 95 // 100
    night = COMPANY.truth(FRIDAY + 3 * HOUR, FRIDAY + 4 * HOUR, ("key_name",))
    assert set(night) < {(key.name,) for key in COMPANY.keys}


def test_the_faults_that_real_keys_have() -> None:
    names = [key.name for key in COMPANY.keys]
    assert len(names) == 14
    assert names.count("laptop") == 2
    assert names.count("") == 1
    assert {key.owner.owner_id for key in COMPANY.keys} >= {"U05EMRE", "agent:agent-ci", "agent:agent-triage"}
    assert len({key.workspace.id for key in COMPANY.keys}) == 2
    gone = COMPANY.key("old-prototype")
    deleted = COMPANY.deleted_at(gone)
    assert deleted is not None
    assert COMPANY.total(gone, COMPANY.start, NOW)[0] > NANO_PER_USD
    assert COMPANY.truth(deleted, NOW, ("key",)).get((gone.hash,)) is None


def test_auto_resolves_to_several_models_and_an_own_key_is_no_credit() -> None:
    resolved = {
        model for requested, model in COMPANY.truth(COMPANY.start, NOW, ("requested", "model")) if requested == AUTO
    }
    assert len(resolved) == 3
    assert AUTO not in resolved
    byok = COMPANY.truth(COMPANY.start, NOW, ("owner", "model"), of="byok_nano_usd")
    assert set(byok) == {("U06FATIMA", "openai/gpt-5")}
    assert ("U06FATIMA", "openai/gpt-5") not in COMPANY.truth(COMPANY.start, NOW, ("owner", "model"))


def test_a_free_model_costs_nothing_and_is_used_all_the_same() -> None:
    used = COMPANY.truth(COMPANY.start, NOW, ("model",), of="prompt_tokens")
    assert used["z-ai/glm-4.5-air:free",] > 0
    assert ("z-ai/glm-4.5-air:free",) not in COMPANY.truth(COMPANY.start, NOW, ("model",))


def test_a_runaway_spends_exactly_its_rate_and_the_same_at_every_grain() -> None:
    company = Company(seed=7, now=NOW)
    key = company.key("agent-ci-nightly")
    start, end = FRIDAY + 2 * HOUR + 10 * MINUTE, FRIDAY + 5 * HOUR
    before = company.total(key, FRIDAY, FRIDAY + DAY)[0]
    hourly_before = company.truth(FRIDAY, FRIDAY + DAY, ("key", "hour"))
    company.runaway(key, start, 37, end=end)
    extra = 37 * NANO_PER_USD * ((end - start) // MINUTE) // 60
    assert company.total(key, FRIDAY, FRIDAY + DAY)[0] - before == extra
    hourly = company.truth(FRIDAY, FRIDAY + DAY, ("key", "hour"))
    grown = {group: amount - hourly_before.get(group, 0) for group, amount in hourly.items()}
    assert {hour[11:13]: amount for (_, hour), amount in grown.items() if amount} == {
        "02": 37 * NANO_PER_USD * 50 // 60,
        "03": 37 * NANO_PER_USD,
        "04": 37 * NANO_PER_USD,
    }
    by_minute = company.truth(FRIDAY, FRIDAY + DAY, ("key", "minute"))
    assert sum(by_minute.values()) == sum(hourly.values())
    partly = company.truth(start, start + 7 * MINUTE, ("key",))[key.hash,]
    assert partly >= 37 * NANO_PER_USD * 7 // 60
    with pytest.raises(ValueError, match="free"):
        company.runaway(key, start, 5, "z-ai/glm-4.5-air:free")


@pytest.mark.parametrize("factor", [Fraction(1, 3), Fraction(5, 4), Fraction(0)])
def test_a_restatement_changes_its_bucket_at_every_grain_and_nothing_else(factor: Fraction) -> None:
    company = Company(seed=7, now=NOW, days=3)
    key = company.key("dana-ide")
    by = ("key", "model", "hour")
    before = company.truth(company.start, NOW, by)
    company.restate(FRIDAY, FRIDAY + DAY, factor, key_hash=key.hash, model_slug="anthropic/claude-sonnet-4.5")
    after = company.truth(company.start, NOW, by)
    touched = {
        group for group in before if group[:2] == (key.hash, "anthropic/claude-sonnet-4.5") and group[2] >= "2026-11-20"
        and group[2] < "2026-11-21"
    }  # fmt: skip
    assert touched
    expected = {group: int(amount * factor) if group in touched else amount for group, amount in before.items()}
    assert after == {group: amount for group, amount in expected.items() if amount}
    minutes = company.truth(FRIDAY, FRIDAY + DAY, ("minute",))
    assert {(): sum(minutes.values())} == company.truth(FRIDAY, FRIDAY + DAY)


def test_a_month_is_made_quickly_and_more_keys_can_be_had() -> None:
    started = time.perf_counter()
    fresh = Company(seed=11, now=NOW)
    assert fresh.truth(fresh.start, NOW, ("key", "model", "hour"))
    assert time.perf_counter() - started < FAST_ENOUGH_SECONDS
    large = Company(seed=7, now=NOW, extra_keys=120)
    assert len(large.keys) == 134
    assert [key.hash for key in large.keys[:14]] == [key.hash for key in COMPANY.keys]


def test_each_ledger_tells_its_own_keys_and_openrouter_the_same_as_ever() -> None:
    for ledger, prefix, place in (("openai", "key_", "proj_"), ("anthropic", "apikey_", "wrkspc_")):
        there = COMPANY.view_of(ledger)
        assert {key.hash[: len(prefix)] for key in there.keys if key.hash} == {prefix}
        assert all(key.workspace.id.startswith(place) for key in there.keys)
        assert sum(key.deleted for key in there.keys) == sum(key.batch for key in there.keys) == 1
        spent = there.truth(COMPANY.start, NOW, ("key",))
        assert set(spent) == {(key.hash,) for key in there.keys}
        assert COMPANY.truth(COMPANY.start, NOW, ("key",), ledger=ledger) == spent
        assert not {group for group in COMPANY.truth(COMPANY.start, NOW, ("key",)) if group in spent}
    assert [key.name for key in COMPANY.view_of("anthropic").keys if not key.hash] == [""]


def test_a_batch_costs_half_and_what_happens_at_one_ledger_all_views_know() -> None:
    company = Company(seed=7, now=NOW, days=2)
    there = company.view_of("openai")
    batch = there.key("evals-batch")
    for spend in there.spends(company.start, FRIDAY + DAY, "hour", (batch,)):
        uncached = spend.prompt_tokens - spend.cached_tokens
        full = spend.model.cost_nano_usd(uncached, spend.cached_tokens, spend.completion_tokens)
        assert spend.cost_nano_usd == full // 2
    before = there.truth(FRIDAY, NOW)[()]
    there.restate(FRIDAY, FRIDAY + DAY, 0, key_hash=batch.hash)
    company.runaway(there.key("emre-dev"), FRIDAY, 12, "openai/gpt-5", end=FRIDAY + HOUR)
    lost = sum(spend.cost_nano_usd for spend in Company(seed=7, now=NOW, days=2).view_of("openai").day(batch, FRIDAY))
    assert lost > 0
    assert company.truth(FRIDAY, NOW, ledger="openai")[()] == before - lost + 12 * NANO_PER_USD
