"""Money in a stand-in's JSON is exact, and an answer without a socket to close still goes wrong."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware

from outlay.core.clock import FakeClock
from outlay.core.money import MAX_NANO_USD, to_nano
from outlay.fakes.http_common import FaultMiddleware, HttpFaults, RequestLog, exact_json, usd


@given(st.integers(-MAX_NANO_USD, MAX_NANO_USD))
def test_dollars_survive_json_to_the_nano(nano_usd: int) -> None:
    text = exact_json({"usage": usd(nano_usd)})
    assert to_nano(json.loads(text, parse_float=Decimal, parse_int=Decimal)["usage"]) == nano_usd
    assert "e" not in text.partition(":")[2].lower()


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [(0, "0"), (1, "0.000000001"), (20_000_000_000, "20"), (1_842_100_000, "1.8421"), (-5_000_000, "-0.005")],
)
def test_dollars_are_written_as_a_person_would(nano_usd: int, text: str) -> None:
    assert exact_json(usd(nano_usd)) == text


def test_a_float_has_no_place_in_money() -> None:
    with pytest.raises(TypeError):
        exact_json({"usage": [0.1]})  # type: ignore[list-item]  # that is the point


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_everything_else_is_json_as_usual(value: object) -> None:
    assert json.loads(exact_json(value)) == value  # type: ignore[arg-type]  # hypothesis says less than it knows


async def test_hanging_up_without_a_socket_is_a_connection_error() -> None:
    faults, journal = HttpFaults(), RequestLog()
    wire = Middleware(
        FaultMiddleware,
        root="",
        clock=FakeClock(datetime(2026, 11, 20, tzinfo=UTC)),
        faults=faults,
        journal=journal,
        forbidden=lambda method, path: False,
    )
    faults.drop("/x")
    transport = httpx.ASGITransport(Starlette(middleware=[wire]))
    async with httpx.AsyncClient(transport=transport, base_url="http://standin") as client:
        with pytest.raises(ConnectionResetError):
            await client.get("/x?a=1")
        assert (await client.get("/x")).status_code == 404
    assert [(asked.path, asked.query, asked.status) for asked in journal.asked] == [("/x", "a=1", 0), ("/x", "", 404)]
