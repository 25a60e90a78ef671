"""Ledgers that lag, restate and reset, clocks that jump, any amount: no false page, no crash, no NaN."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlay.detection import Delta, Detector, Severity, Verdict, restore, save
from tests.detection.days import DAY, MONDAY, POLL, USD, Poll, loop, money, polls, run, team

NIGHT = MONDAY + 15 * DAY + 2 * 3600 + 600
END = MONDAY + 17 * DAY
USUAL = team(17)
RUNAWAY = [*USUAL, *loop("dev03", NIGHT, 4, 2.0)]


def pages(said: list[Verdict]) -> list[tuple[str, int]]:
    """Who was paged for, and up to when the money of it was spent."""
    return [(one.subject, one.as_of) for one in said if one.severity is Severity.PAGE]


def delayed(series: list[Poll], seconds: int) -> list[Poll]:
    """The same money, told by so much later."""
    told = dict(series)
    return [(at, told.get(at - seconds, [])) for at in range(MONDAY + POLL, END + seconds + 1, POLL)]


def test_a_ledger_a_day_late_pages_for_the_same_money_and_for_nothing_else() -> None:
    prompt = list(polls(RUNAWAY, END))

    on_time = pages(run(Detector(), prompt))

    assert [subject for subject, _ in on_time] == ["dev03"]
    assert pages(run(Detector(), delayed(prompt, DAY))) == on_time


def test_a_ledger_that_is_silent_for_a_day_and_then_tells_all_at_once_pages_for_the_same_money() -> None:
    prompt = list(polls(RUNAWAY, END))
    caught_up = MONDAY + 16 * DAY
    kept = [delta for at, deltas in prompt if caught_up - DAY < at <= caught_up for delta in deltas]
    late = [(at, [] if caught_up - DAY < at <= caught_up else deltas) for at, deltas in prompt]
    late = [(at, kept + deltas if at == caught_up + POLL else deltas) for at, deltas in late]

    assert pages(run(Detector(), late)) == pages(run(Detector(), prompt))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_whatever_order_money_arrives_in_the_habits_it_teaches_are_the_same(seed: int) -> None:
    rng = random.Random(seed)
    series = team(6, 3)
    prompt, late = Detector(), Detector()
    run(prompt, polls(series, MONDAY + 7 * DAY))
    due: dict[int, list[Delta]] = {}
    for delta in series:
        due.setdefault(delta.end + POLL * rng.choice((0, 0, 1, 3, 40, 200)), []).append(delta)
    for at in range(MONDAY + POLL, MONDAY + 7 * DAY + 1, POLL):
        late.feed(at, due.get(at, []))
    last = [money(f"dev{one:02d}", MONDAY + 7 * DAY + 36_000, 1.0) for one in range(3)]
    for detector in (prompt, late):
        detector.feed(MONDAY + 7 * DAY + 36_000, last)

    for name, subject in prompt.subjects.items():
        other = late.subjects[name]
        assert other.hours == subject.hours
        assert list(other.slots.at) == list(subject.slots.at)
        assert other.habits.mean == pytest.approx(subject.habits.mean, abs=0.02)
        assert other.habits.weight == subject.habits.weight


def test_a_restated_week_is_not_a_spike() -> None:
    before = list(polls(USUAL, MONDAY + 16 * DAY))
    week = [one for one in USUAL if MONDAY + 9 * DAY < one.end <= MONDAY + 16 * DAY]
    more = [one._replace(cost_nano_usd=one.cost_nano_usd // 3) for one in week]
    less = [one._replace(cost_nano_usd=-one.cost_nano_usd // 2) for one in week]
    detector = Detector()

    said = run(detector, before)
    for at, deltas in ((MONDAY + 16 * DAY + POLL, more), (MONDAY + 16 * DAY + 2 * POLL, less)):
        said += detector.feed(at, deltas)

    assert pages(said) == []


def test_a_reset_counter_and_money_taken_back_page_nobody() -> None:
    detector = Detector()
    run(detector, polls(USUAL, MONDAY + 16 * DAY))

    said = detector.feed(MONDAY + 16 * DAY + POLL, [money("dev03", MONDAY + 16 * DAY + POLL, -500.0)])
    said += run(detector, polls(USUAL, END, MONDAY + 16 * DAY + POLL))

    assert pages(said) == []


@pytest.mark.parametrize("ahead", [3600, 3 * DAY, 400 * DAY])
def test_a_clock_that_jumps_ahead_and_comes_back_pages_nobody_and_blinds_nobody(ahead: int) -> None:
    detector = Detector()
    noon = MONDAY + 14 * DAY + 12 * 3600
    said = run(detector, polls(RUNAWAY, noon))
    said += detector.feed(noon + ahead, [money("dev03", noon + ahead, 0.3), money("dev04", noon + ahead, 0.2)])

    said += run(detector, polls(RUNAWAY, END, noon))

    assert [subject for subject, _ in pages(said)] == ["dev03"]
    assert all(NIGHT < at <= NIGHT + 4 * 3600 for _, at in pages(said))


def test_missed_polls_are_no_steady_work() -> None:
    gap = [money("dev03", MONDAY + 15 * DAY + 5 * 3600, 6.0, width=8 * 3600)]
    detector = Detector()

    assert pages(run(detector, polls([*USUAL, *gap], MONDAY + 15 * DAY + 5 * 3600))) == []
    slots = detector.subjects["dev03"].slots
    assert slots.observed(len(slots) - 1, 96) == 1  # eight hours: one look, and the money at its true rate
    assert slots.spent(len(slots) - 1, 12) == pytest.approx(0.75)


def test_two_polls_ever_and_a_month_of_zeros_page_nobody() -> None:
    twice = [money("rare", MONDAY + 2 * DAY, 1.0), money("rare", MONDAY + 16 * DAY, 3.0)]
    zeros = [money("idle", at, 0.0) for at in range(MONDAY + POLL, MONDAY + 30 * DAY, POLL)]
    work = [money("idle", MONDAY + 30 * DAY + POLL * step, 0.4) for step in (1, 2, 5, 6, 9)]

    detector = Detector()
    assert pages(run(detector, polls([*twice, *zeros, *work, *USUAL], MONDAY + 31 * DAY))) == []
    assert detector.subjects["idle"].slots.at[0] >= (MONDAY + 30 * DAY) // POLL


@pytest.mark.parametrize("usd", [1e-9, 1e-6, 1e6, 1e9])
def test_any_amount_is_counted_without_overflow_or_nan(usd: float) -> None:
    detector = Detector()
    rich = [money("rich", at, usd) for at in range(MONDAY + POLL, MONDAY + 3 * DAY, 7 * POLL)]

    said = run(detector, polls([*rich, *team(3)], MONDAY + 4 * DAY))

    assert all(math.isfinite(one.score) for one in said)
    habits = detector.subjects["rich"].habits
    assert all(map(math.isfinite, (*habits.mean, *habits.var, habits.level, habits.level_var)))
    if usd < 1:
        assert [one for one in said if one.subject == "rich"] == []


def test_restored_state_goes_on_as_if_it_had_never_stopped() -> None:
    series = list(polls(RUNAWAY, END))
    whole, first = Detector(), Detector()
    said = run(whole, series)
    half = len(series) * 15 // 17 + 37

    begun = run(first, series[:half])
    second = restore(save(first))

    assert begun + run(second, series[half:]) == said
    assert save(second).keys() == save(whole).keys()


def test_back_filled_hours_teach_and_never_ring() -> None:
    hours: dict[tuple[str, int], int] = {}
    for one in RUNAWAY:
        if one.end <= MONDAY + 14 * DAY:
            hours[one.subject, (one.end - 1) // 3600] = (
                hours.get((one.subject, (one.end - 1) // 3600), 0) + one.cost_nano_usd
            )
    history = [
        Delta(name, f"{name}-key", "sonnet", None, None, nano, hour * 3600, hour * 3600 + 3600)
        for (name, hour), nano in hours.items()
    ]
    detector = Detector()
    detector.learn(sorted(history, key=lambda one: (one.subject, one.end)))

    said = run(detector, polls([one for one in RUNAWAY if one.end > MONDAY + 14 * DAY], END, MONDAY + 14 * DAY))

    assert sum(nano for nano in hours.values()) == sum(
        sum(map(sum, one.hours.values())) for one in detector.subjects.values()
    ) - sum(one.cost_nano_usd for one in RUNAWAY if one.end > MONDAY + 14 * DAY)
    assert [subject for subject, _ in pages(said)] == ["dev03"]
    assert all(one.usual_by_now_nano_usd is not None for one in said)
    assert USD == 10**9


def test_history_by_the_slot_teaches_what_the_polls_would_have() -> None:
    fed, taught = Detector(), Detector()
    series = team(14, 4)
    run(fed, polls(series, MONDAY + 14 * DAY))

    taught.learn(series)

    for detector in (fed, taught):
        detector.feed(MONDAY + 15 * DAY, [money(name, MONDAY + 15 * DAY, 1.0) for name in sorted(fed.subjects)])
    for name, subject in fed.subjects.items():
        assert taught.subjects[name].habits.weight == subject.habits.weight
        assert taught.subjects[name].habits.mean == pytest.approx(subject.habits.mean, abs=0.05)
