"""The Linear sink against a Linear that validates every request by Linear's own schema: one issue, whatever breaks."""

import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from graphql import parse, validate
from pydantic import SecretStr

from outlay.connections.token_store import MemoryTokenStore
from outlay.fakes.http_common import HttpFaults
from outlay.fakes.linear.server import API_KEY, CLIENT_ID, CLIENT_SECRET, PATH
from outlay.plugin import (
    BadConfig,
    Event,
    Link,
    NeedsReauth,
    Permanent,
    PluginError,
    RateLimited,
    Receipt,
    Subject,
    Transient,
)
from outlay_plugins._linear import queries, wording
from tests.plugins.linear_vendor import ANA, NOW, PAGE, Vendor, config, event, finding, published_schema


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


async def opened(vendor: Vendor, **more: Any) -> Receipt:
    return await vendor.tell(event(**more))


def after(receipt: Receipt, what: str, spent: str, key: str = "k2", **more: Any) -> Event:
    return event(what, spent, key=key, receipt=receipt, **more)


@pytest.mark.parametrize("name", queries.ALL)
def test_whatever_is_asked_is_in_linears_own_schema(name: str) -> None:
    assert validate(published_schema(), parse(queries.ALL[name])) == []


# Connecting


def test_gql_brings_no_http_client_of_its_own() -> None:
    """Its transport over httpx would turn to httpx2 by itself where that is installed, past the guarded client."""
    script = (
        "import sys; from outlay_plugins._linear.graphql import _transport; _transport(None, '/graphql', None); "
        "from gql import Client; print([name for name in sys.modules if name.split('.')[0] in "
        "('httpx2', 'aiohttp', 'requests', 'websockets') or name.startswith('gql.transport.httpx')])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  of ours
    assert found.stdout.strip() == "[]"


async def test_without_a_team_the_check_asks_for_one(vendor: Vendor) -> None:
    vendor.linear.world.labels = [{"id": "l1", "name": "bug", "team": None}, {"id": "l2", "name": "bug", "team": None}]
    async with vendor.sink(config(team="")) as sink:
        checked = await sink.check()
    assert (checked.asks, checked.choices["team"]) == (("team",), (("ENG", "Engineering"), ("OPS", "Operations")))
    assert [name for name, _ in checked.choices["on_recovery"]][:3] == ["Done", "Canceled", "Triage"]
    assert [name for name, _ in checked.choices["label"]] == ["ai-spend", "bug"]


@pytest.mark.parametrize("team", ["ENG", "eng", "id"])
async def test_a_team_is_named_by_its_key_or_its_id(vendor: Vendor, team: str) -> None:
    async with vendor.sink(config(team=vendor.linear.team["id"] if team == "id" else team)) as sink:
        checked = await sink.check()
    assert checked.account_id.endswith("/" + vendor.linear.team["id"])
    assert checked.account_title == "Brightloom, team Engineering"
    assert ("Done", "Done") in checked.choices["on_recovery"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"team": "NOPE"}, "team"), ({"on_recovery": "Finito"}, "on_recovery"), ({"api_key": None}, "api_key")],
)
async def test_a_wrong_setting_is_told_on_its_field(vendor: Vendor, wrong: dict[str, Any], field: str) -> None:
    async with vendor.sink(config(**wrong)) as sink:
        with pytest.raises(BadConfig) as told:
            await sink.check()
    assert told.value.field == field


async def test_an_app_gets_a_token_keeps_it_and_fetches_another_when_it_is_refused(vendor: Vendor) -> None:
    app = config(api_key=None, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET))
    kept = MemoryTokenStore()
    for _ in range(2):
        async with vendor.sink(app, kept) as sink:
            assert (await sink.check()).credential.startswith("OAuth app")
    assert vendor.linear.tokens_given == 1

    vendor.linear.token = "another replica's app took it over"
    async with vendor.sink(app, kept) as sink:
        await sink.opened(event())
    assert (vendor.linear.tokens_given, len(vendor.linear.issues)) == (2, 1)

    async with vendor.sink(
        app.model_copy(update={"client_secret": SecretStr("wrong-secret")}), MemoryTokenStore()
    ) as sink:
        with pytest.raises(NeedsReauth):
            await sink.check()


# The life of an issue


