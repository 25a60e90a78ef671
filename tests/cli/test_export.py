"""`outlay export` as somebody types it: the same money as `spend`, in each format."""

import csv
import io
import json
from decimal import Decimal

import pytest

from outlay.export.focus import COLUMNS
from tests.cli.run_cli import Terminal

MONTH = "2026-11"


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_focus_is_the_default_and_adds_up_to_spend(polled: Terminal) -> None:
    found = table(polled.done("export", "--month", MONTH).out)
    total = polled.done("spend", MONTH, "--format", "json").json()["total_usd"]
    assert tuple(found[0]) == COLUMNS
    billed = sum(Decimal(row["BilledCost"]) for row in found)
    paid_upstream = sum(Decimal(row["x_ByokCost"] or 0) for row in found)  # not on this provider's bill, yet spent
    assert billed + paid_upstream == Decimal(total) > billed > 0
    assert {row["ProviderName"] for row in found} == {"OpenRouter"}
    assert {row["x_TokenType"] for row in found} >= {"input", "output"}
    assert {json.loads(row["Tags"])["owner_kind"] for row in found} >= {"person", "agent"}
    assert {row["BillingPeriodStart"] for row in found} == {"2026-11-01T00:00:00Z"}


def test_json_and_csv_are_the_rows_of_spend(polled: Terminal) -> None:
    rows = polled.done("export", "--month", MONTH, "--format", "json").json()
    flat = table(polled.done("export", "--month", MONTH, "--format", "csv").out)
    total = polled.done("spend", MONTH, "--format", "json").json()["total_usd"]
    assert sum(Decimal(row["usd"] or 0) for row in rows) == Decimal(total)
    assert [row["usd"] or "" for row in rows] == [row["usd"] for row in flat]
    assert [(row["key"] or {}).get("id", "") for row in rows] == [row["key_id"] for row in flat]
    asked = polled.done("spend", MONTH, "by", "day", "key", "--format", "json").json()["rows"]
    assert {(row["day"], (row["key"] or {}).get("id")) for row in rows} == {
        (row["day"], (row["key"] or {}).get("id")) for row in asked
    }


def test_a_month_of_nothing_is_a_header_or_an_empty_list(polled: Terminal) -> None:
    assert polled.done("export", "--month", "2025-01").lines == [",".join(f'"{name}"' for name in COLUMNS)]
    assert polled.done("export", "--month", "2025-01", "--format", "json").json() == []


@pytest.mark.parametrize("month", ["2026-13", "November", "2026-11-01"])
def test_what_is_no_month_is_wrong_usage(polled: Terminal, month: str) -> None:
    ran = polled("export", "--month", month)
    assert ran.code == 2
    assert month in ran.complaint


def test_a_key_named_like_a_formula_is_only_text(polled: Terminal) -> None:
    for owner in ("team:=cmd()", "team:-cmd()"):
        key = polled.done("owners", "--format", "json").json()[0]["keys"][0]["id"]
        polled.done("own", key, owner)
        found = table(polled.done("export", "--month", MONTH).out)
        name = owner.removeprefix("team:")
        assert {row["x_Developer"] for row in found if row["x_ApiKeyId"] == key} == {f"'{name}"}
