"""The audit finds every figure that is not what the entries say, names it, and finds nothing where nothing is wrong."""

import json
import tracemalloc
from decimal import Decimal

import pytest
from sqlalchemy import text

from outlay.books.closing.audit import MAX_DIFFERENCES, audit, last
from outlay.books.closing.service import ClosingService
from outlay.core.clock import FakeClock
from outlay.database.engine import execute
from outlay.database.tables import FIGURES
from outlay.plugin.contract import CounterReading, Page, Window
from tests.books.closed_month import LAST, LEDGERS, SETTLED, bill, clerk, closed_october, october, set_workspace
from tests.books.factories import BILL, COUNTER, DAY, HOUR, MONDAY, NOW, REPORTS, Books, row, tokens
from tests.books.weeks import a_week, fill


async def tamper(books: Books, sql: str) -> None:
    async with books.database.write() as session:
        changed = await execute(session, text(sql))
        assert changed.rowcount, "nothing was tampered with"


async def lived(books: Books) -> None:
    """Two days of hours, a bill over one of them, and a counter."""
    await fill(books, a_week(MONDAY, hours=40))
    await books.accept_rows([row(MONDAY, "24", tokens=tokens(9))], start=MONDAY, end=MONDAY + DAY, report=BILL)
    for at, usd in ((NOW, "2"), (NOW + HOUR, "200")):
        await books.take(Page(Window(at, at), readings=[CounterReading("bob", at, Decimal(usd))]), COUNTER, at=at)


async def test_clean_books_agree_and_the_result_is_noted(books: Books) -> None:
    await lived(books)
    await closed_october(books)
    await bill(books, october(k1="1"), at=SETTLED + DAY)
    found = await clerk(books, SETTLED + 2 * DAY).audit("T1")
    assert found.differences == []
    assert found.as_plain()["ok"] is True
    async with books.database.read() as session:
        noted = await last(session, "T1")
    assert noted
    assert (noted.ok, noted.checked, noted.differences) == (True, found.checked, "[]")
    assert noted.at == int((SETTLED + 2 * DAY).timestamp())
    assert await books.rows("SELECT COUNT(*) FROM outbox") == [(0,)]


async def test_an_audit_changes_nothing_but_its_own_result(books: Books) -> None:
    await lived(books)
    await closed_october(books)
    before = await books.dump(versions=True, without=("audit_run",))
    await clerk(books).audit("T1")
    assert await books.dump(versions=True, without=("audit_run",)) == before


OPEN = [
    ("UPDATE spend_hour SET byok_nano_usd = 1 WHERE hour = (SELECT MAX(hour) FROM spend_hour)", "hours"),
    ("UPDATE spend_day SET output = output + 1 WHERE day = (SELECT MAX(day) FROM spend_day)", "spend_day"),
    ("UPDATE spend_day_key SET requests = 7 WHERE requests > 7", "spend_day_key"),
    ("UPDATE spend_day_model SET settles_at = settles_at + 1 WHERE basis = 3", "spend_day_model"),
    ("UPDATE spend_day_model SET cost_nano_usd = 0 WHERE basis = 3", "spend_day_model"),
    ("DELETE FROM spend_hour WHERE hour = (SELECT MIN(hour) FROM spend_hour)", "hours"),
    ("DELETE FROM spend_day WHERE day = (SELECT MIN(day) FROM spend_day)", "spend_day"),
    ("DELETE FROM spend_day_key WHERE basis = 3", "spend_day_key"),
    ("DELETE FROM spend_day_model", "spend_day_model"),
    ("UPDATE entry SET cost_nano_usd = cost_nano_usd + 1 WHERE start = (SELECT MIN(start) FROM entry)", "hours"),
    ("DELETE FROM entry WHERE start = (SELECT MIN(start) FROM entry)", "hours"),
    ("UPDATE counter SET total_nano_usd = total_nano_usd + 1", "hours"),
    ("DELETE FROM coverage WHERE final", "hours"),
]  # fmt: skip
for table, time, names in (
    ("spend_hour", "hour", "key_id, model_id"),
    ("spend_day", "day", "key_id, model_id"),
    ("spend_day_key", "day", "key_id"),
    ("spend_day_model", "day", "model_id"),
):
    into = f"INSERT INTO {table} (connection_id, {time}, "
    rest = f"{names}, basis, adjusts, {', '.join(FIGURES)}, unpriced_tokens, settles_at"
    added = f"{into} {rest}) SELECT connection_id, {time} + 86400, {rest} FROM {table} "
    OPEN.append((f"{added} WHERE {time} = (SELECT MAX({time}) FROM {table})", "hours" if time == "hour" else table))


