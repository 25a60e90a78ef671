"""OpenAI over real HTTP against the stand-in: the bill is what the company spent, to the nano-dollar, and usage how."""

from collections import Counter
from datetime import timedelta
from fractions import Fraction
from urllib.parse import parse_qs

import pytest

from outlay.fakes.company.company import Company
from outlay.fakes.openai.faults import ExtraCostLine, Oddity
from outlay.fakes.openai.server import PROJECT_KEY
from outlay.plugin import BadConfig, Key, NeedsReauth, Permanent, RateLimited, Transient
from outlay_plugins._openai.account import SEAT
from tests.plugins.openai_account import (
    COMPANY,
    DAY,
    DELETED,
    END,
    HOUR,
    MINUTE,
    NOW,
    START,
    TODAY,
    brightloom,
    cost_by_group,
    tokens,
    true_tokens,
)

KINDS = ("embeddings", "images", "audio_speeches", "audio_transcriptions")
COSTS, COMPLETIONS = "/organization/costs", "/organization/usage/completions"
BY_DAY, BY_HOUR, BY_MINUTE = "%Y-%m-%d", "%Y-%m-%dT%H:00:00Z", "%Y-%m-%dT%H:%M:00Z"


async def test_the_bill_is_the_truth_by_key_and_day() -> None:
    async with brightloom() as account:
        rows = await account.rows("costs")
    assert cost_by_group(rows, BY_DAY) == COMPANY.truth(START, END, ("key", "day", "model"))
    assert {row.key for row in rows} == {key.hash for key in COMPANY.keys}  # the deleted one too
    assert {row.project for row in rows} == {key.workspace.id for key in COMPANY.keys}


async def test_usage_far_back_is_the_truth_by_the_hour_and_of_recent_days_by_the_minute() -> None:
    recent = TODAY - 3 * DAY
    async with brightloom() as account:
        rows = await account.rows("usage", recent - 5 * HOUR, recent + 7 * HOUR)
    before, after = ([row for row in rows if (row.start < recent) is earlier] for earlier in (True, False))
    assert tokens(before, BY_HOUR) == true_tokens(COMPANY, recent - 5 * HOUR, recent, "hour")
    assert tokens(after, BY_MINUTE) == true_tokens(COMPANY, recent, recent + 7 * HOUR, "minute")
    assert all(row.cost_usd is None for row in rows)
    assert sum(row.requests or 0 for row in before) == COMPANY.truth(recent - 5 * HOUR, recent, of="requests")[()]


async def test_a_batch_is_half_of_the_list_price_and_told_apart() -> None:
    batch = COMPANY.key("evals-batch")
    async with brightloom() as account:
        rows = await account.rows("usage", START, START + 6 * HOUR)
    assert {(row.key == batch.hash, row.detail, row.list_price_factor) for row in rows} == {
        (True, (("batch", "true"),), Fraction(1, 2)),
        (False, (), 1),
    }


async def test_today_is_there_up_to_the_minute_and_late_when_openai_is() -> None:
    async with brightloom() as account:
        rows = await account.rows("usage", TODAY, NOW)
        assert tokens(rows, BY_MINUTE) == true_tokens(COMPANY, TODAY, NOW, "minute")
        account.standin.faults.usage_lag = 2 * HOUR
        late = await account.rows("usage", TODAY, NOW)
    assert tokens(late, BY_MINUTE) == true_tokens(COMPANY, TODAY, NOW - 2 * HOUR, "minute")


async def test_a_bill_that_is_not_complete_is_a_part() -> None:
    async with brightloom() as account:
        account.standin.faults.costs_lag = 30 * HOUR
        rows = await account.rows("costs", TODAY - 2 * DAY, TODAY)
    part = COMPANY.truth(TODAY - 2 * DAY, NOW - 30 * HOUR, ("key", "day", "model"))
    assert cost_by_group(rows, BY_DAY) == part


@pytest.mark.parametrize(
    "oddities",
    [{"extra_fields"}, {"numbers_as_strings"}, {"money_as_numbers"}, {"no_results"}],
)
async def test_odd_answers_say_the_same(oddities: set[Oddity]) -> None:
    async with brightloom() as account:
        plain = [await account.rows(report, START, START + DAY) for report in ("costs", "usage")]
        account.standin.faults.oddities |= oddities
        account.standin.faults.skips_empty = "no_results" not in oddities
        assert [await account.rows(report, START, START + DAY) for report in ("costs", "usage")] == plain


