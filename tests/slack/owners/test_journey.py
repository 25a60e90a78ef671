"""An admin says in Slack who answers for which key: a list, page by page, and a form whose errors land on fields."""

from datetime import date

import pytest

from outlay.connections.views import OwnedKey
from outlay.core.owner import UNATTRIBUTED, Owner
from outlay.slack.owners.blocks import KEYS_A_PAGE
from tests.workspace import ALICE, BEN, GUEST, Modal, Workspace

NANO = 1_000_000_000


def key(number: int, name: str, owner: Owner = UNATTRIBUTED, usd: int = 0, email: str = "") -> OwnedKey:
    return OwnedKey(number, name, f"id-{number}", "main", owner, usd * NANO, email)


async def opened(slack: Workspace, *keys: OwnedKey) -> Modal:
    slack.bot.owning.found = list(keys)
    modal = (await slack.command("/spend owners", user=ALICE)).modal
    assert modal is not None
    return modal


async def form(slack: Workspace, modal: Modal, **which: str) -> Modal:
    pushed = (await modal.click("owners:change", **which)).modal
    assert pushed is not None
    assert pushed.title == "Owner of a Key"
    return pushed


async def test_the_list_says_how_much_money_has_nobody_and_starts_with_it(slack: Workspace) -> None:
    modal = await opened(
        slack, key(7, "new-key", usd=12, email="eve@acme.example"), key(1, "ci", Owner("agent:ci", "ci", "agent"))
    )

    assert "1 of 2 keys has no owner ($12.00 this month)." in modal.words
    assert modal.words.index("new-key") < modal.words.index("agent ci")
    assert "the ledger says eve@acme.example" in modal.words


@pytest.mark.parametrize(
    ("filled", "owner", "since"),
    [
        ({"owners:kind": "agent", "owners:name": "ci"}, "agent:ci", None),
        ({"owners:kind": "team", "owners:name": " data  platform "}, "team:data platform", None),
        ({"owners:kind": "person", "owners:person": "U02BEN"}, "U02BEN", None),
        ({"owners:kind": "unattributed"}, "unattributed", None),
        ({"owners:kind": "agent", "owners:name": "ci", "owners:start": "2026-11-01"}, "agent:ci", date(2026, 11, 1)),
    ],
)
async def test_whatever_is_said_is_handed_on_and_the_list_is_drawn_anew(
    slack: Workspace, filled: dict[str, str], owner: str, since: date | None
) -> None:
    modal = await opened(slack, key(7, "new-key", usd=12))
    pushed = await form(slack, modal)
    slack.bot.owning.found = [key(7, "new-key", Owner("agent:ci", "ci", "agent"), usd=12)]

    await pushed.submit(filled)

    assert slack.bot.owning.said == [(7, owner, since)]
    assert pushed.closed
    assert "Every key has an owner (1 key)." in modal.words


@pytest.mark.parametrize(
    ("filled", "field"),
    [({"owners:kind": "person"}, "owners:person"), ({"owners:kind": "agent", "owners:name": "  "}, "owners:name")],
)
async def test_what_is_missing_is_told_on_its_field(slack: Workspace, filled: dict[str, str], field: str) -> None:
    pushed = await form(slack, await opened(slack, key(7, "new-key")))

    reply = await pushed.submit(filled)

    assert list(reply.errors) == [field]
    assert slack.bot.owning.said == []


async def test_many_keys_come_in_pages_and_can_be_searched(slack: Workspace) -> None:
    modal = await opened(slack, *(key(number, f"key-{number:03}") for number in range(2 * KEYS_A_PAGE + 1)))
    assert "key-019" in modal.words
    assert "key-020" not in modal.words

    await modal.click("owners:more")
    assert "key-020" in modal.words
    assert "Page 2 of 3" in modal.words
    await modal.submit({"Find": "key-040"})
    assert "key-040" in modal.words
    assert "key-020" not in modal.words


async def test_a_key_that_is_gone_meanwhile_is_told_and_nothing_else_happens(slack: Workspace) -> None:
    modal = await opened(slack, key(7, "new-key"))
    slack.bot.owning.found = []

    await modal.click("owners:change")

    assert "not in the books any more" in modal.words


async def test_no_key_yet_tells_the_first_step(slack: Workspace) -> None:
    assert "/spend connect" in (await opened(slack)).words


@pytest.mark.parametrize("user", [BEN, GUEST])
async def test_only_admins_open_press_and_submit(slack: Workspace, user: str) -> None:
    modal = await opened(slack, key(7, "new-key"))
    refused = await slack.command("/spend owners", user=user)
    assert refused.modal is None
    assert "for workspace admins and owners" in refused.text
    await modal.click("owners:change", user=user)
    assert "for workspace admins and owners" in modal.words

    pushed = await form(slack, await opened(slack, key(7, "new-key")))
    await slack.submit(pushed, {"owners:kind": "agent", "owners:name": "mine"}, user=user)
    assert slack.bot.owning.said == []


async def test_a_hostile_name_links_and_mentions_nobody(slack: Workspace) -> None:
    modal = await opened(slack, key(7, "<!channel> *x* <https://evil.example|y>", usd=1))

    said = [block["text"]["text"] for block in modal.blocks if block["type"] == "section"]
    assert "&lt;!channel&gt;" in said[1]
    assert not any("<!" in text or "<https" in text for text in said)
