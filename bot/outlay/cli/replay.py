"""`outlay replay STREAM --out ALERTS`: run the shipped detector over a recorded stream, poll by poll.

A stream is CSV (`.csv`, `.csv.gz`) with the columns `ts,developer,key,model,tokens,cost_usd`, in order of time: a row
for each developer, key and model that spent since the poll before; a row without a developer is the poll itself. The
output has `ts,developer,severity` and the numbers of the explanation. An alert uses nothing later than its `ts`.
"""

import argparse
import csv
import gzip
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO

from outlay.core.errors import OutlayError
from outlay.core.money import MoneyError, exact, to_nano
from outlay.detection import Delta, Detector, Verdict, explain
from outlay.logs import one_line
from outlay.terminal import output as terminal_output

COLUMNS = ("ts", "developer", "key", "model", "tokens", "cost_usd")
WRITTEN = ("ts", "developer", "severity", "score", "observed_usd", "expected_usd", "usd_per_hour", "explanation")
FIRST_SPAN_SECONDS = 300
LONGEST_SPAN_SECONDS = 86_400
MAX_TOKENS = 2**63 - 1  # BIGINT, as in the books


class StreamError(OutlayError):
    """A stream that cannot be read; the text names the file and the line."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of the stream: `at` in Unix seconds, `stamp` as it was written."""

    at: int
    stamp: str
    deltas: list[Delta]


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    try:
        polls, written = replay(Path(arguments.stream), Path(arguments.out))
    except (StreamError, OSError) as error:
        sys.stderr.write(one_line(str(error)) + "\n")
        return 1
    terminal_output.line(f"{polls:,} polls, {written:,} alerts: {arguments.out}")
    return 0


def replay(stream: Path, alerts: Path) -> tuple[int, int]:
    """Write the alerts of a stream; return (polls read, alerts written). Raises StreamError, OSError."""
    detector = Detector()
    polls = written = 0
    with alerts.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file, lineterminator="\n")
        sheet.writerow(WRITTEN)
        for poll in read(stream):
            polls += 1
            for verdict in detector.feed(poll.at, poll.deltas):
                written += 1
                sheet.writerow(_row(poll.stamp, verdict))
    return polls, written


def read(stream: Path) -> Iterator[Poll]:
    """Yield the polls of a stream in order. Raises StreamError."""
    with _opened(stream) as file:
        try:
            yield from _polls(csv.reader(file), stream.name)
        except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError, csv.Error) as error:
            raise StreamError(f"{stream.name} cannot be read as CSV: {error}") from None


def _opened(stream: Path) -> TextIO:
    if stream.suffix == ".gz":
        return gzip.open(stream, "rt", encoding="utf-8", newline="")
    return stream.open(encoding="utf-8", newline="")


def _polls(rows: Iterator[list[str]], name: str) -> Iterator[Poll]:
    head = next(rows, None)
    if head is None or tuple(head[: len(COLUMNS)]) != COLUMNS:
        raise StreamError(f"{name}, line 1: the columns have to be {','.join(COLUMNS)}")
    stamp, at, before, deltas = "", 0, 0, list[Delta]()
    start = 0
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) < len(COLUMNS):
            raise StreamError(f"{name}, line {line}: {len(row)} columns, there have to be {len(COLUMNS)}")
        if row[0] != stamp or not stamp:
            if stamp:
                yield Poll(at, stamp, deltas)
                before = at
            stamp, deltas = row[0], []
            moment = _moment(stamp, name, line)
            if moment <= before:
                raise StreamError(f"{name}, line {line}: {stamp} comes after a later time; a stream goes forward")
            at = moment
            start = max(before or at - FIRST_SPAN_SECONDS, at - LONGEST_SPAN_SECONDS)
        if row[1]:
            tokens, nano = _tokens(row[4], name, line), _nano(row[5], name, line)
            deltas.append(Delta(row[1], row[2], row[3], tokens, None, nano, start, at))
    if stamp:
        yield Poll(at, stamp, deltas)


def _moment(word: str, name: str, line: int) -> int:
    try:
        moment = datetime.fromisoformat(word)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):  # including a time before the year 1 in UTC
        raise StreamError(f"{name}, line {line}: «{word}» is not a time; such as 2026-03-02T00:05Z") from None


def _tokens(word: str, name: str, line: int) -> int | None:
    if not word:
        return None
    try:
        if abs(tokens := int(word)) <= MAX_TOKENS:
            return tokens
    except ValueError:
        pass  # raised below, as for a number that is too large
    raise StreamError(f"{name}, line {line}: «{word[:40]}» is not a number of tokens")


def _nano(word: str, name: str, line: int) -> int:
    try:
        return to_nano(Decimal(word))
    except (InvalidOperation, MoneyError):
        raise StreamError(f"{name}, line {line}: «{word}» is not an amount of dollars") from None


def _row(stamp: str, verdict: Verdict) -> tuple[str, ...]:
    usual = verdict.usual_by_now_nano_usd
    return (
        stamp, verdict.subject, verdict.severity.value, f"{verdict.score:.2f}", exact(verdict.today_nano_usd),
        "" if usual is None else exact(usual), exact(verdict.hour_nano_usd), explain(verdict),
    )  # fmt: skip
