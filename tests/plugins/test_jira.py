"""The Jira sink keeps every promise of the contract, against a Jira that refuses what Jira refuses."""

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Config, Event, Receipt, forms
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance
from outlay.plugin.testing.sink_trial import AT, SinkBench, event_at, returned, sample_finding
from outlay_plugins._jira.issue_text import JiraConfig
from outlay_plugins.jira import Jira
from tests.plugins.http_vendor import Answer, Asked, vendor

TOKEN = "ATATT3xFfGF0-not-a-real-token"
EMAIL = "outlay@acme.example"
BARE = re.compile(r"(?i)\bhttps?://\S+|\bwww\.\S+|@\w+|<!\w+|\b[\w-]+\.example\b")
STATUSES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}
NODES = {"doc", "paragraph", "text", "bulletList", "listItem", "expand"}
REFUSED = "cannot be set. It is not on the appropriate screen, or unknown."


def wrong(**errors: str) -> Answer:
    return Answer(400, {"errorMessages": [], "errors": errors})


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A document's parts, each as Jira's own renderer would have it. Raises for what it would refuse."""
    assert node["type"] in NODES
    assert node["type"] != "text" or node["text"]
    yield node
    for inner in node.get("content", []):
        yield from nodes(inner)


def words(node: dict[str, Any]) -> str:
    return "".join(one["text"] + "\n" for one in nodes(node) if one["type"] == "text")


class Site:
    """Jira's side: a project, its screen, its issues."""

    def __init__(self) -> None:
        self.issues: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.links: dict[str, dict[str, dict[str, Any]]] = {}
        self.projects = {"OPS"}
        self.types = {"Task": "10001", "Bug": "10002"}
        self.screen = {"summary", "description", "labels", "priority", "assignee", "project", "issuetype"}
        self.required: set[str] = set()
        self.priorities = ["Highest", "High", "Medium", "Low"]
        self.users = [{"accountId": "acc-ana", "emailAddress": "ana@brightloom.example", "active": True}]
        self.transitions = dict(STATUSES)

    def __call__(self, asked: Asked) -> Answer:
        pair = base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {pair}":
            return Answer(401, {"message": "Client must be authenticated to access this resource."})
        path = asked.path.removeprefix("/rest/api/3")
        fixed = {
            "/myself": {"accountId": "acc-bot", "displayName": "Outlay"},
            "/project/search": {"values": [{"id": "1", "key": "OPS", "name": "Operations"}]},
            "/project/OPS": {"id": "1", "key": "OPS", "name": "Operations"},
            "/issue/createmeta/OPS/issuetypes": {
                "issueTypes": [{"id": one, "name": name, "subtask": False} for name, one in self.types.items()]
            },
            "/issue/createmeta/OPS/issuetypes/10001": {"fields": [self._field(one) for one in sorted(self.screen)]},
        }
        if "OPS" in path and "OPS" not in self.projects:
            return Answer(404, {"errorMessages": ["No project could be found with key 'OPS'."], "errors": {}})
        if asked.method == "GET" and path in fixed:
            return Answer(body=fixed[path])
        if path == "/user/assignable/search":
            return Answer(body=[one for one in self.users if asked.query["query"]])
        if path == "/search/jql":
            label = re.fullmatch(r'labels = "([^"\s]+)" ORDER BY created ASC', asked.json["jql"])
            assert label, asked.json
            found = [one for one in self.issues.values() if label[1] in one["fields"]["labels"]]
            return Answer(body={"issues": found, "isLast": True})
        if path == "/issue":
            return self._create(asked.json["fields"])
        return self._of_issue(asked, *path.split("/")[2:])

    def _field(self, name: str) -> dict[str, Any]:
        more = {"allowedValues": [{"name": one} for one in self.priorities]} if name == "priority" else {}
        needed = name in self.required or name == "summary"
        return {"fieldId": name, "name": name.title(), "required": needed, "hasDefaultValue": False, **more}

    def _create(self, fields: dict[str, Any]) -> Answer:
        if fields["project"]["key"] not in self.projects:
            return wrong(project="valid project is required")
        if fields["issuetype"]["name"] not in self.types:
            return wrong(issuetype="Specify a valid issue type")
        errors = {name: f"Field '{name}' {REFUSED}" for name in fields if name not in self.screen}
        errors |= {name: f"{name} is required." for name in self.required if name not in fields}
        if not 0 < len(fields["summary"]) <= 255 or "\n" in fields["summary"]:
            errors["summary"] = "Summary must be less than 255 characters."
        if fields.get("priority", {"name": "High"})["name"] not in self.priorities:
            errors["priority"] = "The priority selected is invalid."
        if "assignee" in fields and fields["assignee"]["accountId"] not in [one["accountId"] for one in self.users]:
            errors["assignee"] = "User cannot be assigned issues."
        if "description" in fields and len(words(fields["description"])) > 32_767:
            errors["description"] = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
        if any(" " in label for label in fields.get("labels", [])):
            errors["labels"] = "The label can't contain spaces."
        if errors:
            return wrong(**errors)
        key = f"OPS-{len(self.issues) + 1}"
        status = {"name": "To Do", "statusCategory": {"key": "new"}}
        self.issues[key] = {"id": str(len(self.issues)), "key": key, "fields": fields | {"status": status}}
        self.comments[key], self.links[key] = [], {}
        return Answer(201, {"id": self.issues[key]["id"], "key": key})

    def _of_issue(self, asked: Asked, key: str, what: str = "") -> Answer:
        issue = self.issues.get(key)
        if issue is None:
            return Answer(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        if what == "comment":
            if asked.method == "GET":
                return Answer(body={"comments": self.comments[key][::-1][: int(asked.query["maxResults"])]})
            assert words(asked.json["body"])
            self.comments[key].append(asked.json)
            return Answer(201, asked.json)
        if what == "remotelink":
            self.links[key][asked.json["globalId"]] = asked.json["object"]
            return Answer(201, {"id": 1})
        if what == "transitions":
            if asked.method == "GET":
                there = [{"id": name, "name": f"To {name}", "to": self._status(name)} for name in self.transitions]
                return Answer(body={"transitions": there})
            self.set(key, asked.json["transition"]["id"])
            return Answer(204)
        if asked.method == "PUT":
            issue["fields"] |= asked.json["fields"]
            return Answer(204)
        return Answer(body=issue)

    def _status(self, name: str) -> dict[str, Any]:
        return {"name": name, "statusCategory": {"key": STATUSES[name]}}

    def set(self, key: str, status: str, resolution: str = "") -> None:
        self.issues[key]["fields"] |= {"status": self._status(status)}
        self.issues[key]["fields"] |= {"resolution": {"name": resolution} if resolution else None}

    @property
    def texts(self) -> list[str]:
        issues = [f"{one['fields']['summary']}\n{words(one['fields']['description'])}" for one in self.issues.values()]
        return [*issues, *(words(one["body"]) for key in self.issues for one in self.comments[key])]

    def live(self) -> list[str]:
        documents = [one["fields"]["description"] for one in self.issues.values()]
        documents += [one["body"] for key in self.issues for one in self.comments[key]]
        marks = [mark for one in documents for node in nodes(one) for mark in node.get("marks", [])]
        hrefs = [mark["attrs"]["href"] for mark in marks if mark["type"] == "link"]
        shown = [json.dumps(link, ensure_ascii=False) for links in self.links.values() for link in links.values()]
        return hrefs + [found for text in (*self.texts, *shown) for found in BARE.findall(text)]


@asynccontextmanager
async def site() -> AsyncIterator[tuple[Site, SinkBench]]:
    found = Site()
    async with vendor(found) as base_url:
        good = JiraConfig(base_url=base_url, email=EMAIL, api_token=SecretStr(TOKEN), project="OPS")
        trial = SinkTrial(
            good=good,
            wrong=good.model_copy(update={"api_token": SecretStr("ATATT3-of-somebody-else")}),
            secret=TOKEN,
            made=lambda: list(found.issues),
            told=lambda: found.texts,
            live=found.live,
            clock=FakeClock(AT),
        )
        yield found, SinkBench(Jira, trial)


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    async with site() as (_, bench):
        yield bench.trial


TestJira = sink_conformance(Jira, make=trial)


def with_(bench: SinkBench, **more: Any) -> Config:
    return bench.trial.good.model_copy(update=more)


async def tell(bench: SinkBench, event: Event, **more: Any) -> Receipt:
    async with bench.sink(with_(bench, **more)) as sink:
        return await {"opened": sink.opened, "updated": sink.updated, "resolved": sink.resolved}[event.what](event)


def next_episode(before: Receipt, hours: int) -> Event:
    return replace(event_at(0, incident="U1/8"), at=event_at(3).at + timedelta(hours=hours), before=before)


async def test_the_issue_has_what_a_person_needs() -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0))
    fields = found.issues["OPS-1"]["fields"]
    assert receipt.url.endswith("/browse/OPS-1")
    assert (fields["priority"], fields["assignee"]) == ({"name": "Highest"}, {"accountId": "acc-ana"})
    assert fields["labels"][0] == "ai-spend"
    assert "$39.10" in words(fields["description"])
    (link,) = found.links["OPS-1"].values()
    assert (link["url"], link["summary"][:7]) == ("https://outlay.example/incidents/7", "$100.00")


