"""Incident scene of the demo: two keys spend alike, one because it was planned, one because it is caught in a loop.

Only the second raises an alert. What people see of it is drawn from the message in the fake Slack's channel.
"""

from datetime import timedelta
from typing import Any

from rich.console import Console

from outlay import wording
from outlay.demo.console import DemoConsole
from outlay.demo.environment import ALERT_CHANNEL, DemoCheckFailedError, DemoEnvironment
from outlay.demo.scenes import clock_of, modal_of, type_in
from outlay.fakes.slack.rendering.terminal import render_message
from outlay.fakes.slack.workspace import FakeMessage

RUNS_AWAY = "agent-triage"
PLANNED = "agent-ci-nightly"
PLANNER, ON_CALL = "dana", "bruno"
USD_PER_HOUR = 120
MINUTES_BETWEEN_LOOKS = 5
LOOKS = 4


class _Standing:
    """Message of a channel, drawn in its current state."""

    def __init__(self, on: DemoEnvironment, message: FakeMessage) -> None:
        self._on = on
        self._message = message

    def draw(self, console: Console) -> None:
        """Print the message."""
        names, shown = self._on.chat.names, self._message
        where = f"#{names[shown.channel]}{', in its thread' if shown.thread_ts else ''}"
        render_message(shown.blocks, shown.text, console=console, where=where, names=names)


async def plan_ahead(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Declare planned work as a developer: an agent will work through the night."""
    tell.say(f"{clock_of(on)}. {PLANNER.title()} lets {PLANNED} evaluate models tonight, and says so beforehand.")
    overview = modal_of(await type_in(on, tell, PLANNER, "/spend alerts"))
    form = modal_of(await overview.click("alerts:plan"))
    filled: dict[str, Any] = {"Whose work?": f"agent {PLANNED}", "Why?": "Evaluation of three models"}
    waiting = await form.submit(filled, wait=False)
    tell.shows(form, gap=True)
    await on.chat.settle()
    waiting.freeze()
    if f"{PLANNED} (all of it)" not in overview.words:
        raise DemoCheckFailedError(f"the plan was not taken: {form.errors or overview.words}")
    await on.chat.close(overview)


async def run_away(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Play the night: from 02:10 on an agent loops, a planned batch spends as much, and only the first alerts."""
    on.move_to(2, 10)
    await on.catch_up()
    tell.say(f"{clock_of(on)}. Everybody sleeps. Before:")
    tell.shows(await type_in(on, tell, "alice", "/spend today by key"))
    usual_nano_usd = await _usual_day(on)
    away = on.company.runaway(on.company.key(RUNS_AWAY), on.clock.now(), USD_PER_HOUR)
    on.company.runaway(on.company.key(PLANNED), on.clock.now(), USD_PER_HOUR)
    tell.say(
        f"Now {RUNS_AWAY} is caught in a loop: the same prompt over and over, to {away.model.title}. {PLANNED} begins "
        f"too, and spends as much. The clock jumps {MINUTES_BETWEEN_LOOKS} minutes at a time; each time the bot polls "
        "by itself. Nobody asks it anything."
    )
    before, shown, replies = await _today(on), None, 0
    for look in range(1, LOOKS + 1):
        on.move_to(2, 10 + look * MINUTES_BETWEEN_LOOKS)
        await on.catch_up()
        after = await _today(on)
        tell.line(f"  {clock_of(on)}   {RUNS_AWAY}: {wording.money(after)} today, {wording.money(after - before)} more")
        if after <= before:
            raise DemoCheckFailedError("the runaway agent did not show in the poll that followed")
        before = after
        message = _alert(on)
        if message is not None and shown is None:
            shown = message
            tell.line()
            tell.shows(_Standing(on, message))
        for reply in _replies(on)[replies:]:
            replies += 1
            tell.line()
            tell.shows(_Standing(on, reply))
    if shown is None:
        raise DemoCheckFailedError("nobody was told of the runaway agent")
    tell.line()
    await _acknowledge(on, tell, shown)
    tell.shows(await on.chat.click(shown, "alerts:look", user=on.user(ON_CALL)))
    if [message for message in on.chat.messages(ALERT_CHANNEL) if PLANNED in message.text]:
        raise DemoCheckFailedError("planned work rang")
    tell.say(
        f"{wording.money(before)} by {clock_of(on)}, where the dearest whole day of {RUNS_AWAY} in the week before "
        f"cost {wording.money(usual_nano_usd)}. {PLANNED} spent as much meanwhile, as planned, and rang for nobody; in "
        "every figure it counts all the same."
    )


async def _acknowledge(on: DemoEnvironment, tell: DemoConsole, message: FakeMessage) -> None:
    tell.say(f"{ON_CALL.title()} sees it and presses Acknowledge. The same message now stands like this:")
    await on.chat.click(message, "alerts:acknowledge", user=on.user(ON_CALL))
    tell.shows(_Standing(on, message))
    if f"Acknowledged by <@{on.user(ON_CALL)}>" not in str(message.blocks):
        raise DemoCheckFailedError("the message does not say who acknowledged it")


def _alert(on: DemoEnvironment) -> FakeMessage | None:
    """Return the message about the incident; None if there is none. Raises DemoCheckFailedError if there are more."""
    found = [message for message in on.chat.messages(ALERT_CHANNEL) if not message.thread_ts]
    if len(found) > 1:
        raise DemoCheckFailedError(f"there are {len(found)} messages about one incident")
    return found[0] if found else None


def _replies(on: DemoEnvironment) -> list[FakeMessage]:
    return [message for message in on.chat.messages(ALERT_CHANNEL) if message.thread_ts]


async def _today(on: DemoEnvironment) -> int:
    return (await on.ask(f"today key:{RUNS_AWAY}")).total_nano_usd


async def _usual_day(on: DemoEnvironment) -> int:
    """Return the cost of the most expensive of its last seven whole days."""
    yesterday = on.clock.now().date() - timedelta(days=1)
    answer = await on.ask(f"from {yesterday - timedelta(days=6)} to {yesterday} key:{RUNS_AWAY} by day")
    return max((line.cost_nano_usd or 0 for line in answer.lines), default=0)
