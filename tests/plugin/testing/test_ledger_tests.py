"""The kit passes a ledger that keeps its promises, and each broken one fails at the check that is meant for it."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outlay.plugin import (
    CheckResult,
    Config,
    Key,
    NeedsReauth,
    Page,
    Permanent,
    PluginError,
    RateLimit,
    Report,
    Row,
    Tokens,
    Window,
)
from outlay.plugin.testing.ledger_tests import Make, Trial, coverage_problem, ledger_conformance, row_problem
from tests.plugin.minimal_ledger import HOUR, NOW, SECRET, LittleLedger, little_trial

TestLittleLedger = ledger_conformance(LittleLedger, make=little_trial)


class Floats(LittleLedger):
    """Money as a float."""

    def row(self, row: dict[str, Any]) -> Row:
        return replace(super().row(row), cost_usd=float(row["usd"] or 0))


class Impossible(LittleLedger):
    """More reasoning than output."""

    def row(self, row: dict[str, Any]) -> Row:
        return replace(super().row(row), tokens=Tokens(output=1, reasoning=2))


class Nameless(LittleLedger):
    """Money of nobody, and no word why."""

    def row(self, row: dict[str, Any]) -> Row:
        return replace(super().row(row), reason="")


class OffGrain(LittleLedger):
    """Buckets that start when they like."""

    def row(self, row: dict[str, Any]) -> Row:
        return replace(super().row(row), start=super().row(row).start + timedelta(minutes=5))


class Doubled(LittleLedger):
    """Each row twice: the books would keep one of them."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        page = await super().poll(report, window, cursor)
        return replace(page, rows=[*page.rows, *page.rows])


class Overlapping(LittleLedger):
    """Pages that each say the last hour of the one before again."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        page = await super().poll(report, window, cursor)
        if cursor is None or report != "hours":
            return page
        return replace(page, window=Window(page.window.start - timedelta(hours=1), page.window.end))


class StopsShort(LittleLedger):
    """Forgets to go on."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        return replace(await super().poll(report, window, cursor), cursor=None)


class Remembering(LittleLedger):
    """Keeps its place in the class and not in the cursor."""

    seen = 0

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        type(self).seen += 1
        page = await super().poll(report, window, cursor)
        return replace(page, rows=page.rows[: type(self).seen % 3])


class Trusting(LittleLedger):
    """Takes whatever comes for an answer."""

    def _dict(self, found: Any, *names: str) -> dict[str, Any]:
        return {name: found.get(name, []) if isinstance(found, dict) else [] for name in names}


class Clairvoyant(LittleLedger):
    """Reads its counters tomorrow."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        page = await super().poll(report, window, cursor)
        return replace(page, readings=[replace(found, at=found.at + timedelta(days=1)) for found in page.readings])


class Stuttering(LittleLedger):
    """Reads each counter twice."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        page = await super().poll(report, window, cursor)
        return replace(page, readings=[*page.readings, *page.readings])