async def test_the_line_under_the_link_says_how_it_stands() -> None:
    async with site() as (found, bench):
        await bench.live_through()
    (link,) = found.links["OPS-1"].values()
    assert link["summary"] == "It is over: $1,800.00 in all, where $39.10 would have been usual."


async def test_a_comment_comes_at_each_doubling_and_not_between() -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0))
        for spent, comments in (("150", 0), ("250", 1), ("390", 1), ("410", 2)):
            receipt = await bench.tell(replace(event_at(1, receipt=receipt), finding=sample_finding(spent)))
            assert len(found.comments["OPS-1"]) == comments


@pytest.mark.parametrize(("by_hand", "priority"), [("", "Highest"), ("Low", "Low")])
async def test_a_priority_rises_with_severity_unless_somebody_has_set_it(by_hand: str, priority: str) -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0, severity="warning"))
        assert found.issues["OPS-1"]["fields"]["priority"] == {"name": "High"}
        found.issues["OPS-1"]["fields"]["priority"] = {"name": by_hand or "High"}
        await bench.tell(event_at(1, receipt=receipt))
    assert found.issues["OPS-1"]["fields"]["priority"] == {"name": priority}


@pytest.mark.parametrize(
    ("on_recovery", "before", "after", "notes"),
    [("", "To Do", "To Do", 0), ("done", "To Do", "Done", 0), ("To Done", "To Do", "Done", 0),
     ("Done", "In Progress", "In Progress", 0), ("Shipped", "To Do", "To Do", 1)],
)  # fmt: skip
async def test_on_recovery_it_moves_only_if_asked_for_and_nobody_has_started(
    on_recovery: str, before: str, after: str, notes: int
) -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0))
        found.set("OPS-1", before)
        over = await tell(bench, event_at(3, receipt=receipt), on_recovery=on_recovery)
    assert found.issues["OPS-1"]["fields"]["status"]["name"] == after
    assert len(over.notes) == notes
    assert len(found.comments["OPS-1"]) == 1


