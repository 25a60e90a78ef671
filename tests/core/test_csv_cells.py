"""CSV that a spreadsheet opens without running anything, whatever its separator."""

import csv
import io

import pytest

from outlay.core.csv_cells import csv_of, escape_formula


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\nx", "'\nx"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\uff0b1", "'\uff0b1"),
        ("\uff0d1", "'\uff0d1"),
        ("\uff20x", "'\uff20x"),
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("ci;=1", "ci;'=1"),
        ('ci; "=1', "ci;' \"=1"),
        ("ci;\uff1d1;@x", "ci;'\uff1d1;'@x"),
        ("ci\n=1", "ci\n'=1"),
        ("ci\t=1", "ci\t'=1"),
        ("=1;=1", "'=1;'=1"),
    ],
)
def test_what_a_spreadsheet_would_run_is_made_text(cell: str, text: str) -> None:
    assert escape_formula(cell) == text


@pytest.mark.parametrize("cell", ["", "ci", "a-b", "a=b", "a;b", "me@x.example", "-12.500000001", "-3", 5, None])
def test_what_it_would_not_run_stays_as_it_is(cell: object) -> None:
    assert escape_formula(cell) == cell


def test_every_field_is_quoted() -> None:
    text = csv_of(
        ["name", "usd", "note"], [{"name": 'a,"b"', "usd": "-1.5", "note": None}, {"name": "ci;=1", "usd": 2}]
    )

    assert text == '"name","usd","note"\n"a,""b""","-1.5",""\n"ci;\'=1","2",""\n'
    assert list(csv.reader(io.StringIO(text)))[1] == ['a,"b"', "-1.5", ""]
    assert all("=" not in field[:1] for field in text.replace("\n", ";").split(";"))  # as a German Excel splits it
