"""`./run bench [NAME…]`: runs the benchmarks and prints a row for each figure.

A figure alone says little about another machine; the ratio to the baseline, measured in the same run, does.
"""

import argparse
import asyncio
import platform
import sqlite3

from benchmarks import (
    charts,
    delivery,
    forecast,
    hostile_input,
    ingest,
    live_bot,
    poll_cycle,
    queries,
    spend,
    trail,
    vault_cost,
)
from benchmarks.detection import bench as detection
from benchmarks.measure import Row

BENCHMARKS = {
    "spend": spend.run,
    "lenses": queries.run,
    "writing": ingest.run,
    "cycle": poll_cycle.run,
    "living": live_bot.run,
    "delivery": delivery.run,
    "charts": charts.run,
    "forecast": forecast.run,
    "hostile": hostile_input.run,
    "sealed": vault_cost.run,
    "trail": trail.run,
    "detection": detection.run,
}


def main() -> None:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all if none is said"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, to see that it works")
    parser.add_argument(
        "--large",
        action="store_true",
        help="ask ten million entries instead of one: half an hour; and live 1,000 cycles with 1,000 keys: two hours",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - BENCHMARKS.keys():
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there is {', '.join(BENCHMARKS)}")
    print(f"{_machine()}; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n")
    print("| figure | median | baseline | ratio | goal | met |\n|---|---|---|---|---|---|")
    for name in arguments.names or BENCHMARKS:
        scale = 0.1 if arguments.quick else 10.0 if arguments.large and name in ("spend", "cycle") else 1.0
        for row in asyncio.run(BENCHMARKS[name](scale)):
            _show(row)


def _show(row: Row) -> None:
    ratio = f"{row.value / row.baseline:.1f}×" if row.baseline else ""
    digits = 1 if row.unit else 2
    baseline = f"{row.baseline:,.{digits}f} {row.unit} ({row.baseline_name})" if row.baseline else ""
    value = f"{row.value:,.{digits}f} {row.unit}"
    goal = f"{row.goal:,g} {row.unit}" if row.goal else ""
    met = ("yes" if row.value <= row.goal else "no") if row.goal else ""
    print(f"| {row.name} | {value} | {baseline} | {ratio} | {goal} | {met} |", flush=True)


def _machine() -> str:
    import os

    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}"


if __name__ == "__main__":
    main()
