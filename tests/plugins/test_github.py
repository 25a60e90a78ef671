"""The GitHub sink keeps every promise of the contract, against a GitHub that refuses what GitHub refuses."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Config, Event, NeedsReauth, PluginError, RateLimited, Receipt, forms
from outlay.plugin.testing.ledger_trial import InjectedFault
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance
from outlay.plugin.testing.sink_trial import AT, SinkBench, event_at, returned, sample_finding
from outlay_plugins._github.issue_text import GitHubConfig
from outlay_plugins.github import GitHub
from tests.plugins.http_vendor import Answer, Asked, vendor

TOKEN = "github_pat_11AAAA0000bbbbCCCC1111"
ISSUES = "/repos/acme/platform/issues"
NOW_LINE = re.compile(r"(?s)<!-- outlay:now -->.*?<!-- /outlay:now -->")
LINK = re.compile(r"\]\(<?([^)>]*)")
BARE = re.compile(r"(?i)\b(?:https?://|www\.)[^\s)>]+|@\w+|#\d+|<![a-z][^>]*>|\b[\w-]+\.example\b")


class Hub:
    """GitHub's side: one repository, its issues and comments."""

    def __init__(self) -> None:
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.repo: dict[str, Any] = {"id": 77, "full_name": "acme/platform", "has_issues": True, "archived": False}
        self.assignable = {"ana"}
        self.may_label = True
        self.stamp = f"{AT:%Y-%m-%dT%H:%M:%SZ}"
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"message": "Bad credentials"})
        if asked.path == "/user":
            return Answer(body={"login": "outlay-bot"})
        if asked.path == "/user/repos":
            return Answer(body=[self.repo])
        if self.repo["full_name"] != "acme/platform":
            moved = {"message": "Moved Permanently", "url": "https://api.github.com/repositories/77"}
            return Answer(301 if asked.method == "GET" else 307, moved, {"Location": "/repositories/77"})
        if asked.path == "/repos/acme/platform":
            return Answer(body=self.repo)
        if not asked.path.startswith(ISSUES):
            return Answer(404, {"message": "Not Found"})
        if not self.repo["has_issues"]:
            return Answer(410, {"message": "Issues are disabled for this repo"})
        rest = [int(part) if part.isdigit() else part for part in asked.path.removeprefix(ISSUES).split("/")[1:]]
        if not rest:
            return self._create(asked.json) if asked.method == "POST" else self._all(asked)
        issue = self.issues.get(int(rest[0]))
        if issue is None:
            return Answer(410 if rest[0] in self.comments else 404, {"message": "This issue was deleted"})
        if rest[1:] == ["comments"]:
            return self._comment(issue, asked)
        if asked.method == "PATCH":
            if issue["state"] == "open" or asked.json.get("state") == "open":
                issue["state_reason"] = None
            issue.update(asked.json)
        return Answer(body=issue)

    def _create(self, wanted: dict[str, Any]) -> Answer:
        if not wanted.get("title") or len(wanted["title"]) > 256 or len(wanted.get("body", "")) > 65_536:
            return Answer(422, {"message": "Validation Failed", "errors": [{"field": "title"}]})
        if not set(wanted.get("assignees", [])) <= self.assignable:
            invalid = {"resource": "Issue", "field": "assignees", "code": "invalid"}
            return Answer(422, {"message": "Validation Failed", "errors": [invalid]})
        number = len(self.comments) + 1
        labels = [{"name": name} for name in wanted.get("labels", [])] if self.may_label else []
        url = f"https://github.com/acme/platform/issues/{number}"
        made = {"number": number, "html_url": url, "state": "open", "state_reason": None, "updated_at": self.stamp}
        self.issues[number] = {**wanted, **made, "labels": labels, "user": {"login": "outlay-bot"}}
        self.comments[number] = []
        return Answer(201, self.issues[number])

    def _all(self, asked: Asked) -> Answer:
        """Exactly what is asked for: GitHub's own default would be open ones only, 30 of them."""
        found = [one for one in self.issues.values() if asked.query.get("creator") in (None, one["user"]["login"])]
        found = [one for one in found if asked.query.get("state", "open") in ("all", one["state"])]
        return self._page(asked, [one for one in found if one["updated_at"] >= asked.query.get("since", "")][::-1])

    def _comment(self, issue: dict[str, Any], asked: Asked) -> Answer:
        there = self.comments[issue["number"]]
        if asked.method == "GET":
            return self._page(asked, [one for one in there if one["updated_at"] >= asked.query.get("since", "")])
        if not asked.json["body"] or len(asked.json["body"]) > 65_536:
            return Answer(422, {"message": "Validation Failed"})
        there.append({"id": len(there), "body": asked.json["body"], "updated_at": self.stamp})
        return Answer(201, there[-1])

    def _page(self, asked: Asked, found: list[dict[str, Any]]) -> Answer:
        per, page = int(asked.query.get("per_page", 30)), int(asked.query.get("page", 1))
        return Answer(body=found[(page - 1) * per : page * per])

    @property
    def texts(self) -> list[str]:
        said = [comment["body"] for number in self.issues for comment in self.comments[number]]
        return [*(f"{one['title']}\n{one['body']}" for one in self.issues.values()), *said]

    def live(self) -> list[str]:
        """What GitHub's Markdown makes of it. An escaped mark is none; an escaped @ or # would still be found."""
        rendered = [re.sub(r"\\([!-/:-@\[-`{-~])", "\1", re.sub(r"\\([@#])", r"\1", text)) for text in self.texts]
        return [found for text in rendered for found in (*LINK.findall(text), *BARE.findall(text))]