@pytest.mark.parametrize(("sql", "named"), OPEN)
async def test_whatever_is_changed_behind_the_books_back_is_found_and_named(books: Books, sql: str, named: str) -> None:
    await lived(books)
    await tamper(books, sql)
    found = await clerk(books, NOW + HOUR).audit("T1")
    assert not found.ok
    assert any(words.startswith("main, 20") and f"a line of {named} " in words for words in found.differences), found
    async with books.database.read() as session:
        noted = await last(session, "T1")
    assert noted
    assert (noted.ok, json.loads(noted.differences)) == (False, found.differences)


CLOSED = [
    f"UPDATE spend_day SET cost_nano_usd = cost_nano_usd + 1 WHERE day = {int(LAST.timestamp())} AND basis = 1",
    f"UPDATE spend_day SET input = input + 1 WHERE day = {int(LAST.timestamp())} AND basis = 1",
    f"DELETE FROM spend_day WHERE day = {int((LAST - DAY).timestamp())} AND basis = 3",
    f"UPDATE entry SET cost_nano_usd = cost_nano_usd + 1 WHERE start = {int(LAST.timestamp())}",
    f"DELETE FROM entry WHERE start = {int(LAST.timestamp())}",
    "UPDATE adjustment SET cost_nano_usd = cost_nano_usd + 1",
    "DELETE FROM adjustment",
    f"UPDATE spend_day_key SET cost_nano_usd = cost_nano_usd + 1 WHERE day = {int(LAST.timestamp())} AND basis = 1",
    f"UPDATE spend_day_model SET cost_nano_usd = cost_nano_usd + 1 WHERE day = {int(LAST.timestamp())} AND basis = 1",
    f"DELETE FROM spend_hour WHERE hour >= {int(LAST.timestamp())} AND hour < {int(LAST.timestamp()) + 86_400}",
]  # fmt: skip


@pytest.mark.parametrize("sql", CLOSED)
async def test_a_closed_month_that_was_touched_is_found_and_named(books: Books, sql: str) -> None:
    await closed_october(books)
    await bill(books, october(k2="1"), at=SETTLED + DAY)
    assert (await clerk(books, SETTLED + 2 * DAY).audit("T1")).differences == []
    await tamper(books, sql)
    found = await clerk(books, SETTLED + 2 * DAY).audit("T1")
    assert any("2026-10" in words for words in found.differences), found.differences


@pytest.mark.parametrize("sql", CLOSED[:3])
async def test_a_closed_month_whose_figures_moved_has_lost_its_hash(books: Books, sql: str) -> None:
    digest = await closed_october(books)
    await tamper(books, sql)
    found = await clerk(books).audit("T1")
    assert "2026-10 was closed, and its figures have moved since" in found.differences
    assert found.closed == [{"month": "2026-10", "hash": digest, "ok": False}]


async def test_a_hash_that_was_changed_is_found(books: Books) -> None:
    await closed_october(books)
    await tamper(books, "UPDATE closed_month SET hash = 'another'")
    assert not (await clerk(books).audit("T1")).ok


