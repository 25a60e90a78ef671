"""Linear: one issue for each subject and episode, kept up to date, and never two.

Every step is idempotent: ids come from the event, and a refused duplicate tells a retry that the first worked.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from outlay.plugin import (
    SEVERITIES,
    BadConfig,
    CheckResult,
    Context,
    Event,
    Inbound,
    Link,
    NeedsReauth,
    Permanent,
    PluginInfo,
    Receipt,
    Sink,
    TicketState,
)
from outlay_plugins._linear import queries, wording
from outlay_plugins._linear import webhook as linear_webhook
from outlay_plugins._linear.auth import LinearSession
from outlay_plugins._linear.config import LinearConfig
from outlay_plugins._linear.graphql import LinearRefused

REOPENED_WITHIN = timedelta(hours=72)
SWEPT_AT_ONCE = 50
MAX_LINKS = 5
MAX_NAME_CHARACTERS = 75  # of an option in a list
_WAITING = ("triage", "backlog", "unstarted")  # not started
_ENDS = {"completed": 0, "canceled": 1}
_FIRST_STATES = ("unstarted", "backlog", "triage", "started")


class Linear(Sink[LinearConfig]):
    """Sink that files issues in a Linear team."""

    meta = PluginInfo(slug="linear", title="Linear", docs="docs/sinks.md")
    Config = LinearConfig

    def __init__(self, config: LinearConfig, context: Context) -> None:
        super().__init__(config, context)
        self._door = LinearSession(config, self.http, context.kept)

    @classmethod
    def base_url(cls, config: LinearConfig) -> str:
        """Return the base URL without its endpoint."""
        return config.root

    @classmethod
    def headers(cls, config: LinearConfig) -> dict[str, str]:
        """Return a personal key's header; an app's token is sent with each request instead."""
        return {"Authorization": config.api_key.get_secret_value()} if config.api_key else {}

    async def check(self) -> CheckResult:
        config = self.config
        if not config.api_key and not (config.client_id and config.client_secret):
            raise BadConfig("api_key", "Linear needs an API key, or the client ID and client secret of an OAuth app.")
        found = await self._ask(queries.CHECK)
        viewer, organization, teams = found["viewer"], found["organization"], found["teams"]["nodes"]
        choices = {"team": tuple((str(team["key"]), str(team["name"])) for team in teams)}
        who = "OAuth app" if viewer.get("app") or not config.api_key else "API key"
        credential = f"{who} {viewer.get('name') or ''}".strip()
        if not config.team:
            choices |= await self._choices()
            return CheckResult("", str(organization["name"]), credential, choices=choices, asks=("team",))
        team = await self._team(teams)
        labels, states = team["labels"]["nodes"], team["states"]["nodes"]
        choices["label"] = tuple((str(label["name"]), str(label["name"])) for label in labels)
        choices["on_recovery"] = tuple((str(state["name"]), str(state["name"])) for state in states)
        if config.on_recovery:
            _state_named(states, config.on_recovery)
        return CheckResult(
            account_id=f"{organization['id']}/{team['id']}",
            account_title=f"{organization['name']}, team {team['name']}",
            credential=credential,
            can_read=(f"file issues in {team['key']}",),
            choices=choices,
        )

    def should_file(self, event: Event) -> bool:
        """Return whether excess cost and severity reach their thresholds; unknown cost is left to severity."""
        excess = event.finding.excess_usd
        severe = SEVERITIES.index(event.finding.severity) >= SEVERITIES.index(self.config.file_severity)
        return severe and (excess is None or excess >= self.config.file_from_usd)

    async def opened(self, event: Event) -> Receipt:
        """File an issue, or reopen one: this incident's own, or the subject's last if over within three days."""
        if event.receipt is not None and event.receipt.external_id:  # the incident was over, and recurs
            return await self._again(event, event.receipt) or _of(event)
        earlier = event.before
        if earlier is not None and earlier.external_id and not event.asked_by and _recently_over(earlier, event):
            receipt = await self._again(event, earlier)
            if receipt is not None:
                return receipt
        notes: list[str] = []
        issue = await self._file(event, earlier.url if earlier else "", notes)
        state = {"identifier": issue["identifier"], "priority": self._priority(event), **_base(event)}
        state["links"] = await self._attach(event, issue["id"], [])
        await self._subscribe(event, issue["id"], notes)
        return Receipt(issue["url"], issue["id"], state, tuple(notes))

    async def updated(self, event: Event) -> Receipt:
        """Update the attachment, always; the priority when it rises; comment only when the cost has doubled."""
        receipt = _of(event)
        state = dict(receipt.state)
        issue = await self._issue(receipt.external_id)
        if issue is None or issue.get("trashed") or state.get("muted"):
            return _with(receipt, state | {"gone": issue is None or bool(issue.get("trashed"))})
        state["links"] = await self._attach(event, issue["id"], state.get("links") or [])
        if linear_webhook.issue_standing(issue) not in ("open", "started"):
            return _with(receipt, state)  # a person has closed it: add nothing more
        state["priority"] = await self._raise(event, issue, state.get("priority"))
        times = wording.doublings(event.finding.spent_usd, _decimal(state.get("base_usd")))
        if times > int(state.get("doublings") or 0):
            await self._comment(event, issue["id"], f"doubled:{times}", wording.doubling_comment(event))
            state["doublings"] = times
        return _with(receipt, state)

    async def resolved(self, event: Event) -> Receipt:
        """Comment with the total; if configured and not started, move the issue to its recovery state."""
        receipt = _of(event)
        state = dict(receipt.state) | {"resolved_at": event.at.isoformat()}
        issue = await self._issue(receipt.external_id)
        if issue is None or issue.get("trashed") or state.get("muted"):
            return _with(receipt, state)
        state["links"] = await self._attach(event, issue["id"], state.get("links") or [])
        notes: list[str] = []
        if linear_webhook.issue_standing(issue) in ("open", "started"):
            await self._comment(event, issue["id"], f"over:{event.key}", wording.recovery_comment(event))
            if self.config.on_recovery and issue["state"]["type"] in _WAITING:
                await self._move(issue, notes)
        return _with(receipt, state, notes)

    async def standings(self, receipts: Sequence[Receipt]) -> Sequence[TicketState]:
        """Return the current state of issues; one that Linear no longer knows is gone."""
        ids = list(dict.fromkeys(receipt.external_id for receipt in receipts if receipt.external_id))
        found: list[TicketState] = []
        for start in range(0, len(ids), SWEPT_AT_ONCE):
            some = ids[start : start + SWEPT_AT_ONCE]
            nodes = (await self._ask(queries.STANDINGS, ids=some))["issues"]["nodes"]
            known = {str(node["id"]): linear_webhook.issue_standing(node) for node in nodes}
            found += [TicketState(one, known.get(one, "gone")) for one in some]
        return found

    async def webhook(self, headers: Mapping[str, str], body: bytes) -> Inbound:
        """Verify and parse a webhook about an issue."""
        if self.config.webhook_secret is None:
            raise Permanent("No webhook secret is set for this connection.", status=401)
        return linear_webhook.verify_and_parse(
            self.config.webhook_secret.get_secret_value(), headers, body, self.context.clock.now()
        )

    # Steps; each is idempotent

    async def _file(self, event: Event, earlier: str, notes: list[str]) -> dict[str, Any]:
        """Return the issue of this episode, made by this call or by an earlier one whose answer was lost."""
        team = await self._team((await self._ask(queries.CHECK))["teams"]["nodes"])
        plain = {
            "id": event.uid("issue"),
            "teamId": team["id"],
            "title": wording.title(event),
            "description": wording.body(event, earlier),
            "priority": self._priority(event),
        }
        extras: dict[str, Any] = {}
        if (label_id := await self._label(event, team, notes)) is not None:
            extras["labelIds"] = [label_id]
        if (assignee_id := await self._assignee(event, notes)) is not None:
            extras["assigneeId"] = assignee_id
        try:
            return await self._create(plain | extras)
        except LinearRefused as error:
            if error.missing == "team":
                raise BadConfig("team", f"{error} Was the team deleted?") from None
            if not extras or error.missing == "issue":
                raise
            issue = await self._create(plain)
            notes.append(f"An issue was filed without label and assignee: {error}")
            return issue

    async def _create(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = (await self._ask(queries.ISSUE_CREATE, input=wanted))["issueCreate"]["issue"]
        except LinearRefused as error:
            if error.conflict != "issue":
                raise
            issue = await self._issue(wanted["id"])
            if issue is None:
                raise Permanent("Linear says that the issue is there already, and yet does not show it.") from None
            return issue
        if not isinstance(found, dict):
            raise Permanent("Linear took the issue, and yet does not show it.")
        return found

    async def _again(self, event: Event, earlier: Receipt) -> Receipt | None:
        """Reopen an issue that was over. None if it cannot be, so that another episode gets a new one."""
        issue = await self._issue(earlier.external_id)
        if issue is None or issue.get("trashed"):
            return None
        state = {"identifier": issue.get("identifier"), "priority": earlier.state.get("priority"), **_base(event)}
        standing = linear_webhook.issue_standing(issue)
        if standing == "canceled":  # a person has rejected it as not worth an issue
            return Receipt(earlier.url, earlier.external_id, state | ({} if event.receipt else {"muted": True}))
        if standing == "done":
            team = (await self._ask(queries.TEAM, id=issue["team"]["id"]))["team"]
            states = team["states"]["nodes"]
            first = [one for kind in _FIRST_STATES for one in states if one["type"] == kind]
            if first:
                await self._ask(queries.ISSUE_UPDATE, id=issue["id"], input={"stateId": first[0]["id"]})
        await self._comment(event, issue["id"], f"again:{event.key}", wording.recurrence_comment(event))
        state["priority"] = await self._raise(event, issue, earlier.state.get("priority"))
        state["links"] = await self._attach(event, issue["id"], earlier.state.get("links") or [])
        return Receipt(issue["url"], issue["id"], state)

    async def _attach(self, event: Event, issue_id: str, known: Sequence[str]) -> list[str]:
        """Attach the incident's page with its current state, each time anew, and other links once.

        Returns the URLs of all other links that are attached.
        """
        found, page = event.finding, event.finding.page
        attached = list(known)
        links = [link for link in (found.chart, *found.links) if link and wording.address(link) not in (*known, "")]
        for link, line in ((page, wording.subtitle(event)), *((link, "") for link in links[:MAX_LINKS])):
            if link and (url := wording.address(link)):
                await self._attachment(issue_id, url, link, line)
                attached += [url] if link is not page else []
        return attached

    async def _attachment(self, issue_id: str, url: str, link: Link, line: str) -> None:
        wanted = {"issueId": issue_id, "url": url, "title": link.title[: wording.MAX_TITLE_CHARACTERS] or "Outlay"}
        try:
            await self._ask(queries.ATTACH, input=wanted | ({"subtitle": line} if line else {}))
        except LinearRefused as error:
            if error.conflict != "attachment":
                raise

    async def _comment(self, event: Event, issue_id: str, purpose: str, text: str) -> None:
        wanted = {"id": event.uid(f"comment:{purpose}"), "issueId": issue_id, "body": text}
        try:
            await self._ask(queries.COMMENT_CREATE, input=wanted)
        except LinearRefused as error:
            if error.conflict != "comment":
                raise

    async def _raise(self, event: Event, issue: Mapping[str, Any], ours: object) -> int:
        """Raise the priority if the cost calls for a higher one than we ever set, and than there is now.

        Returns the highest priority that the cost has called for.
        """
        wanted, before = self._priority(event), int(str(ours)) if ours else 5
        there = int(issue.get("priority") or 0) or 5
        if wanted < min(there, before):
            await self._ask(queries.ISSUE_UPDATE, id=issue["id"], input={"priority": wanted})
        return min(wanted, before)

    async def _move(self, issue: Mapping[str, Any], notes: list[str]) -> None:
        team = (await self._ask(queries.TEAM, id=issue["team"]["id"]))["team"]
        try:
            state = _state_named(team["states"]["nodes"], self.config.on_recovery)
        except BadConfig as error:
            notes.append(f"A recovered issue was left in its state: {error}")
            return
        await self._ask(queries.ISSUE_UPDATE, id=issue["id"], input={"stateId": state["id"]})

    async def _subscribe(self, event: Event, issue_id: str, notes: list[str]) -> None:
        email = event.finding.subject.email
        if self.config.assign != "subscribe" or not email:
            return
        try:
            await self._ask(queries.SUBSCRIBE, id=issue_id, email=email)
        except LinearRefused as error:
            notes.append(f"{event.finding.subject.name} was not subscribed: {error}")

    # Lookups

    async def _choices(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """Return what else can be chosen before a team is: labels and states.

        Our label comes first, and so do states that end an issue.
        """
        try:
            found = await self._ask(queries.CHOICES)
        except LinearRefused:  # not fatal: names can be typed as well
            return {}
        states = sorted(found["workflowStates"]["nodes"], key=lambda state: _ENDS.get(str(state["type"]), len(_ENDS)))
        labels = [self.config.label, *(str(label["name"]) for label in found["issueLabels"]["nodes"])]
        return {
            "label": _listed(labels),
            "on_recovery": _listed([str(state["name"]) for state in states]),
        }

    async def _team(self, teams: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        wanted = self.config.team.strip().casefold()
        for team in teams:
            if wanted in (str(team["key"]).casefold(), str(team["id"]).casefold()):
                found: Mapping[str, Any] = (await self._ask(queries.TEAM, id=team["id"]))["team"]
                return found
        there = ", ".join(str(team["key"]) for team in teams) or "none that this credential sees"
        raise BadConfig("team", f"Linear has no team {self.config.team[:40]!r}; there is: {there}.")

    async def _label(self, event: Event, team: Mapping[str, Any], notes: list[str]) -> str | None:
        name = self.config.label.strip()
        if not name:
            return None
        for label in team["labels"]["nodes"]:
            if str(label["name"]).casefold() == name.casefold():
                return str(label["id"])
        for label in (await self._ask(queries.LABELS, name=name))["issueLabels"]["nodes"]:
            if label.get("team") is None or label["team"]["id"] == team["id"]:
                return str(label["id"])
        wanted = {"id": event.uid("label"), "name": name, "teamId": team["id"]}
        try:
            made = (await self._ask(queries.LABEL_CREATE, input=wanted))["issueLabelCreate"]["issueLabel"]
            return str(made["id"])
        except LinearRefused as error:
            if error.conflict == "issuelabel":
                return str(wanted["id"])
            notes.append(f"Issues are filed without the label {name!r}: {error}")
        except NeedsReauth:
            notes.append(f"Issues are filed without the label {name!r}: the credential may not make it.")
        return None

    async def _assignee(self, event: Event, notes: list[str]) -> str | None:
        subject = event.finding.subject
        if self.config.assign != "owner" or not subject.email:
            return None
        for user in (await self._ask(queries.USER, email=subject.email))["users"]["nodes"]:
            if user.get("active") and user.get("isAssignable") is not False:
                return str(user["id"])
        notes.append(f"{subject.name} is nobody in Linear who can be assigned; the issue waits for triage.")
        return None

    async def _issue(self, issue_id: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] | None = (await self._ask(queries.ISSUE, id=issue_id))["issue"]
        except LinearRefused as error:
            if error.missing != "issue":
                raise
            return None
        return found

    def _priority(self, event: Event) -> int:
        config = self.config
        return wording.priority(event.finding, config.urgent_usd, config.high_usd, config.medium_usd)

    async def _ask(self, document: str, **variables: Any) -> dict[str, Any]:
        return await self._door.ask(document, variables)


def _of(event: Event) -> Receipt:
    if event.receipt is None or not event.receipt.external_id:
        raise Permanent("Nothing was filed of this incident, so nothing of it can be told.")
    return event.receipt


def _with(receipt: Receipt, state: Mapping[str, Any], notes: Sequence[str] = ()) -> Receipt:
    return Receipt(receipt.url, receipt.external_id, state, tuple(notes))


def _base(event: Event) -> dict[str, Any]:
    """Build the state that doublings are counted from; the same incident goes on counting."""
    if event.receipt is not None:
        return {name: event.receipt.state.get(name) for name in ("base_usd", "doublings")}
    return {"base_usd": str(event.finding.spent_usd or 0), "doublings": 0}


def _decimal(text: object) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return Decimal(0)


def _recently_over(earlier: Receipt, event: Event) -> bool:
    try:
        over_at = datetime.fromisoformat(str(earlier.state.get("resolved_at")))
        return event.at - over_at <= REOPENED_WITHIN
    except (ValueError, TypeError):
        return False


def _listed(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Build a list of choices from names, each once; empty and overlong ones are dropped."""
    return tuple((name, name) for name in dict.fromkeys(names) if 0 < len(name) <= MAX_NAME_CHARACTERS)


def _state_named(states: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    wanted = name.strip().casefold()
    for state in states:
        if wanted in (str(state["name"]).casefold(), str(state["id"]).casefold()):
            return state
    there = ", ".join(str(state["name"]) for state in states)
    raise BadConfig("on_recovery", f"The team has no state {name[:40]!r}; there is: {there}.")