class Swallowing(LittleLedger):
    """Makes no spend of an error."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        try:
            return await super().poll(report, window, cursor)
        except PluginError:
            return Page(window)


class Chatty(LittleLedger):
    """Logs what it was given."""

    async def check(self) -> CheckResult:
        self.context.log.debug("checking %s", self.config.api_key.get_secret_value())
        return await super().check()


class SecretInUrl(LittleLedger):
    """Puts the credential where every proxy logs it."""

    async def check(self) -> CheckResult:
        await self.context.http.get("/me", {"key": self.config.api_key.get_secret_value()})
        return await super().check()


class PlainConfig(Config):
    api_key: str
    base_url: str = "https://little.example/v1"


class PlainSecret(LittleLedger):
    """A credential that is a setting like any other: it would be stored as it is, and shown."""

    Config = PlainConfig

    @classmethod
    def headers(cls, config: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key}"}


@asynccontextmanager
async def plain_trial() -> AsyncIterator[Trial]:
    async with little_trial() as trial:
        yield replace(trial, good=PlainConfig(api_key=SECRET), wrong=PlainConfig(api_key="sk-little-wrong"))


class Credulous(LittleLedger):
    """Believes every credential."""

    async def check(self) -> CheckResult:
        try:
            return await super().check()
        except PluginError:
            return CheckResult("org_1", "Ex", "admin key")


class OneForAll(LittleLedger):
    """Two keys of one id."""

    async def keys(self) -> Sequence[Key]:
        return [replace(key, id="k") for key in await super().keys()]


class Keyless(LittleLedger):
    """Says whose money it is without an id."""

    async def keys(self) -> Sequence[Key]:
        return [replace(key, id="") for key in await super().keys()]


class OwnWay(LittleLedger):
    """Asks with a client of its own, past the guards."""

    async def check(self) -> CheckResult:
        return CheckResult("org_1", "Ex", "admin key")


class Pedantic(LittleLedger):
    """Takes fields that it does not know for an error."""

    def _dict(self, found: Any, *names: str) -> dict[str, Any]:
        known = super()._dict(found, *names)
        if set(known) - set(names):
            raise Permanent("Little answered with more than its documentation says.")
        return known


class Literal(LittleLedger):
    """Counts only what comes as a number."""

    def row(self, row: dict[str, Any]) -> Row:
        usd = row["usd"] if isinstance(row["usd"], Decimal) else Decimal("0.7")
        counts = {name: row[name] if type(row[name]) is int else 0 for name in ("in", "out")}
        return super().row(row | counts | {"usd": usd})


class NullIsZero(LittleLedger):
    """Makes no dollars of those that it was not told."""

    def row(self, row: dict[str, Any]) -> Row:
        return super().row(row | {"usd": row["usd"] or Decimal(0)})


class MissingIsNothing(LittleLedger):
    """Makes no rows of an answer without any."""

    def _dict(self, found: Any, *names: str) -> dict[str, Any]:
        return super()._dict({"rows": []} | found if isinstance(found, dict) else found, *names)


class Repeating(LittleLedger):
    """Goes through the vendor's pages and believes each of them to be another one."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        page = await super().poll(report, window, cursor)
        if report == "counters":
            return page
        asked = {"from": page.window.start.isoformat(), "to": page.window.end.isoformat(), "offset": "2000"}
        more = [self.row(row) for row in (await self.context.http.post("/search", asked))["rows"]]
        again = [replace(row, detail=(("page", "2"),)) for row in more]
        return replace(page, rows=[*page.rows, *again])


class Suspicious(LittleLedger):
    """Takes a report that is refused for a credential that is."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        try:
            return await super().poll(report, window, cursor)
        except Permanent as error:
            raise NeedsReauth("The key was taken away.", status=error.status) from None


class Entangled(LittleLedger):
    """Gives all up once one report was refused."""

    gave_up = False

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        try:
            return await super().poll(report, window, cursor)
        except Permanent:
            type(self).gave_up = True
            raise

    async def keys(self) -> list[Key]:
        if self.gave_up:
            raise Permanent("Little let us down.")
        return await super().keys()


class Hasty(LittleLedger):
    """Goes past the client that keeps its limits."""

    paces = (RateLimit("GET", "/me", 1, 60.0),)

    async def check(self) -> CheckResult:
        headers = self.headers(self.config)
        for _ in range(2):
            await self.context.http._http.get("https://little.example/v1/me", headers=headers)
        return await super().check()


class Misspelt(LittleLedger):
    """Declares a limit for a path that it never asks for."""

    paces = (RateLimit("POST", "/serach", 60, 60.0),)


class Impatient(LittleLedger):
    """Asks again at once."""

    async def check(self) -> CheckResult:
        for _ in range(2):
            await self.context.http._http.get("https://little.example/v1/me", headers=self.headers(self.config))
        return await super().check()


class ByItsClock(LittleLedger):
    """Believes that its clock is the vendor's."""

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        page = await super().poll(report, window, cursor)
        minute = self.context.clock.now().minute % 10
        return replace(page, rows=[replace(row, requests=minute) for row in page.rows])