async def test_an_incident_becomes_an_issue_that_a_person_understands(vendor: Vendor) -> None:
    receipt = await opened(vendor)

    issue = vendor.issue
    assert receipt.url == issue["url"]
    assert (issue["title"], issue["priority"]) == ("ana: $912 on OpenAI today, 23 times the usual", 2)
    assert issue["assignee"]["email"] == ANA.email
    assert issue["labels"](None)["nodes"][0]["name"] == "ai-spend"
    for part in ("since 14:00", "**Spent:** $912.40", "**What to do**", "Why this was noticed", f"(<{PAGE.url}>)"):
        assert part in issue["description"]
    attached = {one["url"]: one["subtitle"] for one in vendor.linear.world.attachments.values()}
    assert attached == {
        PAGE.url: "$912.40 since 2026-11-20 14:00 UTC, usual $39.10",
        "https://acme.slack.com/archives/C1/p1": None,
    }
    assert receipt.notes == ()


async def test_news_keep_the_attachment_alive_and_only_a_doubling_is_a_comment(vendor: Vendor) -> None:
    receipt = await opened(vendor, spent="100")
    for number, spent in enumerate(("120", "199", "205", "390", "1700")):
        receipt = await vendor.tell(after(receipt, "updated", spent, f"k{number}"))
        receipt = await vendor.tell(after(receipt, "updated", spent, f"k{number}"))

    assert [line.split("**")[1] for line in vendor.said()] == ["$205.00 by now", "$1,700.00 by now"]
    assert vendor.linear.world.attachments[vendor.issue["id"], PAGE.url]["subtitle"].startswith("$1,700.00 since")
    assert vendor.issue["priority"] == 1


async def test_priority_follows_the_money_and_only_rises(vendor: Vendor) -> None:
    receipt = await opened(vendor, spent="300")
    assert vendor.issue["priority"] == 2
    receipt = await vendor.tell(after(receipt, "updated", "60"))
    assert vendor.issue["priority"] == 2
    vendor.issue["priority"] = 4
    receipt = await vendor.tell(after(receipt, "updated", "310"))
    assert vendor.issue["priority"] == 4, "what a person has set stays"
    await vendor.tell(after(receipt, "updated", "5000"))
    assert vendor.issue["priority"] == 1


@pytest.mark.parametrize(
    ("state", "wanted", "becomes"),
    [("Triage", "", "Triage"), ("Triage", "Done", "Done"), ("In Progress", "Done", "In Progress")],
)
async def test_recovery_is_a_comment_and_a_state_only_if_asked_for_and_not_started(
    vendor: Vendor, state: str, wanted: str, becomes: str
) -> None:
    vendor.config = config(on_recovery=wanted)
    receipt = await opened(vendor)
    vendor.issue["state"] = vendor.linear.world.state(state)
    for _ in range(2):
        ended = await vendor.tell(after(receipt, "resolved", "950"))
    assert vendor.said()[0].startswith("**It is over.** $950.00 in all, where $39.10 would")
    assert (len(vendor.said()), vendor.issue["state"]["name"]) == (1, becomes)
    assert ended.state["resolved_at"] == NOW.isoformat()


async def ended(vendor: Vendor, state: str) -> Receipt:
    receipt = await vendor.tell(after(await opened(vendor), "resolved", "950"))
    vendor.issue["state"] = vendor.linear.world.state(state)
    return receipt


@pytest.mark.parametrize(
    ("state", "hours", "issues", "becomes"),
    [
        ("Done", 71, 1, "Todo"),
        ("Triage", 71, 1, "Triage"),
        ("Canceled", 71, 1, "Canceled"),
        ("Done", 73, 2, "Done"),
    ],
)
async def test_it_happens_again(vendor: Vendor, state: str, hours: int, issues: int, becomes: str) -> None:
    before = await ended(vendor, state)
    told = event(incident="U1/8", at=NOW + timedelta(hours=hours), before=before)
    receipts = [await vendor.tell(told) for _ in range(2)]

    first = next(iter(vendor.linear.issues.values()))
    assert (len(vendor.linear.issues), first["state"]["name"]) == (issues, becomes)
    again = [text for text in vendor.linear.world.comment_bodies(first["id"]) if text.startswith("**It is back.**")]
    assert len(again) == (1 if issues == 1 and state != "Canceled" else 0)
    assert receipts[0] == receipts[1]
    if state == "Canceled":
        await vendor.tell(after(receipts[0], "updated", "99999", incident="U1/8"))
        assert (len(vendor.said()), vendor.issue["priority"]) == (1, 2), "muted"


