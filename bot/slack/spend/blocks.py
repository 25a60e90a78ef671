"""An answer of the books as a Slack message: one line that says it all, a chart where time is asked about, a table, and
what the figures are worth."""

from bot.core.answer import Answer
from bot.slack import kit
from bot.slack.connect.ids import Action
from bot.slack.posting import Message, simple
from bot.slack.spend import chart, tables, wording
from bot.slack.spend.rows import rows

FOR_MEMBERS = (
    "Outlay answers members of this workspace; guests cannot ask it. Somebody of the team can share an answer."
)


def answer(found: Answer, *after: kit.Block) -> Message:
    """The answer, in several forms with the same figures. `after`: what stands below it, such as buttons."""
    if not found.lines:
        return _nothing_spent(found)
    shown = rows(found)
    before = [kit.section(wording.headline(found))]
    said = " ".join(wording.remarks(found))
    end = [*([kit.section(said)] if said else []), kit.context(wording.worth(found)), *after]
    drawn = chart.course(found)
    # Where the chart is not known, the course is a row of bars.
    bars = [kit.context(wording.course(drawn))] if drawn else []
    forms = [
        ("data_table", [*before, *bars, tables.data_table(found, shown), *end]),
        ("table", [*before, *bars, tables.table(found, shown), *end]),
        ("fields", [*before, *bars, *tables.fields(found, shown), *end]),
    ]
    if drawn:
        forms.insert(0, ("chart", [*before, chart.chart(found, drawn), tables.data_table(found, shown), *end]))
    return Message(wording.headline(found, bold=""), tuple(forms))


def nothing_connected(*, is_admin: bool) -> Message:
    """The very first answer: what comes first, and who does it."""
    if not is_admin:
        text = (
            "No ledger is connected yet, so there is nothing to tell. A workspace admin starts with `/spend connect`."
        )
        return simple(text, [kit.section(text)])
    text = "No ledger is connected yet. Connect one, and the first figures are here about a minute later."
    return simple(text, [kit.section(text), kit.actions(kit.button("Connect a Ledger", Action.OPEN, primary=True))])


def _nothing_spent(found: Answer) -> Message:
    if all(until is None for until in found.fresh_until.values()):
        text = "Nothing has been read from the ledger yet. The first figures come about a minute after connecting."
        return simple(text, [kit.section(text)])
    text = wording.nothing_spent(found)
    return simple(text, [kit.section(text), kit.context(wording.worth(found))])
