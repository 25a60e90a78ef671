"""Final check of the demo: the books hold what the example company really spent, to the nano-dollar.

The company computes its spend minute by minute; the books only know what they read from the ledger.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from outlay import wording
from outlay.core.model_names import canonical
from outlay.core.money import exact
from outlay.demo.console import DemoConsole
from outlay.demo.environment import LOG_FILE, DemoCheckFailedError, DemoEnvironment
from outlay.fakes.linear import server as linear_server
from outlay.fakes.openrouter import server as openrouter_server
from outlay.spend.answer import Answer, AnswerLine

TRIES = 3


PAID = "paid_nano_usd"  # credits and BYOK, which no other ledger counts here


async def compare(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Compare sums in total, by model and by day, and search all output for the keys."""
    minute = await _read_in_one_minute(on)
    period = f"from {on.company.start.date()} to {minute.date()}"
    by_model, by_day = await on.ask(f"{period} by model top 100"), await on.ask(f"{period} by day")
    spent = on.company.truth(on.company.start, minute, of=PAID).get((), 0)
    tell.line(f"  The books say               ${exact(by_model.total_nano_usd)}")
    tell.line(f"  The invented company spent  ${exact(spent)}")
    tell.line()
    byok = on.company.truth(on.company.start, minute, of="byok_nano_usd").get((), 0)
    models: dict[str, int] = defaultdict(int)
    for (slug,), nano_usd in on.company.truth(on.company.start, minute, by=("model",), of=PAID).items():
        models[canonical(slug)] += nano_usd
    days = {
        day: nano_usd for (day,), nano_usd in on.company.truth(on.company.start, minute, by=("day",), of=PAID).items()
    }
    _same("in all", by_model.total_nano_usd, spent)
    _same("in BYOK", by_model.byok_nano_usd, byok)
    _same("by model", {line.model.id: line.cost_nano_usd for line in _spending(by_model) if line.model}, dict(models))
    _same("by day", {line.day: line.cost_nano_usd for line in _spending(by_day)}, days)
    if on.openrouter.journal.violations:
        raise DemoCheckFailedError("the bot asked the ledger for something that is not for a reader of bills")
    check_no_key_leaked(on, openrouter_server.MANAGEMENT_KEY, linear_server.API_KEY)
    requests = wording.count_with_noun(len(on.openrouter.journal.asked), "request")
    tell.say(
        f"Equal to the nano-dollar, and so is each of {wording.count_with_noun(len(models), 'model')} and each of "
        f"{wording.count_with_noun(len(days), 'day')}. It took {requests}, every one of them a read. The pasted keys "
        "stand in no message, in no line of the log and in no file of the house: they are there only encrypted."
    )


def _spending(answer: Answer) -> list[AnswerLine]:
    """Return the lines with money in them; the company's truth lists no others."""
    return [line for line in answer.lines if line.cost_nano_usd]


def _same(what: str, books: object, truth: object) -> None:
    if books != truth:
        raise DemoCheckFailedError(f"the books and the company differ {what}: {books} and {truth} nano-dollars")


async def _read_in_one_minute(on: DemoEnvironment) -> datetime:
    """Read the ledger within one minute, and return that minute: the truth up to it is what was read."""
    for _ in range(TRIES):
        now = on.clock.now() + timedelta(minutes=1)
        on.move_to(now.hour, now.minute)
        began = on.clock.now()
        await on.catch_up()
        if on.clock.now().minute == began.minute:
            return began.replace(second=0, microsecond=0)
    raise DemoCheckFailedError("the machine is too busy to read the ledger within one minute")


def check_no_key_leaked(on: DemoEnvironment, *pasted: str) -> None:
    """Raise DemoCheckFailedError if a pasted key is in any file that the bot wrote or in any call to Slack."""
    for key in pasted:
        if key in on.slack.journal.sent_text():
            raise DemoCheckFailedError("a pasted key was sent back to Slack")
        for file in on.folder.rglob("*"):
            if file.is_file() and key.encode() in file.read_bytes():
                raise DemoCheckFailedError(
                    f"a pasted key stands in {'the log' if file.name == LOG_FILE else file.name}"
                )
