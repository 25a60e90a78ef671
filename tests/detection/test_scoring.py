"""What stands above the line of a notice and does not go away adds up, slot by slot, to a page."""

import pytest

from outlay.detection.scoring import LASTING_MOST, ScorePersistence, update_score_persistence


def after(points: list[float], *, every: int = 1) -> float:
    """What so many looks leave."""
    found: ScorePersistence | None = None
    for number, each in enumerate(points):
        found = update_score_persistence(found, 1000 + every * number, each)
    return found.points if found else 0.0


def test_it_grows_while_it_stands_above_the_line_and_falls_below() -> None:
    assert after([1.5] * 10) == pytest.approx(1.0)
    assert after([1.5] * 10 + [-0.5] * 4) == pytest.approx(0.6)
    assert after([0.4] * 50) == 0.0
    assert after([9.0] * 50) == LASTING_MOST


def test_pauses_wear_it_down_and_an_hour_without_a_look_ends_it() -> None:
    assert after([1.5] * 10, every=2) == pytest.approx(0.55)
    assert update_score_persistence(ScorePersistence(1000, 2.0), 1012, 0.5).points == pytest.approx(1.45)
    assert update_score_persistence(ScorePersistence(1000, 2.0), 1013, 0.5).points == 0.0


def test_what_is_looked_at_again_does_not_count_twice() -> None:
    known = ScorePersistence(1000, 2.0)
    assert update_score_persistence(known, 1000, 9.0) == known
    assert update_score_persistence(known, 995, 9.0) == known
    assert update_score_persistence(known, 900, 0.5).points == 0.0
