"""Runaways, the same day: what a subject spends now against what it has ever done, explained in numbers.

    detector.feed(at, deltas) -> verdicts;  explain(verdict) -> a sentence

`poll` says what goes in, `verdict` what comes out; `slots`, `walk` and `records` are what is remembered, `weigh` how it
is judged, `company` what concerns everybody. docs/detection.md tells it to whoever was paged.
"""

from outlay.detection.detector import Detector, Settings
from outlay.detection.inputs import Delta, Plan
from outlay.detection.state import StateError, restore, save
from outlay.detection.verdict import EVERYBODY, Fact, Severity, Verdict, explain

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
