"""PagerDuty: one alert for each incident, by the Events API v2. Only what is worth paging a person for is sent.

Every event carries the same deduplication key, which comes from the incident: PagerDuty itself makes one alert of all
of them, however often each is sent. An update pages nobody anew while the alert is open; one that was resolved by hand
is opened again by it, so updates are only sent when the cost has doubled or it has become more severe.
"""

import hashlib
from decimal import Decimal
from typing import Any

from pydantic import Field, SecretStr

from outlay.plugin import (
    SEVERITIES,
    BadConfig,
    CheckResult,
    Config,
    Event,
    NeedsReauth,
    Permanent,
    PluginInfo,
    Receipt,
    Sent,
    Severity,
    Sink,
)
from outlay_plugins._common.tickets import (
    ADVANCED,
    filed_receipt,
    initial_doubling_state,
    links,
    money,
    new_doublings,
    plain,
    should_file,
    with_state,
)

ENQUEUE = "/v2/enqueue"
MAX_SUMMARY_CHARACTERS = 1_024
MAX_TEXT_CHARACTERS = 1_000
MAX_LINES = 20
SEVERITY_OF: dict[Severity, str] = {"info": "info", "warning": "warning", "critical": "critical"}
_NO_ALERT = "outlay-check"  # a key that no alert has: resolving it does nothing


class PagerDutyConfig(Config):
    """Settings of one integration of one service."""

    routing_key: SecretStr = Field(
        title="Integration key", description="PagerDuty → the service → Integrations → Events API v2."
    )
    file_severity: Severity = Field("critical", title="Page from severity")
    file_from_usd: Decimal = Field(
        Decimal(0), title="Page from, in dollars", description="Dollars beyond the usual.", ge=0
    )
    base_url: str = Field("https://events.pagerduty.com", title="Base URL", json_schema_extra=ADVANCED)


class PagerDuty(Sink[PagerDutyConfig]):
    """Sink that opens alerts at a PagerDuty service."""

    meta = PluginInfo(slug="pagerduty", title="PagerDuty", docs="docs/sinks.md")
    Config = PagerDutyConfig

    async def check(self) -> CheckResult:
        """Resolve an alert that does not exist: PagerDuty verifies the key, and does nothing."""
        await self._send("resolve", _NO_ALERT)
        mark = hashlib.sha256(self._key.encode()).hexdigest()[:16]
        return CheckResult(mark, f"a service in PagerDuty ({mark[:6]})", "integration key", can_read=("open alerts",))

    def should_file(self, event: Event) -> bool:
        return should_file(event, self.config.file_from_usd, self.config.file_severity)

    async def opened(self, event: Event) -> Receipt:
        alert = event.uid("alert")
        await self._send("trigger", alert, event)
        return Receipt("", alert, {**initial_doubling_state(event), "severity": event.finding.severity})

    async def updated(self, event: Event) -> Receipt:
        receipt = filed_receipt(event)
        times, before = new_doublings(event, receipt.state), receipt.state.get("severity")
        worse = before in SEVERITIES and SEVERITIES.index(event.finding.severity) > SEVERITIES.index(before)
        if not times and not worse:
            return receipt
        await self._send("trigger", receipt.external_id, event)
        state = dict(receipt.state) | {"severity": event.finding.severity}
        return with_state(receipt, state | ({"doublings": times} if times else {}))

    async def resolved(self, event: Event) -> Receipt:
        receipt = filed_receipt(event)
        await self._send("resolve", receipt.external_id)
        return with_state(receipt, dict(receipt.state) | {"resolved_at": event.at.isoformat()})

    @property
    def _key(self) -> str:
        return self.config.routing_key.get_secret_value()

    async def _send(self, action: str, alert: str, event: Event | None = None) -> None:
        """Send one event. Raises NeedsReauth if PagerDuty does not know the key: it says so with a 400."""
        body: dict[str, Any] = {"routing_key": self._key, "event_action": action, "dedup_key": alert}
        sent = await self.http.send("POST", ENQUEUE, json=body | (_told(event) if event else {}), secrets=(self._key,))
        if sent.status == 400:
            raise self._refused(sent)
        if 300 <= sent.status < 400:
            raise BadConfig("base_url", "PagerDuty answered with a redirect. Is the base URL right?")
        self.http.raise_for(sent)
        answer = sent.json(self.http.who)
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise Permanent("PagerDuty's answer is not what it documents.")

    def _refused(self, sent: Sent) -> NeedsReauth | Permanent:
        found = sent.json(self.http.who)
        errors = found.get("errors") if isinstance(found, dict) else None
        told = [str(error) for error in errors] if isinstance(errors, list) else []
        status = str(found.get("status") or "") if isinstance(found, dict) else ""
        words = self.http.tidy_words("; ".join([status, *told]).strip("; "))
        if any("routing" in text.casefold() for text in (*told, status, _message(found))):
            return NeedsReauth(f"PagerDuty does not accept the integration key (400): {words}", status=400)
        return Permanent(f"PagerDuty refused the event (400): {words}", status=400)


def _message(found: Any) -> str:
    return str(found.get("message") or "") if isinstance(found, dict) else ""


def _told(event: Event) -> dict[str, Any]:
    """Build an event's content from a finding.

    PagerDuty would turn an address in a text into a link, so none is left.
    """
    found = event.finding
    lines = {plain(fact.label, 100): plain(fact.value, MAX_TEXT_CHARACTERS) for fact in found.facts[:MAX_LINES]}
    details = {
        **lines,
        "What happened": _text(found.sentences),
        "What to do": _text(found.what_to_do),
        "Why it was noticed": _text(found.why),
        "Spent": money(found.spent_usd),
    }
    return {
        "client": "Outlay",
        "links": [{"href": url, "text": plain(title, 200)} for title, url in links(found)],
        "payload": {
            "summary": plain(found.title, MAX_SUMMARY_CHARACTERS),
            "source": plain(f"{found.subject.kind} {found.subject.name}", 200),
            "severity": SEVERITY_OF[found.severity],
            "timestamp": event.at.isoformat(),
            "class": "ai-spend",
            "custom_details": {name: text for name, text in details.items() if text},
        },
    }


def _text(lines: tuple[str, ...]) -> str:
    return "\n".join(plain(line, MAX_TEXT_CHARACTERS) for line in lines[:MAX_LINES])
