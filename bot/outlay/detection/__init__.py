"""Same-day anomaly detection: a subject's spend now against its own past, explained in numbers.

    detector.feed(at, deltas) -> verdicts;  explain(verdict) -> a sentence

`poll` defines the input, `verdict` the output; `slots`, `walk` and `records` are the state, `weigh` the scoring,
`company` the workspace-wide check. docs/detection.md explains it to a person who was paged.
"""

from outlay.detection.detector import Detector, DetectorSettings
from outlay.detection.inputs import Delta, ExpectedSpend
from outlay.detection.state import StateError, restore, save
from outlay.detection.verdict import EVERYBODY, ScoreFact, Severity, Verdict, explain

__all__ = [
    "EVERYBODY",
    "Delta",
    "Detector",
    "DetectorSettings",
    "ExpectedSpend",
    "ScoreFact",
    "Severity",
    "StateError",
    "Verdict",
    "explain",
    "restore",
    "save",
]