async def test_soon_again_reopens_and_later_is_another_issue() -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0))
        over = await tell(bench, event_at(3, receipt=receipt), on_recovery="Done")
        again = await bench.tell(next_episode(over, 71))
        assert again.external_id == "OPS-1"
        assert found.issues["OPS-1"]["fields"]["status"]["name"] == "To Do"
        found.set("OPS-1", "Done")
        assert (await bench.tell(next_episode(over, 73))).external_id == "OPS-2"


async def test_an_incident_that_comes_back_takes_its_own_issue_up_again_unless_it_is_gone() -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0))
        over = await tell(bench, event_at(3, receipt=receipt), on_recovery="Done")
        assert found.issues["OPS-1"]["fields"]["status"]["name"] == "Done"
        again = await bench.tell(returned(1, "opened", over))
        assert (again.external_id, found.issues["OPS-1"]["fields"]["status"]["name"]) == ("OPS-1", "To Do")
        del found.issues["OPS-1"]
        assert await bench.tell(returned(2, "opened", again)) == again
        assert found.issues == {}


async def test_what_is_done_is_left_alone_and_not_worth_it_is_muted() -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0))
        found.set("OPS-1", "Done", "Won't Do")
        receipt = await bench.tell(event_at(2, receipt=receipt))
        receipt = await bench.tell(event_at(3, receipt=receipt))
        again = await bench.tell(next_episode(receipt, 1))
        await bench.tell(replace(event_at(2, receipt=again), incident="U1/8"))
        async with bench.sink() as sink:
            stands = await sink.standings([receipt, Receipt("", "OPS-99")])
    assert again.state["muted"]
    assert found.comments["OPS-1"] == []
    assert [one.standing for one in stands] == ["canceled", "gone"]


