"""Store of budgets and of the thresholds announced for them. Everything is limited to one workspace."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.budgets.budget import Budget, MarkChanges
from outlay.budgets.tables import BudgetNotice, BudgetRow
from outlay.database.tables import Workspace

TOLD_KEPT_DAYS = 400


async def every(session: AsyncSession, workspace_id: str) -> Sequence[Budget]:
    """Return the budgets of a workspace, oldest first."""
    rows = await session.exec(
        select(BudgetRow).where(BudgetRow.workspace_id == workspace_id).order_by(col(BudgetRow.id))
    )
    return [_budget(row) for row in rows]


async def lock_budgets(session: AsyncSession, workspace_id: str) -> None:
    """Lock a workspace's budgets against other changes until the transaction ends."""
    await session.exec(select(Workspace.id).where(Workspace.id == workspace_id).with_for_update())


async def workspaces(session: AsyncSession) -> Sequence[str]:
    """Return the ids of the workspaces that have budgets, sorted."""
    return sorted((await session.exec(select(BudgetRow.workspace_id).distinct())).all())


async def keep(session: AsyncSession, workspace_id: str, budget: Budget, *, by: str, at: int) -> Budget | None:
    """Add a budget (its id is 0) or change one. Return None if the workspace has no budget with that id."""
    if budget.id:
        row = await session.get(BudgetRow, budget.id)
        if row is None or row.workspace_id != workspace_id:
            return None
    else:
        row = BudgetRow(workspace_id=workspace_id, scope="", period="", limit_nano_usd=0, shares="", changed_at=at)
    if budget.id and (row.scope, row.subject, row.period) != (budget.scope, budget.subject, budget.period):
        await session.exec(delete(BudgetNotice).where(col(BudgetNotice.budget_id) == budget.id))  # of its old subject
    row.scope, row.subject, row.name, row.period = budget.scope, budget.subject, budget.name, budget.period
    row.limit_nano_usd, row.shares = budget.limit_nano_usd, ",".join(map(str, budget.shares))
    row.on_forecast, row.channel = budget.on_forecast, budget.channel
    row.changed_by, row.changed_at = by, at
    session.add(row)
    await session.flush()
    return replace(budget, id=row.id or 0)


async def remove(session: AsyncSession, workspace_id: str, number: int) -> bool:
    """Remove a budget. Return False if the workspace has none with that id."""
    row = await session.get(BudgetRow, number)
    if row is None or row.workspace_id != workspace_id:
        return False
    await session.exec(delete(BudgetNotice).where(col(BudgetNotice.budget_id) == number))
    await session.delete(row)
    await session.flush()
    return True


async def already_notified(session: AsyncSession, budget: Budget, start: date) -> dict[int, int]:
    """Return the thresholds announced in a period, each with the limit of that time."""
    rows = await session.exec(
        select(BudgetNotice).where(BudgetNotice.budget_id == budget.id, BudgetNotice.start == start.toordinal())
    )
    return {row.mark: row.limit_nano_usd for row in rows}


async def record_notified(session: AsyncSession, budget: Budget, start: date, found: MarkChanges, at: int) -> None:
    """Record the thresholds announced now; delete those that no longer hold, and those of periods long past."""
    await _forget(session, budget, start, found.forget)
    for mark in sorted(found.note):
        session.add(
            BudgetNotice(
                budget_id=budget.id, start=start.toordinal(), mark=mark, limit_nano_usd=budget.limit_nano_usd, at=at
            )
        )
    old = delete(BudgetNotice).where(
        col(BudgetNotice.budget_id) == budget.id, col(BudgetNotice.start) < start.toordinal() - TOLD_KEPT_DAYS
    )
    await session.exec(old)
    await session.flush()


async def _forget(session: AsyncSession, budget: Budget, start: date, marks: Collection[int]) -> None:
    if marks:
        await session.exec(
            delete(BudgetNotice).where(
                col(BudgetNotice.budget_id) == budget.id,
                col(BudgetNotice.start) == start.toordinal(),
                col(BudgetNotice.mark).in_(sorted(marks)),
            )
        )


def _budget(row: BudgetRow) -> Budget:
    return Budget(
        id=row.id or 0,
        scope=row.scope,  # type: ignore[arg-type]
        subject=row.subject,
        period=row.period,  # type: ignore[arg-type]
        limit_nano_usd=row.limit_nano_usd,
        name=row.name,
        shares=tuple(int(share) for share in row.shares.split(",") if share),
        on_forecast=row.on_forecast,
        channel=row.channel,
    )
