"""Runaways, the same day: what a subject spends now against what it has ever done, explained in numbers.

    detector.feed(at, deltas) -> verdicts;  explain(verdict) -> a sentence

`poll` says what goes in, `verdict` what comes out; `slots`, `walk` and `records` are what is remembered, `weigh` how it
is judged, `company` what concerns everybody. docs/detection.md tells it to whoever was paged.
"""

from bot.core.detection.detector import Detector, Settings
from bot.core.detection.poll import Delta, Plan
from bot.core.detection.state import StateError, restore, save
from bot.core.detection.verdict import EVERYBODY, Fact, Severity, Verdict, explain

__all__ = [
    "EVERYBODY",
    "Delta",
    "Detector",
    "Fact",
    "Plan",
    "Settings",
    "Severity",
    "StateError",
    "Verdict",
    "explain",
    "restore",
    "save",
]
