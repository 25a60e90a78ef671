"""A figure that changes, with what it is a figure of: what an operator's monitoring reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Gauge:
    """One name, and its value for each set of labels. A value of None is not known, and left out."""

    name: str
    meaning: str
    values: list[tuple[Mapping[str, str], float | int]] = field(default_factory=list)

    def add(self, value: float | int | None, **labels: str) -> None:
        """One value."""
        if value is not None:
            self.values.append((labels, value))
