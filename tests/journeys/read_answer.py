"""Parsing of an answer in Slack: the table under it, exact to the nano-dollar."""

from decimal import Decimal
from typing import Any

from outlay.fakes.company.company import Company
from tests.workspace import Reply

Row = dict[str, Any]


def table(reply: Reply) -> list[Row]:
    """Return the rows of the table in a reply, by the titles of its columns. Text, a Slack user's id, or a Decimal."""
    found = [block for block in reply.blocks if block["type"] == "data_table"]
    assert found, reply.words
    head, *rows = found[0]["rows"]
    titles = [cell["text"] for cell in head]
    return [dict(zip(titles, map(_cell, row), strict=True)) for row in rows]


def _cell(cell: dict[str, Any]) -> Any:
    if cell["type"] == "raw_number":
        return Decimal(str(cell["value"]))
    if cell["type"] == "rich_text":
        return cell["elements"][0]["elements"][0]["user_id"]
    return cell["text"]


def spent(reply: Reply, title: str) -> dict[str, int | None]:
    """Return nano-dollars by the values of a column; None where there is no price."""
    rows = table(reply)
    found = {row[title]: _nano(row["Spend (USD)"]) for row in rows}
    assert len(found) == len(rows), "two rows of one name"
    return found


def _nano(cell: Any) -> int | None:
    return int(cell.scaleb(9)) if isinstance(cell, Decimal) else 0 if cell == "$0" else None


def nano(usd: str) -> int:
    """Convert a decimal string of the command line's JSON to nano-dollars."""
    return int(Decimal(usd).scaleb(9))


def truth_by(company: Company, name: str, start: Any, end: Any) -> dict[str, int]:
    """Return what the ledger should report, by one dimension."""
    return {group: amount for (group,), amount in company.truth(start, end, by=(name,), of="paid_nano_usd").items()}