async def test_nulls_are_no_cached_tokens_and_the_same_money() -> None:
    async with brightloom() as account:
        account.standin.faults.oddities.add("nulls")
        bill = await account.rows("costs", START, START + DAY)
        used = await account.rows("usage", START, START + DAY)
    assert cost_by_group(bill, BY_DAY) == COMPANY.truth(START, START + DAY, ("key", "day", "model"))
    assert {row.tokens.cache_read for row in used} == {0}


async def test_lines_that_are_no_model_keep_their_words() -> None:
    company = Company(seed=7, now=NOW).view_of("openai")
    key = company.key("emre-dev")
    async with brightloom() as account:
        account.standin.faults.extras += [
            ExtraCostLine(START, "web search tool calls", 10_000_000, key.workspace.id, key.hash),
            ExtraCostLine(START, "vector storage", 1, key.workspace.id),
            ExtraCostLine(START, "gpt-5 image, output", 2, key.workspace.id),
        ]
        rows = await account.rows("costs", START, START + DAY)
    said = {
        dict(row.detail)["line_item"]: (row.key, row.model, row.reason, row.cost_usd)
        for row in rows
        if "tokens" not in dict(row.detail)["line_item"]
    }
    assert said["web search tool calls"][:3] == (key.hash, "", "")
    assert said["vector storage"][:3] == ("", "", "vector storage")
    assert said["gpt-5 image, output"][:3] == ("", "gpt-5", "OpenAI's bill names no key for it")


async def test_keys_have_their_owners_and_deleted_ones_are_not_listed() -> None:
    async with brightloom() as account:
        keys = {key.id: key for key in await account.plugin.keys()}
    seats = {key.id for key in keys.values() if key.label == SEAT}
    assert {keys[seat].email for seat in seats} == {person.email for person in COMPANY.staff.people}
    assert set(keys) - seats == {key.hash for key in COMPANY.keys} - {DELETED.hash}
    emre, service = keys[COMPANY.key("emre-dev").hash], keys[COMPANY.key("triage-service").hash]
    assert (emre.name, emre.email, emre.project_name) == ("emre-dev", "emre@brightloom.example", "Platform")
    assert (service.name, service.email) == ("agent-triage", "")
    assert emre.label.startswith("sk-proj-...")


async def test_an_archived_project_is_not_asked_again_and_keeps_its_keys() -> None:
    async with brightloom() as account:
        await account.plugin.keys()
        everything = {path for path in account.standin.journal.paths() if path.endswith("/api_keys")}
        pilot = next(p.id for p in await account.plugin._account.projects() if p.archived)
    old = Key("key_old", "of-old", project_id=pilot, project_name="Pilot")
    other = Key("key_gone", "gone", project_id=COMPANY.keys[0].workspace.id)
    for known, kept in (([old, other], {"key_old"}), ([other], set[str]())):
        async with brightloom(known) as account:
            keys = {key.id for key in await account.plugin.keys()}
            asked = {path for path in account.standin.journal.paths() if path.endswith("/api_keys")}
        assert everything - asked == {f"GET /organization/projects/{pilot}/api_keys"}
        assert keys & {"key_old", "key_gone"} == kept


async def test_who_is_who() -> None:
    async with brightloom() as account:
        checked = await account.plugin.check()
        projects = await account.plugin._account.projects()
        account.standin.faults.forbidden.add(COSTS)
        assert not [words for words in (await account.plugin.check()).can_read if "billed" in words]
    assert checked.account_id == projects[0].id  # the oldest one
    assert projects[0].name == "Default project"
    assert any(project.archived for project in projects)
    async with brightloom(api_key=PROJECT_KEY) as account:
        with pytest.raises(BadConfig, match="needs an admin key") as refusal:
            await account.plugin.check()
    assert refusal.value.field == "api_key"
    async with brightloom(api_key="sk-admin-wrong") as account:
        with pytest.raises(BadConfig, match="does not know this key"):
            await account.plugin.check()


async def test_a_revoked_key_asks_for_another() -> None:
    async with brightloom() as account:
        await account.rows("costs")
        account.standin.faults.revoked = True
        for report in ("costs", "usage"):
            with pytest.raises(NeedsReauth):
                await account.rows(report)


