"""Text for people in the terminal. The wording is that of Slack; only the table differs."""

import html
import re
from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from outlay import wording as words
from outlay.books.closing import closed_totals as closing_closed_totals
from outlay.books.closing.tables import ClosedTotal
from outlay.connections.views import ConnectionView, PollResult
from outlay.core.owner import KeyRef, Owner
from outlay.health.checks import HealthCheck
from outlay.plugin.loader import FoundPlugin
from outlay.slack.spend.wording import headline, nothing_spent, remarks, sparkline_text
from outlay.spend.answer import Answer, AnswerLine
from outlay.spend.gateway_allocation import GatewayCaptureReport
from outlay.spend.serialization import format_utc
from outlay.spend.timeseries import course_of
from outlay.terminal import output as terminal_output

CHART_COLUMNS = 60
CLOSED_ROWS_MAX = 10  # of a kind; programs get all
_SLACK_COMMAND = re.compile(r"`/spend ?([^`]*)`")
_SLACK_TOKEN = re.compile(
    r"<(?:![^|>]*\||@)([^>]*)>"
)  # Slack shows a date in the reader's zone; here its fallback is read
_STATUS = {"mixed": "partly provisional"}
_CAPTURED = ("Gateway (USD)", "Billed (USD)", "Rate")
_TITLES = {"owner": "Who", "key": "Key", "model": "Model", "ledger": "Ledger", "connection": "Connection"}


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_answer(answer: Answer) -> None:
    """Print the answer to a question."""
    if not answer.fresh_until:
        terminal_output.line(
            "Nothing is connected yet: outlay connect openrouter --name main --secret-stdin, then outlay poll"
        )
        return
    if not any(answer.fresh_until.values()):
        terminal_output.line("Nothing has been read yet: outlay poll")
        return
    console = terminal_output.console()
    said_first = headline(answer, bold="") if answer.lines else nothing_spent(answer)
    console.print(Text(readable(said_first), style="bold"), soft_wrap=True)
    drawn = course_of(answer, slots_max=CHART_COLUMNS)
    if drawn and len(drawn.slots) > 1 and any(drawn.nano_usd):
        console.print(Text(sparkline_text(drawn)), soft_wrap=True)
    if answer.lines:
        console.print(_answer_table(answer))
    if answer.rest_count:
        console.print(f"and {answer.rest_count:,} more: {words.money(answer.rest_nano_usd)}")
    if said := remarks(answer):
        console.print(Text(readable(" ".join(said))), soft_wrap=True)
    console.print(Text(" · ".join(_footing(answer)), style="dim"), soft_wrap=True)


def readable(mrkdwn: str) -> str:
    """Convert mrkdwn to what Slack would show, without its marks, and with commands as the terminal calls them."""
    plain = html.unescape(_SLACK_TOKEN.sub(r"\1", mrkdwn)).replace("\u2060", "")
    return _SLACK_COMMAND.sub(r"«outlay spend \1»", plain)


def _answer_table(answer: Answer) -> Table:
    titles = [_TITLES.get(name, name.capitalize()) for name in answer.query.by]
    compared = ("Before (USD)", "Change") if answer.before else ()
    numbers = ("Spend (USD)", *compared, "Tokens", "Requests")
    table = _table(*titles, *numbers, "Is", right=numbers)
    for line in answer.lines:
        before = (words.money(line.before_nano_usd), words.change(line.cost_nano_usd, line.before_nano_usd))
        table.add_row(
            *(Text(_cell(line, name)) for name in answer.query.by),
            words.money(line.cost_nano_usd),
            *(before if compared else ()),
            words.tokens(line.tokens.total),
            "" if line.requests is None else f"{line.requests:,}",
            f"{line.basis}, {_STATUS.get(line.status, line.status)}",
        )
    return table


def _cell(line: AnswerLine, name: str) -> str:
    if name == "owner":
        owner = line.owner.name if line.owner else ""
        return f"{owner} ({line.reason})" if line.reason else owner
    if name == "key":
        if line.key is None:
            return f"no key ({line.reason})" if line.reason else "no key"
        return line.key.name or line.key.id
    if name == "model":
        return line.model.id if line.model else "not split by model yet"
    return str(getattr(line, name) or "none")


def _footing(answer: Answer) -> list[str]:
    parts = [
        words.basis(answer.basis, answer.calibrated_by, answer.as_of.date()),
        readable(words.status(answer.status, answer.provisional_until, answer.as_of)),
        words.coverage(answer.coverage, answer.unpriced_tokens),
    ]
    fresh = [f"{name} read up to {format_utc(at) or 'never yet'}" for name, at in sorted(answer.fresh_until.items())]
    return [part for part in (*parts, *fresh, f"days in {answer.time_zone}") if part]