async def test_a_difference_is_told_to_the_admins_once_a_day(books: Books) -> None:
    await lived(books)
    await tamper(books, "DELETE FROM spend_day_model")
    for hours in (1, 2, 30):
        await clerk(books, NOW + hours * HOUR).audit("T1")
    told = await books.rows("SELECT key, kind, payload FROM outbox ORDER BY id")
    assert [(key, kind) for key, kind, _ in told] == [
        (f"audit:T1:{day}:", "audit_failed") for day in ("2026-11-18", "2026-11-19")
    ]
    assert json.loads(told[0][2])["differences"]


async def test_whom_the_settings_name_is_told_of_it_each_by_themselves(books: Books) -> None:
    await lived(books)
    await tamper(books, "DELETE FROM spend_day_model")
    await ClosingService(books.database, LEDGERS, FakeClock(NOW + HOUR), admins=("U02BEN", "U01ANN")).audit("T1")
    told = await books.rows("SELECT payload FROM outbox ORDER BY id")
    assert [json.loads(payload)["to"] for (payload,) in told] == ["U01ANN", "U02BEN"]


async def test_a_ruined_table_is_told_of_within_bounds(books: Books) -> None:
    await fill(books, a_week(hours=24 * 30, start=MONDAY - 28 * DAY))
    for table in ("spend_hour", "spend_day", "spend_day_key", "spend_day_model"):
        await tamper(books, f"UPDATE {table} SET input = input + 1")
    found = await clerk(books, NOW + DAY).audit("T1")
    assert len(found.differences) == MAX_DIFFERENCES + 1
    assert found.differences[-1] == "and more"


async def test_another_tenants_trouble_is_not_ours(books: Books) -> None:
    await books.accept_rows([row(MONDAY)], connection_id=2)
    await books.accept_rows([row(MONDAY)])
    await tamper(books, "DELETE FROM spend_day WHERE connection_id = 2")
    assert (await clerk(books).audit("T1")).ok
    assert not (await clerk(books).audit("T2")).ok


async def test_books_whose_plugin_is_gone_cannot_be_audited_and_say_so(books: Books) -> None:
    await books.accept_rows([row(MONDAY)])
    found = await audit(books.database, "T1", {}, now=NOW)
    assert found.differences == ["main: the plugin little is not loaded, so its books cannot be read"]


async def test_folded_hours_are_no_difference(books: Books) -> None:
    await lived(books)
    await set_workspace(books, hours_kept_days=1)
    await clerk(books, NOW + DAY).fold_due()
    assert await books.rows("SELECT folded_until FROM workspace WHERE id = 'T1'") != [(0,)]
    assert (await clerk(books, NOW + DAY).audit("T1")).differences == []
    await tamper(books, "UPDATE spend_day SET input = input + 1 WHERE day = (SELECT MIN(day) FROM spend_day)")
    assert not (await clerk(books, NOW + DAY).audit("T1")).ok


async def test_ten_times_the_days_take_no_more_memory(books: Books) -> None:
    async def peak() -> int:
        tracemalloc.start()
        await audit(books.database, "T1", {"little": REPORTS}, now=NOW)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    await fill(books, a_week(hours=24 * 3))
    few = max(await peak(), await peak())
    await fill(books, a_week(start=MONDAY - 35 * DAY, hours=24 * 30))
    assert await peak() < few * 1.5 + 500_000


async def test_the_nightly_audit_runs_once_a_night_and_for_every_workspace(books: Books) -> None:
    other = Books(books.url)
    night = SETTLED.replace(hour=3, minute=5)
    try:
        for at in (night - HOUR, night, night + HOUR, night + DAY):
            for each in (books, other):
                await clerk(each, at).audit_nightly()
    finally:
        await other.database.close()
    runs = await books.rows("SELECT workspace_id, COUNT(*) FROM audit_run GROUP BY workspace_id ORDER BY 1")
    assert runs == [("T1", 3), ("T2", 3)], "the night before, this night, the next"
