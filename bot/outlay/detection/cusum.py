"""Evidence of automation, added up slot by slot (CUSUM): no pauses, work at any hour, even spending.

Two sums go up with every slot that a machine explains better than this subject's own habits, go down with every pause,
and never fall below zero. `tireless` knows only activity: a slot at three at night counts much, one at eleven
in the morning little. `machine` also asks whether the slots resemble one another and how they compare with this
subject's usual slot. Both saturate: an agent that never sleeps stays at the top of its scale and raises no alert.
"""

from math import log
from typing import NamedTuple

IDLE_RESET_SLOTS = 12
TOP = 300.0
LOOP_ACTIVE = 0.92
LOOP_SPREAD = 0.42
HABIT_SPREAD = 1.2
_EVEN = log(HABIT_SPREAD / LOOP_SPREAD)
_UNEVEN = 0.5 * (LOOP_SPREAD**-2 - HABIT_SPREAD**-2)
CENT = 0.0001


class CusumState(NamedTuple):
    """CUSUM state after a slot. `run`: observations without a pause; `since`: where `machine` left zero."""

    slot: int
    run: int = 0
    run_since: int = 0
    tireless: float = 0.0
    machine: float = 0.0
    level: float = 0.0
    alike: int = 0
    since: int = 0


def advance_cusum(
    walk: CusumState | None, slot: int, usd: float, active: float, usual_level: float, usual_spread: float
) -> CusumState:
    """Update the sums with one more observed slot with this much money.

    `active`: how likely this subject is active in a slot of this hour, on a day on which it works; `usual_level`,
    `usual_spread`: of the logarithm of its slots' dollars.
    """
    x = log(usd if usd > CENT else CENT)
    idle = slot - walk.slot - 1 if walk else IDLE_RESET_SLOTS + 1
    if walk is None or idle > IDLE_RESET_SLOTS:
        walk = CusumState(slot, run_since=slot, since=slot)
    tireless, machine, run, run_since, since = walk.tireless, walk.machine, walk.run, walk.run_since, walk.since
    if 0 < idle <= IDLE_RESET_SLOTS:
        quiet = log((1.0 - LOOP_ACTIVE) / (1.0 - active)) * idle
        tireless, machine = max(0.0, tireless + quiet), max(0.0, machine + quiet)
        if idle > 1:
            run, run_since = 0, slot
    if machine == 0.0:
        since, count = slot, 0
    else:
        count = walk.alike
    surprise = log(LOOP_ACTIVE / active)
    if count:
        apart = x - walk.level
        even = max(-1.5, _EVEN - _UNEVEN * apart * apart)
        level = walk.level + apart * max(1.0 / (count + 1), 0.15)
    else:
        even, level = 0.0, x
    high = 0.4 * max(-1.5, min(2.0, (level - usual_level) / usual_spread))
    tireless = min(TOP, max(0.0, tireless + surprise))
    machine = min(TOP, max(0.0, machine + 0.5 * surprise + even + high))
    return CusumState(slot, run + 1, run_since, tireless, machine, level, count + 1, since)