def config(base_url: str, **more: Any) -> GitHubConfig:
    plain = {"token": SecretStr(TOKEN), "repository": "acme/platform", "base_url": base_url}
    return GitHubConfig(**{**plain, "assignees": "ana@brightloom.example=ana", **more})


@asynccontextmanager
async def hub() -> AsyncIterator[tuple[Hub, SinkBench]]:
    found = Hub()
    async with vendor(found) as base_url:
        trial = SinkTrial(
            good=config(base_url),
            wrong=config(base_url, token=SecretStr("github_pat_ofSomebodyElse")),
            secret=TOKEN,
            made=lambda: [str(number) for number in found.issues],
            told=lambda: [NOW_LINE.sub("", text) for text in found.texts],  # that line is how it stands, not said
            live=found.live,
            clock=FakeClock(AT),
        )
        yield found, SinkBench(GitHub, trial)


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    async with hub() as (_, bench):
        yield bench.trial


TestGitHub = sink_conformance(GitHub, make=trial)


def with_(bench: SinkBench, **more: Any) -> Config:
    return bench.trial.good.model_copy(update=more)


async def tell(bench: SinkBench, event: Event, **more: Any) -> Receipt:
    async with bench.sink(with_(bench, **more)) as sink:
        return await {"opened": sink.opened, "updated": sink.updated, "resolved": sink.resolved}[event.what](event)


async def lived(bench: SinkBench, **more: Any) -> Receipt:
    receipt: Receipt | None = None
    for number in range(4):
        receipt = await tell(bench, event_at(number, receipt=receipt), **more)
    assert receipt
    return receipt


def next_episode(before: Receipt, hours: int) -> Event:
    return replace(event_at(0, incident="U1/8"), at=event_at(3).at + timedelta(hours=hours), before=before)


async def test_the_issue_has_what_a_person_needs() -> None:
    async with hub() as (found, bench):
        receipt = await bench.tell(event_at(0))
    (issue,) = found.issues.values()
    assert receipt.url == "https://github.com/acme/platform/issues/1"
    assert (issue["labels"], issue["assignees"]) == ([{"name": "ai-spend"}], ["ana"])
    assert "[The incident](<https://outlay.example/incidents/7>)" in issue["body"]
    assert "**$100.00** since 2026-11-20 14:40 UTC, usual $39.10" in issue["body"]


