"""Answer as a Slack message: a headline, a chart if it is over time, a table, and how reliable the figures are."""

from outlay.slack import block_kit
from outlay.slack.connections.ids import Action
from outlay.slack.message_poster import RenderedMessage, plain_message
from outlay.slack.spend import chart, tables, wording
from outlay.slack.spend.rows import rows
from outlay.spend.answer import Answer

FOR_MEMBERS = (
    "Outlay answers members of this workspace; guests cannot ask it. Somebody of the team can share an answer."
)


def answer(found: Answer, *after: block_kit.Block) -> RenderedMessage:
    """Build the answer in several forms with the same figures. `after`: blocks below it, such as buttons."""
    if not found.lines:
        return _nothing_spent(found)
    shown = rows(found)
    before = [block_kit.section(wording.headline(found))]
    said = " ".join(wording.remarks(found))
    end = [*([block_kit.section(said)] if said else []), block_kit.context(wording.quality_line(found)), *after]
    drawn = chart.course(found)
    # Where Slack has no chart block, the time series is a row of text bars.
    bars = [block_kit.context(wording.sparkline_text(drawn))] if drawn else []
    forms = [
        ("data_table", [*before, *bars, tables.data_table(found, shown), *end]),
        ("table", [*before, *bars, tables.table(found, shown), *end]),
        ("fields", [*before, *bars, *tables.fields(found, shown), *end]),
    ]
    if drawn:
        forms.insert(0, ("chart", [*before, chart.chart(found, drawn), tables.data_table(found, shown), *end]))
    return RenderedMessage(wording.headline(found, bold=""), tuple(forms))


def nothing_connected(*, is_admin: bool) -> RenderedMessage:
    """Build the answer without any connection: what to do first, and who can do it."""
    if not is_admin:
        text = (
            "No ledger is connected yet, so there is nothing to tell. A workspace admin starts with `/spend connect`."
        )
        return plain_message(text, [block_kit.section(text)])
    text = "No ledger is connected yet. Connect one, and the first figures are here about a minute later."
    return plain_message(
        text,
        [block_kit.section(text), block_kit.actions(block_kit.button("Connect a Ledger", Action.OPEN, primary=True))],
    )


def _nothing_spent(found: Answer) -> RenderedMessage:
    if all(until is None for until in found.fresh_until.values()):
        text = "Nothing has been read from the ledger yet. The first figures come about a minute after connecting."
        return plain_message(text, [block_kit.section(text)])
    text = wording.nothing_spent(found)
    return plain_message(text, [block_kit.section(text), block_kit.context(wording.quality_line(found))])
