"""GitHub Issues: one issue for each subject and episode, on GitHub or an Enterprise server of one's own.

GitHub takes no id of ours, so each issue and each comment carries a hidden marker, and is searched for before it is
made: in the list of issues, which is exact, and not by the search, which lags. The line with the current state stands
between two markers of its own, so that people can edit the rest of the text. A closed issue is left alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from outlay.plugin import (
    BadConfig,
    CheckResult,
    Event,
    NeedsReauth,
    Permanent,
    PluginInfo,
    Receipt,
    Sent,
    Sink,
    TicketStanding,
    TicketState,
)
from outlay_plugins._common.tickets import (
    doubling_sentence,
    filed_receipt,
    initial_doubling_state,
    markdown,
    new_doublings,
    plain,
    receipt_to_reopen,
    recovery_sentence,
    should_file,
    with_state,
)
from outlay_plugins._github.issue_text import GitHubConfig, body, hidden_marker, people_in, since, with_status_line

API_VERSION = "2022-11-28"
MAX_TITLE_CHARACTERS = 250
PAGE = 100
MAX_PAGES = 10  # of a list that is searched for a marker
LIMITED_SECONDS = 60.0  # GitHub's own advice where it gives no time


class GitHub(Sink[GitHubConfig]):
    """Sink that files issues in a GitHub repository."""

    meta = PluginInfo(slug="github", title="GitHub Issues", docs="docs/sinks.md")
    Config = GitHubConfig

    @classmethod
    def headers(cls, config: GitHubConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.token.get_secret_value()}", "X-GitHub-Api-Version": API_VERSION}

    async def check(self) -> CheckResult:
        if not self.config.repository:
            found = await self._list("/user/repos", {"per_page": PAGE, "sort": "pushed"})
            names = [str(repo.get("full_name")) for repo in found]
            choices = {"repository": tuple((name, name) for name in names)}
            return CheckResult("", "GitHub", "token", choices=choices, asks=("repository",))
        repo = _object(await self._ask("GET", self._repo))
        if repo.get("has_issues") is False or repo.get("archived"):
            what = "is archived" if repo.get("archived") else "has its issues switched off"
            raise BadConfig("repository", f"{self.config.repository} {what}.")
        if not isinstance(repo.get("id"), int):
            raise Permanent("GitHub's answer is not what it documents.")
        return CheckResult(
            str(repo["id"]), str(repo.get("full_name")), "token", can_read=("issues of this repository",)
        )

    def should_file(self, event: Event) -> bool:
        return should_file(event, self.config.file_from_usd, self.config.file_severity)

    async def opened(self, event: Event) -> Receipt:
        """File an issue, or reopen one: this incident's own, or the subject's last if over within three days."""
        earlier = receipt_to_reopen(event)
        if earlier is not None and (receipt := await self._again(event, earlier)) is not None:
            return receipt
        if event.receipt is not None:
            return event.receipt  # a person has deleted it: not filed again in this episode
        notes: list[str] = []
        issue = await self._find(event) or await self._create(event, notes)
        return Receipt(
            str(issue.get("html_url") or ""), str(_number(issue)), initial_doubling_state(event), tuple(notes)
        )

    async def updated(self, event: Event) -> Receipt:
        """Update the line with the current state, always; comment when the cost has doubled."""
        receipt = filed_receipt(event)
        issue = await self._open_issue(receipt)
        if issue is None:
            return receipt
        if text := with_status_line(issue, event):
            await self._ask("PATCH", self._path(receipt), json={"body": text})
        times = new_doublings(event, receipt.state)
        if not times:
            return receipt
        await self._comment(event, receipt, f"doubled:{times}", doubling_sentence(event))
        return with_state(receipt, dict(receipt.state) | {"doublings": times})

    async def resolved(self, event: Event) -> Receipt:
        """Comment with the total and, if configured, close the issue."""
        receipt = filed_receipt(event)
        state = dict(receipt.state) | {"resolved_at": event.at.isoformat()}
        issue = await self._open_issue(receipt)
        if issue is not None:
            await self._comment(event, receipt, f"over:{event.key}", recovery_sentence(event))
            change: dict[str, Any] = {"body": text} if (text := with_status_line(issue, event)) else {}
            if self.config.on_recovery == "close":
                change |= {"state": "closed", "state_reason": "completed"}
            if change:
                await self._ask("PATCH", self._path(receipt), json=change)
        return with_state(receipt, state)

    async def standings(self, receipts: Sequence[Receipt]) -> Sequence[TicketState]:
        """Return the current state of issues."""
        found = {}
        for receipt in receipts:
            if receipt.external_id and receipt.external_id not in found:
                found[receipt.external_id] = TicketState(receipt.external_id, _standing(await self._issue(receipt)))
        return list(found.values())

    # Steps; each is idempotent

    async def _create(self, event: Event, notes: list[str]) -> dict[str, Any]:
        wanted: dict[str, Any] = {"title": plain(event.finding.title, MAX_TITLE_CHARACTERS), "body": body(event)}
        labels = [name for label in self.config.labels.split(",") if (name := label.strip())]
        login = people_in(self.config.assignees).get(event.finding.subject.email.casefold())
        extras: dict[str, Any] = {"labels": labels} if labels else {}
        extras |= {"assignees": [login]} if login else {}
        sent = await self._send("POST", f"{self._repo}/issues", json=wanted | extras)
        if sent.status == 422 and extras:
            sent = await self._send("POST", f"{self._repo}/issues", json=wanted)
            notes.append("An issue was filed without labels and assignee: GitHub does not take them.")
        issue = _object(self._read(sent))
        shown = issue.get("labels")
        ones = shown if isinstance(shown, list) else []
        there = {str(one.get("name")).casefold() for one in ones if isinstance(one, dict)}
        if labels and not notes and not {label.casefold() for label in labels} <= there:
            notes.append("An issue was filed without its labels: the token may not set them.")
        return issue

    async def _find(self, event: Event) -> dict[str, Any] | None:
        """Return the issue of this episode, if an earlier attempt made it."""
        me = _object(await self._ask("GET", "/user")).get("login")
        query = {"state": "all", "since": since(event), "sort": "created", "direction": "desc"}
        return await self._marked(
            f"{self._repo}/issues", query | {"creator": str(me)}, hidden_marker(event.uid("issue"))
        )

    async def _again(self, event: Event, earlier: Receipt) -> Receipt | None:
        """Reopen an issue that was over. None if it cannot be, so that another episode gets a new one."""
        issue = await self._issue(earlier)
        standing = _standing(issue)
        if issue is None or standing == "gone":
            return None
        state = initial_doubling_state(event)
        if standing == "canceled":  # a person has rejected it as not worth an issue
            return with_state(earlier, state | ({} if event.receipt else {"muted": True}))
        await self._comment(
            event, earlier, f"again:{event.key}", " ".join(["It is back.", *event.finding.sentences[:1]])
        )
        change = {"body": text} if (text := with_status_line(issue, event)) else {}
        change |= {"state": "open"} if standing == "done" else {}
        if change:
            await self._ask("PATCH", self._path(earlier), json=change)
        return with_state(earlier, state)

    async def _comment(self, event: Event, receipt: Receipt, purpose: str, text: str) -> None:
        unseen = hidden_marker(event.uid(f"comment:{purpose}"))
        path = f"{self._path(receipt)}/comments"
        if await self._marked(path, {"since": since(event)}, unseen) is None:
            await self._ask("POST", path, json={"body": f"{markdown(text, 2_000)}\n\n{unseen}"})

    async def _open_issue(self, receipt: Receipt) -> dict[str, Any] | None:
        """Return the issue, if it is open and not muted."""
        issue = None if receipt.state.get("muted") else await self._issue(receipt)
        return issue if _standing(issue) == "open" else None

    async def _issue(self, receipt: Receipt) -> dict[str, Any] | None:
        """Return the issue, None if it is gone. Raises BadConfig if its repository is."""
        sent = await self._send("GET", self._path(receipt))
        if sent.status in (301, 404, 410):  # moved or deleted, unless the whole repository is
            await self._ask("GET", self._repo)
            return None
        return _object(self._read(sent))

    # Requests

    @property
    def _repo(self) -> str:
        return f"/repos/{self.config.repository}"

    def _path(self, receipt: Receipt) -> str:
        if not receipt.external_id.isdecimal():
            raise Permanent("What was kept of this incident names no issue of GitHub's.")
        return f"{self._repo}/issues/{receipt.external_id}"

    async def _marked(self, path: str, query: Mapping[str, str], unseen: str) -> dict[str, Any] | None:
        for page in range(1, MAX_PAGES + 1):
            found = await self._list(path, {**query, "per_page": PAGE, "page": page})
            for one in found:
                if unseen in str(one.get("body")):
                    return one
            if len(found) < PAGE:
                return None
        raise Permanent(f"GitHub's list at {path} goes on beyond {MAX_PAGES} pages.")

    async def _list(self, path: str, query: Mapping[str, str | int]) -> list[dict[str, Any]]:
        found = await self._ask("GET", path, params=query)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Permanent("GitHub's answer is not what it documents.")
        return found

    async def _ask(self, method: str, path: str, **how: Any) -> Any:
        return self._read(await self._send(method, path, **how))

    async def _send(self, method: str, path: str, **how: Any) -> Sent:
        """Send a request. Raises RateLimited for GitHub's two kinds of rate limit, one of which is a 403."""
        sent = await self.http.send(method, path, **how)
        left, hint = sent.headers.get("x-ratelimit-remaining"), sent.headers.get("retry-after")
        if sent.status in (403, 429):
            if hint or left == "0":
                raise self.http.limited(sent)
            if sent.status == 429 or b"rate limit" in sent.body[:2_000].lower():
                raise self.http.limited(sent, LIMITED_SECONDS)
            raise NeedsReauth(f"GitHub does not let this token do that (403): {self._words(sent)}", status=403)
        return sent

    def _read(self, sent: Sent) -> Any:
        if sent.status == 404:
            name = self.config.repository or "nothing"
            raise BadConfig("repository", f"GitHub has no {name} with issues that this token sees.", status=404)
        if sent.status == 410:
            raise BadConfig("repository", f"{self.config.repository} has its issues switched off.", status=410)
        if 300 <= sent.status < 400:
            raise BadConfig(
                "repository", f"{self.config.repository} has another name or owner now.", status=sent.status
            )
        self.http.raise_for(sent)
        return sent.json(self.http.who)

    def _words(self, sent: Sent) -> str:
        found = sent.json(self.http.who) if sent.body.strip() else {}
        return self.http.tidy_words(str(found.get("message") or "")) if isinstance(found, dict) else ""


def _standing(issue: Mapping[str, Any] | None) -> TicketStanding:
    if issue is None:
        return "gone"
    if issue.get("state") != "closed":
        return "open"
    return "canceled" if issue.get("state_reason") in ("not_planned", "duplicate") else "done"


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Permanent("GitHub's answer is not what it documents.")
    return found


def _number(issue: Mapping[str, Any]) -> int:
    number = issue.get("number")
    if not isinstance(number, int) or isinstance(number, bool):
        raise Permanent("GitHub took the issue, and yet does not show it.")
    return number