def print_closed_totals(rows: Sequence[ClosedTotal], closed_at: datetime) -> None:
    """Print the totals of a closed month as of its close: the biggest of each kind."""
    if not rows:
        return
    table = _table("By", "Who or what", "USD", right=("USD",))
    for kind in closing_closed_totals.KINDS:
        of_kind = [row for row in rows if row.kind == kind]
        for row in of_kind[:CLOSED_ROWS_MAX]:
            table.add_row(kind, Text(row.name or row.id or "none"), words.money(row.nano_usd))
        if rest := of_kind[CLOSED_ROWS_MAX:]:
            table.add_row(kind, f"and {len(rest):,} more", words.money(sum(row.nano_usd for row in rest)))
    terminal_output.line(f"as of {format_utc(closed_at)}:")
    terminal_output.console().print(table)


def print_connections(views: Sequence[ConnectionView]) -> None:
    """Print the connections."""
    if not views:
        terminal_output.line("Nothing is connected yet: outlay connect openrouter --name main --secret-stdin")
        return
    table = _table("Name", "Ledger", "Role", "Account", "Credential", "State", "Read up to", "Next poll", "Error")
    for view in views:
        table.add_row(
            view.name, view.ledger, view.role, Text(view.account_title or view.account_id),
            view.fingerprint, view.state, format_utc(view.fresh_until) or "never", format_utc(view.next_poll) or "",
            Text(view.error),
        )  # fmt: skip
    terminal_output.console().print(table)
    for view in views:
        if view.in_front_of:
            terminal_output.line(f"{view.name} is in front of {view.in_front_of}")


def print_capture_rates(found: Sequence[GatewayCaptureReport]) -> None:
    """Print which share of the bill behind each gateway the gateway saw."""
    if not found:
        terminal_output.line("No connection attributes: outlay connect LEDGER --name NAME --set role=attribution")
        return
    table = _table("Gateway", "In front of", "Day", "Gateway (USD)", "Billed (USD)", "Rate", right=_CAPTURED)
    for one in found:
        for day, capture in (*one.days, ("in all", one.whole)):
            rate = "" if capture.rate is None else f"{int(capture.rate * 1000) / 10:.1f} %"
            dollars = (words.money(capture.gateway_nano_usd), words.money(capture.billed_nano_usd))
            table.add_row(one.connection, Text(one.in_front_of or "nothing yet"), day, *dollars, rate)
    terminal_output.console().print(table)
    for one in found:
        if not one.in_front_of:
            terminal_output.line(
                f"{one.connection}: in front of nothing yet; --replace --set in_front_of=CONNECTION[:KEY_ID]"
            )
        elif one.whole.word:
            terminal_output.line(f"{one.connection}: {one.whole.word}")


def print_poll_results(results: Sequence[PollResult]) -> None:
    """Print the results of a poll."""
    terminal_output.progress_done()
    if not results:
        terminal_output.line("Nothing to poll: outlay connect openrouter --name main --secret-stdin")
    for one in results:
        said = "ok" if one.ok else "failed"
        terminal_output.line(
            f"{one.name}: {said}, {one.new:,} new, {one.changed:,} changed, {one.same:,} the same, "
            f"{words.count_with_noun(one.requests, 'request')}"
        )


def print_owners(found: Sequence[tuple[Owner, Sequence[KeyRef]]]) -> None:
    """Print the owners and their keys."""
    table = _table("Who", "Kind", "Keys")
    for owner, keys in found:
        table.add_row(
            Text(owner.name), owner.kind, Text(", ".join(f"{key.name or 'no name'} ({key.id})" for key in keys))
        )
    terminal_output.console().print(table)


def print_checks(found: Sequence[HealthCheck]) -> None:
    """Print the doctor's checks, one line each, and how to fix those that failed."""
    for check in found:
        terminal_output.line(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
        if not check.ok and check.mend:
            terminal_output.line(f"     mend: {check.mend}")


def print_plugins(found: Sequence[FoundPlugin]) -> None:
    """Print which plugins are loaded, and which failed."""
    table = _table("Plugin", "Kind", "Version", "From", "State")
    for one in found:
        table.add_row(one.slug, one.kind or "", one.version, one.source, "loaded" if one.ok else Text(one.error or ""))
    terminal_output.console().print(table)
