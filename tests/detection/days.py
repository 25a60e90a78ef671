"""Invented people and machines, poll by poll, for the detector's tests."""

import random
from collections.abc import Iterable, Iterator

from outlay.detection import Delta, Detector, Verdict

MONDAY = 1_772_409_600  # 2 March 2026, 00:00 UTC
POLL = 300
DAY = 86_400
USD = 1_000_000_000
Poll = tuple[int, list[Delta]]


def money(subject: str, end: int, usd: float, *, model: str = "sonnet", key: str = "", width: int = POLL) -> Delta:
    """Build the spend of one subject in the stretch that ends then."""
    tokens = int(abs(usd) * 300_000)
    return Delta(subject, key or f"{subject}-key", model, tokens, None, round(usd * USD), end - width, end)


def worker(subject: str, days: int, seed: int = 1, *, usd: float = 0.2) -> Iterator[Delta]:
    """Yield a weekday worker's spend: sessions with pauses between nine and six, amounts that differ by factors."""
    rng = random.Random(f"{subject} {seed}")
    for day in range(days):
        if day % 7 > 4:
            continue
        at, end = MONDAY + day * DAY + 9 * 3600, MONDAY + day * DAY + 18 * 3600
        while at < end:
            for _ in range(rng.randint(1, 6)):
                at += POLL
                yield money(subject, at, usd * rng.lognormvariate(0, 1.1))
            at += POLL * rng.randint(2, 20)


def loop(
    subject: str, start: int, hours: float, usd: float, *, model: str = "sonnet", seed: int = 7
) -> Iterator[Delta]:
    """Yield the spend of an unattended machine: every poll, evenly."""
    rng = random.Random(f"{subject} {seed}")
    for at in range(start + POLL, start + int(hours * 3600) + 1, POLL):
        yield money(subject, at, usd * rng.lognormvariate(0, 0.25), model=model)


def polls(deltas: Iterable[Delta], until: int, since: int = MONDAY) -> Iterator[Poll]:
    """Yield deltas by the poll that shows them, including polls that show nothing."""
    due: dict[int, list[Delta]] = {}
    for delta in deltas:
        due.setdefault(delta.end, []).append(delta)
    for at in range(since + POLL, until + 1, POLL):
        yield at, due.get(at, [])


def run(detector: Detector, series: Iterable[Poll]) -> list[Verdict]:
    """Return all verdicts of a series."""
    return [verdict for at, deltas in series for verdict in detector.feed(at, deltas)]


def team(days: int, size: int = 12) -> list[Delta]:
    """Return the spend of the workers of a small company."""
    return [delta for one in range(size) for delta in worker(f"dev{one:02d}", days, usd=0.1 + 0.05 * one)]
