"""E-mail: one thread for each incident, through a mail server of one's own.

The first mail's id comes from the incident, and those that follow name it, so that a mail program shows one thread. A
mail cannot be recalled and SMTP has no idempotency: one whose answer was lost is sent again under the same id, and most
servers and programs show it once. Untrusted text reaches a header only as printable characters, and never becomes a
link.
"""

import hashlib
import html
import re
from collections.abc import Sequence
from decimal import Decimal
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from outlay.plugin import MAIL, CheckResult, Config, Event, PluginInfo, Receipt, Severity, Sink
from outlay_plugins._common.tickets import (
    doubling_sentence,
    filed_receipt,
    initial_doubling_state,
    links,
    money,
    new_doublings,
    plain,
    receipt_to_reopen,
    recovery_sentence,
    should_file,
    with_state,
)

MAX_RECIPIENTS = 20
MAX_SUBJECT_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 50_000
MAX_DOMAIN_CHARACTERS = 28  # of an id: a longer header would be folded, and replies would not match it
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


class EmailConfig(Config):
    """Settings of a mail server, a sender and recipients."""

    base_url: str = Field(
        title="Mail server", description="smtps://mail.acme.com (465), or smtp://mail.acme.com:587 with STARTTLS."
    )
    sender: str = Field(title="From", description="An address that the server may send from.")
    to: str = Field(title="To", description="Addresses, commas between them.")
    user: str = Field("", title="User")
    password: SecretStr | None = Field(None, title="Password")
    file_from_usd: Decimal = Field(
        Decimal(50), title="Write from, in dollars", description="Dollars beyond the usual.", ge=0
    )
    file_severity: Severity = Field("warning", title="Write from severity")

    @field_validator("sender")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value.strip()):
            raise ValueError("That is not an e-mail address.")
        return value.strip()

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        found = [one.strip() for one in value.split(",") if one.strip()]
        if not 0 < len(found) <= MAX_RECIPIENTS or not all(map(_ADDRESS.fullmatch, found)):
            raise ValueError(f"One to {MAX_RECIPIENTS} e-mail addresses, with commas between them.")
        return ", ".join(dict.fromkeys(found))

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return the recipients' addresses."""
        return tuple(self.to.split(", "))


class Email(Sink[EmailConfig]):
    """Sink that sends mail."""

    meta = PluginInfo(slug="email", title="E-mail", docs="docs/sinks.md")
    Config = EmailConfig
    schemes = MAIL

    async def check(self) -> CheckResult:
        """Ask the server whether it would take a mail from us to all recipients; none is sent."""
        config = self.config
        await self.post.greet(config.sender, config.recipients, user=config.user, password=self._password)
        host = urlsplit(config.base_url).hostname or ""
        mark = hashlib.sha256(f"{host} {config.sender} {sorted(config.recipients)}".encode()).hexdigest()[:32]
        return CheckResult(mark, f"{config.to} through {host}", "password" if config.password else "no password")

    def should_file(self, event: Event) -> bool:
        return should_file(event, self.config.file_from_usd, self.config.file_severity)

    async def opened(self, event: Event) -> Receipt:
        """Start a thread, or continue one: this incident's own, or the subject's last if over within three days."""
        earlier = receipt_to_reopen(event)
        subject = plain(event.finding.title, MAX_SUBJECT_CHARACTERS)
        mark = self._mark(event, f"again:{event.key}" if event.receipt else "mail")
        root = mark
        lead = ""
        if earlier is not None:
            root, lead = earlier.external_id, "It is back."
            subject = str(earlier.state.get("subject") or subject)
        notes = await self._send(event, mark, subject, lead, root)
        return Receipt("", root, {**initial_doubling_state(event), "subject": subject}, notes)

    async def updated(self, event: Event) -> Receipt:
        """Send a mail only if the cost has doubled."""
        receipt = filed_receipt(event)
        times = new_doublings(event, receipt.state)
        if not times:
            return receipt
        notes = await self._reply(event, f"doubled:{times}", doubling_sentence(event))
        return with_state(receipt, dict(receipt.state) | {"doublings": times}, notes)

    async def resolved(self, event: Event) -> Receipt:
        """Send a last mail, with the total."""
        receipt = filed_receipt(event)
        notes = await self._reply(event, f"over:{event.key}", recovery_sentence(event))
        return with_state(receipt, dict(receipt.state) | {"resolved_at": event.at.isoformat()}, notes)

    async def _reply(self, event: Event, purpose: str, lead: str) -> tuple[str, ...]:
        receipt = filed_receipt(event)
        subject = str(receipt.state.get("subject") or plain(event.finding.title, MAX_SUBJECT_CHARACTERS))
        return await self._send(event, self._mark(event, purpose), subject, lead, receipt.external_id)

    async def _send(self, event: Event, mark: str, subject: str, lead: str, root: str) -> tuple[str, ...]:
        config = self.config
        mail = message(event, lead)
        mail["From"], mail["To"] = f"Outlay <{config.sender}>", config.to
        mail["Subject"] = subject if mark == root else f"Re: {subject}"
        mail["Date"], mail["Message-ID"] = format_datetime(event.at), mark
        if mark != root:
            mail["In-Reply-To"], mail["References"] = root, root
        mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"] = "auto-generated", "All"
        refused = await self.post.mail(
            mail.as_bytes(), config.sender, config.recipients, user=config.user, password=self._password
        )
        return (f"The mail server does not take mail for {', '.join(refused)}.",) if refused else ()

    def _mark(self, event: Event, purpose: str) -> str:
        """Build a mail's Message-ID, the same in each retry; short enough never to be folded."""
        domain = self.config.sender.rpartition("@")[2][-MAX_DOMAIN_CHARACTERS:].strip("-.")
        return f"<{event.uid(purpose).replace('-', '')}@{domain}>"

    @property
    def _password(self) -> str:
        return self.config.password.get_secret_value() if self.config.password else ""


