"""Gauges for an operator's monitoring: a figure that changes, with its labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Gauge:
    """One name, and its value for each set of labels. Unknown values (None) are left out."""

    name: str
    meaning: str
    values: list[tuple[Mapping[str, str], float | int]] = field(default_factory=list)

    def add(self, value: float | int | None, **labels: str) -> None:
        """Add a value for a set of labels; None is ignored."""
        if value is not None:
            self.values.append((labels, value))