class OtherApi(LittleLedger):
    """Written for another contract."""

    meta = replace(LittleLedger.meta, api=99)


async def failing(plugin: type[LittleLedger], make: Make = little_trial) -> dict[str, str]:
    """The checks that a plugin fails, with their words."""
    kit = ledger_conformance(plugin, make=make)()
    failed: dict[str, str] = {}
    for name in (name for name in dir(kit) if name.startswith("test_")):
        try:
            await getattr(kit, name)()
        except AssertionError as error:
            failed[name] = str(error)
        except PluginError as error:
            failed[name] = repr(error)
    return failed


async def test_the_little_ledger_keeps_every_promise() -> None:
    assert await failing(LittleLedger) == {}


@pytest.mark.parametrize(
    ("plugin", "check", "words"),
    [
        (Floats, "test_its_rows_are_honest", "its cost is 0.1"),
        (Impossible, "test_its_rows_are_honest", "more reasoning tokens"),
        (Nameless, "test_its_rows_are_honest", "neither a key nor a reason"),
        (Doubled, "test_its_rows_are_honest", "another row is of already"),
        (OffGrain, "test_a_page_states_its_own_window", "not where a bucket starts"),
        (
            Swallowing,
            "test_a_credential_taken_away_between_two_answers_is_told",
            "refused with 401 after 2 of 4 answers",
        ),
        (Credulous, "test_a_credential_of_the_wrong_kind_is_refused_before_it_is_saved", "that may do nothing"),
        (Swallowing, "test_a_cursor_that_expires_is_no_end", "where a cursor expires (410): 4 pages and no error"),
        (Swallowing, "test_a_storm_of_429_without_a_hint_is_handed_to_the_host", "not RateLimited"),
        (
            ByItsClock,
            "test_a_clock_that_is_off_changes_no_figure_of_the_past_and_breaks_none_of_now",
            "where its clock is off by",
        ),
        (Overlapping, "test_pages_cover_the_window_in_order", "before the end of the one before it"),
        (StopsShort, "test_pages_cover_the_window_in_order", "though what follows was complete"),
        (Remembering, "test_a_window_read_twice_says_the_same", "says other things twice"),
        (Remembering, "test_a_poll_goes_on_from_any_cursor", "says other things than in one go"),
        (Trusting, "test_nonsense_is_an_error_and_not_no_spend", "unexpected"),
        (Clairvoyant, "test_its_readings_are_honest", "from the future"),
        (Stuttering, "test_its_readings_are_honest", "one counter twice"),
        (Swallowing, "test_a_failing_server_is_transient", "instead of Transient"),
        (Swallowing, "test_a_long_429_is_handed_to_the_host", "not RateLimited"),
        (Chatty, "test_its_secret_shows_nowhere", "checking [SECRET]"),
        (SecretInUrl, "test_its_secret_shows_nowhere", "key=[SECRET]"),
        (Credulous, "test_a_wrong_credential_is_refused", "does not"),
        (OneForAll, "test_its_keys_have_ids_of_their_own", "Two keys have one id"),
        (Keyless, "test_its_keys_have_ids_of_their_own", "no id"),
        (OwnWay, "test_a_good_credential_tells_the_account", "through the client it was lent"),
        (Pedantic, "test_fields_nobody_knows_change_nothing", "minds fields"),
        (Literal, "test_numbers_may_come_as_text", "other figures where numbers come as text"),
        (
            NullIsZero,
            "test_null_is_not_zero_and_what_is_missing_is_not_nothing",
            "'usd' is null: dollars that nobody told",
        ),
        (MissingIsNothing, "test_null_is_not_zero_and_what_is_missing_is_not_nothing", "that nothing was spent"),
        (Repeating, "test_pages_that_repeat_count_nothing_twice", "counts more where the vendor repeats a page"),
        (
            Suspicious,
            "test_a_report_that_is_refused_is_no_revoked_credential",
            "NeedsReauth('The key was",
        ),
        (Entangled, "test_a_report_that_is_refused_is_no_revoked_credential", "fails where only hours is refused"),
        (Hasty, "test_it_keeps_the_limits_that_it_declares", "more often than the limit"),
        (Misspelt, "test_it_keeps_the_limits_that_it_declares", "covers no request that it sends"),
        (Impatient, "test_a_short_429_is_waited_out", "did not wait as long"),
        (OtherApi, "test_its_meta_and_reports_are_sound", "contract 99"),
    ],
)
async def test_a_broken_ledger_fails_at_the_check_meant_for_it(
    plugin: type[LittleLedger], check: str, words: str
) -> None:
    failed = await failing(plugin)
    assert words in failed.get(check, f"not among the failures: {failed}")
    assert SECRET not in str(failed)


