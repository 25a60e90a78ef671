"""Direct messages to admins about a problem: sent once, with the remedy as a button or in the text."""

from datetime import datetime

from outlay import wording
from outlay.slack import block_kit
from outlay.slack.connections.ids import Action
from outlay.slack.message_poster import RenderedMessage, plain_message
from outlay.slack.protocols import ConnectionSummary

WAITS_FOR_LEDGER = "Its figures stand still until there is a new one; what has been read stays."
WAITS_FOR_SINK = "What it has to be told waits in order until there is a new one; nothing is lost."


def needs_reauth(existing: ConnectionSummary, since: datetime, now: datetime) -> RenderedMessage:
    """Build the notice that a service refuses a credential.

    The button's value is the connection's id and nothing else.
    """
    ledger, name = wording.safe(existing.ledger_title), wording.safe(existing.name)
    finding = f"{ledger} has refused the credential of *{name}* since {wording.clock(since, now)}."
    consequence = WAITS_FOR_SINK if existing.is_sink else WAITS_FOR_LEDGER
    button = block_kit.button(
        "New Credential",
        Action.RECONNECT,
        existing.id,
        primary=True,
        label=f"New credential for {wording.name(existing.name)}",
    )
    return plain_message(
        f"{finding.replace('*', '')} {consequence}",
        [block_kit.section(f"{finding} {consequence}"), block_kit.actions(button)],
    )


def unpriced_model(model: str, name: str) -> RenderedMessage:
    """Build the notice that a ledger reports a model without a price. `name`: the connection's name."""
    finding = f"Nobody knows what *{wording.safe(model)}* costs, which {wording.safe(name)} has used."
    consequence = "Its tokens count as unpriced, and what was spent on it is missing from the totals."
    advice = "Give it a price in `prices.toml` in the data directory, and start Outlay again."
    said = [block_kit.section(f"{finding} {consequence}"), block_kit.section(advice)]
    return plain_message(f"{finding.replace('*', '')} {consequence} {advice}", said)


def audit_failed(differences: list[str], count: int) -> RenderedMessage:
    """Build the notice that the nightly audit found figures that do not follow from the entries."""
    finding = f"Outlay's own audit found {wording.count_with_noun(count, 'difference')} in the books."
    listed = "\n".join(f"• {wording.safe(one, 200)}" for one in differences)
    advice = "Run `outlay audit` for all of them. Keep a copy of the database before anything else."
    return plain_message(
        f"{finding} {advice}", [block_kit.section(finding), block_kit.section(listed), block_kit.section(advice)]
    )
