"""The log keeps no secret: planted ones go through every wall, at DEBUG, and are found nowhere."""

import io
import json
import logging
import re
import threading
import time
import urllib.parse
import warnings
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError
from slack_bolt.async_app import AsyncApp
from slack_bolt.logger import get_bolt_app_logger, get_bolt_logger
from slack_sdk.socket_mode.aiohttp import SocketModeClient

from outlay.logs import (
    FLOORS,
    MAX_KNOWN_SECRETS,
    MAX_LINE_CHARACTERS,
    REDACTED,
    LineHandler,
    Redactor,
    error_id,
    fold,
    set_up_logging,
)

PLAIN = 'correct horse "battery"\\staple é'  # no shape of its own, and spelled otherwise in JSON, repr and URLs
SHAPED = [
    "sk-or-v1-4f0c9a1be77d40d2a51c3f9b4f0c9a1be77d40d2",
    "sk-admin-AbCdEf0123456789_-xyz",
    "sk-ant-admin01-AbCdEf0123456789",
    "sk-proj-AbCdEf0123456789",
    "xoxb-1234567890-1234567890123-AbCdEfGhIjKl",
    "xoxe.xoxb-1-AbCdEfGhIjKl0123",
    "xoxe-1-AbCdEfGhIjKl0123",
    "xapp-1-A012AB3CD-1234567890-abcdef0123456789",
    "lin_api_AbCdEf0123456789AbCdEf0123456789",
    "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345",
    "github_pat_" + "11ABCDEFG0abcdefghij_klmnopqrstuvwxyz",
    "hvs." + "CAESIJ0123456789abcdefghij-klmnop_qrst",
    "lin_wh_AbCdEf0123456789",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
]


class Log:
    """A log under test: what was written, as lines."""

    def __init__(self, level: str = "DEBUG") -> None:
        logging.getLogger().handlers.clear()  # pytest's own, which raise at a record that cannot be formatted
        self.stream = io.StringIO()
        self.redactor = set_up_logging(level, stream=self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    names = ["", "outlay", "outlay_plugins", "slack_bolt.outlay", *FLOORS]
    before = {name: logging.getLogger(name).level for name in names}
    yield
    logging.captureWarnings(False)
    for handler in [one for one in logging.getLogger().handlers if isinstance(one, LineHandler)]:
        logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_a_line_says_when_how_grave_who_what_and_the_extras() -> None:
    log = Log()
    logging.getLogger("outlay.poll").info("polled %s", "openrouter", extra={"rows": 12, "note": "two words", "z": ""})
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    outlay\.poll: "
        r'polled openrouter rows=12 note="two words" z=""',
        log.lines[0],
    )


