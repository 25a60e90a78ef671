"""Serialization of the detector, one part per subject: after a poll only those that spent need be written.

    parts = save(detector)                  # all; or save(detector, names) for some
    detector = restore(parts, settings)     # goes on as if it had never stopped

The part `""` has what belongs to no subject: peers, holds, plans. A part is compressed JSON; an unknown version is
refused, and then the detector has to learn from the books again.
"""

import json
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from outlay.core.errors import OutlayError
from outlay.detection.baselines import Habits, Peers
from outlay.detection.cusum import CusumState
from outlay.detection.detector import AlertSuppression, Detector, DetectorSettings
from outlay.detection.inputs import ExpectedSpend
from outlay.detection.scoring import ScorePersistence
from outlay.detection.subject import NewUse, SubjectState
from outlay.detection.verdict import Severity

VERSION = 2


class StateError(OutlayError, ValueError):
    """State of another version, or unreadable: let the detector learn from the books."""


def save(detector: Detector, names: Iterable[str] | None = None) -> dict[str, bytes]:
    """Return the parts of these subjects (None: all), and the common one."""
    chosen = detector.subjects if names is None else [name for name in names if name in detector.subjects]
    parts = {name: _packed(_subject(detector.subjects[name])) for name in chosen}
    parts[""] = _packed(
        {
            "peers": asdict(detector.peers),
            "holds": {name: [hold.slot, hold.severity.value, hold.hour_usd] for name, hold in detector.holds.items()},
            "lasting": {name: list(one) for name, one in detector.lasting.items()},
            "plans": [asdict(plan) for plan in detector.plans.values()],
            "marks": detector.marks(),
        }
    )
    return parts


def restore(parts: Mapping[str, bytes], settings: DetectorSettings | None = None) -> Detector:
    """Build a detector from saved parts. Raises StateError."""
    detector = Detector(settings)
    for name, part in parts.items():
        held = _unpacked(part)
        try:
            if name:
                detector.subjects[name] = _restored(held)
                continue
            detector.peers = Peers(**{field: _tuple(value) for field, value in held["peers"].items()})
            detector.holds = {
                who: AlertSuppression(slot, Severity(how), usd) for who, (slot, how, usd) in held["holds"].items()
            }
            detector.lasting = {who: ScorePersistence(*one) for who, one in held["lasting"].items()}
            detector.plans = {plan["id"]: ExpectedSpend(**plan) for plan in held["plans"]}
            detector.set_marks(held["marks"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the detector's state of «{name}» cannot be read: {error}") from None
    return detector


def _packed(plain: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps({"v": VERSION, **plain}, separators=(",", ":")).encode(), 1)


def _unpacked(part: bytes) -> dict[str, Any]:
    try:
        held = json.loads(zlib.decompress(part))
    except (zlib.error, ValueError) as error:
        raise StateError(f"the detector's state cannot be read: {error}") from None
    if not isinstance(held, dict) or held.get("v") != VERSION:
        raise StateError("the detector's state is of another version")
    return held


def _subject(one: SubjectState) -> dict[str, Any]:
    return {
        "at": list(one.slots.at), "nano": list(one.slots.nano), "seen": list(one.slots.seen),
        "hours": {day: list(hours) for day, hours in one.hours.items()},
        "mix": [[hour, *pair, *parts] for hour, pairs in one.mix.items() for pair, parts in pairs.items()],
        "models": one.models, "keys": one.keys, "fresh": [list(fresh) for fresh in one.fresh],
        "first": one.first, "usd": one.usual_usd, "tokens": one.usual_tokens, "day": one.open_day,
        "habits": asdict(one.habits), "ahead": one.ahead,
        "past": [[day, asdict(habits), walk] for day, habits, walk in one.past],
    }  # fmt: skip


def _restored(held: dict[str, Any]) -> SubjectState:
    one = SubjectState()
    one.slots.fill(held["at"], held["nano"], held["seen"])
    one.hours = {int(day): array("q", hours) for day, hours in held["hours"].items()}
    for hour, key, model, *parts in held["mix"]:
        one.mix.setdefault(hour, {})[key, model] = parts
    one.models, one.keys = held["models"], held["keys"]
    one.fresh = [NewUse(*fresh) for fresh in held["fresh"]]
    one.first, one.usual_usd, one.usual_tokens = held["first"], held["usd"], held["tokens"]
    one.open_day, one.habits, one.ahead = held["day"], _habits(held["habits"]), _walk(held["ahead"])
    one.past = [(day, _habits(habits), _walk(walk)) for day, habits, walk in held["past"]]
    return one


def _habits(plain: dict[str, Any]) -> Habits:
    return Habits(**{field: _tuple(value) for field, value in plain.items()})


def _walk(plain: list[Any] | None) -> CusumState | None:
    return CusumState(*plain) if plain else None


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
