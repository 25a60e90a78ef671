"""Plugin session: an instance with a checked config and a guarded client of its own, for as long as one task takes."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from outlay.core.clock import Clock
from outlay.plugin.contract import Config, Context, Key, Plugin, Sink, TokenStore
from outlay.plugin.mail_client import MAIL, MailingClient
from outlay.plugin.rate_limits import RequestPacer
from outlay.plugin.reach import Reach
from outlay.plugin.read_client import REQUEST_SECONDS, GuardedClient
from outlay.plugin.write_client import SENDING_SECONDS, SendingClient

P = TypeVar("P", bound=Plugin[Any])


@asynccontextmanager
async def plugin_session(
    plugin: type[P],
    config: Config,
    *,
    clock: Clock,
    pacer: RequestPacer | None = None,
    known_keys: Sequence[Key] = (),
    kept: TokenStore | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    reach: Reach | None = None,
) -> AsyncIterator[P]:
    """Open a plugin for use; its client closes with the block. Raises BadConfig for a base URL that may not be."""
    client = client_for(plugin, config, clock=clock, pacer=pacer, transport=transport, reach=reach)
    async with client:
        yield build_plugin(plugin, config, client, clock=clock, known_keys=known_keys, kept=kept)


def client_for(
    plugin: type[Plugin[Any]],
    config: Config,
    *,
    clock: Clock,
    pacer: RequestPacer | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    reach: Reach | None = None,
) -> GuardedClient:
    """Build the client of a plugin with this config: one that only reads, and for a sink one that can send."""
    is_sink = issubclass(plugin, Sink)
    sending = MailingClient if set(plugin.schemes) == set(MAIL) else SendingClient
    return (sending if is_sink else GuardedClient)(
        base_url=plugin.base_url(config),
        headers=plugin.headers(config),
        reading_posts=plugin.reading_posts,
        paces=plugin.paces,
        clock=clock,
        transport=transport,
        pacer=pacer,
        title=plugin.meta.title,
        request_seconds=SENDING_SECONDS if is_sink else REQUEST_SECONDS,
        reach=reach,
    )


def build_plugin(
    plugin: type[P],
    config: Config,
    client: GuardedClient,
    *,
    clock: Clock,
    known_keys: Sequence[Key] = (),
    kept: TokenStore | None = None,
) -> P:
    """Build the plugin with a client that the caller opens and closes."""
    log = logging.getLogger(f"outlay.plugin.{plugin.meta.slug}")
    return plugin(config, Context(client, clock, log, tuple(known_keys), kept))
