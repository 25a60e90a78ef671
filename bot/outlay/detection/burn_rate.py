"""Burn rate of a subject, now and as usual at this hour: the measure of recovery."""

from datetime import UTC, datetime, timedelta

from outlay.detection import usual_spend
from outlay.detection.detector import Detector
from outlay.detection.subject import SubjectState
from outlay.detection.time_slots import HOUR_SLOTS, SLOT_SECONDS
from outlay.detection.verdict import EVERYBODY

RECENT_SLOTS = 3
WINDOW_SECONDS = RECENT_SLOTS * SLOT_SECONDS


def burn_rate(detector: Detector, subject: str, now: int) -> tuple[int, int]:
    """Return nano-dollars an hour: over the last quarter of an hour, and as is usual in this hour of the week."""
    if subject == EVERYBODY:
        every = [_rate(one, detector, now) for one in detector.subjects.values()]
        return sum(now for now, _ in every), sum(usually for _, usually in every)
    found = detector.subjects.get(subject)
    return (0, 0) if found is None else _rate(found, detector, now)


def _rate(subject: SubjectState, detector: Detector, now: int) -> tuple[int, int]:
    slots, first = subject.slots, (now - 1) // SLOT_SECONDS - RECENT_SLOTS
    recent = 0
    for place in range(len(slots.at) - 1, -1, -1):
        if slots.at[place] <= first:
            break
        recent += slots.nano[place]
    begun = None if subject.first is None else subject.first * SLOT_SECONDS
    moment, zone = datetime.fromtimestamp(now, UTC), detector.settings.zone
    by_now = usual_spend.usual_spend_by_now(subject.hours, moment, zone, begun)
    before = usual_spend.usual_spend_by_now(subject.hours, moment - timedelta(hours=1), zone, begun)
    usually = max(0, by_now - before) if by_now is not None and before is not None else 0
    return max(0, recent) * HOUR_SLOTS // RECENT_SLOTS, usually
