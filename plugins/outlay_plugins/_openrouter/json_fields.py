"""Typed access to untrusted JSON: one object of an answer, its fields by type, and an error for what is wrong with it.

A required field that is missing or of another type is a Permanent error that names answer and field, and the books stay
as they are. Unknown fields are ignored. Numbers may come as text. Null is not zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from outlay.plugin import Permanent

MAX_COUNT = 2**63 - 1
SURE_DIGITS = 18  # a count of so many digits is below MAX_COUNT
MAX_USD = 9_000_000_000  # the most that the books can hold
MAX_DIGITS = 30  # a number with more digits is refused
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 10**11  # as seconds that would be the year 5138


@dataclass(frozen=True, slots=True)
class Fields:
    """One object of an answer; `answer` says of which, for the text of an error."""

    answer: str
    values: Mapping[str, Any]

    def problem(self, field: str, what: str) -> Permanent:
        """Build the error that names answer and field."""
        return Permanent(f"OpenRouter's answer about {self.answer} cannot be read: `{field}` {what}.")

    def text(self, field: str) -> str:
        """Return text. The field must be present and not empty."""
        value = self.text_or_empty(field)
        if not value:
            raise self.problem(field, "is missing")
        return value

    def text_or_empty(self, field: str) -> str:
        """Return text, "" if null or missing. A number becomes its digits."""
        value = self.values.get(field)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.problem(field, f"is {_kind(value)}, not text")
        return str(value)

    def flag(self, field: str) -> bool:
        """Return true or false; false if null or missing."""
        value = self.values.get(field)
        if value is not None and not isinstance(value, bool):
            raise self.problem(field, f"is {_kind(value)}, not true or false")
        return bool(value)

    def usd(self, field: str) -> Decimal | None:
        """Return dollars, None for null.

        The field must be present, and not negative: a ledger of spend pays nothing back.
        """
        if field not in self.values:
            raise self.problem(field, "is missing")
        if self.values[field] is None:
            return None
        amount = self._number(field)
        if amount < 0:
            raise self.problem(field, f"is negative ({amount})")
        if amount > MAX_USD:
            raise self.problem(field, "is more money than there is")
        return amount

    def count(self, field: str) -> int | None:
        """Return a whole number from zero on, None for null. The field must be present."""
        if field not in self.values:
            raise self.problem(field, "is missing")
        value = self.values[field]
        if value is None:
            return None
        if isinstance(value, str) and len(value) <= SURE_DIGITS and value.isdecimal():  # fast path: most counts
            return int(value)
        number = self._number(field)
        if number < 0:
            raise self.problem(field, f"is negative ({number})")
        if number > MAX_COUNT or number != number.to_integral_value():
            raise self.problem(field, "is not a whole number")
        return int(number)

    def moment(self, field: str) -> datetime:
        """Return a time in UTC; without a zone it is taken as UTC, as OpenRouter's days are."""
        found = moment(self.values.get(field))
        if found is None:
            raise self.problem(field, "is missing" if self.values.get(field) is None else "is not a time")
        return found

    def _number(self, field: str) -> Decimal:
        value = self.values[field]
        if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
            raise self.problem(field, f"is {_kind(value)}, not a number")
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise self.problem(field, "is not a number") from None
        if not number.is_finite():
            raise self.problem(field, "is not a finite number")
        if number and number.adjusted() > MAX_DIGITS:
            raise self.problem(field, "is beyond all bounds")
        return number


def _kind(value: object) -> str:
    """Return the kind of a value in words, without showing it."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", float: "a binary fraction"}
    return names.get(type(value), "a number")


def moment(value: Any) -> datetime | None:
    """Parse ISO 8601 in its spellings, or an epoch in seconds or milliseconds, to aware UTC; else None."""
    if isinstance(value, str):
        spelled = value.strip().removesuffix(" UTC")
        if not spelled.isdecimal():
            try:
                found = datetime.fromisoformat(spelled)
            except ValueError:
                return None
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        value = int(spelled[:20])
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    try:
        return _EPOCH + timedelta(milliseconds=int(value if value >= _MILLISECONDS_FROM else value * 1000))
    except OverflowError:
        return None


def one(body: Any, answer: str) -> Fields:
    """Return the object under `data`."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise Fields(answer, {}).problem("data", "is missing" if data is None else f"is {_kind(data)}, not an object")
    return Fields(answer, data)


def many(body: Any, answer: str, field: str = "data") -> list[Fields]:
    """Return the objects in the list under `data`, or under another field."""
    data = body.get(field) if isinstance(body, Mapping) else None
    if not isinstance(data, list):
        raise Fields(answer, {}).problem(field, "is missing" if data is None else f"is {_kind(data)}, not a list")
    for item in data:
        if not isinstance(item, dict):
            raise Fields(answer, {}).problem(field, f"holds {_kind(item)} where objects belong")
    return [Fields(answer, item) for item in data]
