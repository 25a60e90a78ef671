"""Setup steps that are still missing: one line and one button each, the most important first. Pure."""

from outlay import wording
from outlay.home import AdminSummary
from outlay.slack import block_kit
from outlay.slack.budgets.ids import Action as Budget
from outlay.slack.connections.ids import Action as Connect
from outlay.slack.digests.ids import Action as Digest
from outlay.slack.incidents.ids import Action as Alert
from outlay.slack.owners.ids import Action as Owners

RENEWALS_MAX = 5


def next_step_blocks(care: AdminSummary) -> list[block_kit.Block]:
    """Build the remaining steps; empty if none is left. The first has the primary button."""
    found = [*_renewals(care), *_missing(care)]
    if not found:
        return []
    told = [block_kit.section(text) | {"accessory": button} for text, button in found]
    told[0]["accessory"]["style"] = "primary"
    return [block_kit.header("What to do next"), *told, {"type": "divider"}]


def _renewals(care: AdminSummary) -> list[tuple[str, block_kit.Block]]:
    refused = [view for view in care.connections if view.state == "needs_reauth"]
    return [
        (
            f"*{wording.safe(view.name)}* ({wording.safe(view.title)}) does not take its credential any more. "
            "Replace the credential; the figures go on where they stopped.",
            block_kit.button(
                "Renew Credential", Connect.RECONNECT, view.id, label=f"Renew the credential of {view.name}"
            ),
        )
        for view in refused[:RENEWALS_MAX]
    ]


def _missing(care: AdminSummary) -> list[tuple[str, block_kit.Block]]:
    """Return the missing steps. Without a ledger that is the only one, since nothing else makes sense before."""
    if not any(view.role == "books" for view in care.connections):
        text = "Connect the first ledger whose dollars count; figures follow within about a minute."
        return [(text, block_kit.button("Connect a Ledger", Connect.OPEN))]
    found = []
    if care.unmapped.cost_nano_usd > 0:
        keys = wording.count_with_noun(care.unmapped.count, "key has", "keys have")
        text = f"{keys} no owner ({wording.money(care.unmapped.cost_nano_usd)} this month)."
        found.append((f"{text} Assign them.", block_kit.button("Assign Owners", Owners.OPEN)))
    if not care.alerts:
        text = "Nobody has said where alerts go, so an admin gets them by direct message. Choose a channel."
        found.append((text, block_kit.button("Alerts", Alert.OPEN, label="Say where alerts go")))
    if not care.digests:
        found.append(
            ("Nobody gets a digest yet. Choose where, and how often.", block_kit.button("Digests", Digest.OPEN))
        )
    if not care.budgets:
        text = "There is no budget yet. With one, Outlay says so before the money is gone."
        found.append((text, block_kit.button("Add a Budget", Budget.ADD)))
    return found
