"""`outlay replay`: what it reads, what it writes, and what it says of a stream that is not one."""

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.run_cli import Terminal
from tests.detection.days import DAY, MONDAY, loop, polls, team

HEAD = "ts,developer,key,model,tokens,cost_usd\n"


def stream(path: Path) -> Path:
    """Twelve workers over sixteen days, one of whom leaves a loop running at night."""
    start = MONDAY + 15 * DAY + 7800
    text = HEAD
    for at, deltas in polls([*team(16), *loop("dev03", start, 3, 2.0)], MONDAY + 16 * DAY):
        stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")
        text += f"{stamp},,,,,\n"
        text += "".join(
            f"{stamp},{one.subject},{one.key},{one.model},,{one.cost_nano_usd / 1e9:.6f}\n" for one in deltas
        )
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["stream.csv", "stream.csv.gz"])
def test_a_loop_in_a_stream_is_written_with_its_reason(terminal: Terminal, tmp_path: Path, name: str) -> None:
    alerts = tmp_path / "alerts.csv"

    terminal.done("replay", str(stream(tmp_path / name)), "--out", str(alerts))

    with alerts.open() as file:
        rows = list(csv.DictReader(file))
    found = [row for row in rows if row["developer"] == "dev03" and row["severity"] == "page"]
    assert "2026-03-17T02:10Z" < found[0]["ts"] < "2026-03-17T03:10Z"
    assert "on a Tuesday, now $" in found[0]["explanation"]
    assert {row["severity"] for row in rows} <= {"page", "notice"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n", "line 1"),
        ("", "line 1"),
        (HEAD + "2026-03-02T00:05Z,,,,,\nnoon,ann,k,m,1,2\n", "line 3: «noon» is not a time"),
        (HEAD + "2026-03-02T00:05Z,ann,k,m,many,2\n", "line 2: «many» is not a number of tokens"),
        (HEAD + "2026-03-02T00:05Z,ann,k,m,1,NaN\n", "line 2: «NaN» is not an amount"),
        (HEAD + "2026-03-02T00:05Z,ann,k,m,1,1e40\n", "line 2: «1e40» is not an amount"),
        (HEAD + "2026-03-02T00:05Z,ann\n", "line 2: 2 columns"),
        (
            HEAD + "2026-03-02T00:05Z,,,,,\n2026-03-02T00:00Z,,,,,\n",
            "line 3: 2026-03-02T00:00Z comes after a later time",
        ),
    ],
)
def test_a_bad_row_is_named_by_its_line(terminal: Terminal, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "stream.csv"
    path.write_text(text)

    ran = terminal("replay", str(path), "--out", str(tmp_path / "alerts.csv"))

    assert ran.code == 1
    assert said in ran.complaint


def test_a_file_that_is_missing_or_is_not_gzip_is_said(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "stream.csv.gz").write_text(HEAD)

    for name in ("nowhere.csv", "stream.csv.gz"):
        ran = terminal("replay", str(tmp_path / name), "--out", str(tmp_path / "alerts.csv"))
        assert ran.code == 1
        assert name in ran.complaint
