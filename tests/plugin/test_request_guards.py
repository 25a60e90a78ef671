"""No path leaves the base, none returns a prompt, and private addresses are for those who name them."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.plugin import BadConfig, Permanent
from outlay.plugin.reach import REFUSED, Reach
from outlay.plugin.request_guards import address_problem, parse_base_url, resolve_path

BASE = httpx.URL("https://openrouter.ai/api/v1")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/keys",
        "///evil.example",
        "/%2f%2fevil.example",
        "https://evil.example/keys",
        "/keys/../../admin",
        "/keys/%2e%2e/%2e%2e/admin",
        "/keys/%252e%252e/admin",
        "/./keys",
        "\\\\evil.example",
        "/keys?x=1",
        "/keys#x",
        "/keys%3Fx=1",
        "/keys\r\nX-Evil: 1",
        "/keys%0d%0aX-Evil:1",
        "/keys\x00",
        "/" + "a" * 10_000,
    ],
)
def test_a_path_that_is_more_than_a_path_is_refused(path: str) -> None:
    with pytest.raises(Permanent):
        resolve_path(BASE, path)


@given(st.text(max_size=40))
def test_no_path_changes_the_host(path: str) -> None:
    try:
        _, url = resolve_path(BASE, path)
    except Permanent:
        return
    assert (url.scheme, url.host, url.port) == ("https", "openrouter.ai", None)
    assert url.path.startswith("/api/v1/")
    assert not url.query


@pytest.mark.parametrize(
    "path",
    [
        "/generation/content",
        "/generation/content/",
        "/GENERATION/Content",
        "/generation/%63ontent",
        "/generation/%2563ontent",
        "/spend/logs",
        "/lens/traces",
        "/spend/logs/ui",
        "/spend/logs/ui/req_1",
        "/spend/logs/v2/x",
        "/v1/request/query-clickhouse",
        "/accounts/a/ai-gateway/gateways/g/logs/1/request",
        "/accounts/a/ai-gateway/gateways/g/logs/1/response",
        "/logs/exports",
        "/logs/exports/1/download",
        "/api/public/traces",
        "/api/public/observations/1",
        "/api/public/v2/observations",
        "/chat/completions",
        "/chat/completions/c_1/messages",
        "/responses/r_1",
        "/v1/messages/batches/b_1/results",
        "/files/f_1/content",
    ],
)
def test_paths_that_may_return_prompts_are_refused(path: str) -> None:
    with pytest.raises(Permanent, match="prompts"):
        resolve_path(BASE, path)


def test_a_prompt_path_split_between_base_and_path_is_refused_too() -> None:
    with pytest.raises(Permanent, match="prompts"):
        resolve_path(httpx.URL("https://openrouter.ai/api/v1/generation"), "/content")


@pytest.mark.parametrize(
    "path",
    [
        "/keys",
        "/keys/9f2c",
        "/activity",
        "/analytics/query",
        "/generation",
        "/spend/logs/v2",
        "/organization/usage/completions",
        "/organization/costs",
        "/v1/organizations/usage_report/messages",
        "/v1/organizations/cost_report",
        "/user/daily/activity",
        "/key/list",
        "/api/public/metrics",
        "/accounts/a/ai-gateway/gateways/g/logs",
        "/teams/filtered-usage-events",
    ],
)
def test_paths_that_ledgers_are_read_by_are_taken(path: str) -> None:
    assert resolve_path(BASE, path) == (path, httpx.URL(f"{BASE}{path}"))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://openrouter.ai/api/v1/", "public name"),
        ("https://8.8.8.8", "public name"),
        ("http://127.0.0.1:8080", "address"),
        ("http://[::1]:8080/v1", "address"),
        ("http://10.0.0.5", "address"),
        ("http://localhost:4000", "private name"),
        ("http://litellm:4000", "private name"),
        ("https://litellm.corp.internal", "private name"),
    ],
)
def test_what_a_base_url_names(url: str, named: str) -> None:
    assert parse_base_url(url, None)[1] == named


def test_no_credential_goes_over_the_internet_in_clear_text() -> None:
    with pytest.raises(BadConfig, match="clear text"):
        parse_base_url("http://openrouter.ai/api/v1", None)
    assert parse_base_url("http://litellm.example.com", True)[1] == "private name"
    with pytest.raises(BadConfig):
        parse_base_url("http://127.0.0.1:1", False)


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("127.0.0.1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.0.1", False, True),
        ("::1", False, True),
        ("fd00::1", False, True),
        ("100.64.0.1", False, False),
        ("224.0.0.1", False, False),
    ],
)
def test_which_addresses_a_name_may_lead_to(address: str, public: bool, private: bool) -> None:
    assert (address_problem("h.example", address, "public name") is None) == public
    assert (address_problem("h", address, "private name") is None) == private
    assert address_problem(address, address, "address") is None


UNNAMEABLE = [
    "169.254.169.254",
    "100.100.100.200",
    "fe80::1",
    "fd00:ec2::254",
    "0.0.0.0",  # noqa: S104  refused, not served on
    "::",
    "::127.0.0.1",
    "::93.184.216.34",
    "::ffff:127.0.0.1",
    "::ffff:93.184.216.34",
    "64:ff9b::7f00:1",
    "64:ff9b::5db8:d822",
    "2002:7f00:1::",
    "2002:5db8:d822::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]


@pytest.mark.parametrize("address", UNNAMEABLE)
def test_some_addresses_are_reached_only_where_they_are_listed(address: str) -> None:
    listed = Reach.of(frozenset({address}))
    host = f"[{address}]" if ":" in address else address
    url, named = parse_base_url(f"http://{host}:80", None)
    for how in ("address", "private name", "public name"):
        assert address_problem("h", address, how) is not None
        assert address_problem("h", address, how, listed) is None
    with pytest.raises(BadConfig, match="OUTLAY_PRIVATE_HOSTS"):
        Reach().check(url.host, named)
    assert listed.check(url.host, named) == "address"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://[::1]",
        "http://10.0.0.5",
        "http://100.64.0.1",
        "http://localhost:4000",
        "http://litellm:4000",
        "https://litellm.corp.internal",
        "http://2130706433.internal",
        "http://0x7f000001",
        "http://169.254.169.254",
        "http://[::ffff:10.0.0.1]",
    ],
)
def test_from_slack_a_private_host_is_refused_unless_it_is_listed_and_always_in_the_same_words(url: str) -> None:
    found, named = parse_base_url(url, None)
    with pytest.raises(BadConfig) as refused:
        Reach(from_slack=True).check(found.host, named)
    assert (refused.value.field, str(refused.value)) == ("base_url", REFUSED)
    listed = Reach.of(frozenset({found.host}), from_slack=True)
    assert listed.check(found.host, named) in ("address", "private name")


def test_a_number_is_no_public_name() -> None:
    found, named = parse_base_url("http://2130706433", None)  # which resolves to 127.0.0.1
    with pytest.raises(BadConfig, match="From Slack"):
        Reach(from_slack=True).check(found.host, named)


def test_a_network_lists_its_addresses_and_a_listed_name_may_lead_inward() -> None:
    reach = Reach.of(frozenset({"10.0.0.0/8", "Ledger.Example.com."}), from_slack=True)
    assert reach.check("10.9.8.7", "address") == "address"
    assert reach.check("ledger.example.com", "public name") == "private name"
    assert reach.check("openrouter.ai", "public name") == "public name"
    with pytest.raises(BadConfig):
        reach.check("192.168.0.1", "address")
    with pytest.raises(ValueError, match="10"):
        Reach.of(frozenset({"10.0.0"}))
