"""Logging: one line for each event, on stderr, with no secret in it.

There are two barriers. First, libraries that log requests and bodies at DEBUG stay at INFO or WARNING, whatever our
level; the handler itself drops their records, since some of them set their own level. Second, each finished line passes
a Redactor, which knows secrets by value (those that were registered) and by shape (any other). It works on the whole
line, so a secret cannot hide in an argument, an exception, a chained cause or an extra.
"""

import contextlib
import json
import logging
import re
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import PurePath
from typing import IO
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
MIN_SECRET_CHARACTERS = 8  # a shorter one would be found in ordinary words
MAX_KNOWN_SECRETS = 500
MAX_LINE_CHARACTERS = 16_000
MAX_READ_CHARACTERS = 64_000  # scanned for credential shapes; far more than a line shows
MAX_FRAMES = 12
MAX_CAUSES = 5
MAX_GROUPED = 5
ERROR_ID_CHARACTERS = 8
_ERROR_ALPHABET = "bcdfghjkmnpqrstvwxyz23456789"  # no look-alikes, and no vowels, so no words

OURS = ("outlay", "outlay_plugins")
FLOORS = {
    # At DEBUG these print what they send and receive, a pasted key included.
    "slack_sdk": logging.INFO,
    "aiohttp": logging.INFO,
    "websockets": logging.INFO,
    "uvicorn": logging.INFO,
    "asyncio": logging.INFO,
    # These do so, or log every step, at INFO already; Bolt logs the body of a badly signed request.
    "slack_bolt": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "alembic": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "apscheduler": logging.WARNING,
    # The clients of key services: bodies with data keys, headers with tokens.
    "boto3": logging.WARNING,
    "botocore": logging.WARNING,
    "urllib3": logging.WARNING,
    "requests": logging.WARNING,
    "google": logging.WARNING,
    "grpc": logging.WARNING,
    "azure": logging.WARNING,
    "msal": logging.WARNING,
}

