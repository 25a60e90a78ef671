"""What sinks are told of an incident: how it stands in whole sentences, the figures, and a chart that is text."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from outlay.incidents.finding import finding_of, hourly_chart
from outlay.incidents.tables import Incident

NOW = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
DOLLAR = 1_000_000_000


def incident(numbers: dict[str, Any] | None = None, **more: Any) -> Incident:
    known = {
        "sentence": "usually $2 by 02:30, now $83", "usual_by_now_nano_usd": 2 * DOLLAR, "today_nano_usd": 90 * DOLLAR,
        "hour_nano_usd": 30 * DOLLAR, "rate_nano_usd": 60 * DOLLAR, "model": "claude", "key": "ci-1", "days_known": 9,
        "hours": [0, DOLLAR, 83 * DOLLAR],
    }  # fmt: skip
    begun = int((NOW - timedelta(minutes=20)).timestamp())
    plain: dict[str, Any] = {"subject": "agent:ci", "name": "ci", "kind": "agent", "severity": "page", "state": "open"}
    found = plain | {"since": begun, "spent_nano_usd": 83 * DOLLAR, "channel": "C1", "ts": "12.000100"} | more
    return Incident(
        workspace_id="T1", opened_at=begun, seen_at=begun, verdict=json.dumps(known | (numbers or {})), **found
    )


def test_it_says_how_it_stands_how_it_was_noticed_and_what_the_hours_were() -> None:
    found = finding_of(incident(), now=NOW, slack_url="https://acme.slack.com/")

    assert found.title == "ci: $83 since 21 Nov 02:10 UTC, $60 an hour"
    assert found.sentences == (
        "ci has spent $83 since 21 Nov 02:10 UTC, and spends $60 an hour right now.",
        "When it was noticed: usually $2 by 02:30, now $83.",
    )
    assert (found.severity, found.excess_usd) == ("critical", Decimal(81))
    facts = {fact.label: fact.value for fact in found.facts}
    assert facts["By midnight, at this pace"] == "$1,380"  # 90 today, and 21.5 hours of 60
    assert facts["Hour by hour, the last 24"] == "·▁█ (the highest is $83)"
    assert found.page is not None
    assert found.page.url == "https://acme.slack.com/archives/C1/p12000100"


@pytest.mark.parametrize(
    ("state", "reason", "sentence"),
    [
        ("resolved", "", ""),
        ("expected", "a load test", " Somebody has said that it was expected: a load test."),
        ("false", "", " Somebody has said that it is no incident."),
    ],
)
def test_what_is_over_says_so_and_what_people_have_said_of_it(state: str, reason: str, sentence: str) -> None:
    found = finding_of(incident(state=state), now=NOW, zone=ZoneInfo("Europe/Berlin"), reason=reason)
    assert found.sentences[0] == f"ci has spent $83 since 21 Nov 03:10.{sentence}"


def test_what_is_not_known_is_left_out() -> None:
    found = finding_of(incident({"hours": [], "model": None, "usual_by_now_nano_usd": None}, ts=""), now=NOW)
    assert (found.usual_usd, found.page) == (None, None)
    assert [fact.label for fact in found.facts][-1] == "By midnight, at this pace"


def test_the_chart_shows_whatever_is_more_than_nothing() -> None:
    assert hourly_chart([]) == hourly_chart([0, 0]) == ""
    assert hourly_chart([0, 1, 40 * DOLLAR, 80 * DOLLAR, -5]) == "·▁▄█· (the highest is $80)"