@pytest.mark.parametrize("secret", [*SHAPED, PLAIN])
class TestAPlantedSecret:
    def planted(self, secret: str) -> tuple[Log, logging.Logger]:
        log = Log()
        if secret == PLAIN:
            log.redactor.add(secret)
        return log, logging.getLogger("outlay.planted")

    def found(self, log: Log, secret: str) -> bool:
        tail = secret[-10:]
        return any(
            spelling in log.text
            for spelling in (tail, repr(tail)[1:-1], json.dumps(tail)[1:-1], urllib.parse.quote(tail, safe=""))
        )

    def test_is_not_in_a_message_or_its_arguments(self, secret: str) -> None:
        log, logger = self.planted(secret)
        logger.debug(f"key {secret}")
        logger.debug("key %s in %r", secret, {"key": secret})
        logger.debug("body %s", json.dumps({"key": secret}))
        logger.debug("https://x/?q=%s", urllib.parse.quote(secret, safe=""))
        logger.debug("wrong %d arguments", secret)
        logger.debug("too %s few %s", secret)
        assert len(log.lines) == 6
        assert all(REDACTED in line for line in log.lines)
        assert not self.found(log, secret)

    def test_is_not_in_an_extra(self, secret: str) -> None:
        log, logger = self.planted(secret)
        logger.debug("said", extra={"key": secret, "nested": {"a": [secret]}})
        assert log.text.count(REDACTED) == 2
        assert not self.found(log, secret)

    def test_is_not_in_an_exception_its_cause_its_context_its_notes_or_its_group(self, secret: str) -> None:
        log, logger = self.planted(secret)
        try:
            try:
                try:
                    raise KeyError(secret)
                except KeyError:
                    raise ValueError(f"while handling {secret}")  # noqa: B904 (the context is what is tested)
            except ValueError as error:
                error.add_note(f"note {secret}")
                raise ExceptionGroup("several", [RuntimeError(secret)]) from error
        except ExceptionGroup:
            logger.exception("failed", stack_info=True)
        assert log.text.count(REDACTED) >= 4
        assert len(log.lines) == 1
        assert not self.found(log, secret)

    def test_is_not_in_a_pydantic_error(self, secret: str) -> None:
        class Form(BaseModel):
            key: int

        log, logger = self.planted(secret)
        try:
            Form.model_validate({"key": secret * 3})
        except ValidationError:
            logger.exception("refused")
        assert "int_parsing" in log.text
        assert not self.found(log, secret)

    def test_is_not_in_what_a_broken_record_leaves_behind(
        self, secret: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        class Broken:
            def __str__(self) -> str:
                raise RuntimeError(secret)

        log, logger = self.planted(secret)
        logger.debug("%s %s", secret, Broken())
        assert log.lines == ["a log line of outlay.planted could not be written (RuntimeError)"]
        assert not self.found(log, secret)
        assert capsys.readouterr().err == ""

    def test_is_not_in_a_warning(self, secret: str) -> None:
        log, _ = self.planted(secret)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn(f"deprecated {secret}", stacklevel=1)
        assert REDACTED in log.text
        assert not self.found(log, secret)


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("Authorization: Bearer abcdef0123456789", "Bearer", "abcdef0123456789"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Basic", "dXNlcjpwYXNzd29yZA"),
        ("postgresql+asyncpg://outlay:hunter2@db/outlay", "outlay:[redacted]@db/outlay", "hunter2"),
        ("wss://wss-primary.slack.com/link/?ticket=ab-cd-12&app_id=1", "&app_id=1", "ab-cd-12"),
        ("GET /slack/oauth_redirect?code=12.34.abc&state=x HTTP/1.1", "&state=x", "12.34.abc"),
        ("https://hooks.slack.com/services/T1/B1/abcdefgh", "hooks.slack.com/services/", "T1/B1/abcdefgh"),
    ],
)
def test_the_rest_of_a_line_stays_readable(text: str, kept: str, gone: str) -> None:
    clean = Redactor().redact(text)
    assert kept in clean
    assert gone not in clean