_SHAPES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_.…-]{8,}", REDACTED),  # OpenRouter, OpenAI, Anthropic, LiteLLM
        (r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9.…-]{8,}", REDACTED),
        (r"xapp-[A-Za-z0-9.…-]{8,}", REDACTED),
        (r"lin_[a-z]{2,10}_[A-Za-z0-9_.…-]{8,}", REDACTED),
        (r"\b(?:gh[pousr]_|github_pat_|ATATT|hv[sbr]\.)[A-Za-z0-9_=.…-]{16,}", REDACTED),  # GitHub, Jira, Vault
        (r"whsec_[A-Za-z0-9+/=_.…-]{8,}", REDACTED),
        (r"(hooks\.slack\.com/[a-z]+/)[A-Za-z0-9/_-]+", rf"\1{REDACTED}"),
        (r"(?i)\b(bearer) +[A-Za-z0-9._~+/=-]{8,}", rf"\1 {REDACTED}"),
        (r"(?i)\b(basic) +[A-Za-z0-9+/=-]{16,}", rf"\1 {REDACTED}"),
        (r"(?<=://)([^\s/:@]*):[^\s/@]+@", rf"\1:{REDACTED}@"),
        (r"(?i)([?&](?:ticket|code|token|access_token|key|api_key|secret|client_secret)=)[^&\s\"']+", rf"\1{REDACTED}"),
        (
            r"\binput_value=.{0,200}?(?=, input_type=)",
            f"input_value={REDACTED}",
        ),  # pydantic quotes rejected input, shortened
    )
]
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
_PLAIN = re.compile(r'[^\s="]+')
_ORDINARY = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class Redactor:
    """Remover of secrets from text. Knows the last MAX_KNOWN_SECRETS that were added, and all that were kept."""

    def __init__(self) -> None:
        self._kept: dict[str, set[str]] = {}
        self._recent: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._spellings: tuple[str, ...] = ()  # longest first; replaced, never changed: other threads read it

    def __repr__(self) -> str:
        return f"Redactor({len(self._kept) + len(self._recent)} secrets)"

    def add(self, secret: str) -> None:
        """Register a secret that passed through; beyond MAX_KNOWN_SECRETS the oldest is forgotten."""
        self._learn(secret, self._recent)

    def keep(self, secret: str) -> None:
        """Register a secret for the whole process, such as a token from the settings; it is never forgotten."""
        self._learn(secret, self._kept)

    def redact(self, text: str) -> str:
        """Replace every known secret, and everything shaped like one."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, REDACTED)
        return redact_shapes(cut(text, MAX_READ_CHARACTERS))

    def _learn(self, secret: str, into: dict[str, set[str]]) -> None:
        secret = secret.strip()
        if len(secret) < MIN_SECRET_CHARACTERS or secret in into:
            return
        with self._lock:
            into[secret] = _spellings(secret)
            if len(self._recent) > MAX_KNOWN_SECRETS:
                del self._recent[next(iter(self._recent))]
            known = set().union(*self._kept.values(), *self._recent.values())
            self._spellings = tuple(sorted(known, key=len, reverse=True))


def redact_shapes(text: str) -> str:
    """Replace everything in the text that is shaped like a credential."""
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def _spellings(secret: str) -> set[str]:
    """Return the secret as it is, and as JSON, a repr and a URL would write it."""
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)}


def set_up_logging(level: int | str, *, stream: IO[str] | None = None, redactor: Redactor | None = None) -> Redactor:
    """Send the log to stderr (or `stream`) through a redactor, which is returned. A new call replaces the last."""
    threshold = logging.getLevelNamesMapping()[level.upper()] if isinstance(level, str) else level
    redactor = redactor or Redactor()
    handler = LineHandler(stream or sys.stderr, redactor)
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, LineHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    # Libraries inherit the root's level, and Bolt copies it to its own loggers: DEBUG is for our names only.
    root.setLevel(max(threshold, logging.INFO))
    for name in OURS:
        logging.getLogger(name).setLevel(threshold)
    for name in (*FLOORS, "slack_bolt.outlay"):
        logging.getLogger(name).setLevel(max(threshold, _floor(name)))
    logging.captureWarnings(True)
    return redactor


class LineHandler(logging.StreamHandler[IO[str]]):
    """Log handler that writes one redacted line for each record, and drops library records below their floor."""

    def __init__(self, stream: IO[str], redactor: Redactor) -> None:
        super().__init__(stream)
        self._redactor = redactor
        self.addFilter(lambda record: record.levelno >= _floor(record.name))
        self.setFormatter(LineFormatter(redactor))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
        """Report a record that could not be written, without its arguments, which the standard handler would print."""
        problem = sys.exc_info()[0]
        what = problem.__name__ if problem else "unknown"
        with contextlib.suppress(OSError, ValueError):  # the stream itself may be broken
            self.stream.write(f"a log line of {one_line(record.name)} could not be written ({what})\n")


class LineFormatter(logging.Formatter):
    """Log formatter: time, level, logger, message, extras, exception on one line, redacted before it is cut."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redact = redactor.redact

    def format(self, record: logging.LogRecord) -> str:
        parts = [_message(record), *self._extras(record)]
        if record.exc_info and record.exc_info[1] is not None:
            parts.append(f"| {fold(record.exc_info[1])}")
        elif record.exc_text:
            parts.append(f"| {record.exc_text}")
        if record.stack_info:
            parts.append(f"| {record.stack_info}")
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = f"{at}.{int(record.msecs):03d}Z {record.levelname:<7} {record.name}"
        return cut(one_line(self._redact(f"{head}: {' '.join(parts)}")))

    def _extras(self, record: logging.LogRecord) -> Iterator[str]:
        if _top(record.name) not in OURS:
            return  # libraries attach whole objects to their records
        for name, value in vars(record).items():
            if name not in _ORDINARY:
                text = self._redact(str(value))  # before quoting, which may respell a secret
                plain = _PLAIN.fullmatch(text)
                yield f"{name}={text if plain else json.dumps(text, ensure_ascii=False)}"


def fold(error: BaseException, *, depth: int = MAX_CAUSES) -> str:
    """Summarize an exception: its message, where it came from (innermost first), and what caused it."""
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    frames = [
        f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    folded = " < ".join([said, *reversed(frames[-MAX_FRAMES:])])
    if depth <= 1:
        return folded
    if isinstance(error, BaseExceptionGroup):
        folded += "".join(f" | with {fold(one, depth=depth - 1)}" for one in error.exceptions[:MAX_GROUPED])
    if error.__cause__ is not None:
        return f"{folded} | caused by {fold(error.__cause__, depth=depth - 1)}"
    if error.__context__ is not None and not error.__suppress_context__:
        return f"{folded} | while handling {fold(error.__context__, depth=depth - 1)}"
    return folded


def error_id() -> str:
    """Generate a short id that is shown to a person and written to the log, to find one from the other."""
    return "".join(secrets.choice(_ERROR_ALPHABET) for _ in range(ERROR_ID_CHARACTERS))


def one_line(text: str) -> str:
    """Make the text one line in which nothing can start a new line or move a terminal's cursor."""
    return " | ".join(part.strip() for part in text.splitlines() if part.strip()).translate(_CONTROL)


def cut(text: str, limit: int = MAX_LINE_CHARACTERS) -> str:
    """Cut the text, and say how many characters are missing."""
    missing = len(text) - limit
    return text if missing <= 0 else f"{text[:limit]}… ({missing} more characters)"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit: our bug, but the line is worth having
        return f"{record.msg} {record.args!r}"


def _top(name: str) -> str:
    return name.split(".", 1)[0]


def _floor(name: str) -> int:
    top = _top(name)
    return logging.NOTSET if top in OURS else FLOORS.get(top, logging.INFO)


def _short(path: str) -> str:
    """Return the last three parts of a path: enough to find the file, and nothing about the machine."""
    return "/".join(PurePath(path).parts[-3:])