def message(event: Event, lead: str = "") -> EmailMessage:
    """Build a mail of a finding, as plain text and as simple HTML that says the same, without headers."""
    found = event.finding
    lines = [plain(line) for line in (lead, *found.sentences) if line]
    facts = [(plain(fact.label, 100), plain(fact.value)) for fact in found.facts]
    facts.append(("Spent so far", money(found.spent_usd)))
    parts = [("What to do", [plain(line) for line in found.what_to_do])]
    parts.append(("Why this was noticed", [plain(line) for line in found.why]))
    where = [(plain(title, 200), url) for title, url in links(found)]
    end = f"Sent by Outlay for {plain(event.asked_by, 100)}." if event.asked_by else "Sent by Outlay."
    mail = EmailMessage(policy=policy.SMTP)
    mail.set_content(_as_text(lines, facts, parts, where, end), cte="quoted-printable")
    mail.add_alternative(_as_html(lines, facts, parts, where, end), subtype="html", cte="quoted-printable")
    return mail


Pairs = Sequence[tuple[str, str]]
Parts = Sequence[tuple[str, Sequence[str]]]


def _as_text(lines: Sequence[str], facts: Pairs, parts: Parts, where: Pairs, end: str) -> str:
    told = [*lines, "", *(f"{label}: {value}" for label, value in facts)]
    for heading, points in parts:
        told += ["", f"{heading}:", *(f"- {point}" for point in points)] if points else []
    told += ["", *(f"{title}: {url}" for title, url in where)]
    return _fitting(told) + f"\n\n-- \n{end}\n"


def _as_html(lines: Sequence[str], facts: Pairs, parts: Parts, where: Pairs, end: str) -> str:
    told = [f"<p>{html.escape(line)}</p>" for line in lines]
    told += [f"<p><b>{html.escape(label)}:</b> {html.escape(value)}</p>" for label, value in facts]
    for heading, points in parts:
        told += [f"<p><b>{html.escape(heading)}</b></p>"] if points else []
        told += [f"<p>&bull; {html.escape(point)}</p>" for point in points]
    told += [f'<p><a href="{html.escape(url)}">{html.escape(title)}</a></p>' for title, url in where]
    return f"<!doctype html><html><body>{_fitting(told)}<p><i>{html.escape(end)}</i></p></body></html>"


def _fitting(lines: Sequence[str]) -> str:
    """Join as many whole lines as fit."""
    kept_lines, left = [], MAX_TEXT_CHARACTERS
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        kept_lines.append(line)
    return "\n".join(kept_lines)
