"""Composition root of the bot: the one place where Slack, the timetable, the outbox and the books are wired together.

Nothing is created at import, and nothing here makes decisions.
"""

import asyncio
import contextlib
import errno
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from outlay import __version__, outbox
from outlay.access.gate import AccessGate, guarded
from outlay.core.gauges import Gauge
from outlay.delivery.sinks import SinkDispatcher
from outlay.delivery.worker import DeliveryWorker
from outlay.health.loop_lag import LoopLag
from outlay.health.metrics import collect_gauges
from outlay.incidents.ticket_inbox import TicketInbox
from outlay.incidents.ticket_sync import TicketSync
from outlay.polling.due_polls import DuePolls, SlackUserLookup
from outlay.scheduler import JobScheduler
from outlay.services import Services, StartError
from outlay.slack import app as slack_app
from outlay.slack import http as slack_http
from outlay.slack.chart_images.renderer import ChartRenderer
from outlay.slack.chart_images.upload import ChartUploader
from outlay.slack.client import web_client
from outlay.slack.deps import Deps
from outlay.slack.health_check import OPTIONAL_SCOPES, REQUIRED_SCOPES
from outlay.slack.installation.flow import oauth_flow, routes
from outlay.slack.installation.store import OAuthStateStore, SlackInstallationStore
from outlay.slack.message_poster import Poster
from outlay.slack.sender import WorkspaceSenders
from outlay.slack.socket_mode import SocketModeConnection, SocketRefusedError
from outlay.slack.tasks import Tasks, TooManyTasksError
from outlay.slack.user_directory import SlackUserDirectory
from outlay.spend.serialization import format_utc
from outlay.web.server import Endpoint, listening, web_app
from outlay.workspaces.store import adopt, others

DRAIN_SECONDS = 20
POLL_CHECK_SECONDS = 1.0
DELIVER_SECONDS = 2.0
WATCH_SECONDS = 2.0
PEOPLE_SECONDS = 60.0
SWEEP_SECONDS = 60.0  # how often due sweeps are looked for; each connection's turn is rarer
BOOKS_SECONDS = 300.0
DIGEST_SECONDS = 10.0
BUDGET_SECONDS = 60.0
SLACK_RETRY_SECONDS = 5.0
_PASSING = frozenset({"ratelimited", "fatal_error", "internal_error", "service_unavailable", "request_timeout"})
log = logging.getLogger("outlay.app")


