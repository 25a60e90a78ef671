"""Settings of the Jira sink, and its issue text in Atlassian Document Format, where text is never markup."""

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pydantic import Field, SecretStr, field_validator

from outlay.plugin import SEVERITIES, Config, Event, Severity
from outlay_plugins._common.tickets import ADVANCED, links, money, plain, recovery_sentence

MAX_TEXT_CHARACTERS = 20_000  # of a whole description; Jira allows 32,767
MAX_TITLE_CHARACTERS = 250  # Jira allows 255
_PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")

Node = dict[str, Any]


class JiraConfig(Config):
    """Settings of one project on a Jira Cloud site."""

    base_url: str = Field(title="Site", description="Such as https://acme.atlassian.net.")
    email: str = Field(title="E-mail", description="Of the account that the token is of.")
    api_token: SecretStr = Field(title="API token", description="id.atlassian.com → Security → API tokens.")
    project: str = Field("", title="Project", description="Its key, such as OPS.")
    issue_type: str = Field("Task", title="Issue type")
    label: str = Field("ai-spend", title="Label", description="Put on every issue, without spaces. Empty: none.")
    priorities: str = Field(
        "critical=Highest, warning=High, info=Medium", title="Priorities", description="By severity. Empty: none.",
        json_schema_extra=ADVANCED,
    )  # fmt: skip
    assign_owner: bool = Field(True, title="Assign the owner", description="Whoever spent it, found by e-mail.")
    on_recovery: str = Field(
        "", title="Status on recovery", description="Such as Done, if nobody has started it. Empty: only a comment."
    )
    file_from_usd: Decimal = Field(
        Decimal(50), title="File from, in dollars", description="Dollars beyond the usual.", ge=0
    )
    file_severity: Severity = Field("warning", title="File from severity")

    @field_validator("project")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if value and not _PROJECT.fullmatch(value):
            raise ValueError("A project's key is letters and digits, such as OPS.")
        return value.upper()

    @field_validator("email")
    @classmethod
    def _is_email(cls, value: str) -> str:
        if "@" not in value or ":" in value or not value.isprintable():
            raise ValueError("That is not an e-mail address.")
        return value

    @field_validator("label")
    @classmethod
    def _is_label(cls, value: str) -> str:
        if " " in value or len(value) > 255:
            raise ValueError("A label in Jira has no spaces.")
        return value

    @field_validator("priorities")
    @classmethod
    def _are_priorities(cls, value: str) -> str:
        if len(priorities_in(value)) != len([one for one in value.split(",") if one.strip()]):
            raise ValueError("It looks like critical=Highest, warning=High, info=Medium.")
        return value


def priorities_in(text: str) -> dict[str, str]:
    """Parse `severity=name` pairs to names of priorities by severity; unknown severities are dropped."""
    pairs = [one.partition("=") for one in text.split(",")]
    found = {severity.strip(): name.strip() for severity, _, name in pairs if name.strip()}
    return {severity: name for severity, name in found.items() if severity in SEVERITIES}


def description(event: Event) -> Node:
    """Build an issue's description: what happened, figures, what to do, why it was noticed, and links."""
    found = event.finding
    blocks = [[_paragraph(_text(sentence))] for sentence in found.sentences]
    facts = [[_text(f"{fact.label}:", "strong"), _text(f" {fact.value}")] for fact in found.facts]
    blocks += [_bullets(facts)]
    if found.what_to_do:
        blocks += [[_paragraph(_text("What to do", "strong")), *_bullets([[_text(line)] for line in found.what_to_do])]]
    if found.why:
        why = _bullets([[_text(line)] for line in found.why])
        blocks += [[{"type": "expand", "attrs": {"title": "Why this was noticed"}, "content": why}]]
    where = [[_text(title, href=url)] for title, url in links(found)]
    end = [
        *_bullets(where),
        _paragraph(_text(f"Filed by Outlay for {event.asked_by}." if event.asked_by else "Filed by Outlay.", "em")),
    ]
    return document([*_fitting(blocks, MAX_TEXT_CHARACTERS), *end])


def comment(lines: Sequence[str], reference: str) -> Node:
    """Build a comment that ends with a reference, by which a retry finds it."""
    return document([*(_paragraph(_text(line)) for line in lines), _paragraph(_text(f"Outlay {reference}", "em"))])


def document(content: Sequence[Node]) -> Node:
    """Build a whole document from its blocks."""
    return {"type": "doc", "version": 1, "content": list(content)}


def status_line(event: Event) -> str:
    """Return one line with the incident's current state."""
    found = event.finding
    usual = f", usual {money(found.usual_usd)}" if found.usual_usd is not None else ""
    return (
        recovery_sentence(event)
        if event.what == "resolved"
        else f"{money(found.spent_usd)} since {found.since:%Y-%m-%d %H:%M} UTC{usual}"
    )


def _text(text: str, mark: str = "", href: str = "") -> Node:
    marks: list[Node] = [{"type": mark}] if mark else []
    marks += [{"type": "link", "attrs": {"href": href}}] if href else []
    lead = " " if text.startswith(" ") else ""
    node: Node = {"type": "text", "text": lead + plain(text) or "-"}
    return node | ({"marks": marks} if marks else {})


def _paragraph(*content: Node) -> Node:
    return {"type": "paragraph", "content": list(content)}


def _bullets(items: Sequence[Sequence[Node]]) -> list[Node]:
    content = [{"type": "listItem", "content": [_paragraph(*item)]} for item in items]
    return [{"type": "bulletList", "content": content}] if content else []


def _fitting(blocks: Sequence[list[Node]], most: int) -> list[Node]:
    """Return as many whole blocks as fit, and a note if some do not."""
    kept: list[Node] = []
    for block in blocks:
        most -= len(json.dumps(block, ensure_ascii=False))
        if most < 0:
            return [*kept, _paragraph(_text("There is more than fits here.", "em"))]
        kept += block
    return kept
