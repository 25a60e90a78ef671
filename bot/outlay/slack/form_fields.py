"""Form fields and the values submitted in them; `InvalidInputError` names the field of bad input. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from outlay.core.errors import OutlayError
from outlay.core.money import NANO_PER_USD
from outlay.slack import block_kit

REASON_CHARACTERS_MAX = 200
DAY_USD_MAX = 1_000_000
DAYS_AHEAD_MAX = 366


class InvalidInputError(OutlayError, ValueError):
    """Invalid input in a form. `field` is the field's id; the text says what would be valid."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def choice_element(kind: str, options: Sequence[block_kit.Block], chosen: str = "") -> block_kit.Block:
    """Build a select or radio buttons, with the current value chosen."""
    now = next((option for option in options if option["value"] == chosen), None)
    return {"type": kind, "options": list(options)} | ({"initial_option": now} if now else {})


def text_element(initial: str = "") -> block_kit.Block:
    """Build a text input of one line."""
    element: block_kit.Block = {"type": "plain_text_input", "max_length": REASON_CHARACTERS_MAX}
    return element | ({"initial_value": initial} if initial else {})


def dollars_element(initial_nano_usd: int | None = None) -> block_kit.Block:
    """Build a number input for an amount in dollars."""
    element: block_kit.Block = {"type": "number_input", "is_decimal_allowed": True, "min_value": "0"}
    if initial_nano_usd is None:
        return element
    return element | {"initial_value": f"{Decimal(initial_nano_usd) / NANO_PER_USD:f}"}


def date_element(initial: date | None = None) -> block_kit.Block:
    """Build a date picker."""
    return {"type": "datepicker"} | ({"initial_date": initial.isoformat()} if initial else {})


class FormValues:
    """Values of a submitted form."""

    def __init__(self, values: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        self._values = values

    def _state(self, name: str) -> Mapping[str, Any]:
        return self._values.get(name, {}).get(name, {})

    def text(self, name: str) -> str:
        """Return the typed text as one line; "" for none."""
        return " ".join(str(self._state(name).get("value") or "").split())

    def choice(self, name: str) -> str:
        """Return the chosen value; "" for none."""
        return str((self._state(name).get("selected_option") or {}).get("value") or "")

    def choices(self, name: str) -> list[str]:
        """Return the values of the checked boxes."""
        return [str(option["value"]) for option in self._state(name).get("selected_options") or []]

    def channel(self, name: str) -> str:
        """Return the id of the chosen channel; "" for none."""
        return str(self._state(name).get("selected_conversation") or "")

    def day(self, name: str) -> date | None:
        """Return the chosen date; None for none."""
        chosen = self._state(name).get("selected_date")
        return date.fromisoformat(str(chosen)) if chosen else None

    def end_of(self, name: str, now: datetime, zone: tzinfo) -> datetime | None:
        """Return when the chosen day ends in the given zone, as UTC; None for no day.

        Raises Wrong for a day in the past or more than a year ahead.
        """
        chosen = self.day(name)
        if chosen is None:
            return None
        today = now.astimezone(zone).date()
        if chosen < today:
            raise InvalidInputError(name, "That day is over. Choose today or a later one.")
        if chosen > today + timedelta(days=DAYS_AHEAD_MAX):
            raise InvalidInputError(name, "At most a year ahead; whoever is there then can say it again.")
        return start_of_day(chosen + timedelta(days=1), zone)

    def nano_usd(self, name: str) -> int | None:
        """Return the typed dollars as nano-dollars; None for an empty field. Raises Wrong."""
        typed = self.text(name)
        if not typed:
            return None
        try:
            found = Decimal(typed)
        except InvalidOperation:
            raise InvalidInputError(name, "Type a number of dollars, such as 250.") from None
        if not found.is_finite() or not 0 < found <= DAY_USD_MAX:
            raise InvalidInputError(name, f"More than 0 and at most {DAY_USD_MAX:,} dollars.")
        return int(found * NANO_PER_USD)


def start_of_day(value: date, zone: tzinfo) -> datetime:
    """Return when a day begins in the workspace's zone, as UTC."""
    return datetime.combine(value, time(), zone).astimezone(UTC)
