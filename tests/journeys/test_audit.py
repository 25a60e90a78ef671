"""Figures that do not follow from the entries any more: the admins hear of it, and nobody else has to."""

import sqlite3

import pytest

from tests.journeys.running_bot import BRUNO, House
from tests.workspace import ALICE


@pytest.mark.sqlite_file
async def test_a_difference_reaches_an_admin_the_doctor_and_the_home_tab(connected: House) -> None:
    with sqlite3.connect(connected.data_dir / "outlay.sqlite") as books:
        books.execute("UPDATE spend_day SET cost_nano_usd = cost_nano_usd + 1")

    assert (await connected.outlay("audit")).code == 1
    await connected.later(minutes=1)

    (told,) = connected.slack.dms(ALICE)
    assert "Outlay's own audit found" in told.text
    assert connected.slack.dms(BRUNO) == []
    found = (await connected.outlay("doctor", "--format", "json")).json()
    assert [check["mend"] for check in found["checks"] if check["name"] == "audit" and not check["ok"]]
    assert "Run outlay audit" in (await connected.slack.home(ALICE)).words.replace("`", "")
