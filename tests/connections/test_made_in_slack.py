"""What a connection made in Slack may name, which is less than one made on the machine may."""

from typing import Any

import pytest

from outlay.connections.service import ConnectionService
from outlay.core.actor import Actor, acting
from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, CheckResult
from outlay.plugin.reach import REFUSED
from outlay.plugin.secret_references import REFUSED as NOT_LENT
from outlay.plugin.secret_references import AllowedReferences
from outlay.vault.local_key import LocalKey, derive
from outlay.vault.vault import Vault
from tests.books.factories import Books
from tests.plugin.minimal_ledger import NOW, SECRET, LittleLedger

SLACK = Actor("U1", "slack", "T1")


class Still(LittleLedger):
    """A ledger that is not asked."""

    async def check(self) -> CheckResult:
        return CheckResult("theirs", "An account", "key")


def connections(books: Books, **how: Any) -> ConnectionService:
    vault = Vault(LocalKey(b"k" * 32), derive(b"k" * 32, "fingerprints"))
    return ConnectionService(books.database, vault, {"little": Still}, FakeClock(NOW), **how)


PRIVATE = {"api_key": SECRET, "base_url": "http://10.0.0.5:4000"}


async def test_a_private_address_from_slack_is_refused_unless_it_is_listed(books: Books) -> None:
    with acting(SLACK), pytest.raises(BadConfig, match="OUTLAY_PRIVATE_HOSTS") as refused:
        await connections(books).connect("T1", "little", "mine", PRIVATE, by="U1")
    assert (refused.value.field, str(refused.value)) == ("base_url", REFUSED)
    with acting(SLACK):
        await connections(books, private_hosts=frozenset({"10.0.0.0/24"})).connect("T1", "little", "mine", PRIVATE)


async def test_one_that_is_no_longer_listed_is_not_opened(books: Books) -> None:
    listed = connections(books, private_hosts=frozenset({"10.0.0.5"}))
    done = await listed.connect("T1", "little", "mine", PRIVATE, by="U1")
    async with listed.open(int(done.id.removeprefix("con_"))):
        pass

    with pytest.raises(BadConfig, match="OUTLAY_PRIVATE_HOSTS"):
        async with connections(books).open(int(done.id.removeprefix("con_"))):
            pass


async def test_on_the_command_line_it_may_be_named_and_takes_over_what_slack_connected(books: Books) -> None:
    listed = connections(books, private_hosts=frozenset({"10.0.0.5"}))
    await listed.connect("T1", "little", "mine", PRIVATE, by="U1")

    with acting(Actor("root", "command line")):
        done = await connections(books).connect("T1", "little", "mine", PRIVATE, replace=True)

    async with connections(books).open(int(done.id.removeprefix("con_"))):
        pass


async def test_a_reference_from_slack_is_refused_unless_it_is_listed(books: Books) -> None:
    environ = {"LENT": SECRET, "OTHER": SECRET}
    strict, lending = connections(books, environ=environ), AllowedReferences.of({"LENT"})
    for values in ({"api_key": "env:LENT"}, {"api_key": "env:NOWHERE"}, {"api_key": "file:/etc/hostname"}):
        with acting(SLACK), pytest.raises(BadConfig) as refused:
            await strict.connect("T1", "little", "mine", values)
        assert (refused.value.field, str(refused.value)) == ("api_key", NOT_LENT)

    with acting(SLACK):
        done = await connections(books, environ=environ, listed=lending).connect(
            "T1", "little", "mine", {"api_key": "env:LENT"}
        )

    connection_id = int(done.id.removeprefix("con_"))
    async with connections(books, environ=environ, listed=lending).open(connection_id):
        pass
    with pytest.raises(BadConfig, match="OUTLAY_SECRET_REFERENCES"):  # not listed any more
        async with strict.open(connection_id):
            pass


async def test_on_the_command_line_a_reference_needs_no_list(books: Books) -> None:
    house = connections(books, environ={"OTHER": SECRET})
    with acting(Actor("root", "command line")):
        done = await house.connect("T1", "little", "mine", {"api_key": "env:OTHER"})

    async with house.open(int(done.id.removeprefix("con_"))):
        pass
