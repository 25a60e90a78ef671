"""HTTP mode from Slack's side: the payloads of Socket Mode, signed with the app's signing secret, posted."""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import httpx

from outlay.fakes.slack.call_log import Ack, CallLog
from outlay.fakes.slack.socket_mode import ACK_SECONDS

Json = dict[str, Any]


class SignedHttp:
    """Delivery over HTTP. A wrong secret or an age beyond five minutes is for tests of the app's refusal."""

    def __init__(
        self,
        journal: CallLog,
        url: str,
        signing_secret: str,
        *,
        client: httpx.AsyncClient | None = None,
        age_seconds: int = 0,
        ack_seconds: float = ACK_SECONDS,
    ) -> None:
        self._journal = journal
        self._url = url
        self._secret = signing_secret
        self._client = client or httpx.AsyncClient(trust_env=False)
        self._age_seconds = age_seconds
        self._ack_seconds = ack_seconds

    async def deliver(self, kind: str, payload: Json, *, retry: int = 0) -> Ack:
        """Post one envelope and return its ack."""
        content_type, body = _encoded(kind, payload)
        started = time.monotonic()
        headers = {"Content-Type": content_type, **self._signed(body)}
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers, timeout=self._ack_seconds)
        except httpx.HTTPError as error:
            return self._journal.ack(kind, ok=False, detail=f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - started
        detail = f"HTTP {answer.status_code}"
        return self._journal.ack(
            kind, ok=answer.status_code == 200, payload=_decoded(answer), seconds=seconds, detail=detail
        )

    def _signed(self, body: str) -> dict[str, str]:
        timestamp = str(int(time.time()) - self._age_seconds)
        digest = hmac.new(self._secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


def _encoded(kind: str, payload: Json) -> tuple[str, str]:
    if kind == "events_api":
        return "application/json", json.dumps(payload)
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return "application/x-www-form-urlencoded", urlencode(form)


def _decoded(answer: httpx.Response) -> Json | None:
    if not answer.content:
        return None
    if answer.headers.get("content-type", "").startswith("application/json"):
        parsed = answer.json()
        return parsed if isinstance(parsed, dict) else None
    return {"text": answer.text}
