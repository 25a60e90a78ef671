"""Workspaces that come and go, on both databases: their token, their polls, their messages, and installations begun."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import select

from outlay import outbox
from outlay.database.engine import Database
from outlay.database.tables import Connection, Outbox, Secret, Workspace
from outlay.workspaces import installations
from outlay.workspaces.tables import Installation, OauthState
from tests.books.factories import NOW


def installation(workspace_id: str, blob: bytes = b"sealed") -> Installation:
    return Installation(workspace_id=workspace_id, blob=blob, installed_at=int(NOW.timestamp()))


async def two_workspaces(database: Database) -> None:
    """The two of the shelf, each with a token, a credential at its connection, and something to say."""
    async with database.write() as session:
        for connection in list(await session.exec(select(Connection))):
            own = connection.workspace_id
            await installations.keep(session, installation(own))
            session.add(Secret(connection_id=connection.id, field="api_key", blob=b"sealed"))
            await outbox.enqueue(session, workspace_id=own, key=own, stream=own, kind="x", payload={}, now=NOW)


async def standing(database: Database) -> dict[str, tuple[bool, bool, bool, str]]:
    """Of each workspace: removed, connected, with a credential, and how its message stands."""
    async with database.read() as session:
        rows = list(await session.exec(select(Workspace, Connection, Outbox).join(Connection).join(Outbox)))
        secrets = set(await session.exec(select(Secret.connection_id)))
    return {
        one.id: (one.removed_at is not None, mine.disconnected_at is None, mine.id in secrets, said.status)
        for one, mine, said in rows
    }


async def test_a_workspace_that_leaves_takes_its_token_and_credentials_and_no_other_s(database: Database) -> None:
    await two_workspaces(database)
    async with database.write() as session:
        assert await installations.uninstall_workspace(session, "T1", NOW, credentials_too=True)

    assert await standing(database) == {"T1": (True, False, False, "superseded"), "T2": (False, True, True, "waiting")}
    async with database.read() as session:
        assert await installations.get_installation(session, "T1") is None
        assert [row.workspace_id for _, row in await installations.every(session)] == ["T2"]


async def test_a_token_that_was_revoked_leaves_the_credentials_sealed(database: Database) -> None:
    await two_workspaces(database)
    async with database.write() as session:
        assert await installations.uninstall_workspace(session, "T2", NOW, credentials_too=False)
        assert not await installations.uninstall_workspace(session, "T3", NOW, credentials_too=True)

    assert (await standing(database))["T2"] == (True, True, True, "superseded")


async def test_a_state_is_good_once_for_ten_minutes_and_unknown_to_whoever_reads_the_books(database: Database) -> None:
    async with database.write() as session:
        states = [await installations.begin(session, NOW) for _ in range(3)]
    async with database.read() as session:
        kept = list(await session.exec(select(OauthState.digest)))

    async def finished(state: str, after: timedelta = timedelta(0)) -> bool:
        async with database.write() as session:
            return await installations.finish(session, state, NOW + after)

    assert len(set(states)) == 3
    assert not set(states) & set(kept)
    together = await asyncio.gather(*(finished(states[0]) for _ in range(4)))
    assert sorted(together) == [False, False, False, True]
    assert await finished(states[2], installations.STATE_LIFE) is False
    assert await finished("made up") is False
    assert await finished(kept[0]) is False


async def test_installations_that_are_begun_and_never_finished_are_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installations, "MAX_STATES", 5)
    async with database.write() as session:
        states = [await installations.begin(session, NOW + timedelta(seconds=number)) for number in range(8)]
        good = [await installations.finish(session, state, NOW + timedelta(seconds=9)) for state in states]

    assert good == [False] * 3 + [True] * 5
