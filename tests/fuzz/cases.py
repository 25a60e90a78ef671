"""Number of fuzz cases, and mutation of valid input.

`FUZZ_CASES` sets the number (`./run fuzz` sets 100,000); without it a few, the same at each run, so that the suite is
quick and never fails at random on an unrelated change. Structured bytes are recorded from real use and then mutated
in one to three places: input made from nothing seldom gets past the first check.
"""

import copy
import json
import os
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = int(os.environ.get("FUZZ_CASES", "0"))
SEEDS = st.integers(0, 2**63)
WEIRD: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 10**18, 10**30, -(10**30), 0.5, -0.5, 1e308, float("inf"), float("nan")),
    *("", " ", "x", "x" * 300, "0", "-1", "1e999999", "NaN", "Infinity", "9" * 400, "1_000", "١٢", "0x10", "null"),
    *("2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-20", "-1e-400", "€", "\x00"),
    *("\ud800", "<!channel>", "../..", "https://a.example", [], {}, [[]], [None], {"": None}, [0] * 50, {"id": {}}),
)
T = TypeVar("T", bound=Callable[..., Any])


def fuzzed(few: int, **how: st.SearchStrategy[Any]) -> Callable[[T], T]:
    """Make a test of `few` cases, or as many as FUZZ_CASES says. Failed cases are reported with their seed."""

    def decorate(test: T) -> T:
        slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
        profile = settings(
            max_examples=CASES or few, deadline=None, database=None, derandomize=not CASES, suppress_health_check=slow
        )
        return profile(given(**how)(test))  # type: ignore[no-any-return]

    return decorate


def bent(value: Any, dice: random.Random) -> Any:
    """Return the same JSON with one to three unexpected values."""
    value = copy.deepcopy(value)
    for _ in range(dice.choice((1, 1, 2, 3))):
        value = _bent_once(value, dice)
    return value


def _bent_once(value: Any, dice: random.Random) -> Any:
    """Descend to a random place and change what is there."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name = dice.choice(list(value))
        if dice.random() < 0.1:
            del value[name]
        else:
            value[name] = _bent_once(value[name], dice)
        return value
    if isinstance(value, list) and value and dice.random() < 0.9:
        place = dice.randrange(len(value))
        how = dice.random()
        if how < 0.05:
            del value[place]
        elif how < 0.1:
            value.append(copy.deepcopy(value[place]))
        else:
            value[place] = _bent_once(value[place], dice)
        return value
    return _instead(value, dice)


def _instead(value: Any, dice: random.Random) -> Any:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and dice.random() < 0.4:
        return dice.choice((str(value), -value, value * 10**12, [value]))
    if isinstance(value, str) and dice.random() < 0.3:
        return dice.choice((value + "\x00", value * 50, value[:-1], value.upper(), "\ud800" + value, {"value": value}))
    return copy.deepcopy(dice.choice(WEIRD))  # a list among them may be bent again


def torn(body: bytes, dice: random.Random) -> bytes:
    """Return bytes that are truncated, mixed up, or something else."""
    how = dice.randrange(5)
    if how == 0:
        return body[: dice.randrange(len(body) + 1)]
    if how == 1:
        place = dice.randrange(len(body) + 1)
        return body[:place] + dice.randbytes(dice.randrange(1, 9)) + body[place:]
    if how == 2:
        return dice.randbytes(dice.randrange(200))
    if how == 3:
        return dice.choice(
            (b"", b"null", b"[]", b"{}", b"0", b'"x"', b"\xff\xfe", b"[" * 5_000, b'{"a":' * 2_000, b"<html>")
        )
    return body * 2


def spelled(value: Any) -> bytes:
    """Encode as JSON, including the numbers that JSON does not know."""
    return json.dumps(value, default=str).encode("utf-8", "surrogatepass")
