"""Jira Cloud: one issue for each subject and episode, found again by a label of its own.

Jira takes no id of ours. An issue carries a label that comes from the incident, and a comment a reference at its end;
both are searched for before anything is made. The incident's page is a link that Jira replaces by its id, with the
current state under it. What people do is respected: a priority that was set by hand stays, an issue that is done is
left alone, and one that is started is not moved.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from outlay.plugin import (
    SEVERITIES,
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
    links,
    new_doublings,
    plain,
    receipt_to_reopen,
    recovery_sentence,
    should_file,
    with_state,
)
from outlay_plugins._jira import issue_text as wording
from outlay_plugins._jira.issue_text import JiraConfig

API = "/rest/api/3"
MAX_COMMENTS = 100  # the newest, which are searched for a reference
MAX_TYPES = 200
SET_BY_US = frozenset({"project", "issuetype", "summary", "description", "labels", "priority", "assignee", "reporter"})
OPTIONAL = ("priority", "assignee", "description")
_NOT_WORTH = frozenset({"won't do", "won't fix", "duplicate", "declined", "cannot reproduce", "invalid", "canceled"})
_CATEGORIES: dict[str, TicketStanding] = {
    "new": "open",
    "undefined": "open",
    "indeterminate": "started",
    "done": "done",
}


class Jira(Sink[JiraConfig]):
    """Sink that files issues in a Jira project."""

    meta = PluginInfo(slug="jira", title="Jira", docs="docs/sinks.md")
    Config = JiraConfig

    @classmethod
    def headers(cls, config: JiraConfig) -> dict[str, str]:
        pair = f"{config.email}:{config.api_token.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def check(self) -> CheckResult:
        """Verify the token, and that this type of issue can be made in this project with the fields we set."""
        config = self.config
        me = await self._object("GET", "/myself")
        who = f"API token of {me.get('displayName') or config.email}"
        if not config.project:
            found = _list(await self._object("GET", "/project/search", params={"maxResults": 50}), "values")
            choices = {"project": tuple((str(one.get("key")), str(one.get("name"))) for one in found)}
            return CheckResult(
                "", urlsplit(config.base_url).hostname or "Jira", who, choices=choices, asks=("project",)
            )
        project = await self._object("GET", f"/project/{config.project}")
        meta = f"/issue/createmeta/{config.project}/issuetypes"
        types = _list(await self._object("GET", meta, params={"maxResults": MAX_TYPES}), "issueTypes")
        names = {str(one.get("name")): str(one.get("id")) for one in types if not one.get("subtask")}
        type_id = {name.casefold(): one for name, one in names.items()}.get(config.issue_type.strip().casefold())
        if type_id is None:
            there = ", ".join(names) or "none that this account may make"
            raise BadConfig("issue_type", f"{config.project} has no issue type {config.issue_type[:40]!r}; {there}.")
        fields = _list(await self._object("GET", f"{meta}/{type_id}", params={"maxResults": MAX_TYPES}), "fields")
        self._look_at(fields)
        host = urlsplit(config.base_url).hostname or ""
        return CheckResult(
            account_id=f"{host}/{project.get('id')}",
            account_title=f"{project.get('name')} at {host}",
            credential=who,
            can_read=(f"file issues in {config.project}",),
            choices={"issue_type": tuple((name, name) for name in names)},
        )

    def should_file(self, event: Event) -> bool:
        return should_file(event, self.config.file_from_usd, self.config.file_severity)

    async def opened(self, event: Event) -> Receipt:
        """File an issue, or reopen one: this incident's own, or the subject's last if over within three days."""
        earlier = receipt_to_reopen(event)
        if earlier is not None and (receipt := await self._again(event, earlier)) is not None:
            return receipt
        if event.receipt is not None:
            return event.receipt  # gone, or cannot be reopened: not filed again in this episode
        notes: list[str] = []
        key = await self._find(event) or await self._create(event, notes)
        await self._link(event, key, notes)
        state = {**initial_doubling_state(event), "severity": event.finding.severity}
        return Receipt(f"{self.config.base_url.strip().rstrip('/')}/browse/{key}", key, state, tuple(notes))

    async def updated(self, event: Event) -> Receipt:
        """Update the link, always; the priority when it gets worse; comment when the cost has doubled."""
        receipt, notes = filed_receipt(event), list[str]()
        issue = await self._live(receipt)
        if issue is None:
            return receipt
        await self._link(event, receipt.external_id, notes)
        state = dict(receipt.state)
        before = state.get("severity")
        if before in SEVERITIES and SEVERITIES.index(event.finding.severity) > SEVERITIES.index(before):
            await self._raise(event, receipt.external_id, issue, str(before), notes)
            state["severity"] = event.finding.severity
        if times := new_doublings(event, state):
            await self._comment(event, receipt.external_id, f"doubled:{times}", [doubling_sentence(event)])
            state["doublings"] = times
        return with_state(receipt, state, notes)

    async def resolved(self, event: Event) -> Receipt:
        """Comment with the total; if configured and not started, move the issue to its recovery status."""
        receipt, notes = filed_receipt(event), list[str]()
        state = dict(receipt.state) | {"resolved_at": event.at.isoformat()}
        issue = await self._live(receipt)
        if issue is not None:
            await self._link(event, receipt.external_id, notes)
            await self._comment(event, receipt.external_id, f"over:{event.key}", [recovery_sentence(event)])
            if self.config.on_recovery and _standing(issue) == "open":
                wanted = self.config.on_recovery.strip().casefold()
                if not await self._move(receipt.external_id, lambda name, to, _: wanted in (name, to)):
                    notes.append(f"A recovered issue was left as it is: it cannot become {self.config.on_recovery!r}.")
        return with_state(receipt, state, notes)

    async def standings(self, receipts: Sequence[Receipt]) -> Sequence[TicketState]:
        """Return the current state of issues."""
        keys = dict.fromkeys(receipt.external_id for receipt in receipts if receipt.external_id)
        return [TicketState(key, _standing(await self._issue(key))) for key in keys]

    # Steps; each is idempotent

    async def _create(self, event: Event, notes: list[str]) -> str:
        config, found = self.config, event.finding
        fields: dict[str, Any] = {
            "project": {"key": config.project},
            "issuetype": {"name": config.issue_type.strip()},
            "summary": plain(found.title, wording.MAX_TITLE_CHARACTERS) or "Outlay",
            "description": wording.description(event),
            "labels": [label for label in (config.label, _label(event)) if label],
        }
        if name := wording.priorities_in(config.priorities).get(found.severity):
            fields["priority"] = {"name": name}
        if account := await self._assignee(event, notes):
            fields["assignee"] = {"accountId": account}
        sent = await self._send("POST", "/issue", json={"fields": fields})
        wrong = _errors(sent) if sent.status == 400 else {}
        if wrong and all(name in OPTIONAL for name in wrong):
            notes.append(f"An issue was filed without its {', '.join(wrong)}: {self._words(sent)}")
            fields = {name: value for name, value in fields.items() if name not in wrong}
            sent = await self._send("POST", "/issue", json={"fields": fields})
            wrong = _errors(sent) if sent.status == 400 else {}
        if wrong:
            field = "project" if "project" in wrong else "label" if "labels" in wrong else "issue_type"
            raise BadConfig(field, f"Jira does not make the issue: {self._words(sent)}", status=400)
        return _key(self._read(sent))

    async def _find(self, event: Event) -> str | None:
        """Return the issue of this episode, if an earlier attempt made it; the first, if there are two."""
        jql = f'labels = "{_label(event)}" ORDER BY created ASC'  # in any project: it may have been moved
        asked = {"jql": jql, "fields": ["status"], "maxResults": 2}
        found = _list(await self._object("POST", "/search/jql", json=asked), "issues")
        return _key(found[0]) if found else None

    async def _again(self, event: Event, earlier: Receipt) -> Receipt | None:
        """Reopen an issue that was over. None if it cannot be, so that another episode gets a new one."""
        issue, key, notes = await self._issue(earlier.external_id), earlier.external_id, list[str]()
        standing = _standing(issue)
        state = {**initial_doubling_state(event), "severity": event.finding.severity}
        if standing == "gone":
            return None
        if standing == "canceled":  # a person has rejected it as not worth an issue
            return with_state(earlier, state | ({} if event.receipt else {"muted": True}))
        if standing == "done" and not (
            await self._move(key, lambda _n, _t, category: category == "new")
            or await self._move(key, lambda _n, _t, category: category == "indeterminate")
        ):
            return None
        await self._comment(event, key, f"again:{event.key}", ["It is back.", *event.finding.sentences[:1]])
        await self._link(event, key, notes)
        return with_state(earlier, state, notes)

    async def _comment(self, event: Event, key: str, purpose: str, lines: Sequence[str]) -> None:
        reference, path = event.uid(f"comment:{purpose}"), f"/issue/{key}/comment"
        newest = {"orderBy": "-created", "maxResults": MAX_COMMENTS}
        there = _list(await self._object("GET", path, params=newest), "comments")
        if not any(reference in json.dumps(one.get("body")) for one in there):
            await self._object("POST", path, json={"body": wording.comment(lines, reference)})

    async def _link(self, event: Event, key: str, notes: list[str]) -> None:
        """Link the incident's page with its current state; Jira replaces a link of the same global id."""
        if event.finding.page is None or not (pages := links(event.finding)):
            return
        title, url = pages[0]
        shown = {"url": url, "title": plain(title, 200), "summary": wording.status_line(event)}
        mark = f"outlay={event.uid('page')}"
        sent = await self._send("POST", f"/issue/{key}/remotelink", json={"globalId": mark, "object": shown})
        if sent.status in (400, 403, 404):
            notes.append(f"The incident's page is not linked to {key}: {self._words(sent)}")
        else:
            self._read(sent)

    async def _raise(self, event: Event, key: str, issue: Mapping[str, Any], before: str, notes: list[str]) -> None:
        """Set the priority of the new severity, unless a person has set another than ours."""
        names = wording.priorities_in(self.config.priorities)
        wanted, there = names.get(event.finding.severity), _named(_fields(issue).get("priority"))
        if not wanted or there.casefold() != names.get(before, "").casefold():
            return
        sent = await self._send("PUT", f"/issue/{key}", json={"fields": {"priority": {"name": wanted}}})
        if sent.status == 400:
            notes.append(f"The priority of {key} stays: {self._words(sent)}")
        else:
            self._read(sent)

    async def _move(self, key: str, fits: Any) -> bool:
        """Make the first transition that fits, and return whether one was made.

        `fits` gets its name, the status it leads to, and that status's category.
        """
        path = f"/issue/{key}/transitions"
        for one in _list(await self._object("GET", path), "transitions"):
            to = one.get("to") if isinstance(one.get("to"), dict) else {}
            names = (str(one.get("name")).casefold(), _named(to).casefold(), _category(to))
            if fits(*names):
                sent = await self._send("POST", path, json={"transition": {"id": str(one.get("id"))}})
                if sent.status != 400:  # 400: it needs a field that only a person can fill in
                    self._read(sent)
                return sent.status != 400
        return False

    async def _assignee(self, event: Event, notes: list[str]) -> str:
        subject = event.finding.subject
        if not self.config.assign_owner or not subject.email:
            return ""
        query = {"project": self.config.project, "query": subject.email, "maxResults": 2}
        sent = await self._send("GET", "/user/assignable/search", params=query)
        users = [one for one in (sent.json("Jira") if sent.status == 200 else []) if isinstance(one, dict)]
        same = [one for one in users if str(one.get("emailAddress") or "").casefold() == subject.email.casefold()]
        hidden = [one for one in users if not one.get("emailAddress")]  # found by the address, which is hidden
        chosen = same or (hidden if len(users) == 1 else [])
        if chosen and chosen[0].get("active", True):
            return str(chosen[0].get("accountId") or "")
        notes.append(f"{subject.name} is nobody in Jira who can be assigned.")
        return ""

    async def _live(self, receipt: Receipt) -> dict[str, Any] | None:
        """Return the issue, if it is not done and not muted."""
        issue = None if receipt.state.get("muted") else await self._issue(receipt.external_id)
        return issue if _standing(issue) in ("open", "started") else None

    async def _issue(self, key: str) -> dict[str, Any] | None:
        """Return the issue, None if it is gone. Raises BadConfig if its project is."""
        sent = await self._send("GET", f"/issue/{key}", params={"fields": "status,resolution,priority"})
        if sent.status == 404:
            await self._object("GET", f"/project/{self.config.project}")
            return None
        return _shape(self._read(sent), "fields")

    # Requests

    def _look_at(self, fields: Sequence[Mapping[str, Any]]) -> None:
        """Raise BadConfig if an issue could not be made with the fields that we know."""
        known = {str(one.get("fieldId") or one.get("key")): one for one in fields}
        needed = [one for one in fields if one.get("required") and not one.get("hasDefaultValue")]
        strange = [str(one.get("name")) for one in needed if str(one.get("fieldId") or one.get("key")) not in SET_BY_US]
        kind = f"{self.config.issue_type} in {self.config.project}"
        if strange:
            raise BadConfig("issue_type", f"{kind} needs {', '.join(strange)[:200]}, which Outlay does not know.")
        if known and "labels" not in known:
            raise BadConfig("issue_type", f"{kind} has no Labels on its screen; Outlay finds its issues by them.")
        allowed = known.get("priority", {}).get("allowedValues")
        there = [_named(one) for one in allowed] if isinstance(allowed, list) else []
        for name in wording.priorities_in(self.config.priorities).values():
            if there and name.casefold() not in (one.casefold() for one in there):
                raise BadConfig("priorities", f"There is no priority {name[:40]!r}; there is: {', '.join(there)}.")

    async def _object(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        return _shape(self._read(await self._send(method, path, **how)))

    async def _send(self, method: str, path: str, **how: Any) -> Sent:
        return await self.http.send(method, API + path, **how)

    def _read(self, sent: Sent) -> Any:
        if sent.status == 404:
            raise BadConfig(
                "project", f"Jira shows this account no {self.config.project}: {self._words(sent)}", status=404
            )
        if sent.status == 403:
            raise NeedsReauth(f"Jira does not let this account do that (403): {self._words(sent)}", status=403)
        if sent.status == 400:
            raise Permanent(f"Jira refused the request (400): {self._words(sent)}", status=400)
        self.http.raise_for(sent)
        return sent.json(self.http.who) if sent.body.strip() else {}

    def _words(self, sent: Sent) -> str:
        return self.http.tidy_words(" ".join(_errors(sent).values()) or "it gives no reason")


def _label(event: Event) -> str:
    return f"outlay-{event.uid('issue')}"


def _errors(sent: Sent) -> dict[str, str]:
    """Parse what Jira says is wrong, by field; "" for what is of none."""
    try:
        found = json.loads(sent.body or b"{}")
    except (ValueError, RecursionError):
        return {}
    found = found if isinstance(found, dict) else {}
    messages, errors = found.get("errorMessages"), found.get("errors")
    whole = " ".join(map(str, messages)) if isinstance(messages, list) else ""
    of_fields = {str(name): str(text) for name, text in errors.items()} if isinstance(errors, dict) else {}
    return of_fields | ({"": whole} if whole else {})


def _standing(issue: Mapping[str, Any] | None) -> TicketStanding:
    if issue is None:
        return "gone"
    fields = _fields(issue)
    standing = _CATEGORIES.get(_category(fields.get("status")), "open")
    worthless = standing == "done" and _named(fields.get("resolution")).casefold() in _NOT_WORTH
    return "canceled" if worthless else standing


def _category(status: Any) -> str:
    category = status.get("statusCategory") if isinstance(status, dict) else None
    return str(category.get("key")) if isinstance(category, dict) else ""


def _fields(issue: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = issue.get("fields")
    return fields if isinstance(fields, dict) else {}


def _named(found: Any) -> str:
    return str(found.get("name") or "") if isinstance(found, dict) else ""


def _key(found: Any) -> str:
    return str(_shape(found, "key")["key"])


def _shape(found: Any, *names: str) -> dict[str, Any]:
    if not isinstance(found, dict) or not set(names) <= found.keys():
        raise Permanent("Jira's answer is not what it documents.")
    return found


def _list(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    ones = found.get(name)
    if not isinstance(ones, list) or not all(isinstance(one, dict) for one in ones):
        raise Permanent("Jira's answer is not what it documents.")
    return ones