async def test_a_back_fill_is_a_few_dozen_requests_within_openais_bounds() -> None:
    async with brightloom() as account:
        start = TODAY - 30 * DAY
        usage = await account.drain("usage", start, NOW)
        bill = await account.drain("costs", start, TODAY)
        asked = list(account.standin.journal.asked)
    assert {one.status for one in asked} == {200}
    assert (len(usage), len(bill)) == (14 + 14, 5)
    kinds = Counter(one.path.rpartition("/")[2] for one in asked)
    assert kinds == {"costs": 5, **dict.fromkeys(KINDS, 28), "completions": 13 * 2 + 1 + 13 * 3 + 2}
    assert max(len(page.rows) for page in usage) < 5_000
    for first, last in zip(asked, asked[100:], strict=False):
        assert last.at - first.at >= timedelta(seconds=60)


async def test_an_everyday_poll_is_five_requests_and_the_hours_of_now() -> None:
    async with brightloom() as account:
        (page,) = await account.drain("usage", TODAY + 8 * HOUR, NOW)
        queries = [parse_qs(query) for query in account.queries(COMPLETIONS)]
        assert len(account.standin.journal.asked) == 5
    assert (page.window.start, page.window.end) == (TODAY + 8 * HOUR, NOW)
    assert queries[0]["limit"] == ["81"]
    assert queries[0]["group_by"] == ["project_id", "api_key_id", "user_id", "model", "batch", "service_tier"]


async def test_use_without_a_key_is_the_persons_where_openai_tells_and_nobodys_where_not() -> None:
    emre = COMPANY.key("emre-dev")
    async with brightloom() as account:
        account.standin.faults.keyless.add(emre.hash)
        (seat,) = (
            key for key in await account.plugin.keys() if key.email == "emre@brightloom.example" and key.label == SEAT
        )
        rows = await account.rows("usage")
        account.standin.faults.no_people = True
        pages = await account.drain("usage")
        bill = await account.rows("costs")
    prompt = {group: told[0] for group, told in true_tokens(COMPANY, START, END, "hour").items()}
    expected = sum(count for group, count in prompt.items() if group[0] == emre.hash)
    assert expected
    assert emre.hash not in {row.key for row in rows}
    assert sum(row.tokens.input + row.tokens.cache_read for row in rows if row.key == seat.id) == expected
    nobodys = [row for page in pages for row in page.rows if not row.key]
    assert sum(row.tokens.input + row.tokens.cache_read for row in nobodys) == expected
    assert {row.reason for row in nobodys} == {"used without a key or a person that OpenAI names"}
    assert all("by person" in page.notes[0] for page in pages)
    assert {row.reason for row in bill if not row.key} == {"OpenAI's bill names no key for it"}


# Before there were keys on the bill


async def test_a_bill_from_before_there_were_keys_is_asked_for_without() -> None:
    now = TODAY.replace(year=2025, month=12, day=20, hour=12)
    company = Company(seed=7, now=now).view_of("openai")
    start, since, end = (company.start + number * DAY for number in (12, 16, 18))
    assert f"{since:%Y-%m-%d}" == "2025-12-06"
    async with brightloom(company=company, now=now) as account:
        pages = await account.drain("costs", start, end)
        assert {asked.status for asked in account.standin.journal.asked} == {200}
    assert [(page.window.start, page.window.end) for page in pages] == [(start, since), (since, end)]
    before = cost_by_group(pages[0].rows, BY_DAY)
    assert before == {("", *group): nano for group, nano in company.truth(start, since, ("day", "model")).items()}
    assert {row.reason for row in pages[0].rows} == {"billed before OpenAI told which key"}
    assert cost_by_group(pages[1].rows, BY_DAY) == company.truth(since, end, ("key", "day", "model"))


async def test_an_account_whose_keys_begin_later_is_asked_accordingly_and_not_again_and_again() -> None:
    async with brightloom() as account:
        account.standin.faults.keys_since = START + DAY
        pages = await account.drain("costs", START - DAY, END)
        asked = [one.status for one in account.standin.journal.asked]
    assert asked == [400, 200, 200]
    assert cost_by_group(
        [row for page in pages for row in page.rows if row.start >= START + DAY], BY_DAY
    ) == COMPANY.truth(START + DAY, END, ("key", "day", "model"))
    assert {row.key for row in pages[0].rows} == {""}


