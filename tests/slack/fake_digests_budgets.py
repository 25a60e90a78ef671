"""Fake digests, budgets and Home tabs behind the Slack face; they record the calls."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from outlay.budgets.budget import Budget, BudgetStatus
from outlay.budgets.service import BudgetError, BudgetSubjects
from outlay.connections.views import ConnectionView
from outlay.core.calendar_periods import Period
from outlay.core.owner import Owner
from outlay.digests.digest import Digest, DigestIncident, SpendChange
from outlay.digests.subscriptions import DigestSubscriptions
from outlay.home import AdminSummary, AuditSummary, MonthSummary, PersonalSummary, UnownedKeys
from outlay.plugin.loader import FoundPlugin
from outlay.spend.answer import AnswerLine
from outlay.spend.forecast import Forecast

DOLLAR = 1_000_000_000
CI = Owner("agent:ci", "ci", "agent")
DANA = Owner("U04DANA", "", "person")


def standing(spent: int = 412, limit: int = 600, likely: int | None = 590, **more: Any) -> BudgetStatus:
    """Build the status of a monthly budget on the month's 21st day."""
    budget = Budget(**{"id": 3, "scope": "workspace", "subject": "", "period": "month"} | more,
                    limit_nano_usd=limit * DOLLAR)  # fmt: skip
    range_ = (None, None) if likely is None else ((likely - 40) * DOLLAR, (likely + 50) * DOLLAR)
    said = Forecast(spent * DOLLAR, None if likely is None else likely * DOLLAR, *range_)
    return BudgetStatus(budget, date(2026, 11, 1), date(2026, 11, 30), date(2026, 11, 21), said)


def digest(**more: Any) -> Digest:
    """Build a digest of Friday the 20th, with something in every part."""
    from tests.slack.fakes import answer_of, owner_line

    lines = [owner_line(f"dev{n}@acme.example", 50 - n) for n in range(5)]
    answer = answer_of(
        *lines, words="yesterday top 5", rest_count=12, rest_nano_usd=100 * DOLLAR, saved_by_cache_nano_usd=31 * DOLLAR
    )
    answer = replace(answer, total_nano_usd=340 * DOLLAR)
    found = Digest(
        period="day",
        start=date(2026, 11, 20),
        end=date(2026, 11, 20),
        answer=answer,
        before_nano_usd=220 * DOLLAR,
        compared=(date(2026, 11, 13), date(2026, 11, 13)),
        moves=(
            SpendChange(DANA, 20 * DOLLAR, 118 * DOLLAR, "anthropic/claude-opus-4.1", 0, 98 * DOLLAR),
            SpendChange(CI, 40 * DOLLAR, 22 * DOLLAR),
        ),
        new_models=(("openai/gpt-5.5", 4 * DOLLAR),),
        month=(date(2026, 11, 1), date(2026, 11, 30)),
        forecast=Forecast(6_100 * DOLLAR, 9_200 * DOLLAR, 8_600 * DOLLAR, 9_900 * DOLLAR),
        budgets=(standing(),),
        episodes=(DigestIncident(7, "agent ci", "open", 83 * DOLLAR, True),),
    )
    return replace(found, **more)


class FakeDigests:
    """A plan in memory, and one digest for every request."""

    def __init__(self) -> None:
        self.kept = DigestSubscriptions()
        self.found = digest()
        self.posted: list[tuple[Any, ...]] = []
        self.asked: list[Period] = []

    async def plan(self, workspace_id: str) -> DigestSubscriptions:
        return self.kept

    async def choose(self, workspace_id: str, plan: DigestSubscriptions, *, by: str) -> None:
        self.kept = replace(
            self.kept,
            channels=plan.channels,
            periods=plan.periods,
            at=plan.at,
            picture=plan.picture,
            by=by,
            chosen=True,
        )

    async def want(self, workspace_id: str, user_id: str, periods: tuple[Period, ...]) -> None:
        people = {who: had for who, had in self.kept.people.items() if who != user_id}
        self.kept = replace(self.kept, people=people | ({user_id: periods} if periods else {}))

    async def last(self, workspace_id: str, period: Period, *, person: str = "") -> Digest:
        self.asked.append(period)
        return self.found

    async def compose(
        self, workspace_id: str, period: Period, start: date, end: date, *, person: str = "", late: bool = False
    ) -> Digest:
        return replace(self.found, late=late, person=person)

    async def post(self, workspace_id: str, channel: str, period: Period, *, once: str, by: str = "") -> str:
        self.posted.append((channel, period, once, by))
        return once


