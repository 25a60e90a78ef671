"""A signed webhook by the rules of Standard Webhooks, for receivers that have no plugin of their own.

The receiver can use any ready library: `webhook-id` is the same in each retry, so that it can drop duplicates;
`webhook-timestamp` is fresh each time; `webhook-signature` holds one signature for each secret, so that a secret can be
rotated without losing a message. What is sent is the finding as it is, plain text and exact decimals, with the version
of its schema. Only the status of the answer counts.
"""

import base64
import binascii
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from outlay.plugin import (
    BadConfig,
    CheckResult,
    Config,
    Event,
    Link,
    NeedsReauth,
    PluginInfo,
    Receipt,
    Sent,
    Severity,
    Sink,
    Transient,
)
from outlay_plugins._common.tickets import ADVANCED, should_file, with_state

VERSION = 1  # schema of `data`: raised when a field is removed or changes its meaning, never for additions
PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
MAX_SECRETS = 5
MAX_TEXT_CHARACTERS = 2_000
MAX_LINES = 50


class WebhookConfig(Config):
    """Settings of one receiver."""

    base_url: str = Field(title="Address", description="Where to post to. Private only if it names a private address.")
    secret: SecretStr = Field(
        title="Signing secret", description="whsec_ and 24 to 64 random bytes in base64; the receiver has the same."
    )
    old_secrets: SecretStr | None = Field(
        None, title="Old secrets", description="While you change the secret: these sign too. Spaces between them.",
        json_schema_extra=ADVANCED,
    )  # fmt: skip
    file_severity: Severity = Field("info", title="Send from severity", json_schema_extra=ADVANCED)
    file_from_usd: Decimal = Field(
        Decimal(0), title="Send from, in dollars", description="Dollars beyond the usual.", ge=0,
        json_schema_extra=ADVANCED,
    )  # fmt: skip

    @field_validator("secret", "old_secrets")
    @classmethod
    def _are_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        words = value.get_secret_value().split() if value else []
        if len(words) > MAX_SECRETS or not all(_key(word) for word in words):
            raise ValueError("A secret is whsec_ and then 24 to 64 random bytes in base64.")
        return value

    @property
    def endpoint(self) -> str:
        """Return the last part of the address."""
        path = urlsplit(self.base_url.strip()).path.rstrip("/")
        return f"/{path.rpartition('/')[2]}" if path else "/"

    @property
    def root(self) -> str:
        """Return the address without its last part."""
        return self.base_url.strip().rstrip("/").removesuffix(self.endpoint)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Return the signing keys: the secret first, then the old ones."""
        words = [
            word for value in (self.secret, self.old_secrets) if value for word in value.get_secret_value().split()
        ]
        return tuple(_key(word) for word in dict.fromkeys(words))


class Webhook(Sink[WebhookConfig]):
    """Sink that posts signed messages to a receiver."""

    meta = PluginInfo(slug="webhook", title="Webhook", docs="docs/sinks.md")
    Config = WebhookConfig

    @classmethod
    def base_url(cls, config: WebhookConfig) -> str:
        """Return the address without its last part."""
        return config.root

    async def check(self) -> CheckResult:
        """Send a signed message of the type `check`.

        A receiver that refuses it would refuse all other messages too.
        """
        at = self.http.now().isoformat()
        mark = hashlib.sha256(self.config.base_url.strip().rstrip("/").encode()).hexdigest()[:32]
        sent = await self._post(f"msg_check_{mark[:8]}_{int(self.http.now().timestamp())}", "check", at, {})
        self._raise_for(sent, checking=True)
        host = urlsplit(self.config.base_url).hostname or "somewhere"
        return CheckResult(mark, f"a receiver at {host}", "signing secret", can_read=("be told of incidents",))

    def should_file(self, event: Event) -> bool:
        return should_file(event, self.config.file_from_usd, self.config.file_severity)

    async def opened(self, event: Event) -> Receipt:
        return await self._tell(event, "incident.opened")

    async def updated(self, event: Event) -> Receipt:
        return await self._tell(event, "incident.updated")

    async def resolved(self, event: Event) -> Receipt:
        return await self._tell(event, "incident.resolved")

    async def _tell(self, event: Event, kind: str) -> Receipt:
        incident = event.uid("incident")
        data = {"incident": incident, "asked_by": event.asked_by, "finding": finding(event)}
        self._raise_for(await self._post(f"msg_{event.uid(f'message:{event.key}')}", kind, event.at.isoformat(), data))
        return with_state(event.receipt, event.receipt.state) if event.receipt else Receipt("", incident)

    async def _post(self, message: str, kind: str, at: str, data: dict[str, Any]) -> Sent:
        body = json.dumps(
            {"type": kind, "timestamp": at, "version": VERSION, "data": data}, ensure_ascii=False
        ).encode()
        seconds = str(int(self.http.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join(signature(key, message, seconds, body) for key in self.config.keys),
        }
        words = [value.get_secret_value() for value in (self.config.secret, self.config.old_secrets) if value]
        secrets = tuple(part for value in words for word in value.split() for part in (word, word.removeprefix(PREFIX)))
        return await self.http.send("POST", self.config.endpoint, content=body, headers=headers, secrets=secrets)

    def _raise_for(self, sent: Sent, *, checking: bool = False) -> None:
        """Raise the error that a status means, unless it is 2xx.

        410 is final; a redirect is never followed; all else is retried, for about two days.
        """
        if sent.status == 410:
            raise NeedsReauth(
                "The receiver says that it is gone for good (410). Nothing more is sent until this is connected anew.",
                status=410,
            )
        if 300 <= sent.status < 400:
            words = (
                f"The receiver answered with a redirect ({sent.status}), which is not followed. Give its own address."
            )
            raise BadConfig("base_url", words, status=sent.status)
        if 400 <= sent.status < 500 and sent.status not in (401, 408, 429):
            if checking:
                field = "secret" if sent.status == 403 else "base_url"
                raise BadConfig(field, f"The receiver refused a signed message ({sent.status}).", status=sent.status)
            raise Transient(f"The receiver refused the message ({sent.status}).", status=sent.status)
        self.http.raise_for(sent)


def signature(key: bytes, message: str, seconds: str, body: bytes) -> str:
    """Return one signature, as it stands in the header."""
    signed = hmac.new(key, b".".join((message.encode(), seconds.encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def finding(event: Event) -> dict[str, Any]:
    """Convert the finding to JSON: dollars are decimal strings, null if unknown."""
    found = event.finding
    return {
        "title": _text(found.title),
        "sentences": _texts(found.sentences),
        "severity": found.severity,
        "subject": {
            "id": found.subject.id,
            "name": _text(found.subject.name),
            "kind": found.subject.kind,
            "email": found.subject.email,
        },
        "since": found.since.isoformat(),
        "spent_usd": _usd(found.spent_usd),
        "usual_usd": _usd(found.usual_usd),
        "excess_usd": _usd(found.excess_usd),
        "facts": [{"label": _text(fact.label), "value": _text(fact.value)} for fact in found.facts[:MAX_LINES]],
        "why": _texts(found.why),
        "what_to_do": _texts(found.what_to_do),
        "page": _link(found.page),
        "chart": _link(found.chart),
        "links": [_link(link) for link in found.links[:MAX_LINES]],
    }


def _usd(usd: Decimal | None) -> str | None:
    return None if usd is None else format(usd, "f")


def _link(link: Link | None) -> dict[str, str] | None:
    return {"title": _text(link.title), "url": link.url} if link else None


def _texts(lines: tuple[str, ...]) -> list[str]:
    return [_text(line) for line in lines[:MAX_LINES]]


def _text(text: str) -> str:
    return text[:MAX_TEXT_CHARACTERS]


def _key(word: str) -> bytes:
    """Decode a secret to its bytes; empty if it is invalid."""
    try:
        key = base64.b64decode(word.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if word.startswith(PREFIX) and len(key) in SECRET_BYTES else b""