@pytest.mark.parametrize(
    "text",
    ["polled openrouter: 12 rows", "task-force-one-two-three", "risk-assessment is done", "key sha256:ab12 at 12:30"],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize("name", ["slack_bolt.AsyncApp", "slack_bolt.outlay", "slack_sdk.socket_mode.aiohttp", *FLOORS])
def test_a_library_is_not_heard_at_debug_even_if_it_sets_its_own_level(name: str) -> None:
    log = Log("DEBUG")
    logger = logging.getLogger(name)
    before = logger.level
    try:
        logger.debug("quiet")
        logger.setLevel(logging.DEBUG)
        logger.debug("still quiet")
        logger.error("heard")
    finally:
        logger.setLevel(before)
    assert [line.rpartition(": ")[2] for line in log.lines] == ["heard"]


def test_bolts_own_loggers_copy_a_level_that_is_not_debug() -> None:
    log = Log("DEBUG")
    handed = logging.getLogger("slack_bolt.outlay")
    listener = get_bolt_app_logger("outlay.py", test_bolts_own_loggers_copy_a_level_that_is_not_debug, handed)
    for logger in (get_bolt_logger(AsyncApp), get_bolt_logger(SocketModeClient, handed), listener):
        assert logger.getEffectiveLevel() > logging.DEBUG
        logger.info("body: token=x, view: {'value': 'my private words'}")
    assert log.text == ""


async def test_the_socket_clients_envelope_does_not_show_at_debug() -> None:
    """The measured leak: at DEBUG the Socket Mode client prints what it receives, a pasted key included."""
    log = Log("DEBUG")
    app = AsyncApp(token="xoxb-planted-0001", logger=logging.getLogger("slack_bolt.outlay"))
    client = SocketModeClient(app_token="xapp-planted-0001", logger=app.logger)
    try:
        await client.enqueue_message(json.dumps({"type": "hello", "value": "my private words"}))
        client.logger.debug("on_message invoked: (message: my private words)")
        client.logger.warning("heard of %s", SHAPED[0])
    finally:
        await client.close()
    assert "my private words" not in log.text
    assert SHAPED[0] not in log.text
    assert f"heard of {REDACTED}" in log.text


def test_our_own_debug_is_heard_only_when_asked_for() -> None:
    for level, expected in (("DEBUG", 2), ("INFO", 1), ("WARNING", 0)):
        log = Log(level)
        logging.getLogger("outlay.x").debug("one")
        logging.getLogger("outlay_plugins.x").info("two")
        assert len(log.lines) == expected


def test_a_second_set_up_replaces_the_first() -> None:
    first, second = Log(), Log()
    logging.getLogger("outlay").warning("once")
    assert first.text == ""
    assert len(second.lines) == 1


def test_nothing_forges_a_second_line_or_moves_the_cursor() -> None:
    log = Log()
    logging.getLogger("outlay").info("name %s", "a\r\n2026-01-01 ERROR forged\x1b[2J\u2028x", extra={"e": "b\nc"})
    assert len(log.lines) == 1
    assert "\x1b" not in log.text
    assert "a | 2026-01-01 ERROR forged\\x1b[2J | x" in log.text


def test_a_long_line_is_cut_after_it_is_redacted() -> None:
    log = Log()
    log.redactor.add(PLAIN)
    logging.getLogger("outlay").info("x" * (MAX_LINE_CHARACTERS - 60) + PLAIN + "y" * 1000)
    assert PLAIN[:8] not in log.text
    assert log.lines[0].endswith("more characters)")


@pytest.mark.parametrize("piece", ["sk-", "://", "://a:", "input_value=", "bearer ", "?code=", "xoxb-", "a" * 40 + "@"])
def test_a_hostile_body_costs_little(piece: str) -> None:
    started = time.process_time()
    Redactor().redact(piece * (5_000_000 // len(piece)))
    assert time.process_time() - started < 5  # a shape that looks back and forth would take minutes


def test_an_exception_reads_from_the_inside_out_with_its_cause() -> None:
    def inner() -> None:
        raise KeyError("model")

    try:
        try:
            inner()
        except KeyError as error:
            raise RuntimeError("cannot poll") from error
    except RuntimeError as error:
        folded = fold(error)
    assert re.fullmatch(
        r"RuntimeError: cannot poll < \S+test_logs\.py:\d+ test_\w+ "
        r"\| caused by KeyError: 'model' < \S+test_logs\.py:\d+ inner < \S+test_logs\.py:\d+ test_\w+",
        folded,
    )


def test_a_chain_of_causes_ends() -> None:
    error = RuntimeError("0")
    error.__cause__ = error
    assert fold(error).count("RuntimeError: 0") == 5


class TestRedactor:
    def test_is_bounded_and_never_forgets_what_it_was_told_to_keep(self) -> None:
        redactor = Redactor()
        redactor.keep("kept-for-ever")
        for number in range(MAX_KNOWN_SECRETS + 1):
            redactor.add(f"secret-number-{number:05d}")
        assert redactor.redact("kept-for-ever") == REDACTED
        assert redactor.redact(f"secret-number-{MAX_KNOWN_SECRETS:05d}") == REDACTED
        redactor.add("one-more-secret")
        assert redactor.redact("secret-number-00000") == "secret-number-00000"

    def test_takes_the_longer_of_two_that_overlap(self) -> None:
        redactor = Redactor()
        redactor.add("abcdefgh")
        redactor.add("abcdefgh-and-more")
        assert redactor.redact("abcdefgh-and-more") == REDACTED

    def test_leaves_short_ones_alone(self) -> None:
        redactor = Redactor()
        redactor.add("rows")
        assert redactor.redact("12 rows") == "12 rows"

    def test_several_threads_may_teach_it_while_others_ask(self) -> None:
        redactor = Redactor()
        redactor.keep("the-first-secret")
        seen: list[str] = []

        def teach(start: int) -> None:
            for number in range(start, start + 50):
                redactor.add(f"secret-number-{number:05d}")
                seen.append(redactor.redact("the-first-secret"))

        threads = [threading.Thread(target=teach, args=(start,)) for start in (0, 1000, 2000, 3000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert seen == [REDACTED] * 200
        assert redactor.redact("secret-number-03049") == REDACTED

    def test_shows_nothing_itself(self) -> None:
        redactor = Redactor()
        redactor.add("a-planted-secret")
        assert "planted" not in repr(redactor)


def test_an_error_id_is_short_and_cannot_be_misread() -> None:
    ids = {error_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"[bcdfghjkmnpqrstvwxyz2-9]{8}", one) for one in ids)