async def test_a_secret_that_is_an_ordinary_setting_fails_the_kit() -> None:
    failed = await failing(PlainSecret, plain_trial)
    assert "no field that is a SecretStr" in failed["test_its_form_round_trips"]
    assert "[SECRET]" in failed["test_its_secret_shows_nowhere"]


async def test_a_cursor_that_never_ends_fails_the_kit() -> None:
    class Endless(LittleLedger):
        async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
            return replace(await super().poll(report, window, None), cursor="again")

    assert "does not end" in (await failing(Endless))["test_its_rows_are_honest"]


async def test_the_kit_leaves_logging_as_it_was() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    await failing(Chatty)
    assert (root.level, list(root.handlers)) == before


ROW = Row(NOW, "k", cost_usd=Decimal(1))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW, None),
        (replace(ROW, cost_usd=None), None),
        (replace(ROW, key="", reason="web searches"), None),
        (replace(ROW, cost_usd=1.0), "its cost is 1.0"),
        (replace(ROW, cost_usd=Decimal("NaN")), "its cost is"),
        (replace(ROW, cost_usd=Decimal("1e12")), "its cost is"),
        (replace(ROW, byok_usd=None), "its byok_usd is None"),
        (replace(ROW, tokens=(1, 2)), "not Tokens"),
        (replace(ROW, tokens=Tokens(input=Decimal(3))), "whole numbers"),
        (replace(ROW, tokens=Tokens(output=-1)), "negative"),
        (replace(ROW, requests="7"), "its requests are '7'"),
        (replace(ROW, requests=-7), "its requests are -7"),
    ],
)
def test_what_is_wrong_with_a_row(row: Row, words: str | None) -> None:
    problem = row_problem(row)
    assert problem is None if words is None else words in (problem or "")


def hours(*spans: tuple[int, int]) -> list[Page]:
    """Pages from one hour to another, counted back from now."""
    return [Page(Window(NOW - begin * HOUR, NOW - end * HOUR)) for begin, end in spans]


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        (hours((10, 5)), None),
        (hours((10, 7), (7, 7), (7, 5)), None),
        (hours((8, 5)), None),  # two hours are older than the report's history
        (hours((10, 6)), None),  # the last one is not complete yet
        (hours((11, 5)), "before the"),
        (hours((10, 4)), "after the"),
        (hours((10, 7), (8, 5)), "before the end of the one before it"),
        (hours((10, 7), (6, 5)), "nothing is said of"),
        (hours((10, 7), (7, 8), (8, 5)), "before it begins"),
        (hours((7, 5)), "reaches further back"),
        (hours((10, 8)), "was complete by then"),
    ],
)
def test_what_pages_leave_out(pages: list[Page], words: str | None) -> None:
    report = Report("hours", HOUR, lag=6 * HOUR, history=8 * HOUR)
    problem = coverage_problem(report, pages, Window(NOW - 10 * HOUR, NOW - 5 * HOUR), NOW)
    assert problem is None if words is None else words in (problem or "")