@pytest.mark.parametrize(
    ("state", "becomes", "comments"),
    [("Done", "Todo", 4), ("In Progress", "In Progress", 4), ("Canceled", "Canceled", 0)],
)
async def test_an_incident_that_comes_back_takes_its_own_issue_up_again_and_goes_on_counting(
    vendor: Vendor, state: str, becomes: str, comments: int
) -> None:
    receipt = await ended(vendor, state)
    before = len(vendor.said())
    for hour in (1, 2):
        told = after(receipt, "opened", str(1000 * hour), f"back {hour}", at=NOW + timedelta(hours=hour))
        receipt = (await vendor.tell(told), await vendor.tell(told))[1]
        if hour == 1:
            assert vendor.issue["state"]["name"] == becomes
        receipt = await vendor.tell(after(receipt, "resolved", "1100", f"end {hour}"))
    assert [line.split("**")[1] for line in vendor.said()[before:]] == ["It is back.", "It is over."] * (comments // 2)
    assert receipt.state["base_usd"] == "912.40"
    assert len(vendor.linear.issues) == 1

    vendor.issue["trashed"] = True
    assert await vendor.tell(after(receipt, "opened", "1200", "back 3")) == receipt
    assert (len(vendor.linear.issues), len(vendor.said())) == (1, before + comments)


async def test_whoever_asks_by_hand_gets_an_issue_of_its_own(vendor: Vendor) -> None:
    before = await ended(vendor, "Canceled")
    await vendor.tell(event(incident="U1/8", before=before, asked_by="bob"))
    assert len(vendor.linear.issues) == 2
    assert "Filed by Outlay for bob" in list(vendor.linear.issues.values())[1]["description"]


@pytest.mark.parametrize("state", ["Done", "Canceled"])
async def test_a_closed_issue_is_left_in_peace(vendor: Vendor, state: str) -> None:
    receipt = await opened(vendor)
    vendor.issue["state"] = vendor.linear.world.state(state)
    receipt = await vendor.tell(after(receipt, "updated", "9000"))
    await vendor.tell(after(receipt, "resolved", "9000", "k3"))
    assert (vendor.said(), vendor.issue["priority"], vendor.issue["state"]["name"]) == ([], 2, state)


async def test_a_binned_issue_is_not_filed_again_in_its_episode(vendor: Vendor) -> None:
    receipt = await opened(vendor)
    vendor.issue["trashed"] = True
    receipt = await vendor.tell(after(receipt, "updated", "9000"))
    await vendor.tell(after(receipt, "resolved", "9000", "k3"))
    assert (vendor.said(), len(vendor.linear.issues)) == ([], 1)


async def test_thresholds_are_for_the_clock(vendor: Vendor) -> None:
    async with vendor.sink() as sink:
        assert sink.should_file(event(spent="89.10"))
        assert not sink.should_file(event(spent="89.09"))
        assert not sink.should_file(event(severity="info"))
        assert sink.should_file(event(spent=None)), "unknown is not little"


# What breaks


async def whole_life(vendor: Vendor) -> None:
    receipt = await opened(vendor, spent="100")
    receipt = await vendor.tell(after(receipt, "updated", "250"))
    receipt = await vendor.tell(after(receipt, "updated", "1700", "k3"))
    await vendor.tell(after(receipt, "resolved", "1800", "k4"))


FAULTS: list[Callable[[Vendor], None]] = [
    lambda vendor: vendor.linear.faults.drop(PATH),
    lambda vendor: vendor.linear.faults.cut(PATH),
    lambda vendor: vendor.linear.faults.half_json(PATH),
    lambda vendor: vendor.linear.faults.status(PATH, 503),
    lambda vendor: vendor.linear.limit(status=200),
    lambda vendor: vendor.linear.limit(status=400),
]


@pytest.mark.parametrize("fault", FAULTS, ids=["dropped", "lost answer", "half an answer", "503", "200", "400"])
async def test_a_fault_at_any_request_leaves_one_issue_and_its_comments_in_order(
    fault: Callable[[Vendor], None],
) -> None:
    """Each event is told again until it goes through, as the outbox does; the fault comes at the nth request."""
    calm = Vendor()
    await whole_life(calm)
    requests = len(calm.linear.journal.asked)
    assert requests > 15
    lost = fault is FAULTS[1]  # the one where something was done and nobody knows: tried at every request
    for nth in range(0, requests, 1 if lost else 6):
        vendor = Vendor()
        receipt: Receipt | None = None
        failures = 0
        for what, spent, key in (("opened", "100", "k1"), ("updated", "250", "k2"), ("updated", "1700", "k3"),
                                 ("resolved", "1800", "k4")):  # fmt: skip
            for _ in range(3):
                vendor.linear.faults.pop = partial(_at, vendor, nth, fault)  # type: ignore[method-assign]
                try:
                    receipt = await vendor.tell(event(what, spent, key=key, receipt=receipt))
                    break
                except (Transient, RateLimited):
                    failures += 1
        assert failures == 1, nth
        assert vendor.said() == calm.said(), nth
        assert vendor.issue["priority"] == calm.issue["priority"] == 1
        assert [one["name"] for one in vendor.linear.world.labels] == ["ai-spend"]


def _at(vendor: Vendor, nth: int, fault: Callable[[Vendor], None], path: str) -> Any:
    """Orders the fault just before the nth request, once."""
    if len(vendor.linear.journal.asked) == nth and vendor.armed:
        vendor.armed = False
        fault(vendor)
    return HttpFaults.pop(vendor.linear.faults, path)


@pytest.mark.parametrize("status", [200, 400])
async def test_a_rate_limit_is_told_with_its_time(vendor: Vendor, status: int) -> None:
    vendor.linear.limit(status=status, wait_seconds=240)
    with pytest.raises(RateLimited) as told:
        await opened(vendor)
    assert told.value.retry_at == NOW + timedelta(seconds=240)


async def test_a_dead_credential_is_told_as_such_and_never_shown(vendor: Vendor) -> None:
    vendor.config = config(api_key=SecretStr("lin_api_ofSomebodyElse000000"))
    with pytest.raises(NeedsReauth) as told:
        await opened(vendor)
    assert "lin_api" not in f"{told.value!r}"


async def test_a_deleted_team_is_a_wrong_setting(vendor: Vendor) -> None:
    del vendor.linear.world.teams[0]
    with pytest.raises(BadConfig) as told:
        await opened(vendor)
    assert (told.value.field, "OPS" in str(told.value)) == ("team", True)


async def test_somebody_who_left_is_nobodys_assignee_and_that_is_said(vendor: Vendor) -> None:
    next(user for user in vendor.linear.world.users if user["email"] == ANA.email)["active"] = False
    receipt = await opened(vendor)
    assert vendor.issue["assignee"] is None
    assert "nobody in Linear who can be assigned" in receipt.notes[0]


async def test_somebody_who_leaves_in_the_middle_costs_the_assignee_and_not_the_issue(vendor: Vendor) -> None:
    world = vendor.linear.world
    users = world._users
    world._users = lambda wanted: [dict(user) for user in users(wanted)]  # type: ignore[method-assign]
    next(user for user in world.users if user["email"] == ANA.email)["id"] = "changed"
    world.users, gone = [u for u in world.users if u["email"] != ANA.email], world.users
    world._users = lambda wanted: [user for user in gone if user["email"] == ANA.email]  # type: ignore[method-assign]
    receipt = await opened(vendor)
    assert vendor.issue["assignee"] is None
    assert "without label and assignee" in receipt.notes[0]


async def test_a_label_of_another_team_is_not_taken_and_one_that_cannot_be_made_is_done_without(vendor: Vendor) -> None:
    world = vendor.linear.world
    world.labels.append({"id": "x", "name": "ai-spend", "team": world.teams[1]})
    receipt = await opened(vendor)
    assert vendor.issue["labels"](None)["nodes"] == []
    assert "without the label" in receipt.notes[0]


async def test_subscribing_instead_of_assigning(vendor: Vendor) -> None:
    vendor.config = config(assign="subscribe")
    await opened(vendor)
    assert (vendor.issue["assignee"], vendor.linear.world.subscribed) == (None, [(vendor.issue["id"], ANA.email)])


@pytest.mark.parametrize("text", ["", "[]", '"x"', '{"data": []}', '{"data": {"viewer": null}}', '{"unexpected": 1}'])
async def test_nonsense_is_one_of_the_five_errors(vendor: Vendor, text: str) -> None:
    vendor.linear.faults.body(PATH, text)
    with pytest.raises(PluginError):
        await opened(vendor)
    assert not vendor.linear.issues


# Words

HOSTILE = (
    "](http://evil.example)",
    "<!channel>",
    "@everyone",
    "# x",
    "`a` **b**",
    "1. x",
    "http://evil.example",
    "a\nb",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_means_nothing_in_markdown(name: str) -> None:
    told = event(sentences=(f"{name} has spent $5.",), subject=Subject("U", name, "key"), title=name)
    text = wording.body(told)
    line = text.splitlines()[0]
    assert "\n" not in wording.title(told)
    escaped = re.sub(r"\\(.)", "", line)  # what a backslash is before means nothing
    for live in ("[", "]", "<", "@e", "://", "*", "`", "evil.example"):
        assert live not in escaped
    assert not line.startswith(("#", "1. "))


def test_a_link_that_is_none_is_left_out() -> None:
    for url in ("javascript:alert(1)", "https://x.example/a)b", "https://x.example/ y", "http://x>y"):
        assert url not in wording.body(event(links=(Link("x", url),)))


def test_a_body_ends_at_its_bound_between_two_blocks() -> None:
    text = wording.body(event(sentences=tuple("*" * 900 for _ in range(200))))
    assert len(text) <= wording.MAX_BODY_CHARACTERS
    assert text.endswith(wording.CUT)
    assert len(wording.title(event(title="x" * 900))) == wording.MAX_TITLE_CHARACTERS


def test_unknown_money_is_said_to_be_unknown() -> None:
    assert wording.subtitle(event(spent=None)).startswith("an unknown amount")
    assert wording.priority(finding(None), Decimal(1000), Decimal(250), Decimal(50)) == 3


# What Linear says


async def test_a_sweep_tells_how_issues_stand(vendor: Vendor) -> None:
    receipt = await opened(vendor)
    gone = replace(receipt, external_id="6f2b1c9e-3d4a-4b5c-8d6e-7f8091a2b3c4")
    for name, wanted in (("Triage", "open"), ("In Progress", "started"), ("Done", "done"), ("Canceled", "canceled")):
        vendor.issue["state"] = vendor.linear.world.state(name)
        async with vendor.sink() as sink:
            found = await sink.standings([receipt, gone])
        assert [one.standing for one in found] == [wanted, "gone"]


WEBHOOK = config(webhook_secret=SecretStr("whsec-0123456789"))


async def test_a_signed_webhook_tells_how_an_issue_stands(vendor: Vendor) -> None:
    receipt = await opened(vendor)
    vendor.issue["state"] = vendor.linear.world.state("Canceled")
    headers, body = vendor.linear.world.webhook("whsec-0123456789", receipt.external_id)
    async with vendor.sink(WEBHOOK) as sink:
        first, again = await sink.webhook(headers, body), await sink.webhook(headers, body)
    (stands,) = first.stands
    assert (stands.external_id, stands.standing, stands.by) == (receipt.external_id, "canceled", "Bob")
    assert first.delivery == again.delivery, "the host knows it when it comes again"


async def test_a_webhook_that_is_not_signed_just_now_is_refused(vendor: Vendor) -> None:
    receipt = await opened(vendor)
    headers, body = vendor.linear.world.webhook("whsec-0123456789", receipt.external_id)
    forged, _ = vendor.linear.world.webhook("another", receipt.external_id)
    junk = b'{"type": "Issue"}'
    signed = {"linear-signature": hmac.new(b"whsec-0123456789", junk, hashlib.sha256).hexdigest()}
    async with vendor.sink(WEBHOOK) as sink:
        unlike = {"linear-signature": "é"}
        for bad_headers, bad_body in (
            (forged, body),
            ({}, body),
            (headers, body + b" "),
            (unlike, body),
            (signed, junk),
        ):
            with pytest.raises(Permanent):
                await sink.webhook(bad_headers, bad_body)
        vendor.clock.advance(timedelta(seconds=61))
        with pytest.raises(Permanent, match="too long ago"):
            await sink.webhook(headers, body)
    async with vendor.sink() as sink:
        with pytest.raises(Permanent, match="No webhook secret"):
            await sink.webhook(headers, body)


async def test_a_webhook_of_something_else_says_nothing(vendor: Vendor) -> None:
    body = json.dumps({"type": "Comment", "data": {"id": "x"}, "webhookTimestamp": NOW.timestamp() * 1000}).encode()
    headers = {"linear-signature": hmac.new(b"whsec-0123456789", body, hashlib.sha256).hexdigest()}
    async with vendor.sink(WEBHOOK) as sink:
        assert (await sink.webhook(headers, body)).stands == ()


def test_the_key_is_in_no_repr() -> None:
    assert API_KEY not in f"{config()!r} {config()} {config().model_dump_json()}"
