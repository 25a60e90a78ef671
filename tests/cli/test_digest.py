"""`outlay digest` without Slack: printed it says what `spend` says; posting it is refused in words."""

from tests.cli.run_cli import Terminal


def test_its_figures_are_those_of_spend(polled: Terminal) -> None:
    found = polled.done("digest", "--format", "json").json()
    spend = polled.spend("yesterday", "top", "5")

    assert (found["from"], found["to"]) == ("2026-11-20", "2026-11-20")
    assert found["total_usd"] == spend["total_usd"] != "0.000000000"
    assert found["answer"]["rows"] == spend["rows"]
    assert found["month"]["likely_usd"] is None
    assert "too little history" in found["month"]["no_forecast_because"]


def test_as_text_it_reads_without_marks(polled: Terminal) -> None:
    lines = polled.done("digest", "--format", "text").lines

    assert lines[0].startswith("Friday 20 Nov cost $")
    assert not [line for line in lines if "*" in line or "<" in line or "&" in line]
    assert any("more: $" in line for line in lines)


def test_without_slack_it_is_not_posted_and_says_what_works(polled: Terminal) -> None:
    ran = polled("digest")
    assert ran.code == 1
    assert "SLACK_BOT_TOKEN" in ran.complaint
    assert "outlay digest --format text" in ran.complaint


def test_without_a_channel_it_says_how_to_name_one(polled: Terminal) -> None:
    ran = polled("digest", SLACK_BOT_TOKEN="xoxb-1-not-a-token")
    assert ran.code == 1
    assert "--channel" in ran.complaint


def test_where_slack_cannot_be_reached_it_is_said_in_one_line(polled: Terminal) -> None:
    ran = polled(
        "digest", "--channel", "C01GENERAL", SLACK_BOT_TOKEN="xoxb-1-not-a-token", SLACK_API_URL="http://127.0.0.1:9/"
    )
    assert ran.code == 1
    assert "Slack cannot be reached" in ran.complaint


def test_on_an_empty_machine_it_is_one_line(terminal: Terminal) -> None:
    assert terminal.done("digest", "--format", "text", "--period", "week").lines == [
        "The week from 9 to 15 Nov: nothing was spent that a connected ledger knows of."
    ]
    assert terminal("digest", "--period", "year").code == 2
