"""Settings of the GitHub sink, and its issue text: Markdown with hidden markers (HTML comments)."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from outlay.plugin import Config, Event, Severity
from outlay_plugins._common.tickets import ADVANCED, links, markdown, money, recovery_sentence

MAX_BODY_CHARACTERS = 60_000  # GitHub allows 65,536
MAX_ASSIGNEES = 200
LOOKED_BACK = timedelta(days=1)  # allows for clocks that differ
_NOW = re.compile(r"(?s)<!-- outlay:now -->.*?<!-- /outlay:now -->")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}")
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}|[A-Za-z0-9-]*_[A-Za-z0-9]+)")


class GitHubConfig(Config):
    """Settings of one repository."""

    token: SecretStr = Field(
        title="Token",
        description="GitHub → Settings → Developer settings → Fine-grained tokens: Issues, read and write.",
    )
    repository: str = Field("", title="Repository", description="Such as acme/platform.")
    labels: str = Field("ai-spend", title="Labels", description="Put on every issue; commas between them.")
    assignees: str = Field(
        "", title="Who is who", description="Such as ana@acme.com=ana, bo@acme.com=bo-acme. Others are not assigned."
    )
    on_recovery: Literal["comment", "close"] = Field("comment", title="On recovery")
    file_from_usd: Decimal = Field(
        Decimal(50), title="File from, in dollars", description="Dollars beyond the usual.", ge=0
    )
    file_severity: Severity = Field("warning", title="File from severity")
    base_url: str = Field("https://api.github.com", title="Base URL", json_schema_extra=ADVANCED)

    @field_validator("repository")
    @classmethod
    def _is_repository(cls, value: str) -> str:
        if value and not _REPOSITORY.fullmatch(value):
            raise ValueError("It looks like owner/name.")
        return value

    @field_validator("assignees")
    @classmethod
    def _arepeople_in(cls, value: str) -> str:
        if len(people_in(value)) != len([one for one in value.split(",") if one.strip()]):
            raise ValueError("It looks like ana@acme.com=ana, bo@acme.com=bo-acme: an e-mail, and a login.")
        return value


def body(event: Event) -> str:
    """Render an issue's body: what happened, figures, what to do, why it was noticed, and links."""
    found = event.finding
    blocks = [markdown(sentence) for sentence in found.sentences]
    blocks.append("\n".join(f"- **{markdown(fact.label)}:** {markdown(fact.value)}" for fact in found.facts))
    if found.what_to_do:
        blocks.append("**What to do**\n\n" + "\n".join(f"- {markdown(line)}" for line in found.what_to_do))
    if found.why:
        why = "\n".join(f"- {markdown(line)}" for line in found.why)
        blocks.append(f"<details><summary>Why this was noticed</summary>\n\n{why}\n\n</details>")
    blocks.append(" · ".join(f"[{markdown(title, 200)}](<{url}>)" for title, url in links(found)))
    asked = f" for {markdown(event.asked_by, 100)}" if event.asked_by else ""
    end = f"{status_line(event)}\n\n_Filed by Outlay{asked}._\n\n{hidden_marker(event.uid('issue'))}"
    told: list[str] = []
    left = MAX_BODY_CHARACTERS - len(end)
    for block in blocks:
        if block and len(block) + 2 <= left:
            told.append(block)
            left -= len(block) + 2
    return "\n\n".join([*told, end])


def status_line(event: Event) -> str:
    """Render the line with the incident's current state, between its hidden markers."""
    found = event.finding
    usual = f", usual {money(found.usual_usd)}" if found.usual_usd is not None else ""
    line = f"**{money(found.spent_usd)}** since {found.since:%Y-%m-%d %H:%M} UTC{usual}"
    line = recovery_sentence(event) if event.what == "resolved" else line
    return f"<!-- outlay:now -->\n{line}\n<!-- /outlay:now -->"


def with_status_line(issue: Mapping[str, Any], event: Event) -> str:
    """Return the body with its current-state line updated, "" if nothing changes or a person removed the line."""
    text = str(issue.get("body") or "").replace("\r\n", "\n")
    new = _NOW.sub(lambda _: status_line(event), text, count=1)
    return new if new != text else ""


def hidden_marker(uid: str) -> str:
    """Render a hidden marker: an HTML comment, which GitHub stores and never shows."""
    return f"<!-- outlay:{uid} -->"


def since(event: Event) -> str:
    """Return where to start searching a list for what this event made: a day before the event, as ISO 8601."""
    moment = event.at - LOOKED_BACK
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def people_in(text: str) -> dict[str, str]:
    """Parse `email=login` pairs to logins by e-mail; invalid pairs are dropped."""
    pairs = [one.partition("=") for one in text.split(",") if one.strip()][:MAX_ASSIGNEES]
    return {
        email.strip().casefold(): login.strip()
        for email, _, login in pairs
        if "@" in email and _LOGIN.fullmatch(login.strip())
    }
