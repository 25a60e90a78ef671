"""Story that `outlay demo` tells: one night at an example company, played by the real bot on loopback.

The first line says what is simulated. The scenes are in `story_scenes`, `story_alert`, `story_ticket` and
`story_bills`, the comparison of sums in `story_sums`, and what `--serve` adds in `story_serve`.
"""

import asyncio
import signal
import sys
from datetime import date

from outlay import logs
from outlay.demo.console import DemoConsole

STOPPED = 130  # the shell's exit code for Ctrl-C
SIMULATED = "Simulated: Slack, OpenRouter, Linear, Anthropic (all on 127.0.0.1); the company."
REAL = "Real: the bot, its books, its sockets, its HTTP. No account; nothing leaves this\nmachine."


class _Telling:
    """Flag that the story is complete; from then on Ctrl-C is an ordinary exit."""

    told = False


async def demo(*, serve: bool, today: date) -> int:
    """Run the demo on this day, and with `serve` let the user continue it. Returns the exit code."""
    tell, telling = DemoConsole(), _Telling()
    tell.line(SIMULATED, "bold")
    tell.line(REAL)
    task = asyncio.create_task(_tell(tell, telling, serve, today))
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        tell.line()
        tell.line("Stopped; nothing is left behind.")
        return 0 if telling.told else STOPPED


async def _tell(tell: DemoConsole, telling: _Telling, serve: bool, today: date) -> int:
    tell.progress("the stage is being set …")
    # These take a second or two to load; the first line should not wait for them.
    from outlay.demo import interactive, scene_incident, scene_second_ledger, scene_ticket, scenes, verify_totals
    from outlay.demo.environment import DemoCheckFailedError, stage

    try:
        async with stage(today) as on:
            tell.progress_done()
            tell.scene("An admin connects OpenRouter")
            await scenes.connect(on, tell)
            tell.scene("The bot reads what was")
            await scenes.back_fill(on, tell)
            tell.scene("Who spent what, on which model")
            await scenes.ask(on, tell)
            tell.scene("Planned work is declared beforehand")
            await scene_incident.plan_ahead(on, tell)
            tell.scene("The same admin connects Linear")
            await scene_ticket.connect(on, tell)
            tell.scene("An agent runs away")
            await scene_incident.run_away(on, tell)
            tell.scene("Is the house in order?")
            await scenes.examine(on, tell)
            tell.scene("Do the books hold?")
            await verify_totals.compare(on, tell)
            tell.scene("The rest of the bill")
            await scene_second_ledger.connect(on, tell)
            await scene_second_ledger.compare(on, tell)
            tell.scene("The issue in Linear")
            await scene_ticket.show(on, tell)
            _what_next(tell, serve)
            telling.told = True
            if serve:
                await interactive.serve(on, tell)
    except DemoCheckFailedError as error:
        tell.flush()
        sys.stderr.write(f"the demo did not hold: {logs.one_line(str(error))}\n")
        return 1
    except BrokenPipeError:
        raise  # the reader of our output is gone; the command line handles it
    except Exception as error:  # noqa: BLE001  the log is deleted with the stage, so the error is printed here
        tell.flush()
        sys.stderr.write(f"the demo broke off: {logs.cut(logs.one_line(logs.redact_shapes(logs.fold(error))))}\n")
        return 1
    return 0


def _what_next(tell: DemoConsole, serve: bool) -> None:
    tell.line("What next", "bold")
    if not serve:
        tell.line("  ./run demo --serve   the same, and then you type /spend … yourself")
    tell.line("  ./run start          the real bot, in your own Slack: the README says how,")
    tell.line("                       under «Connect it to your Slack»")
    tell.line()
