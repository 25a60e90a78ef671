"""What rings and what does not, and that the sentence's numbers are those of the series."""

from datetime import UTC

from outlay.detection import Detector, Severity, explain
from tests.detection.days import DAY, MONDAY, USD, loop, money, polls, run, team

TUESDAY_NIGHT = MONDAY + 15 * DAY + 2 * 3600 + 600  # 02:10 on the third Tuesday


def test_three_quiet_weeks_of_a_team_page_nobody() -> None:
    said = run(Detector(), polls(team(21), MONDAY + 21 * DAY))

    assert [one for one in said if one.severity is Severity.PAGE] == []


def test_a_loop_at_night_pages_within_the_hour_and_a_sentence_says_why() -> None:
    runaway = [one._replace(requests=9) for one in loop("dev03", TUESDAY_NIGHT, 4, 2.0, model="opus")]

    said = [one for one in run(Detector(), polls(team(16) + runaway, MONDAY + 16 * DAY)) if one.subject == "dev03"]

    page = next(one for one in said if one.severity is Severity.PAGE)
    assert TUESDAY_NIGHT < page.at <= TUESDAY_NIGHT + 3600
    spent = sum(one.cost_nano_usd for one in runaway if one.end <= page.at)
    assert page.today_nano_usd == spent
    minutes = (page.at - TUESDAY_NIGHT) / 60
    assert 15 <= minutes <= 60
    assert abs(page.hour_nano_usd - spent * 60 / minutes) < 10
    assert page.usual_by_now_nano_usd == 0
    assert (page.key, page.model, page.share) == ("dev03-key", "opus", 1.0)
    assert page.since == TUESDAY_NIGHT
    words = explain(page, UTC)
    assert words.startswith("usually $0.00 by 02:")
    assert "on a Tuesday, now $" in words
    assert "100 % of it opus on key dev03-key, since 02:10" in words
    tokens = sum(one.tokens or 0 for one in runaway if one.end <= page.at)
    assert page.requests == 9 * minutes / 5
    assert f"{page.requests} requests of about {tokens // page.requests:,} tokens" in words


def test_a_few_cents_never_ring_however_strange() -> None:
    said = run(Detector(), polls([*team(16), *loop("dev03", TUESDAY_NIGHT, 6, 0.01)], TUESDAY_NIGHT + 6 * 3600))

    assert [one for one in said if one.subject == "dev03" and one.at > TUESDAY_NIGHT] == []


def test_one_runaway_is_not_told_again_every_poll() -> None:
    runaway = loop("dev03", TUESDAY_NIGHT, 12, 2.0)

    said = run(Detector(), polls([*team(16), *runaway], MONDAY + 16 * DAY))

    assert 1 <= len([one for one in said if one.subject == "dev03" and one.at > TUESDAY_NIGHT]) <= 2


def test_money_on_a_poll_boundary_belongs_to_the_stretch_before_it() -> None:
    detector = Detector()
    detector.feed(MONDAY + DAY, [money("ann", MONDAY + DAY, 1.0)])

    subject = detector.subjects["ann"]
    assert {day: sum(hours) for day, hours in subject.hours.items()} == {(MONDAY + DAY) // DAY - 1: USD}
