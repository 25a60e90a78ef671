"""Prometheus text format: a line of help, a line of type, and one line for each value of a gauge."""

from collections.abc import Iterable, Mapping

from outlay.core.gauges import Gauge

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "outlay_"


def prometheus_text(gauges: Iterable[Gauge]) -> str:
    """Format the gauges as the page that Prometheus reads."""
    lines: list[str] = []
    for gauge in gauges:
        name = PREFIX + gauge.name
        meaning = gauge.meaning.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(labels)} {value!r}" for labels, value in gauge.values]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
