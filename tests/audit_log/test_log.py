"""The audit trail on both databases: chained, appended to by replicas at once, and every touch of it noticed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from outlay import migrations
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction, AuditLogEntry, ChainVerification
from outlay.core.actor import Actor, acting
from outlay.database.engine import Database
from outlay.workspaces.store import LOCAL, adopt, ensure
from tests.books.factories import NOW, Books

ALICE = Actor("U01ALICE", "slack", "T1")
COLUMNS = ("seq", "at", "who", "origin", "deed", "thing", "detail", "hash")


async def append(database: Database, *things: str, workspace: str = "T1", who: Actor = ALICE) -> None:
    """A deed of its own transaction for each thing."""
    for thing in things:
        with acting(who):
            async with database.write() as session:
                await audit_log.append(
                    session, workspace, AuditedAction.OWN, thing, now=NOW, owner="agent:ci", start=None
                )


async def verified(
    database: Database, workspace: str = "T1", noted: tuple[int, str] | None = None
) -> ChainVerification:
    async with database.read() as session:
        return await audit_log.verify(session, workspace, noted=noted)


async def listed(database: Database, workspace: str = "T1") -> list[AuditLogEntry]:
    async with database.read() as session:
        return [entry async for entry in audit_log.rows(session, workspace)]


@pytest.fixture
async def open_books(books: Books) -> AsyncIterator[Books]:
    """Books whose guard against changes has been taken away, as somebody with all rights would."""
    if books.database.dialect == "sqlite":
        await tamper(books, "DROP TRIGGER trail_stays")
        await tamper(books, "DROP TRIGGER trail_is_kept")
        yield books
        return
    await tamper(books, "ALTER TABLE trail DISABLE TRIGGER trail_stays")
    yield books
    await tamper(books, "ALTER TABLE trail ENABLE TRIGGER trail_stays")  # the database is lent again


async def tamper(books: Books, sql: str, **values: Any) -> None:
    async with books.database.engine.begin() as connection:
        await connection.execute(text(sql), values)


async def test_a_row_says_who_did_what_when_from_where_to_what(books: Books) -> None:
    await append(books.database, "key:7")
    [entry] = await listed(books.database)
    assert (entry.seq, entry.who, entry.origin, entry.deed, entry.thing) == (
        1, "U01ALICE", "slack", "owner.set", "key:7",
    )  # fmt: skip
    assert entry.at == int(NOW.timestamp())
    assert entry.detail == '{"owner": "agent:ci"}'
    found = await verified(books.database)
    assert (found.ok, found.checked, found.seq, found.hash) == (True, 1, 1, entry.hash)


async def test_where_nobody_has_said_who_acts_it_is_the_clock(books: Books) -> None:
    async with books.database.write() as session:
        await audit_log.append(session, "T1", AuditedAction.CLOSE, "month:2026-10", now=NOW)
    [entry] = await listed(books.database)
    assert (entry.who, entry.origin) == ("", "clock")


async def test_a_deed_that_is_rolled_back_leaves_no_row_and_no_gap(books: Books) -> None:
    await append(books.database, "key:1")

    async def fail() -> None:
        async with books.database.write() as session:
            await audit_log.append(session, "T1", AuditedAction.OWN, "key:2", now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    await append(books.database, "key:3")
    assert [(entry.seq, entry.thing) for entry in await listed(books.database)] == [(1, "key:1"), (2, "key:3")]
    assert (await verified(books.database)).ok


async def test_every_workspace_has_a_chain_of_its_own(books: Books) -> None:
    await append(books.database, "key:1", "key:2")
    await append(books.database, "key:9", workspace="T2")
    assert [entry.thing for entry in await listed(books.database, "T2")] == ["key:9"]
    assert (await verified(books.database)).checked == 2
    assert (await verified(books.database, "T2")).checked == 1
    assert await verified(books.database, "T3") == ChainVerification(0, 0, "")


async def test_replicas_that_append_at_once_make_one_chain(books: Books) -> None:
    others = [Database(books.url) for _ in range(4)]
    try:
        await asyncio.gather(
            *(append(one, *(f"key:{place}-{number}" for number in range(10))) for place, one in enumerate(others))
        )
    finally:
        for one in others:
            await one.close()
    found = await listed(books.database)
    assert [entry.seq for entry in found] == list(range(1, 41))
    assert {entry.thing for entry in found} == {f"key:{place}-{number}" for place in range(4) for number in range(10)}
    assert (await verified(books.database)).ok


async def test_the_database_itself_refuses_to_change_or_delete_a_row(books: Books) -> None:
    await append(books.database, "key:1")
    for sql in ("UPDATE trail SET who = 'U02BEN'", "UPDATE trail SET detail = '{}', hash = ''", "DELETE FROM trail"):
        with pytest.raises(DBAPIError, match="only appended to"):
            await tamper(books, sql)
    assert (await verified(books.database)).ok


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_flipped_bit_in_any_column_of_any_row_is_noticed_and_named(open_books: Books, column: str) -> None:
    await append(open_books.database, "key:1", "key:2", "key:3")
    rows = {entry.seq: entry for entry in await listed(open_books.database)}
    name = "at" if column == "at" else column
    for seq in (1, 2, 3):
        before = getattr(rows[seq], name)
        for bit in (0, 3, 6):
            after: object = before ^ (1 << (bit + 8)) if isinstance(before, int) else _flipped(before, bit)
            await tamper(open_books, f"UPDATE trail SET {name} = :to WHERE seq = :seq", to=after, seq=seq)
            found = await verified(open_books.database)
            assert found.broken == seq, (name, bit, found)
            there = after if name == "seq" else seq
            await tamper(open_books, f"UPDATE trail SET {name} = :to WHERE seq = :seq", to=before, seq=there)
            assert (await verified(open_books.database)).ok


def _flipped(word: str, bit: int) -> str:
    return chr(ord(word[0]) ^ (1 << bit)) + word[1:]


async def test_a_flipped_bit_that_leaves_no_text_is_noticed_too(tmp_path: Path) -> None:
    file = tmp_path / "books.sqlite"
    database = Database(f"sqlite+aiosqlite:///{file}")
    await migrations.upgrade(database)
    async with database.write() as session:
        await ensure(session, "T1", now=NOW)
    await append(database, "key:1", "key:the-planted-name", "key:3")
    await database.close()
    raw = file.read_bytes()  # closing has emptied the journal into it
    assert b"key:the-planted-name" in raw
    file.write_bytes(raw.replace(b"key:the-planted-name", b"key:the-\xf0lanted-name"))
    database = Database(f"sqlite+aiosqlite:///{file}")
    try:
        found = await verified(database)
        shown = [entry.thing for entry in await listed(database)]
    finally:
        await database.close()
    assert (found.broken, shown[1]) == (2, "key:the-�lanted-name")


@pytest.mark.parametrize(("gone", "broken"), [(1, 1), (2, 2), (3, 3)])
async def test_a_row_that_is_gone_is_named_even_the_last(open_books: Books, gone: int, broken: int) -> None:
    await append(open_books.database, "key:1", "key:2", "key:3")
    await tamper(open_books, "DELETE FROM trail WHERE seq = :gone", gone=gone)
    found = await verified(open_books.database)
    assert (found.ok, found.broken) == (False, broken)
    assert "is missing" in found.why


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_flipped_bit_in_the_head_is_noticed(books: Books, column: str) -> None:
    await append(books.database, "key:1", "key:2")
    last = (await listed(books.database))[-1]
    before = getattr(last, column)
    after: object = before + 256 if isinstance(before, int) else _flipped(before, 3)
    trigger = "ALTER TABLE trail_head {} TRIGGER trail_grows"
    if books.database.dialect == "sqlite":
        await tamper(books, "DROP TRIGGER trail_grows")
    else:
        await tamper(books, trigger.format("DISABLE"))
    await tamper(books, f"UPDATE trail_head SET {column} = :to", to=after)
    found = await verified(books.database)
    if books.database.dialect == "postgresql":
        await tamper(books, trigger.format("ENABLE"))
    assert not found.ok
    assert found.broken in (2, 3)  # the last row, or the one that the head says comes after it


async def test_a_row_put_in_at_the_end_without_the_head_is_noticed(open_books: Books) -> None:
    await append(open_books.database, "key:1")
    [entry] = await listed(open_books.database)
    forged = AuditLogEntry(2, entry.at, "U02BEN", "slack", "owner.set", "key:1", "{}", "")
    await tamper(
        open_books,
        "INSERT INTO trail (workspace_id, seq, at, who, origin, deed, thing, detail, hash) "
        "VALUES ('T1', 2, :at, :who, 'slack', 'owner.set', 'key:1', '{}', :hash)",
        at=forged.at, who=forged.who, hash=forged.expected_hash(entry.hash),
    )  # fmt: skip
    found = await verified(open_books.database)
    assert (found.broken, "the head is not the last row" in found.why) == (2, True)


async def test_a_chain_forged_with_its_head_shows_only_against_a_head_noted_elsewhere(open_books: Books) -> None:
    await append(open_books.database, "key:1", "key:2", "key:3")
    real = await verified(open_books.database)
    noted = (real.seq, real.hash)
    await append(open_books.database, "key:4")
    assert (await verified(open_books.database, noted=noted)).ok  # it has grown since, which is fine
    await tamper(open_books, "DELETE FROM trail")
    await tamper(open_books, "DELETE FROM trail_head")
    await append(open_books.database, "key:1", "key:2")
    assert (await verified(open_books.database)).ok
    cut = await verified(open_books.database, noted=noted)
    assert (cut.broken, cut.why) == (3, "row 3 is missing: there was one with the number 3")
    await append(open_books.database, "key:forged")
    other = await verified(open_books.database, noted=noted)
    assert (other.broken, other.why) == (3, "row 3 is not the one that was noted")


async def test_the_first_install_takes_the_trail_along_and_says_so_in_it(books: Books) -> None:
    async with books.database.write() as session:
        await ensure(session, LOCAL, now=NOW)
    await append(books.database, "key:1", workspace=LOCAL)
    vault: Any = None
    async with books.database.write() as session:
        await adopt(session, vault, "T3", now=NOW, name="Three")
    assert [entry.deed for entry in await listed(books.database, "T3")] == ["owner.set", "workspace.adopt"]
    assert (await verified(books.database, "T3")).ok
    assert await listed(books.database, LOCAL) == []


async def test_long_words_are_cut_since_they_are_no_name(books: Books) -> None:
    async with books.database.write() as session:
        await audit_log.append(
            session, "T1", AuditedAction.OWN, "key:" + "x" * 500, now=NOW, owner="y" * 500, many=["z" * 500]
        )
    [entry] = await listed(books.database)
    assert len(entry.thing) == audit_log.VALUE_CHARACTERS_MAX
    assert len(entry.detail) < 2 * audit_log.VALUE_CHARACTERS_MAX + 60
