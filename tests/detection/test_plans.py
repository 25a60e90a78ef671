"""What is expected does not ring."""

from dataclasses import replace

from outlay.detection import EVERYBODY, Detector, DetectorSettings, ExpectedSpend, Severity, Verdict
from tests.detection.days import DAY, MONDAY, USD, loop, polls, run, team

NIGHT = MONDAY + 15 * DAY + 7800
SERIES = list(polls([*team(16), *loop("dev03", NIGHT, 6, 2.0)], MONDAY + 16 * DAY))


def said_of(detector: Detector) -> list[Severity]:
    """What was said of the one with the loop."""
    return [one.severity for one in run(detector, SERIES) if one.subject == "dev03" and one.at > NIGHT]


def test_a_batch_declared_beforehand_does_not_ring_and_without_it_it_does() -> None:
    detector = Detector()
    detector.expect_spend(ExpectedSpend("batch", "dev03", NIGHT, NIGHT + 8 * 3600))
    assert said_of(detector) == []

    assert Severity.PAGE in said_of(Detector())


def test_a_plan_for_another_time_or_another_key_covers_nothing() -> None:
    detector = Detector()
    detector.expect_spend(ExpectedSpend("early", "dev03", NIGHT - DAY, NIGHT))
    detector.expect_spend(ExpectedSpend("other", "dev03", NIGHT, None, key="another-key"))

    assert Severity.PAGE in said_of(detector)


def test_an_expected_key_neither_rings_nor_teaches() -> None:
    detector = Detector()
    detector.expect_spend(ExpectedSpend("key", "dev03", NIGHT, None, key="dev03-key"))

    assert said_of(detector) == []
    assert max(detector.subjects["dev03"].slots.at) * 300 <= NIGHT


def test_a_raised_threshold_is_silent_below_and_rings_above() -> None:
    detector = Detector()
    detector.expect_spend(ExpectedSpend("more", "dev03", 0, None, below_nano_usd=60 * USD))
    said = [one for one in run(detector, SERIES) if one.subject == "dev03" and one.at > NIGHT]

    assert said
    assert said[0].day_nano_usd >= 60 * USD


def everybody_said(detector: Detector) -> list[Verdict]:
    """What was said of everybody, while all of a team spend three times the usual from a day on."""
    jump = MONDAY + 15 * DAY
    deltas = [one._replace(cost_nano_usd=one.cost_nano_usd * 3) if one.end > jump else one for one in team(17)]
    return [one for one in run(detector, polls(deltas, MONDAY + 17 * DAY)) if one.subject == EVERYBODY]


def test_a_plan_for_everybody_silences_the_alert_on_everybody_and_no_single_runaway() -> None:
    (rang,) = everybody_said(Detector())
    assert MONDAY + 15 * DAY < rang.at < MONDAY + 16 * DAY

    detector = Detector()
    detector.expect_spend(ExpectedSpend("release", EVERYBODY, MONDAY + 15 * DAY, MONDAY + 17 * DAY))
    assert everybody_said(detector) == []

    detector = Detector()
    detector.expect_spend(ExpectedSpend("more", EVERYBODY, MONDAY + 15 * DAY, below_nano_usd=2 * rang.day_nano_usd))
    assert [one.day_nano_usd >= 2 * rang.day_nano_usd for one in everybody_said(detector)] == [True]

    detector = Detector()
    detector.expect_spend(ExpectedSpend("release", EVERYBODY, MONDAY + 15 * DAY, MONDAY + 17 * DAY))
    assert Severity.PAGE in said_of(detector)


def test_who_rang_together_with_everybody_is_told_afterwards_if_it_stands_out() -> None:
    single = [one for one in run(Detector(), SERIES) if one.subject == "dev03" and one.at > NIGHT]
    alone = next(one for one in single if one.severity is Severity.PAGE)

    class Jumping(Detector):
        def _everybody(self, slot: int, at: int) -> Verdict | None:
            return replace(alone, subject=EVERYBODY) if at == alone.at else super()._everybody(slot, at)

    said = [one for one in run(Jumping(), SERIES) if one.at > NIGHT]

    assert [one.subject for one in said if one.at == alone.at] == [EVERYBODY]
    assert min(one.at for one in said if one.subject == "dev03" and one.at > alone.at) == alone.at + 300


def test_sharp_speaks_before_normal_and_normal_before_calm() -> None:
    names = [f"dev{which:02d}" for which in range(1, 9)]
    loops = [one for which, name in enumerate(names, 1) for one in loop(name, NIGHT, 3, 0.12 * which)]
    series = list(polls([*team(16), *loops], NIGHT + 3 * 3600))

    waited = []
    for how in ("sharp", "normal", "calm"):
        said = [one for one in run(Detector(DetectorSettings(how, USD)), series) if one.at > NIGHT]
        waited.append(sum(min((one.at for one in said if one.subject == name), default=NIGHT + DAY) for name in names))

    assert waited == sorted(waited)
    assert waited[0] < waited[2]


def test_below_the_floor_nothing_rings() -> None:
    assert said_of(Detector(DetectorSettings(floor_nano_usd=1000 * USD))) == []