class Bot:
    """The running bot."""

    def __init__(self, home: Services) -> None:
        settings = home.settings
        if not settings.slack_app_token and bool(settings.slack_client_id) != bool(settings.slack_client_secret):
            missing, there = ("SECRET", "ID") if settings.slack_client_id else ("ID", "SECRET")
            raise StartError(f"SLACK_CLIENT_{missing} is not set, and SLACK_CLIENT_{there} is: set both, or neither")
        by_browser = settings.installs_by_browser()
        if settings.slack_bot_token is None and not by_browser:
            raise StartError("SLACK_BOT_TOKEN is not set: the README says where to find it (xoxb-…)")
        if settings.slack_app_token is None and settings.slack_signing_secret is None:
            raise StartError("set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP mode")
        self.services = home
        self.port = 0
        self._token = settings.slack_bot_token  # a SecretStr until it is used
        self._workspace_id: str | None = None  # unknown until `_join`
        self._log = slack_app.quiet_logger()
        self.tasks = Tasks(log)
        self._people = SlackUserDirectory(self._token_of, self._client_for, home.clock, log, admins=settings.admins)
        gate = AccessGate(home.database, self._people)
        deps = Deps(
            asking=guarded(home.asking, gate, "asking"),
            connecting=guarded(home.connections, gate, "connecting"),
            owning=guarded(home.owning, gate, "owning"),
            admitting=gate,
            poster=Poster(home.clock, log),
            tasks=self.tasks,
            clock=home.clock,
            log=log,
            admins=tuple(sorted(settings.admins)),
            desk=guarded(home.desk, gate, "desk"),
            undelivered=guarded(home.undelivered, gate, "undelivered"),
            digests=guarded(home.digests, gate, "digests"),
            budgets=guarded(home.budgets, gate, "budgets"),
            homes=guarded(home.homes, gate, "homes"),
            ruling=guarded(home.ruling, gate, "ruling"),
            deliver_soon=self._deliver_soon,
            removed=self._removed,
        )
        signing_secret = settings.slack_signing_secret
        self._app = slack_app.build_app(
            deps,
            self._token_of,
            signing_secret=signing_secret.get_secret_value() if signing_secret else None,
            api_url=settings.slack_api_url,
        )
        self.socket = (
            SocketModeConnection(
                self._app, settings.slack_app_token.get_secret_value(), settings.slack_api_url, home.clock, self._log
            )
            if settings.slack_app_token
            else None
        )
        self._installations = SlackInstallationStore(
            home.database, home.vault, home.clock, self._log, url_of=self._url_of, may_adopt=self._may_adopt
        )
        self._pages: tuple[tuple[str, Endpoint], ...] = ()
        if by_browser:
            client_id, client_secret = by_browser
            flow = oauth_flow(
                web_client(None, settings.slack_api_url, self._log),
                self._log,
                client_id=client_id,
                client_secret=client_secret,
                scopes=(*REQUIRED_SCOPES, *OPTIONAL_SCOPES),
                installations=self._installations,
                states=OAuthStateStore(home.database, home.clock, self._log),
                api_url=settings.slack_api_url,
            )
            self._pages = routes(flow)
        self._painter = ChartRenderer(log)
        pictures = ChartUploader(self._painter, home.clock, log, self.tasks)
        self.senders = WorkspaceSenders(
            self._token_of, self._client_for, self._channel_of, connecting=home.connections, desk=home.desk,
            digests=home.digests, clock=home.clock, log=log, pictures=pictures,
        )  # fmt: skip
        self.timetable = JobScheduler(home.clock)
        self._lag = LoopLag()
        self.polls = DuePolls(home.database, home.poller, home.clock)
        self.sinks = SinkDispatcher(home.connections, home.clock)
        self.hearing = TicketInbox(home.database, home.connections, home.clock)
        self.tickets = TicketSync(home.clock)
        self.deliveries = DeliveryWorker(
            home.database, home.clock, self.senders.deliver, sinks=self.sinks, admins=settings.admins,
            on_receipt=self.tickets.record_filed,
        )  # fmt: skip
        self._delivering = asyncio.Lock()
        self.people = SlackUserLookup(home.database, home.clock, self.senders.look_up)

    async def _token_of(self, workspace_id: str) -> str | None:
        """Return a workspace's token: the settings' if it was made for this workspace, else its installation's."""
        if self._token and self._workspace_id in (None, workspace_id):
            return self._token.get_secret_value()
        return await self._installations.token(workspace_id)

    async def _channel_of(self, workspace_id: str) -> str | None:
        """Return the settings' alert channel if it belongs to this workspace, else None."""
        if self._token and self._workspace_id == workspace_id:
            return self.services.settings.alert_channel
        async with self.services.database.read() as session:
            return None if await others(session, workspace_id) else self.services.settings.alert_channel

    async def _url_of(self, token: str) -> str:
        """Ask Slack for the URL of a token's workspace; "" if it does not answer."""
        try:
            return str((await self._client_for(token).auth_test()).get("url") or "")
        except (SlackClientError, OSError, TimeoutError) as error:
            log.warning("Slack does not say where a workspace is: %s", type(error).__name__)
            return ""

    def _may_adopt(self, workspace_id: str) -> bool:
        """Report whether this workspace may adopt the books of `local`; OUTLAY_WORKSPACE limits it to one."""
        return self.services.settings.workspace in (None, workspace_id)

    async def _removed(self, workspace_id: str, uninstalled: bool) -> None:
        """Clean up after a workspace that has removed the app."""
        if workspace_id == self._workspace_id:
            self._token = None
        self._people.forget(workspace_id)
        await self._installations.remove_workspace(workspace_id, uninstalled=uninstalled)

    def _client_for(self, token: str) -> AsyncWebClient:
        return web_client(token, self.services.settings.slack_api_url, self._log)

    async def health(self) -> dict[str, object]:
        """Return what `/healthz` shows: Slack, each connection's last poll, the number of waiting deliveries."""
        async with self.services.database.read() as session:
            waiting = await outbox.waiting(session)
            workspaces = await others(session, "")
        views = [view for one in workspaces for view in await self.services.connections.views(one)]
        connected = self.socket is None or self.socket.connected()
        return {
            "ok": connected,
            "version": __version__,
            "slack": {
                "mode": "socket" if self.socket else "http",
                "connected": connected,
                "last_seen": format_utc(self.socket.last_seen) if self.socket else None,
            },
            "connections": [
                {
                    "name": view.name,
                    "state": view.state,
                    "last_poll": format_utc(view.last_poll),
                    "fresh_until": format_utc(view.fresh_until),
                }
                for view in views
            ],
            "outbox_waiting": waiting,
        }

    async def metrics(self) -> list[Gauge]:
        """Return the gauges for `/metrics`."""
        info, slack = Gauge("info", "Always 1; the version is a label"), Gauge("slack_connected", "1 while Slack is")
        lag = Gauge("loop_lag_seconds", "How late the event loop was at worst in the last minute")
        info.add(1, version=__version__)
        slack.add(int(self.socket is None or self.socket.connected()))
        lag.add(self._lag.worst_seconds())
        return [info, slack, lag, *await collect_gauges(self.services.database, self.services.clock)]

    async def idle(self) -> None:
        """Wait until no task and no poll is running; for tests and the demo."""
        await self.tasks.idle()
        await self.polls.idle()

    async def deliver(self) -> None:
        """Deliver what is due; a concurrent call waits its turn and then delivers the rest."""
        async with self._delivering:
            await self.deliveries.run()

    def _deliver_soon(self) -> None:
        """Start a delivery now, because a person is waiting for its result."""
        with contextlib.suppress(TooManyTasksError):  # the timetable delivers it in a moment
            self.tasks.start(self.deliver(), "deliver what was just done", awaited=False)

    async def _watch(self) -> None:
        """Run detection over what changed, and deliver new alerts at once."""
        if await self.services.watching.run():
            self._deliver_soon()

    async def tick(self) -> None:
        """Run every due job once, as the timetable would; for callers that have just advanced the clock."""
        await self.polls.start_due()
        await self.idle()
        await self.services.watching.run()
        await self.people.run()
        await self.hearing.sweep_due()
        await self.services.budgets.run()
        await self.services.digests.run()
        await self.deliver()

    @asynccontextmanager
    async def running(self, *, clockwork: bool = True, host: str | None = None) -> AsyncIterator["Bot"]:
        """Run inside the `async with` block, then stop in good order: no new work, and running work is finished.

        `host`: where to serve HTTP, instead of the settings'. `clockwork` False: no timetable; the caller uses `tick`.
        """
        async with AsyncExitStack() as stack:
            settings = self.services.settings
            secret = settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else None
            slack = None if self.socket else (slack_http.PATH, slack_http.endpoint(self._app, secret))
            try:
                self.port = await stack.enter_async_context(
                    listening(
                        web_app(self.health, slack, self.hearing.webhook, self.metrics, self._pages),
                        settings.http_port,
                        host or settings.http_host,
                    )
                )
            except OSError as error:
                setting = "OUTLAY_HTTP_HOST" if error.errno == errno.EADDRNOTAVAIL else "OUTLAY_HTTP_PORT"
                where = f"port {settings.http_port} on {host or settings.http_host}"
                raise StartError(f"{setting}: {where} cannot be used ({error.strerror}); name another") from None
            self._lag.start()
            stack.push_async_callback(self._lag.stop)
            stack.push_async_callback(self._painter.aclose)
            stack.push_async_callback(self.tasks.drain, DRAIN_SECONDS)
            if clockwork:
                self.timetable.every(POLL_CHECK_SECONDS, "polls", self.polls.start_due)
                self.timetable.every(WATCH_SECONDS, "watch", self._watch)
                self.timetable.every(DELIVER_SECONDS, "deliveries", self.deliver)
                self.timetable.every(PEOPLE_SECONDS, "people", self.people.run)
                self.timetable.every(SWEEP_SECONDS, "sweep", self.hearing.sweep_due)
                self.timetable.every(DIGEST_SECONDS, "digests", self.services.digests.run)
                self.timetable.every(
                    BUDGET_SECONDS, "budgets", self.services.budgets.run, first_in_seconds=BUDGET_SECONDS
                )
                self.timetable.every(
                    BOOKS_SECONDS, "forget", self.deliveries.forget_old, first_in_seconds=BOOKS_SECONDS
                )
                books = self.services.bookkeeping
                self.timetable.every(BOOKS_SECONDS, "close", books.close_due, first_in_seconds=BOOKS_SECONDS)
                self.timetable.every(BOOKS_SECONDS, "fold", books.fold_due, first_in_seconds=BOOKS_SECONDS)
                self.timetable.every(BOOKS_SECONDS, "sum-up", books.sum_up_due, first_in_seconds=BOOKS_SECONDS)
                self.timetable.every(BOOKS_SECONDS, "audit", books.audit_nightly, first_in_seconds=BOOKS_SECONDS)
            stack.push_async_callback(self.sinks.aclose)
            if self._token:
                await self._join(self._token.get_secret_value())
            gc.freeze()  # what is loaded now stays: garbage collection during a large page skips it
            stack.push_async_callback(self.services.watching.let_go)
            stack.push_async_callback(self.polls.stop, DRAIN_SECONDS)
            stack.push_async_callback(self.timetable.stop, DRAIN_SECONDS)
            self.timetable.start()
            if self.socket:
                stack.push_async_callback(self.socket.stop)
                try:
                    await self.socket.start()
                except SocketRefusedError as error:
                    raise StartError(str(error)) from None
            log.info("running", extra={"port": self.port, "slack": "socket" if self.socket else "http"})
            yield self

    async def _join(self, token: str) -> None:
        """Find out which workspace the token belongs to.

        Retries while Slack cannot be reached. Raises StartError for a token that Slack refuses.
        """
        client = self._client_for(token)
        while True:
            try:
                who = await client.auth_test()
                break
            except SlackApiError as error:
                code = str(error.response.get("error"))
                if code not in _PASSING:
                    raise StartError(
                        f"SLACK_BOT_TOKEN: Slack refuses it ({code}); copy the xoxb-… token again"
                    ) from None
                log.warning("Slack is not ready: %s", code)
            except (SlackClientError, OSError, TimeoutError) as error:
                log.warning("Slack cannot be reached yet: %s", type(error).__name__)
            await asyncio.sleep(SLACK_RETRY_SECONDS)
        team, name, url = str(who["team_id"]), str(who.get("team") or ""), str(who.get("url") or "")
        self._workspace_id = team
        async with self.services.database.write() as session:
            await adopt(session, self.services.vault, team, now=self.services.clock.now(), name=name, url=url)