class FakeBudgets:
    """Budgets in memory; `error` is raised instead of storing one."""

    def __init__(self) -> None:
        self.found: list[BudgetStatus] = []
        self.kept: list[Budget] = []
        self.error: BudgetError | None = None
        self.known = BudgetSubjects((Owner("U02BEN", "Ben", "person"), CI), ("openrouter",))

    async def standings(self, workspace_id: str) -> Sequence[BudgetStatus]:
        return self.found

    async def subjects(self, workspace_id: str) -> BudgetSubjects:
        return self.known

    async def keep(self, workspace_id: str, budget: Budget, *, by: str) -> Budget:
        if self.error:
            raise self.error
        self.kept.append(budget)
        return replace(budget, id=budget.id or 9)

    async def remove(self, workspace_id: str, number: int) -> bool:
        before = len(self.found)
        self.found = [one for one in self.found if one.budget.id != number]
        return len(self.found) < before


def month(*lines: AnswerLine, **more: Any) -> MonthSummary:
    """Build November until the 21st, by model or by owner."""
    from tests.slack.fakes import answer_of, model_line

    lines = lines or (model_line("anthropic/claude-opus-4.1", 300), model_line("openai/gpt-5.5", 112.3))
    by = "owner" if lines[0].owner else "model"
    found = answer_of(*lines, words=f"mtd by {by} top 5", **more)
    spent = found.total_nano_usd
    return MonthSummary(found, Forecast(spent, spent + 178 * DOLLAR, spent + 138 * DOLLAR, spent + 228 * DOLLAR))


def connection(name: str = "main", **more: Any) -> ConnectionView:
    """Build an OpenRouter connection that was just read."""
    from tests.slack.fakes import NOW

    found = ConnectionView(
        id="con_1", name=name, ledger="openrouter", role="books", account_id="a1", account_title="Acme Inc.",
        fingerprint="7f3a…c2", state="ok", fresh_until=NOW, last_poll=NOW, next_poll=NOW + timedelta(seconds=60),
        error="", credential="management key", title="OpenRouter",
    )  # fmt: skip
    return replace(found, **more)


def care(**more: Any) -> AdminSummary:
    """Build an admin summary in which all is well and nothing is missing."""
    from tests.slack.fakes import NOW, owner_line

    found = AdminSummary(
        month=month(owner_line("dev@acme.example", 4_000), owner_line("agent-ci", 2_100)),
        connections=(connection(),),
        unmapped=UnownedKeys(0, 0),
        plugins=(
            FoundPlugin("openrouter", "ledger", "1", "plugins", True),
            FoundPlugin("linear", "sink", "1", "plugins", True),
        ),
        audited=AuditSummary(NOW - timedelta(hours=12), True, 12_345),
        given_up=None,
        budgets=2,
        alerts=True,
        digests=True,
    )
    return replace(found, **more)


class FakeHomes:
    """A month for every user, and a summary for admins; records who asked."""

    def __init__(self) -> None:
        self.month = month()
        self.budgets: tuple[BudgetStatus, ...] = ()
        self.services = care()
        self.asked: list[str] = []

    async def mine(self, workspace_id: str, user_id: str) -> PersonalSummary:
        self.asked.append(user_id)
        return PersonalSummary(self.month, self.budgets)

    async def admin_summary(self, workspace_id: str) -> AdminSummary:
        return self.services


__all__ = ["CI", "DANA", "FakeBudgets", "FakeDigests", "FakeHomes", "care", "connection", "digest", "month", "standing"]
