"""The night of the demo is told alike on every day, the awkward ones included."""

import functools
from datetime import date

import pytest

from outlay.demo import environment, scene_incident, scene_ticket, scenes
from outlay.demo.console import DemoConsole
from outlay.fakes.company.company import Company

DAYS = [
    pytest.param(date(2026, 11, 30), id="a Monday, the last of a month"),
    pytest.param(date(2026, 12, 1), id="the first of a month"),
    pytest.param(date(2026, 12, 31), id="the last of a year"),
    pytest.param(date(2028, 2, 29), id="a leap day"),
    pytest.param(date(2027, 3, 28), id="a Sunday, clocks go forward"),
    pytest.param(date(2027, 10, 31), id="a Sunday, clocks go back"),
    pytest.param(date(2027, 11, 30), id="a year later"),
]


@pytest.mark.parametrize("today", DAYS)
async def test_one_alert_rings_and_planned_work_does_not(
    today: date, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        environment, "Company", functools.partial(Company, days=8)
    )  # one week to compare with, to be quick
    tell = DemoConsole()

    async with environment.stage(today) as on:
        await scenes.connect(on, tell)
        await scenes.back_fill(on, tell)
        await scenes.ask(on, tell)
        await scene_incident.plan_ahead(on, tell)
        await scene_ticket.connect(on, tell)
        await scene_incident.run_away(on, tell)
        await scene_ticket.show(on, tell)
        assert on.clock.now().date() == today

    words = " ".join(capsys.readouterr().out.split())
    assert f"by 02:20 on a {today:%A}, now $" in words
    assert "rang for nobody" in words
