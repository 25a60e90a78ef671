"""Second-ledger scene of the demo: some keys go to Anthropic directly; once connected, one answer holds both ledgers.

Anthropic reports dollars by the hour; what is younger is computed from its tokens. So whole days are compared to the
nano-dollar, and nothing is counted twice.
"""

import asyncio
from datetime import timedelta

from outlay import wording
from outlay.core.money import exact
from outlay.demo.console import DemoConsole
from outlay.demo.environment import DemoCheckFailedError, DemoEnvironment
from outlay.demo.scenes import clock_of, modal_of, type_in
from outlay.demo.verify_totals import check_no_key_leaked
from outlay.fakes.anthropic.server import ADMIN_KEY

LEDGER = "anthropic"
PERIOD, MODEL = "31d", "anthropic/claude-sonnet-4.5"
PROGRESS_LOOK_SECONDS = 0.25
DAY = timedelta(days=1)


async def connect(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Connect Anthropic as the admin, and ask across both ledgers."""
    keys = wording.count_with_noun(
        len([key for key in on.anthropic.company.keys if key.hash and not key.deleted]), "key"
    )
    tell.say(
        f"{clock_of(on)}. For a week now {keys} have been going to Anthropic directly, past OpenRouter. The same "
        "command, and an admin key of the organization:"
    )
    form = modal_of(await type_in(on, tell, "alice", "/spend connect anthropic"))
    await form.click("connect:advanced")
    waiting = await form.submit({"Base URL": on.anthropic_url, "Admin key": ADMIN_KEY}, wait=False)
    await on.chat.settle()
    waiting.freeze()
    tell.shows(form, gap=True)
    if form.title != "Connected":
        raise DemoCheckFailedError(f"Anthropic was not connected: {form.errors or form.words}")
    await on.chat.close(form)
    await _read(on, tell)
    tell.say("One question, both ledgers. A model has one name, whichever of them tells of it:")
    tell.shows(await type_in(on, tell, "alice", f"/spend {PERIOD} by provider"))
    tell.shows(await type_in(on, tell, "alice", f"/spend {PERIOD} model:{MODEL} by model ledger"))


async def compare(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Compare whole days of Anthropic's spend in the books with those of the company."""
    midnight = on.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    company = on.anthropic.company
    books = await on.ask(f"from {on.company.start.date()} to {(midnight - DAY).date()} ledger:{LEDGER}")
    spent = company.truth(company.start, midnight).get((), 0)
    if books.total_nano_usd != spent:
        raise DemoCheckFailedError(
            f"the books have {books.total_nano_usd} of Anthropic's, the company {spent} nano-dollars"
        )
    if on.anthropic.journal.violations:
        raise DemoCheckFailedError("the bot asked Anthropic for something that is not for a reader of bills")
    check_no_key_leaked(on, ADMIN_KEY)
    tell.say(
        f"Until last midnight the books have ${exact(books.total_nano_usd)} of Anthropic's, and so has the company, to "
        f"the nano-dollar. That took {wording.count_with_noun(len(on.anthropic.journal.asked), 'request')}, "
        "all of them reads."
    )


async def _read(on: DemoEnvironment, tell: DemoConsole) -> None:
    reading = asyncio.create_task(on.catch_up())
    try:
        while not reading.done():
            await asyncio.wait({reading}, timeout=PROGRESS_LOOK_SECONDS)
            tell.progress(f"{wording.count_with_noun(len(on.anthropic.journal.asked), 'request')} to Anthropic …")
    finally:
        tell.progress_done()
        reading.cancel()
    await reading