async def test_a_project_that_is_gone_is_not_taken_for_issues_that_are() -> None:
    async with site() as (found, bench):
        receipt = await bench.tell(event_at(0))
        found.projects, found.issues = set(), {}
        error = await bench.outcome(event_at(1, receipt=receipt))
    assert isinstance(error, BadConfig)
    assert error.field == "project"


async def test_what_is_not_on_the_screen_is_left_out_with_a_note() -> None:
    async with site() as (found, bench):
        found.screen -= {"priority", "assignee"}
        receipt = await bench.tell(event_at(0))
    assert "priority" in receipt.notes[0]
    assert "assignee" in receipt.notes[0]
    assert len(found.issues) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [({"projects": set()}, "project"), ({"types": {}}, "issue_type"), ({"required": {"team"}}, "issue_type")],
)
async def test_what_is_gone_or_asked_for_meanwhile_is_told_on_its_field(change: dict[str, Any], field: str) -> None:
    async with site() as (found, bench):
        for name, value in change.items():
            setattr(found, name, value)
        error = await bench.outcome(event_at(0))
    assert isinstance(error, BadConfig)
    assert error.field == field


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ({"project": "NOPE"}, "project"),
        ({"issue_type": "Epic"}, "issue_type"),
        ({"priorities": "info=P9"}, "priorities"),
    ],
)
async def test_a_wrong_setting_is_told_on_its_field(setting: dict[str, str], field: str) -> None:
    async with site() as (_, bench), bench.sink(with_(bench, **setting)) as sink:
        with pytest.raises(BadConfig) as told:
            await sink.check()
    assert told.value.field == field


@pytest.mark.parametrize(("missing", "extra", "says"), [("labels", "", "Labels"), ("", "cost centre", "Cost Centre")])
async def test_a_screen_on_which_no_issue_can_be_made_is_told_before_it_is_saved(
    missing: str, extra: str, says: str
) -> None:
    async with site() as (found, bench):
        found.screen -= {missing}
        found.screen |= {extra} - {""}
        found.required |= {extra} - {""}
        async with bench.sink() as sink:
            with pytest.raises(BadConfig, match=says) as told:
                await sink.check()
    assert told.value.field == "issue_type"


@pytest.mark.parametrize(
    ("users", "assignee"),
    [([], None), ([{"accountId": "acc-ana"}], "acc-ana"), ([{"accountId": "a"}, {"accountId": "b"}], None),
     ([{"accountId": "x", "emailAddress": "banana@brightloom.example"}], None)],
)  # fmt: skip
async def test_only_who_is_known_is_assigned(users: list[dict[str, Any]], assignee: str | None) -> None:
    async with site() as (found, bench):
        found.users = users
        receipt = await bench.tell(event_at(0))
    assert found.issues["OPS-1"]["fields"].get("assignee", {}).get("accountId") == assignee
    assert bool(receipt.notes) is (assignee is None)


async def test_without_a_project_the_check_offers_those_there_are() -> None:
    async with site() as (_, bench), bench.sink(with_(bench, project="")) as sink:
        checked = await sink.check()
    assert (checked.asks, checked.choices["project"]) == (("project",), (("OPS", "Operations"),))


async def test_a_body_beyond_the_limit_is_cut_between_its_parts() -> None:
    async with site() as (found, bench):
        await bench.tell(event_at(0, sentences=tuple("long " * 300 for _ in range(100))))
    assert "There is more than fits here" in words(found.issues["OPS-1"]["fields"]["description"])


@pytest.mark.parametrize(
    ("field", "value"), [("project", 'X" OR 1=1'), ("email", "no"), ("label", "two words"), ("priorities", "urgent=P1")]
)
def test_what_cannot_be_is_told_on_its_field(field: str, value: str) -> None:
    plain = {"base_url": "https://acme.atlassian.net", "email": EMAIL, "api_token": TOKEN}
    with pytest.raises(BadConfig) as told:
        forms.build(Jira, {**plain, field: value})
    assert told.value.field == field
