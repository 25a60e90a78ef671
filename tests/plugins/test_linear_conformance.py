"""The Linear sink keeps every promise of the contract."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr

from outlay.fakes.linear.server import API_KEY
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance
from outlay_plugins.linear import Linear
from tests.plugins.linear_vendor import Vendor, config

LINK = re.compile(r"\]\(<?([^)>]*)")
BARE = re.compile(r"(?i)\b(?:https?://|www\.)[^\s)>]+|@\w+|<![^>]*>|\b[\w-]+\.example\b")


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    vendor = Vendor()
    world = vendor.linear.world

    def told() -> list[str]:
        issues = [f"{issue['title']}\n{issue['description']}" for issue in vendor.linear.issues.values()]
        return [*issues, *(comment["body"] for comment in world.comments.values())]

    def live() -> list[str]:
        """What Markdown, and a program that looks for bare addresses, make of it; the title is no Markdown."""
        texts = [issue["description"] for issue in vendor.linear.issues.values()]
        texts += [comment["body"] for comment in world.comments.values()]
        rendered = [re.sub(r"\\([!-/:-@\[-`{-~])", "\1", text) for text in texts]  # an escaped mark is none
        return [found for text in rendered for found in (*LINK.findall(text), *BARE.findall(text))]

    yield SinkTrial(
        good=config(),
        wrong=config(api_key=SecretStr("lin_api_ofSomebodyElse000000")),
        secret=API_KEY,
        made=lambda: list(vendor.linear.issues),
        told=told,
        live=live,
        clock=vendor.clock,
        transport=httpx.ASGITransport(vendor.app),
    )


TestLinear = sink_conformance(Linear, make=trial)