async def test_an_account_whose_bill_knows_no_keys_gives_the_same_dollars_without() -> None:
    async with brightloom() as account:
        account.standin.faults.keyless_bill = True
        pages = await account.drain("costs")
    rows = [row for page in pages for row in page.rows]
    assert sum(cost_by_group(rows, BY_DAY).values()) == COMPANY.truth(START, END)[()]
    assert {row.key for row in rows} == {""}
    assert any("does not tell this organization's keys" in note for note in pages[0].notes)


# Trouble


async def test_another_refusal_is_told_and_not_taken_for_that() -> None:
    async with brightloom() as account:
        account.standin.faults.status(COSTS, 400, message="Something else is wrong")
        with pytest.raises(Permanent, match="Something else"):
            await account.rows("costs")
        assert len(account.standin.journal.asked) == 1


async def test_one_report_forbidden_leaves_the_other() -> None:
    async with brightloom() as account:
        account.standin.faults.forbidden.add(COSTS)
        with pytest.raises(Permanent) as refusal:
            await account.rows("costs")
        assert refusal.value.status == 403
        assert await account.rows("usage", TODAY, NOW)
        account.standin.faults.forbidden = {"/organization/usage/images"}
        (page,) = await account.drain("usage", TODAY + 8 * HOUR, NOW)
        assert page.notes == ("OpenAI does not tell its images usage (403).",)
        assert page.rows
        account.standin.faults.forbidden = {COMPLETIONS}
        with pytest.raises(Permanent):
            await account.rows("usage", TODAY, NOW)


async def test_a_clock_that_is_ahead_of_openais_costs_no_figure() -> None:
    async with brightloom() as account:
        account.standin.faults.clock_behind = 3 * MINUTE
        rows = await account.rows("usage", TODAY, NOW)
    assert tokens(rows, BY_MINUTE) == true_tokens(COMPANY, TODAY, NOW - 3 * MINUTE, "minute")


async def test_pages_that_repeat_are_an_error_and_never_twice_the_money() -> None:
    async with brightloom() as account:
        account.standin.faults.repeats_pages = True
        for report in ("costs", "usage"):
            with pytest.raises(Permanent, match="twice"):
                await account.rows(report)
        account.standin.faults.repeats_pages, account.standin.faults.endless = False, True
        account.standin.journal.asked.clear()
        with pytest.raises(Permanent, match=r"twice|repeats"):
            await account.rows("costs")
        assert len(account.standin.journal.asked) <= 3


async def test_a_restated_day_is_told_as_it_is_now() -> None:
    company = Company(seed=7, now=NOW).view_of("openai")
    async with brightloom(company=company) as account:
        first = await account.rows("costs")
        company.restate(START, START + DAY, Fraction(1, 2))
        second = await account.rows("costs")
    assert (
        cost_by_group(first, BY_DAY)
        != cost_by_group(second, BY_DAY)
        == company.truth(START, END, ("key", "day", "model"))
    )


async def test_passing_trouble_passes_and_lasting_trouble_is_told() -> None:
    async with brightloom() as account:
        faults = account.standin.faults
        faults.status(COMPLETIONS, 429, headers={"retry-after": "3"})
        faults.status(COSTS, 500)
        faults.drop("/organization/projects")
        assert await account.plugin.keys()
        assert cost_by_group(await account.rows("costs"), BY_DAY) == COMPANY.truth(START, END, ("key", "day", "model"))
        assert await account.rows("usage", TODAY, NOW)
        faults.status(COMPLETIONS, 429, headers={"retry-after": "900"})
        with pytest.raises(RateLimited):
            await account.rows("usage", TODAY, NOW)
        faults.half_json(COSTS, times=3)
        with pytest.raises(Transient):
            await account.rows("costs")
        for body in (
            '{"data": null}',
            "[]",
            '{"data": [{"results": []}]}',
            '{"data": [{"start_time": true}]}',
            '{"data": [{"start_time": 9, "results": [{}]}]}',
        ):
            faults.body(COSTS, body)
            with pytest.raises(Permanent, match=r"cannot be read|not asked for"):
                await account.rows("costs")