async def test_how_it_stands_is_rewritten_and_what_people_wrote_is_left() -> None:
    async with hub() as (found, bench):
        receipt = await bench.tell(event_at(0))
        found.issues[1]["body"] = "- [x] asked bo\n\n" + found.issues[1]["body"].replace("\n", "\r\n")
        await bench.tell(event_at(1, receipt=receipt))
        assert found.issues[1]["body"].startswith("- [x] asked bo")
        assert "**$450.00** since" in found.issues[1]["body"]
        assert "**$100.00** since" not in found.issues[1]["body"]


async def test_a_comment_comes_at_each_doubling_and_not_between() -> None:
    async with hub() as (found, bench):
        receipt = await bench.tell(event_at(0))
        for spent, comments in (("150", 0), ("250", 1), ("390", 1), ("410", 2)):
            event = replace(event_at(1, receipt=receipt), finding=sample_finding(spent))
            receipt = await bench.tell(event)
            assert len(found.comments[1]) == comments


@pytest.mark.parametrize(("on_recovery", "state"), [("comment", "open"), ("close", "closed")])
async def test_on_recovery_it_is_closed_only_if_asked_for(on_recovery: str, state: str) -> None:
    async with hub() as (found, bench):
        await lived(bench, on_recovery=on_recovery)
    assert found.issues[1]["state"] == state
    assert "It is over: $1,800.00 in all" in found.comments[1][-1]["body"].replace("\\", "").replace("\u200b", "")


async def test_soon_again_reopens_and_later_is_another_issue() -> None:
    async with hub() as (found, bench):
        over = await lived(bench, on_recovery="close")
        again = await tell(bench, next_episode(over, 71))
        assert (again.external_id, found.issues[1]["state"]) == (over.external_id, "open")
        assert "**$100.00** since" in found.issues[1]["body"]
        assert "It is back" in found.comments[1][-1]["body"]
        later = await tell(bench, next_episode(over, 73))
        assert later.external_id == "2"


async def test_an_incident_that_comes_back_takes_its_own_issue_up_again_unless_it_is_gone() -> None:
    async with hub() as (found, bench):
        over = await lived(bench, on_recovery="close")
        again = await bench.tell(returned(1, "opened", over))
        assert (again.external_id, found.issues[1]["state"]) == (over.external_id, "open")
        assert (again.state["base_usd"], again.state["doublings"]) == (over.state["base_usd"], over.state["doublings"])
        del found.issues[1]
        assert await bench.tell(returned(2, "opened", again)) == again
        assert found.issues == {}


async def test_what_a_person_closed_is_left_alone_and_muted_when_not_planned() -> None:
    async with hub() as (found, bench):
        receipt = await bench.tell(event_at(0))
        found.issues[1] |= {"state": "closed", "state_reason": "not_planned"}
        before = dict(found.issues[1])
        receipt = await bench.tell(event_at(1, receipt=receipt))
        receipt = await bench.tell(event_at(3, receipt=receipt))
        again = await bench.tell(next_episode(receipt, 1))
        assert again.state["muted"]
        await bench.tell(replace(event_at(2, receipt=again), incident="U1/8"))
        assert (found.issues[1], found.comments[1]) == (before, [])


async def test_an_assignee_who_left_or_a_label_that_cannot_be_set_is_a_note() -> None:
    async with hub() as (found, bench):
        found.assignable = set()
        left = await bench.tell(event_at(0))
        found.assignable, found.may_label = {"ana"}, False
        unlabelled = await bench.tell(event_at(0, incident="U1/8"))
    assert "without labels and assignee" in left.notes[0]
    assert "without its labels" in unlabelled.notes[0]
    assert len(found.issues) == 2


async def test_who_is_not_known_is_not_assigned() -> None:
    async with hub() as (found, bench):
        await tell(bench, event_at(0), assignees="bo@brightloom.example=bo")
    assert "assignees" not in found.issues[1]


