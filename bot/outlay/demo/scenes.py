"""Scenes of the demo except the incident, which is in `story_alert`.

Every figure in them comes from the bot or is counted; none is written here.

A scene drives the fakes as users would and prints what they see. Expectations are checked on the way, and
DemoCheckFailedError says which was not met.
"""

import asyncio

from outlay import wording
from outlay.demo.console import DemoConsole
from outlay.demo.environment import DemoCheckFailedError, DemoEnvironment
from outlay.doctor import run_checks
from outlay.fakes.company.model_catalog import AUTO
from outlay.fakes.openrouter.server import INFERENCE_KEY, MANAGEMENT_KEY
from outlay.fakes.slack.screen import Modal, Reply
from outlay.terminal import tables as terminal

CONNECTING_SECONDS = 2.4  # longer than the bot lets Slack wait, so that "Checking…" is seen
PROGRESS_LOOK_SECONDS = 0.25
ONLY_AUTO = "alice-experiments"


async def connect(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Connect OpenRouter as the admin: first with the wrong kind of key, then with the right one."""
    people, agents, keys = len(on.company.staff.people), len(on.company.staff.agents), len(on.company.keys)
    tell.say(
        f"{clock_of(on)}. {on.slack.world.team_name} has {people} developers, {agents} agents and {keys} keys at "
        "OpenRouter, and nobody knows who spends what. Alice, an admin, has just installed Outlay."
    )
    form = modal_of(await type_in(on, tell, "alice", "/spend connect openrouter"))
    tell.shows(form, gap=True)
    tell.say(
        "She opens Advanced, where the stand-in's address goes (with the real OpenRouter there is nothing to do "
        "there), and pastes the first key she finds."
    )
    await form.click("connect:advanced")
    refused = await form.submit({"Base URL": on.openrouter_url, "Management key": INFERENCE_KEY})
    tell.shows(form, gap=True)
    if len(refused.errors) != 1 or await on.connections():
        raise DemoCheckFailedError("an inference key was not refused on its field")
    tell.say(
        "The error stands on the very field, it says which kind of key this is, and nothing was saved. Now the right "
        f"key. The stand-in takes {CONNECTING_SECONDS:g} s on purpose; the bot does not let Slack wait that long."
    )
    on.openrouter.faults.slow("/key", CONNECTING_SECONDS)
    waiting = await form.submit({"Management key": MANAGEMENT_KEY}, wait=False)
    waiting.freeze()
    tell.shows(form, gap=True)
    await on.chat.settle()
    tell.shows(form, gap=True)
    if form.title != "Connected":
        raise DemoCheckFailedError(f"the management key was not taken: {form.words}")
    await on.chat.close(form)


async def back_fill(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Let the bot read all history that the ledger still has."""
    tell.say("Nobody has to ask for it: the bot polls. The first time it reads as far back as the ledger remembers.")
    began = on.clock.monotonic()
    reading = asyncio.create_task(on.catch_up())
    try:
        while not reading.done():
            await asyncio.wait({reading}, timeout=PROGRESS_LOOK_SECONDS)
            tell.progress(await _so_far(on))
    finally:
        tell.progress_done()
        reading.cancel()
    await reading
    tell.line(f"  {await _so_far(on)}, in {on.clock.monotonic() - began:.1f} s")
    tell.line()
    tell.say("From now on a minute's poll reads only what may have changed.")


async def ask(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Ask as a developer: openrouter/auto shows what really ran; a typo is answered with what would have worked."""
    on.move_to(2, 5)
    await on.catch_up()
    tell.say(f"{clock_of(on)}. Dana wants to know where the month's money went. Only she sees the answer.")
    tell.shows(await type_in(on, tell, "dana", "/spend"))
    period = "" if on.clock.now().day > 2 else "31d "
    tell.shows(await type_in(on, tell, "dana", f"/spend {period}by model"))
    await _say_what_auto_became(on, tell)
    tell.shows(await type_in(on, tell, "dana", f"/spend 31d key:{ONLY_AUTO} by model"))
    tell.say("Chidi types in a hurry. Outlay never guesses what was meant; it shows what would have worked.")
    tell.shows(await type_in(on, tell, "chidi", "/spend by modle"))


async def examine(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Run `outlay doctor` on the demo's own services."""
    tell.typed("terminal", "outlay doctor")
    checks = await run_checks(on.home)
    terminal.print_checks(checks)
    tell.line()
    if sick := [check.name for check in checks if not check.ok]:
        raise DemoCheckFailedError(f"the doctor is not content with: {', '.join(sick)}")


async def type_in(on: DemoEnvironment, tell: DemoConsole, who: str, line: str) -> Reply:
    """Type a command as this person; return what they then see."""
    tell.typed(who, line)
    return await on.chat.command(line, user=on.user(who))


def modal_of(reply: Reply) -> Modal:
    """Return the modal that has opened. Raises DemoCheckFailedError if none has."""
    if reply.modal is None:
        raise DemoCheckFailedError(f"no modal opened; the bot said: {reply.text or 'nothing'}")
    return reply.modal


async def _so_far(on: DemoEnvironment) -> str:
    far = await on.progress()
    return (
        f"{wording.count_with_noun(far.entries, 'entry', 'entries')} over {wording.count_with_noun(far.days, 'day')} "
        f"from {wording.count_with_noun(far.requests, 'request')}"
    )


async def _say_what_auto_became(on: DemoEnvironment, tell: DemoConsole) -> None:
    requests = on.company.truth(on.company.start, on.clock.now(), by=("requested",), of="requests")
    percent = wording.percent(requests[AUTO,], sum(requests.values()))
    answer = await on.ask("31d by model")
    if any(line.model is None or AUTO in (line.model.id, *line.model.names) for line in answer.lines):
        raise DemoCheckFailedError(f"a row of the answer by model does not say which model ran behind {AUTO}")
    tell.say(
        f"{percent} of the requests asked for {AUTO} and let OpenRouter choose. No row is called so: each names the "
        "model that really ran, with no proxy in between. The next key never asks for anything else:"
    )


def clock_of(on: DemoEnvironment) -> str:
    """Format the time of the demo's clock."""
    return f"{on.clock.now():%H:%M} UTC"
