"""Verification and parsing of Linear's signed webhooks about issues.

The signature covers the body, and the body holds its time; so a webhook that is replayed later is refused for its age,
and one that is replayed at once is recognized by its signature.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from outlay.plugin import Inbound, Permanent, TicketStanding, TicketState

MAX_SKEW_SECONDS = 60
MAX_BODY_BYTES = 1024 * 1024
STANDINGS: dict[str, TicketStanding] = {
    "triage": "open",
    "backlog": "open",
    "unstarted": "open",
    "started": "started",
    "completed": "done",
    "canceled": "canceled",
    "duplicate": "canceled",
}


def verify_and_parse(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Inbound:
    """Verify a webhook and parse it. Raises Permanent unless Linear signed it within the last minute."""
    given = headers.get("linear-signature", "").strip().lower()
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if len(body) > MAX_BODY_BYTES or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Permanent("This is not signed with the webhook's secret.", status=401)
    try:
        said = json.loads(body)
        sent_at = int(said["webhookTimestamp"]) / 1000
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise Permanent("This is not a webhook of Linear's.", status=400) from None
    if abs(now.timestamp() - sent_at) > MAX_SKEW_SECONDS:
        raise Permanent("This was signed too long ago, or the clocks differ.", status=401)
    return Inbound(wanted, _stands(said))


def issue_standing(issue: Mapping[str, Any]) -> TicketStanding:
    """Return an issue's state in the host's terms."""
    if issue.get("trashed"):
        return "gone"
    state = issue.get("state")
    return STANDINGS.get(str(state.get("type")) if isinstance(state, Mapping) else "", "open")


def _stands(said: Mapping[str, Any]) -> tuple[TicketState, ...]:
    issue = said.get("data")
    if said.get("type") != "Issue" or not isinstance(issue, Mapping) or not isinstance(issue.get("id"), str):
        return ()
    actor = said.get("actor")
    by = str(actor.get("name") or "") if isinstance(actor, Mapping) else ""
    gone = said.get("action") == "remove"
    return (TicketState(str(issue["id"]), "gone" if gone else issue_standing(issue), by),)
