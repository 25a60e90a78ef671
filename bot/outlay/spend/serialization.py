"""Answers as plain data, for programs: the JSON of `outlay spend` and the same rows flat, for CSV.

Dollars are decimal strings, exact to the nano-dollar. This shape is a contract: other programs read it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from outlay.core.money import exact
from outlay.core.tokens import CLASSES
from outlay.spend.answer import Answer, AnswerLine, ComparisonTotals
from outlay.spend.comparison import change
from outlay.spend.forecast import Forecast
from outlay.spend.query import DateRange

_BY_TEXT = ("ledger", "connection", "project", "day", "hour")
_PARTS = {"owner": ("id", "name", "kind"), "key": ("id", "name", "ledger", "connection"), "model": ("id", "names")}


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """Convert the answer to JSON-compatible data."""
    query = answer.query
    return {
        "query": {
            "from": query.start.isoformat(),
            "to": query.end.isoformat(),
            "period": query.period,
            "by": list(query.by),
            "filters": [{"field": name, "pattern": pattern} for name, pattern in query.filters],
            "top": query.top,
            "versus": query.versus and _days(query.versus),
            "trend": query.trend,
        },
        "time_zone": answer.time_zone,
        "as_of": format_utc(answer.as_of),
        "rows": [as_row(line, answer.query.by) | _change(answer, line) for line in answer.lines],
        "total_usd": exact(answer.total_nano_usd),
        "residual_usd": exact(answer.residual_nano_usd),
        "never_billed_usd": exact(answer.never_billed_nano_usd),
        "adjustments_usd": exact(answer.adjustments_nano_usd),
        "byok_usd": exact(answer.byok_nano_usd),
        "unpriced_tokens": answer.unpriced_tokens,
        "coverage": round(answer.coverage, 6) if answer.coverage < 1 else 1.0,
        "saved_by_cache_usd": None if answer.saved_by_cache_nano_usd is None else exact(answer.saved_by_cache_nano_usd),
        "fresh_until": {name: format_utc(at) for name, at in answer.fresh_until.items()},
        "status": answer.status,
        "basis": answer.basis,
        "calibrated_by": answer.calibrated_by and answer.calibrated_by.isoformat(),
        "rest": {"rows": answer.rest_count, "usd": exact(answer.rest_nano_usd)},
        "compared": answer.before and _compared(answer, answer.before),
        "unknown": [
            {"field": one.dimension, "pattern": one.pattern, "near": one.near or None} for one in answer.unknown
        ],
        "forecast": answer.forecast and _forecast(answer.forecast),
    }


def _days(stretch: DateRange) -> dict[str, str]:
    return {"from": stretch.start.isoformat(), "to": stretch.end.isoformat(), "period": stretch.period}


def _compared(answer: Answer, before: ComparisonTotals) -> dict[str, Any]:
    change_nano_usd = answer.total_nano_usd - before.total_nano_usd
    return _days(before.days) | {
        "total_usd": exact(before.total_nano_usd),
        "change_usd": exact(change_nano_usd),
        "basis": before.basis,
        "rest_usd": exact(before.rest_nano_usd),
    }


def _change(answer: Answer, line: AnswerLine) -> dict[str, Any]:
    """Return a row's comparison columns; none where the answer has no comparison."""
    if answer.before is None:
        return {}
    moved = change(line.cost_nano_usd, line.before_nano_usd)
    return {"before_usd": _exact(line.before_nano_usd), "change_usd": _exact(moved)}


def _forecast(found: Forecast) -> dict[str, Any]:
    return {
        "likely_usd": _exact(found.likely_nano_usd),
        "low_usd": _exact(found.low_nano_usd),
        "high_usd": _exact(found.high_nano_usd),
        "reason": found.reason,
    }


def _exact(nano_usd: int | None) -> str | None:
    return None if nano_usd is None else exact(nano_usd)


def format_utc(at: datetime | None) -> str | None:
    """Format a time as 2026-11-21T14:05:00Z."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_row(line: AnswerLine, by: Sequence[str]) -> dict[str, Any]:
    """Convert a line to a row with a field for each dimension of `by`."""
    row: dict[str, Any] = {}
    if line.owner and ("owner" in by or line.reason):
        row["owner"] = {"id": line.owner.id, "name": line.owner.name, "kind": line.owner.kind}
    if "key" in by or line.reason:
        key = line.key
        row["key"] = key and {"id": key.id, "name": key.name, "ledger": key.ledger, "connection": key.connection}
    if "model" in by:
        row["model"] = line.model and {"id": line.model.id, "names": list(line.model.names)}
    row.update({name: getattr(line, name) for name in _BY_TEXT if name in by})
    if line.reason:
        row["reason"] = line.reason
    if line.adjusts:
        row["adjusts"] = line.adjusts
    return row | {
        "usd": None if line.cost_nano_usd is None else exact(line.cost_nano_usd),
        "requests": line.requests,
        "tokens": {name: getattr(line.tokens, name) for name in CLASSES},
        "unpriced_tokens": line.unpriced_tokens,
        "status": line.status,
        "basis": line.basis,
    }


def as_flat(answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield the rows with one level: `owner_id`, `key_name`, `tokens_input` …; unknown values are empty texts."""
    return map(flattened, answer_as_json(answer)["rows"])


def flattened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a row to one level."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{part}": " ".join(it) if isinstance(it, list) else it for part, it in value.items()}
        elif value is not None or name not in _PARTS:
            flat[name] = "" if value is None else value
    return flat


def flat_columns(answer: Answer) -> list[str]:
    """Return the columns of `as_flat` for this query, whether or not a row fills them all."""
    by = list(answer.query.by)
    if "owner" not in by and any(line.reason for line in answer.lines):
        by.append("owner")
    return columns_of(by, compared=answer.before is not None)


def columns_of(by: Sequence[str], *, compared: bool = False) -> list[str]:
    """Return the columns of a flattened row."""
    columns: list[str] = []
    for name in by:
        columns += [f"{name}_{part}" for part in _PARTS[name]] if name in _PARTS else [name]
    tokens = [f"tokens_{name}" for name in CLASSES]
    usd = ["usd", "before_usd", "change_usd"] if compared else ["usd"]
    return [*columns, "reason", *usd, "requests", *tokens, "unpriced_tokens", "status", "basis"]
