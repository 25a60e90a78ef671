"""A plugin at work: its class and a checked config, with a guarded client of its own, for as long as one task takes."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from bot.core.clock import Clock
from bot.plugin.client import GuardedClient
from bot.plugin.contract import Config, Context, Key, Plugin
from bot.plugin.pacing import Pacer

P = TypeVar("P", bound=Plugin[Any])


@asynccontextmanager
async def session(
    plugin: type[P],
    config: Config,
    *,
    clock: Clock,
    pacer: Pacer | None = None,
    known_keys: Sequence[Key] = (),
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[P]:
    """The plugin, ready to be asked. Its client closes with the block. Raises BadConfig for a base URL that is none."""
    client = GuardedClient(
        base_url=plugin.base_url(config),
        headers=plugin.headers(config),
        reading_posts=plugin.reading_posts,
        paces=plugin.paces,
        clock=clock,
        transport=transport,
        pacer=pacer,
        title=plugin.meta.title,
    )
    log = logging.getLogger(f"outlay.plugin.{plugin.meta.slug}")
    async with client:
        yield plugin(config, Context(client, clock, log, tuple(known_keys)))