@pytest.mark.parametrize("repo", [{"full_name": "acme/renamed"}, {"has_issues": False}])
async def test_a_repository_that_moved_or_takes_no_issues_is_told_on_its_field(repo: dict[str, Any]) -> None:
    async with hub() as (found, bench):
        found.repo |= repo
        error = await bench.outcome(event_at(0))
    assert isinstance(error, BadConfig)
    assert error.field == "repository"


async def test_an_issue_that_somebody_closed_before_the_retry_is_found_all_the_same() -> None:
    async with hub() as (found, bench):
        await bench.tell(event_at(0))
        found.issues[1] |= {"state": "closed", "state_reason": "completed"}
        await bench.tell(event_at(0))
    assert len(found.issues) == 1


async def test_a_mark_is_looked_for_beyond_the_first_page() -> None:
    async with hub() as (found, bench):
        await bench.tell(event_at(0))
        for number in range(2, 150):
            found.issues[number] = found.issues[1] | {"number": number, "body": "something else"}
        await bench.tell(event_at(0))
    assert len(found.issues) == 149


async def test_a_repository_that_is_gone_is_not_taken_for_issues_that_are() -> None:
    async with hub() as (found, bench):
        receipt = await bench.tell(event_at(0))
        found.repo["full_name"] = "acme/renamed"
        error = await bench.outcome(event_at(1, receipt=receipt))
        async with bench.sink() as sink:
            with pytest.raises(BadConfig):
                await sink.standings([receipt])
    assert isinstance(error, BadConfig)
    assert error.field == "repository"


async def test_a_deleted_issue_is_gone_and_nothing_is_filed_in_its_place() -> None:
    async with hub() as (found, bench):
        receipt = await bench.tell(event_at(0))
        del found.issues[1]
        again = await bench.tell(event_at(1, receipt=receipt))
        async with bench.sink() as sink:
            stands = await sink.standings([again])
    assert [one.standing for one in stands] == ["gone"]
    assert not found.issues


@pytest.mark.parametrize(
    ("fault", "kind", "seconds"),
    [
        (InjectedFault(403, b'{"message":"You have exceeded a secondary rate limit"}'), RateLimited, 60),
        (InjectedFault(403, b'{"message":"slow down"}', {"Retry-After": "30"}), RateLimited, 30),
        (
            InjectedFault(
                403,
                b'{"message":"API rate limit exceeded"}',
                {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{AT.timestamp() + 900:.0f}"},
            ),
            RateLimited,
            900,
        ),
        (InjectedFault(403, b'{"message":"Resource not accessible by personal access token"}'), NeedsReauth, 0),
    ],
)
async def test_patience_is_told_from_a_right_that_is_missing(
    fault: InjectedFault, kind: type[PluginError], seconds: int
) -> None:
    async with hub() as (_, bench):
        bench.wire.fail(fault)
        error = await bench.outcome(event_at(0))
    assert type(error) is kind
    if isinstance(error, RateLimited):
        assert error.retry_at - AT == timedelta(seconds=seconds)


async def test_without_a_repository_the_check_offers_those_there_are() -> None:
    async with hub() as (_, bench), bench.sink(with_(bench, repository="")) as sink:
        checked = await sink.check()
    assert (checked.asks, checked.choices["repository"]) == (("repository",), (("acme/platform", "acme/platform"),))


@pytest.mark.parametrize(
    ("field", "value"),
    [("repository", "acme"), ("repository", "../user"), ("assignees", "ana"), ("assignees", "a@b=@x")],
)
def test_what_cannot_be_is_told_on_its_field(field: str, value: str) -> None:
    with pytest.raises(BadConfig) as told:
        forms.build(GitHub, {"token": TOKEN, field: value})
    assert told.value.field == field


async def test_a_body_beyond_the_limit_keeps_its_mark() -> None:
    async with hub() as (found, bench):
        long = tuple(f"{number} " + "*" * 1_000 for number in range(100))
        await bench.tell(event_at(0, sentences=long))
        await bench.tell(event_at(0, sentences=long))
    assert len(found.issues) == 1
    assert len(found.issues[1]["body"]) <= 65_536
