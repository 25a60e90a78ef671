"""In-memory workspace of the fake Linear: people, teams, states, labels; issues, comments, attachments."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from outlay.core.clock import Clock
from outlay.fakes.company.employees import COMPANY_NAME, DOMAIN, PEOPLE, uuid_of

_STATES = (
    ("Triage", "triage"),
    ("Backlog", "backlog"),
    ("Todo", "unstarted"),
    ("In Progress", "started"),
    ("Done", "completed"),
    ("Canceled", "canceled"),
)
Record = dict[str, Any]


class FakeLinearError(Exception):
    """Entry of `errors` in an answer. `status` is the HTTP status; Linear answers 200 to most of what it refuses."""

    def __init__(self, message: str, code: str, kind: str, told: str = "", status: int = 200) -> None:
        super().__init__(message)
        self.status = status
        extensions = {"type": kind, "code": code, "userError": True, "userPresentableMessage": told or message}
        self.entry = {"message": message, "extensions": extensions}


class FakeLinearWorkspace:
    """Contents of the workspace. Tests change it: they archive a team, close an issue, deactivate a user."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.users = [_user(person.name, person.email) for person in PEOPLE]
        self.states = [
            {"id": uuid_of("linear", name.lower()), "name": name, "type": kind, "position": float(place)}
            for place, (name, kind) in enumerate(_STATES)
        ]
        self.labels: list[Record] = []
        self.teams = [self._team("ENG", "Engineering"), self._team("OPS", "Operations")]
        self.issues: dict[str, Record] = {}
        self.comments: dict[str, Record] = {}
        self.attachments: dict[tuple[str, str], Record] = {}
        self.subscribed: list[tuple[str, str]] = []

    def fields(self) -> dict[str, Callable[..., Any]]:
        """Return the resolvers of queries and mutations, by their names in the schema."""
        page = {"hasNextPage": False, "endCursor": None}
        return {
            "viewer": lambda _: self.users[0],
            "organization": lambda _: {
                "id": uuid_of("linear", DOMAIN), "name": COMPANY_NAME, "urlKey": COMPANY_NAME.lower(),
            },
            "teams": lambda _, **__: {"nodes": self.teams, "pageInfo": page},
            "team": lambda _, id: _found(self.teams, id, "Team"),  # noqa: A006  the schema's own name
            "users": lambda _, **asked: {"nodes": self._users(asked.get("filter") or {}), "pageInfo": page},
            "issue": lambda _, id: self._issue(id),  # noqa: A006
            "issues": lambda _, **asked: {"nodes": self._issues(asked.get("filter") or {}), "pageInfo": page},
            "issueLabels": lambda _, **asked: {"nodes": self._labels(asked.get("filter") or {}), "pageInfo": page},
            "workflowStates": lambda _, **__: {"nodes": self.states, "pageInfo": page},
            "issueCreate": lambda _, input: self._done("issue", self._create(input)),  # noqa: A006
            "issueUpdate": lambda _, id, input: self._done("issue", self._update(id, input)),  # noqa: A006
            "issueSubscribe": lambda _, id, **who: self._done("issue", self._subscribe(id, who)),  # noqa: A006
            "commentCreate": lambda _, input: self._done("comment", self._comment(input)),  # noqa: A006
            "attachmentCreate": lambda _, input: self._done("attachment", self._attach(input)),  # noqa: A006
            "issueLabelCreate": lambda _, input: self._done("issueLabel", self._label(input)),  # noqa: A006
        }  # fmt: skip

    def state(self, name: str) -> Record:
        """Return a workflow state by its name."""
        return next(state for state in self.states if state["name"] == name)

    def comment_bodies(self, issue_id: str) -> list[str]:
        """Return the comments on an issue, in order."""
        return [one["body"] for one in self.comments.values() if one["issueId"] == issue_id]

    def webhook(self, secret: str, issue_id: str, action: str = "update", by: str = "Bob") -> tuple[Record, bytes]:
        """Build the signed webhook that Linear would send for a change to this issue: headers and body."""
        issue = self.issues[issue_id]
        at = int(self.clock.now().timestamp() * 1000)
        data = {name: issue[name] for name in ("id", "identifier", "title", "url", "state", "trashed")}
        body = json.dumps(
            {"action": action, "type": "Issue", "actor": {"name": by}, "data": data, "webhookTimestamp": at}
        ).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return {"linear-signature": signature, "linear-event": "Issue", "linear-timestamp": str(at)}, body

    def _team(self, key: str, name: str) -> Record:
        team: Record = {"id": uuid_of("linear", "team" if key == "ENG" else key), "key": key, "name": name}
        return team | {
            "triageEnabled": True,
            "defaultIssueState": self.state("Backlog"),
            "triageIssueState": self.state("Triage"),
            "states": lambda _, **__: {"nodes": self.states},
            "labels": lambda _, **__: {
                "nodes": [label for label in self.labels if label["team"] and label["team"]["id"] == team["id"]]
            },
        }

    def _done(self, name: str, record: Record) -> Record:
        return {"success": True, "lastSyncId": float(len(self.issues) + len(self.comments)), name: record}

    def _users(self, wanted: Mapping[str, Any]) -> list[Record]:
        email = str((wanted.get("email") or {}).get("eqIgnoreCase") or "").casefold()
        active = (wanted.get("active") or {}).get("eq")
        found = [user for user in self.users if not email or user["email"].casefold() == email]
        return [user for user in found if active is None or user["active"] == active]

    def _labels(self, wanted: Mapping[str, Any]) -> list[Record]:
        name = str((wanted.get("name") or {}).get("eqIgnoreCase") or "").casefold()
        return [label for label in self.labels if not name or label["name"].casefold() == name]

    def _issue(self, issue_id: object) -> Record:
        if str(issue_id) not in self.issues:
            raise _missing("Issue")
        return self.issues[str(issue_id)]

    def _issues(self, wanted: Mapping[str, Any]) -> list[Record]:
        ids = (wanted.get("id") or {}).get("in")
        return [issue for issue in self.issues.values() if ids is None or issue["id"] in ids]

    def _create(self, wanted: Record) -> Record:
        team = _found(self.teams, wanted.get("teamId"), "Team")
        number = len(self.issues) + 1
        identity = self._new_id(wanted, "Issue", self.issues, uuid_of("linear", "issue", number))
        if not str(wanted.get("title") or "").strip():
            raise FakeLinearError("Argument Validation Error", "INVALID_INPUT", "invalid input")
        assignee = _found(self.users, wanted["assigneeId"], "User") if wanted.get("assigneeId") else None
        if assignee is not None and not assignee["active"]:
            raise _missing("User")
        labels = [_found(self.labels, label_id, "IssueLabel") for label_id in wanted.get("labelIds") or []]
        made: Record = {
            "description": None,
            "priority": 0,
            **wanted,
            "id": identity,
            "number": float(number),
            "identifier": f"{team['key']}-{number}",
            "url": f"https://linear.app/{COMPANY_NAME.lower()}/issue/{team['key']}-{number}",
            "createdAt": self._now(),
            "trashed": None,
            "archivedAt": None,
            "assignee": assignee,
            "state": _found(self.states, wanted["stateId"], "State") if "stateId" in wanted else self.state("Triage"),
            "team": team,
            "labels": lambda _, **__: {"nodes": labels},
            "comments": lambda _, **__: {
                "nodes": [one for one in self.comments.values() if one["issueId"] == identity]
            },
            "attachments": lambda _, **__: {
                "nodes": [one for one in self.attachments.values() if one["issueId"] == identity]
            },
        }
        self.issues[identity] = made
        return made

    def _update(self, issue_id: object, wanted: Record) -> Record:
        issue = self._issue(issue_id)
        changed = dict(wanted)
        if "stateId" in wanted:
            changed["state"] = _found(self.states, wanted["stateId"], "WorkflowState")
        issue.update(changed)
        return issue

    def _subscribe(self, issue_id: object, who: Mapping[str, Any]) -> Record:
        issue, email = self._issue(issue_id), str(who.get("userEmail"))
        if not self._users({"email": {"eqIgnoreCase": email}}):
            raise _missing("User")
        if (issue["id"], email) not in self.subscribed:
            self.subscribed.append((issue["id"], email))
        return issue

    def _comment(self, wanted: Record) -> Record:
        self._issue(wanted.get("issueId"))
        identity = self._new_id(wanted, "Comment", self.comments, uuid_of("linear", "comment", len(self.comments)))
        self.comments[identity] = {**wanted, "id": identity, "createdAt": self._now()}
        return self.comments[identity]

    def _attach(self, wanted: Record) -> Record:
        """Attach an address to an issue once; attaching it again replaces the text of the attachment."""
        self._issue(wanted["issueId"])
        place = (wanted["issueId"], wanted["url"])
        identity = self.attachments.get(place, {}).get("id") or uuid_of("linear", *place)
        self.attachments[place] = {"subtitle": None, **wanted, "id": identity}
        return self.attachments[place]

    def _label(self, wanted: Record) -> Record:
        made = {label["id"]: label for label in self.labels}
        identity = self._new_id(wanted, "IssueLabel", made, uuid_of("linear", "label", len(self.labels)))
        if self._labels({"name": {"eqIgnoreCase": wanted["name"]}}):
            raise FakeLinearError(
                "duplicate label name", "INVALID_INPUT", "invalid input", "There is such a label already."
            )
        team = _found(self.teams, wanted["teamId"], "Team") if wanted.get("teamId") else None
        self.labels.append({"id": identity, "name": wanted["name"], "team": team})
        return self.labels[-1]

    def _new_id(self, wanted: Record, entity: str, known: Mapping[str, Record], otherwise: str) -> str:
        """Return a new record's id, `otherwise` if none is wanted; raise FakeLinearError unless it is a new UUID4."""
        identity = str(wanted.get("id") or otherwise)
        if not _is_uuid4(identity):
            raise FakeLinearError("Argument Validation Error", "INVALID_INPUT", "invalid input")
        if identity in known:
            told = f"Entity {entity} with id {identity} already exists."
            raise FakeLinearError(f"conflict on insert of {entity}", "INPUT_ERROR", "invalid input", told)
        return identity

    def _now(self) -> str:
        return f"{self.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"


def _user(name: str, email: str) -> Record:
    nick = name.split()[0].lower()
    known = {"id": uuid_of("linear", email), "name": name, "displayName": nick, "email": email}
    return known | {"active": True, "app": False, "isAssignable": True}


def _found(records: list[Record], wanted: object, entity: str) -> Record:
    for record in records:
        if record["id"] == wanted:
            return record
    raise _missing(entity)


def _missing(entity: str) -> FakeLinearError:
    return FakeLinearError(
        f"Entity not found: {entity}", "INPUT_ERROR", "invalid input", f"Could not find that {entity}."
    )


def _is_uuid4(text: object) -> bool:
    try:
        return UUID(str(text)).version == 4
    except ValueError:
        return False
