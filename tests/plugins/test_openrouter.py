"""The OpenRouter plugin against a very small OpenRouter: whose account, which keys, the counters, and bad weather."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, NeedsReauth, Permanent, Transient, Window
from outlay_plugins.openrouter import OpenRouter
from tests.plugins.openrouter_vendor import LAB, MAIN, NOW, SECRET, TODAY, Use, Vendor, digest, ledger

ALICE, BOB = digest(1), digest(2)
REFUSED = {"error": {"code": 403, "message": "Only management keys can perform this operation"}}


def two_keys() -> Vendor:
    return Vendor(
        uses=[Use(TODAY, ALICE), Use(TODAY, BOB, usd=Decimal("0.1"), byok=Decimal(3))],
        names={ALICE: "alice-laptop", BOB: None},
        home={BOB: LAB},
    )


# check


async def test_a_management_key_tells_its_account() -> None:
    async with ledger(two_keys()) as plugin:
        checked = await plugin.check()
    assert (checked.account_id, checked.account_title, checked.credential) == (MAIN, "Brightloom", "management key")
    assert "2 workspaces" in " ".join(checked.can_read)


async def test_two_management_keys_of_an_account_tell_one_account() -> None:
    mine, theirs = two_keys(), two_keys()
    me = {"is_management_key": True, "is_provisioning_key": True, "workspace_id": LAB}
    theirs.faults["/key"] = (200, {"data": me | {"creator_user_id": "user_other"}})
    async with ledger(mine) as one, ledger(theirs) as other:
        assert (await one.check()).account_id == (await other.check()).account_id


async def test_an_organisation_is_the_account() -> None:
    vendor = two_keys()
    vendor.organization = "org_1"
    async with ledger(vendor) as plugin:
        assert (await plugin.check()).account_id == "org_1"


async def test_an_account_without_workspaces_is_its_creators() -> None:
    vendor = two_keys()
    vendor.faults["/workspaces"] = (404, REFUSED)
    async with ledger(vendor) as plugin:
        checked = await plugin.check()
    assert (checked.account_id, checked.account_title) == ("user_admin", "OpenRouter account")


async def test_an_inference_key_is_told_so_by_name() -> None:
    vendor = two_keys()
    vendor.faults["/key"] = (200, {"data": {"is_management_key": False, "is_provisioning_key": False}})
    async with ledger(vendor) as plugin:
        with pytest.raises(BadConfig, match=r"inference key.*management key.*Settings → Management Keys") as refused:
            await plugin.check()
    assert refused.value.field == "api_key"


@pytest.mark.parametrize(
    ("status", "answer", "field"),
    [(401, REFUSED, "api_key"), (403, REFUSED, "api_key"), (404, {}, "base_url"), (200, "<html>", "base_url")],
)
async def test_a_wrong_setting_lands_on_its_field(status: int, answer: Any, field: str) -> None:
    vendor = two_keys()
    vendor.faults["/key"] = (status, answer)
    async with ledger(vendor) as plugin:
        with pytest.raises(BadConfig) as refused:
            await plugin.check()
    assert refused.value.field == field
    assert SECRET not in str(refused.value)


async def test_another_kind_of_server_is_not_taken_for_a_key_that_may_not() -> None:
    vendor = two_keys()
    vendor.faults["/key"] = (200, {"data": {"label": "x"}})
    async with ledger(vendor) as plugin:
        with pytest.raises(Permanent, match="`is_management_key` is missing"):
            await plugin.check()


# keys


async def test_keys_of_all_workspaces_with_their_creators() -> None:
    async with ledger(two_keys()) as plugin:
        keys = {key.id: key for key in await plugin.keys()}
    assert (keys[ALICE].name, keys[ALICE].project_name, keys[ALICE].email) == (
        "alice-laptop",
        "Brightloom",
        "ada@brightloom.example",
    )
    assert (keys[BOB].name, keys[BOB].label, keys[BOB].project_id) == ("", "sk-or-v1-002", LAB)
    assert keys[ALICE].last_used_at == TODAY


async def test_keys_come_in_pages_disabled_and_expired_ones_too() -> None:
    vendor = Vendor(names={digest(number): f"key-{number}" for number in range(250)})
    async with ledger(vendor) as plugin:
        assert len(await plugin.keys()) == 250
    pages = [asked for path, asked in vendor.asked if path == "/keys" and asked["workspace_id"] == MAIN]
    assert [asked["offset"] for asked in pages] == ["0", "100", "200"]
    assert all(asked["include_disabled"] == asked["include_expired"] == "true" for asked in pages)


async def test_an_individual_has_no_members_and_keys_all_the_same() -> None:
    for status in (403, 404):
        vendor = two_keys()
        vendor.faults["/organization/members"] = (status, REFUSED)
        async with ledger(vendor) as plugin:
            assert [key.email for key in await plugin.keys()] == ["", ""]


async def test_without_workspaces_the_default_keys_are_read() -> None:
    vendor = two_keys()
    vendor.faults["/workspaces"] = (404, REFUSED)
    vendor.faults["/keys"] = (200, {"data": [{"hash": ALICE, "usage": 1, "byok_usage": 0}]})
    async with ledger(vendor) as plugin:
        assert [key.id for key in await plugin.keys()] == [ALICE]


async def test_a_task_lists_keys_once_and_again_when_it_lasts() -> None:
    vendor, clock = two_keys(), FakeClock(NOW)
    async with ledger(vendor, clock=clock) as plugin:
        await plugin.keys()
        await plugin.poll("keys", Window(NOW, NOW), None)
        await plugin.poll("analytics", Window(TODAY, NOW), None)
        assert vendor.count("/workspaces") == 1
        clock.advance(timedelta(minutes=6))
        await plugin.keys()
    assert vendor.count("/workspaces") == 2


# counters


async def test_counters_are_lifetime_figures_of_keys_and_account() -> None:
    async with ledger(two_keys()) as plugin:
        page = await plugin.poll("keys", Window(NOW, NOW), None)
    readings = {reading.key: reading for reading in page.readings}
    assert readings[ALICE].total_usd == Decimal("0.25")
    assert (readings[BOB].total_usd, readings[BOB].byok_usd) == (Decimal("0.1"), Decimal(3))
    assert readings[""].total_usd == Decimal("0.35")
    assert all(reading.at == NOW for reading in page.readings)
    assert page.rows == ()
    assert page.cursor is None


async def test_counters_go_on_without_the_accounts_credits() -> None:
    vendor = two_keys()
    vendor.faults["/credits"] = (403, REFUSED)
    async with ledger(vendor) as plugin:
        page = await plugin.poll("keys", Window(NOW, NOW), None)
    assert {reading.key for reading in page.readings} == {ALICE, BOB}
    assert "credits" in page.notes[0]


# generation


async def test_a_single_generation_and_never_its_content() -> None:
    vendor = two_keys()
    data = {"id": "gen-1", "created_at": "2026-11-21T05:11:09Z", "model": "a/x", "router": "openrouter/auto"}
    vendor.faults["/generation"] = (200, {"data": data | {"total_cost": Decimal("0.0015"), "is_byok": False}})
    async with ledger(vendor) as plugin:
        found = await plugin.generation("gen-1")
    assert (found.model, found.requested, found.cost_usd) == ("a/x", "openrouter/auto", Decimal("0.0015"))
    assert vendor.asked == [("/generation", {"id": "gen-1"})]


# bad weather


@pytest.mark.parametrize("report", [report.name for report in OpenRouter.reports])
@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (401, REFUSED, NeedsReauth),
        (403, REFUSED, Permanent),
        (400, {}, Permanent),
        (500, {}, Transient),
        (200, "<html>", Permanent),
        (200, '{"data": [{"ha', Transient),
        (200, {"unexpected": True}, Permanent),
        (200, [], Permanent),
    ],
)
async def test_a_report_that_fails_says_how(report: str, status: int, answer: Any, error: type[Exception]) -> None:
    vendor = two_keys()
    path = {"activity": "/activity", "analytics": "/analytics/query", "keys": "/keys"}[report]
    vendor.faults[path] = (status, answer)
    async with ledger(vendor) as plugin:
        with pytest.raises(error):
            await plugin.poll(report, Window(TODAY - timedelta(days=2), NOW), None)


async def test_a_report_that_is_none() -> None:
    async with ledger(two_keys()) as plugin:
        with pytest.raises(Permanent, match="no report «invoices»"):
            await plugin.poll("invoices", Window(TODAY, NOW), None)
        for report in ("activity", "analytics"):
            with pytest.raises(Permanent, match="no place"):
                await plugin.poll(report, Window(TODAY - timedelta(days=2), NOW), "gibberish")


async def test_analytics_is_asked_sixty_times_a_minute_at_most() -> None:
    clock = FakeClock(NOW)
    names: dict[str, str | None] = {digest(number): "twin" for number in range(45)}
    vendor = Vendor(uses=[Use(TODAY, key) for key in names], names=names)
    async with ledger(vendor, clock=clock) as plugin:
        await plugin.poll("analytics", Window(TODAY, NOW), None)
        assert clock.slept_seconds == []
        await plugin.poll("analytics", Window(TODAY, NOW), None)
    assert vendor.count("/analytics/query") == 92
    assert 60 <= sum(clock.slept_seconds) < 61
