"""One invented company at the ledgers that have no stand-in of their own: each tells its spend in its own dialect.

What it spends at OpenAI and Anthropic goes through each gateway and tracer in turn, and counts as use of seats. Whoever
reads it back has the same dollars, to the nano-dollar, for each hour or day, key and model.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from outlay.core.money import exact, to_nano
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import Developer
from outlay.fakes.company.usage_model import Spend
from outlay.plugin import Config, Ledger
from outlay_plugins.cloudflare import Cloudflare
from outlay_plugins.copilot import Copilot
from outlay_plugins.cursor import CursorLedger
from outlay_plugins.helicone import Helicone
from outlay_plugins.langfuse import Langfuse
from outlay_plugins.portkey import Portkey
from outlay_plugins.vercel import Vercel
from tests.plugins import (
    test_cloudflare,
    test_copilot,
    test_cursor,
    test_helicone,
    test_langfuse,
    test_portkey,
    test_vercel,
)
from tests.plugins.documented_vendor import DAY, NOW, TODAY, Paper, asking, rows_of

START, END = TODAY - 4 * DAY, TODAY - 2 * DAY  # a Monday and a Tuesday
COMPANY = Company(seed=7, now=NOW, days=5)  # only ever asked
PEOPLE = COMPANY.staff.people
Place = tuple[datetime, str, str]  # hour or day, key, model
Spent = Mapping[Place, int]


def spends() -> list[Spend]:
    """Hour by hour, what went to the two makers of models."""
    return [spend for ledger in ("openai", "anthropic") for spend in COMPANY.view_of(ledger).spends(START, END)]


def spent(place: Callable[[Spend], Place]) -> dict[Place, int]:
    """The same, summed by what a ledger tells apart."""
    sums: dict[Place, int] = defaultdict(int)
    for spend in spends():
        sums[place(spend)] += spend.cost_nano_usd
    return sums


def who(spend: Spend) -> str:
    return spend.key.owner.email if isinstance(spend.key.owner, Developer) else spend.key.owner.name


def usd(nano: int) -> Decimal:
    return Decimal(exact(nano))


def cents(nano: int) -> Decimal:
    return Decimal(exact(nano)).scaleb(2)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a ledger is read; what it tells apart; and its vendor, told what was spent."""

    plugin: type[Ledger[Any]]
    config: Callable[[], Config]
    report: str
    place: Callable[[Spend], Place]
    vendor: Callable[[Spent], Paper]


def _cursor(spent: Spent) -> Paper:
    events = [
        test_cursor.event(at, who, model=model, chargedCents=cents(nano)) for (at, who, model), nano in spent.items()
    ]
    return test_cursor.vendor(*events, page=1_000)


def _copilot(spent: Spent) -> Paper:
    seats = [test_copilot.seat(number, one.email, one.email) for number, one in enumerate(PEOPLE, 1)]
    logins = {str(number): one.email for number, one in enumerate(PEOPLE, 1)}
    bill = {(day, logins.get(key, ""), model): exact(nano) for (day, key, model), nano in spent.items()}
    return test_copilot.vendor(bill, seats)


def _seat(spend: Spend) -> str:
    """GitHub's id of a seat; agents have none."""
    return next((str(number) for number, one in enumerate(PEOPLE, 1) if one is spend.key.owner), "")


def _midnight(spend: Spend) -> datetime:
    return spend.start.replace(hour=0)


DIALECTS = {
    "helicone": Dialect(
        Helicone, test_helicone.config, "users", lambda one: (one.start, who(one), one.model.slug),
        lambda spent: test_helicone.vendor([(*place, exact(nano)) for place, nano in spent.items()], page=1_000),
    ),
    "portkey": Dialect(
        Portkey, test_portkey.config, "cost",
        lambda one: (
            one.start, test_portkey.ADA if isinstance(one.key.owner, Developer) else test_portkey.BOT, one.model.slug,
        ),
        lambda spent: test_portkey.vendor([(*place, cents(nano)) for place, nano in spent.items()]),
    ),
    "cloudflare": Dialect(
        Cloudflare, test_cloudflare.config, "requests",
        lambda one: (one.start, one.key.name or "console", one.model.slug),
        lambda spent: test_cloudflare.vendor([(*place, usd(nano)) for place, nano in spent.items()]),
    ),
    "vercel": Dialect(
        Vercel, test_vercel.config, "report", lambda one: (one.start, who(one), one.model.slug),
        lambda spent: test_vercel.vendor([(*place, exact(nano), exact(nano)) for place, nano in spent.items()]),
    ),
    "langfuse": Dialect(
        Langfuse, test_langfuse.config, "metrics", lambda one: (one.start, who(one), one.model.slug),
        lambda spent: test_langfuse.vendor([(*place, usd(nano)) for place, nano in spent.items()]),
    ),
    "cursor": Dialect(
        CursorLedger, test_cursor.config, "events", lambda one: (one.start, who(one), one.model.slug), _cursor
    ),
    "copilot": Dialect(
        Copilot, test_copilot.config, "credits", lambda one: (_midnight(one), _seat(one), one.model.slug), _copilot
    ),
}  # fmt: skip


@pytest.mark.parametrize("slug", DIALECTS)
async def test_every_ledger_tells_the_same_companys_spend(slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    members: Sequence[dict[str, Any]] = [
        {"id": one.email, "name": one.name, "email": one.email, "role": "owner"} for one in PEOPLE
    ] + [{"id": one.name, "name": one.name, "email": one.name, "role": "member"} for one in COMPANY.staff.agents]
    monkeypatch.setattr(test_cursor, "MEMBERS", members)
    dialect = DIALECTS[slug]
    truth = spent(dialect.place)
    told: dict[Place, int] = defaultdict(int)

    async with asking(dialect.plugin, dialect.config(), dialect.vendor(truth)) as ledger:
        await ledger.check()
        for row in await rows_of(ledger, dialect.report, START, END):
            told[row.start, row.key, row.model.partition("__")[2] or row.model] += to_nano(row.cost_usd or 0)

    assert len(truth) > 20
    assert {place: nano for place, nano in told.items() if nano} == truth
