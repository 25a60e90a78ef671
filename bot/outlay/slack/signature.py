"""Verification of Slack's request signatures with replay protection, on the raw bytes, before anything is parsed.

Bolt verifies the signature again, but it reads the body first, and it would accept a replayed request.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping

WINDOW_SECONDS = 300
MAX_REMEMBERED = 50_000  # signatures of the last minutes: 160 requests a second
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)


class SignatureVerifier:
    """Verifier for one signing secret; without a secret, no request is accepted."""

    def __init__(self, signing_secret: str | None) -> None:
        self._secret = (signing_secret or "").encode()
        self._seen: OrderedDict[str, int] = OrderedDict()  # accepted signatures and the time they were made

    def __len__(self) -> int:
        """Return how many signatures are remembered."""
        return len(self._seen)

    def headers_plausible(self, headers: Mapping[str, str], now: float) -> bool:
        """Check only the headers: well-formed and recent. Needs no body."""
        at, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not self._secret or not _TIME.fullmatch(at) or not _SIGNATURE.fullmatch(signature):
            return False
        return abs(now - int(at)) <= WINDOW_SECONDS

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """Verify the signature over the body; a request that was accepted once is refused the second time."""
        if not self.headers_plausible(headers, now):
            return False
        at, signature = headers["x-slack-request-timestamp"], headers["x-slack-signature"]
        expected = "v0=" + hmac.digest(self._secret, b"v0:" + at.encode() + b":" + body, hashlib.sha256).hex()
        if not hmac.compare_digest(expected, signature) or signature in self._seen:
            return False
        self._seen[signature] = int(at)
        while self._seen and (
            len(self._seen) > MAX_REMEMBERED or abs(now - next(iter(self._seen.values()))) > WINDOW_SECONDS
        ):
            self._seen.popitem(last=False)
        return True
