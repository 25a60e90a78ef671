"""`outlay digest`: post the newest digest now; or, with `--format`, print it and post nothing.

What is posted goes through the outbox like every other digest, leased by this command from the start, so that a bot
that runs at the same time does not post it too.
"""

import argparse
import asyncio
import html
import re
import sys
from typing import Any
from uuid import uuid4

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError, SlackClientError

from outlay import outbox
from outlay.access.policy import OPERATOR
from outlay.core.money import exact
from outlay.delivery.worker import TIMEOUT_SECONDS, UndeliverableError
from outlay.digests.digest import Digest
from outlay.logs import one_line
from outlay.outbox import DeliveryOutcome, OutboxMessage
from outlay.plugin.errors import RateLimited
from outlay.services import Services, StartError
from outlay.slack.app import quiet_logger
from outlay.slack.chart_images.renderer import ChartRenderer
from outlay.slack.chart_images.upload import ChartUploader
from outlay.slack.client import web_client
from outlay.slack.digest_and_budget_sender import DigestAndBudgetSender
from outlay.slack.digests import blocks
from outlay.slack.message_poster import NotDeliveredError, Poster
from outlay.slack.tasks import Tasks
from outlay.spend.forecast import Forecast
from outlay.spend.serialization import answer_as_json
from outlay.terminal import output as terminal_output
from outlay.workspaces import installations
from outlay.workspaces.store import LOCAL

PICTURE_SECONDS = 60.0  # for the chart image that follows the message
_TOKEN = re.compile(r"<(?:![^|>]*\|([^>]*)|[@#]([^|>]*))>")  # a date becomes its fallback, a user or channel its id
_JOINER = "\u2060"


async def digest(home: Services, arguments: argparse.Namespace) -> int:
    """Post the newest digest, or print it."""
    workspace, period = await home.workspace(), arguments.period
    if arguments.format:
        found = await home.digests.last(workspace, period, viewer=OPERATOR)
        if arguments.format == "json":
            terminal_output.document(digest_as_json(found))
        else:
            for line in blocks.text(found):
                terminal_output.line(_readable(line))
        return 0
    token = await _token(home, workspace)
    plan = await home.digests.plan(workspace)
    channel = arguments.channel or home.settings.digest_channel or next(iter(plan.channels), None)
    if channel is None:
        raise StartError("no channel for digests: say --channel ID, or set OUTLAY_DIGEST_CHANNEL")
    log = quiet_logger()
    client = web_client(token.get_secret_value(), home.settings.slack_api_url, log)

    async def there() -> str:
        return channel

    painter, tasks = ChartRenderer(log), Tasks(log)
    pictures = ChartUploader(painter, home.clock, log, tasks)
    letters = DigestAndBudgetSender(client, home.digests, Poster(home.clock, log), home.clock, there, pictures)
    try:
        team = str((await client.auth_test())["team_id"])
        if workspace not in (LOCAL, team):
            raise StartError(f"SLACK_BOT_TOKEN is for workspace {team}, and these books are of {workspace}")
        message = await home.digests.post_leased(workspace, channel, period, once=uuid4().hex)
        error = await _deliver(letters, message)
    except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as failed:
        raise StartError(_words(failed)) from None
    async with home.database.write() as session:
        await outbox.finish_attempts(
            session, [DeliveryOutcome(message, "dead" if error else "done", error=error)], home.clock.now()
        )
    await tasks.drain(PICTURE_SECONDS)
    await painter.aclose()
    if error:
        sys.stderr.write(one_line(error) + "\n")
        return 1
    terminal_output.line(f"posted to {channel}")
    return 0


async def _token(home: Services, workspace_id: str) -> SecretStr:
    """Return the settings' token, else that of the workspace's installation. Raises StartError without either."""
    if home.settings.slack_bot_token is not None:
        return home.settings.slack_bot_token
    async with home.database.read() as session:
        row = await installations.get_installation(session, workspace_id)
    if row is None:
        raise StartError(
            "SLACK_BOT_TOKEN is not set, so nothing can be posted; `outlay digest --format text` prints the digest here"
        )
    return await home.vault.open(workspace_id, installations.OWNER, installations.FIELD, row.blob)


async def _deliver(letters: DigestAndBudgetSender, message: OutboxMessage) -> str:
    """Deliver the message; return why that failed, or ""."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await letters.deliver(message)
    except (UndeliverableError, RateLimited) as error:
        return str(error)
    except (SlackClientError, NotDeliveredError, aiohttp.ClientError, OSError, TimeoutError) as error:
        return f"{_words(error)}; `outlay deliveries --again` sends it once more"
    return ""


def _words(error: BaseException) -> str:
    if isinstance(error, SlackApiError):
        return f"Slack refuses: {error.response.get('error')}"
    return f"Slack cannot be reached: {type(error).__name__}"


def digest_as_json(found: Digest) -> dict[str, Any]:
    """Return the digest as JSON values; dollars are decimal strings."""
    return {
        "period": found.period,
        "from": found.start.isoformat(),
        "to": found.end.isoformat(),
        "text": [_readable(line) for line in blocks.text(found)],
        "total_usd": exact(found.answer.total_nano_usd),
        "compared_with": {
            "from": found.compared[0].isoformat(),
            "to": found.compared[1].isoformat(),
            "usd": _usd(found.before_nano_usd),
        },
        "moves": [
            {
                "owner": move.owner and {"id": move.owner.id, "name": move.owner.name, "kind": move.owner.kind},
                "usd": exact(move.now_nano_usd),
                "before_usd": exact(move.before_nano_usd),
                "model": move.model or None,
            }
            for move in found.moves
        ],
        "new_models": [{"id": model, "usd": _usd(nano)} for model, nano in found.new_models],
        "month": {"from": found.month[0].isoformat(), "to": found.month[1].isoformat(), **_forecast(found.forecast)},
        "budgets": [
            {
                "scope": one.budget.scope,
                "subject": one.budget.subject or None,
                "period": one.budget.period,
                "limit_usd": exact(one.budget.limit_nano_usd),
                "from": one.start.isoformat(),
                "to": one.end.isoformat(),
                **_forecast(one.forecast),
            }
            for one in found.budgets
        ],
        "incidents": [
            {"number": one.number, "name": one.name, "state": one.state, "usd": exact(one.spent_nano_usd)}
            for one in found.episodes
        ],
        "answer": answer_as_json(found.answer),
    }


def _forecast(said: Forecast) -> dict[str, str | None]:
    return {
        "spent_usd": exact(said.spent_nano_usd),
        "likely_usd": _usd(said.likely_nano_usd),
        "low_usd": _usd(said.low_nano_usd),
        "high_usd": _usd(said.high_nano_usd),
        "no_forecast_because": said.reason or None,
    }


def _usd(nano_usd: int | None) -> str | None:
    return None if nano_usd is None else exact(nano_usd)


def _readable(line: str) -> str:
    """Convert a line of mrkdwn to text for a terminal."""
    said = _TOKEN.sub(lambda token: token[1] or token[2] or "", line).replace("*", "").replace("`", "")
    return html.unescape(said.replace(_JOINER, ""))
