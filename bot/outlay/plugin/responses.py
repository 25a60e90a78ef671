"""Response reading: JSON with exact money, the vendor's own words without secrets, and how long to wait.

Pure: bytes and headers in, a value or one of the five errors out.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from outlay.core.errors import OutlayError
from outlay.plugin.errors import NeedsReauth, Permanent, PluginError, Transient

MAX_WORDS_CHARACTERS = 200  # how much of a vendor's error message people are shown
_READ_CHARACTERS = 2_000  # how much of it is looked through for secrets
MAX_HINT_SECONDS = 86_400.0  # a longer wait is cut to this
_SECRET_MIN_CHARACTERS = 6
_LOOKS_SECRET = re.compile(
    r"(?i)\b(?:sk|pk|rk|key|xox[a-z]|ghp|lin)[-_][\w*.\-]{6,}"  # keys by their prefixes
    r"|\b(?:bearer|basic)\s+\S+"
    r"|(?=[\w+/=\-]*\d)(?=[\w+/=\-]*[a-z])[\w+/=\-]{24,}"  # long runs of letters and digits
)
_HALF = re.compile(rb"(?i)\\u(?:d[89a-f]|0000)|\xed[\xa0-\xbf]")  # JSON can spell lone surrogates and NUL
_WORTH_A_RETRY = frozenset({408, *range(500, 600)})


class NotFiniteError(OutlayError, ValueError):
    """NaN or Infinity where JSON has numbers."""


def worth_a_retry(status: int) -> bool:
    """Report whether the same request may do better in a moment."""
    return status in _WORTH_A_RETRY


def parse(body: bytes, who: str) -> Any:
    """Parse the JSON object or array, its fractions as Decimal. Raises Transient if cut off, else Permanent."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        raise Transient(f"{who} answered with nothing at all.")
    if start == b"<":
        raise Permanent(f"{who} answered with a web page instead of JSON. Is the base URL right?")
    if start not in (b"{", b"["):
        raise Permanent(f"{who} answered with something that is not a JSON object or list. Is the base URL right?")
    try:
        found = json.loads(body, parse_float=_exact, parse_constant=_refuse)
        return _whole(found) if _HALF.search(body) else found
    except NotFiniteError as error:
        raise Permanent(f"{who} answered with {error}, which is no number.") from None
    except RecursionError:
        raise Permanent(f"{who} answered with JSON nested too deep to read.") from None
    except ValueError:
        raise Transient(f"{who} answered with broken or cut-off JSON.") from None


def _whole(found: Any) -> Any:
    """Remove halves of characters (lone surrogates) and NUL, which no database or URL takes."""
    if isinstance(found, str):
        return found.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(found, list):
        return [_whole(one) for one in found]
    if isinstance(found, dict):
        return {_whole(name): _whole(one) for name, one in found.items()}
    return found


def _exact(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise NotFiniteError("a number beyond all bounds")
    return number


def _refuse(text: str) -> NoReturn:
    raise NotFiniteError(text)


def error_for(status: int, body: bytes, who: str, secrets: Iterable[str]) -> PluginError:
    """Return the error for a status other than 2xx and 429, with the vendor's reason where it gave one."""
    reason = vendor_words(body, secrets)
    said = f': "{reason}"' if reason else "."
    if status == 401:
        return NeedsReauth(f"{who} does not accept the credential (401){said}", status=status)
    if worth_a_retry(status):
        return Transient(f"{who} has trouble of its own ({status}){said}", status=status)
    if 300 <= status < 400:
        return Permanent(
            f"{who} answered with a redirect ({status}), which is not followed. Is the base URL right?", status=status
        )
    if status == 403:
        return Permanent(f"{who} does not let this credential do that (403){said}", status=status)
    return Permanent(f"{who} refused the request ({status}){said}", status=status)


def vendor_words(body: bytes, secrets: Iterable[str]) -> str:
    """Return the short, secret-free part of a vendor's error message, or "" for none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return redacted_line(_message(found), secrets)


def redacted_line(text: str, secrets: Iterable[str]) -> str:
    """Shorten what the other side said to one line without secrets, for people."""
    if len(text) > _READ_CHARACTERS:  # at a space: half of a secret would not be recognized
        text = text[:_READ_CHARACTERS].rpartition(" ")[0]
    for secret in secrets:
        text = text.replace(secret, "…")
    text = " ".join(_LOOKS_SECRET.sub("…", text).split())
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= MAX_WORDS_CHARACTERS else text[: MAX_WORDS_CHARACTERS - 1] + "…"


def _message(found: Any) -> str:
    """Find it where vendors put it: `error.message`, else `error`, `message` or `detail`, if that is text."""
    if not isinstance(found, dict):
        return ""
    inner = found.get("error")
    places = (inner.get("message") if isinstance(inner, dict) else inner, found.get("message"), found.get("detail"))
    return next((place for place in places if isinstance(place, str) and place.strip()), "")


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the parts of header values that must be redacted, longest first."""
    parts: set[str] = set()
    for value in headers.values():
        for word in value.split():
            parts.add(word)
            try:
                parts |= set(base64.b64decode(word, validate=True).decode("ascii").split(":"))
            except (binascii.Error, ValueError):
                continue
    return tuple(sorted((part for part in parts if len(part) >= _SECRET_MIN_CHARACTERS), key=len, reverse=True))


def wait_hint(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds the other side asks us to wait, None if it does not say. Header names in lower case."""
    for name, read in (
        ("retry-after", _seconds_or_date),
        ("x-ratelimit-reset", _epoch),
        ("anthropic-ratelimit-requests-reset", _timestamp),
    ):
        value = headers.get(name, "").strip()
        seconds = read(value, now) if value else None
        if seconds is not None:
            return min(max(seconds, 0.0), MAX_HINT_SECONDS)
    return None


def _seconds_or_date(value: str, now: datetime) -> float | None:
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return _until(moment, now)


def _epoch(value: str, now: datetime) -> float | None:
    """Read an epoch in seconds or milliseconds (vendors send either); a small number is seconds from now."""
    if not re.fullmatch(r"\d{1,15}(\.\d{1,9})?", value):
        return None
    number = float(value)
    if number < 1e8:
        return number
    return (number / 1000 if number >= 1e11 else number) - now.timestamp()


def _timestamp(value: str, now: datetime) -> float | None:
    try:
        return _until(datetime.fromisoformat(value), now)
    except ValueError:
        return None


def _until(moment: datetime, now: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - now) / timedelta(seconds=1)
