"""Ids that repeat: the same event asked again gives the same ids, and no two things share one."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from outlay.plugin import Event, Finding, Subject

AT = datetime(2026, 11, 20, 15, 40, tzinfo=UTC)
FINDING = Finding(
    title="ana: $912 on OpenAI today",
    sentences=(),
    severity="warning",
    subject=Subject("U1", "ana", "person"),
    since=AT,
    spent_usd=Decimal("912.40"),
)
EVENT = Event(key="k1", what="opened", incident="U1/2026-11-20", at=AT, finding=FINDING, scope="T1/7")


def test_an_id_is_shaped_like_a_random_uuid_and_is_the_same_in_each_retry() -> None:
    found = UUID(EVENT.uid("issue"))

    assert (found.version, found.variant) == (4, "specified in RFC 4122")
    assert EVENT.uid("issue") == replace(EVENT, key="k2", what="updated").uid("issue") == str(found)


def test_no_two_things_share_an_id() -> None:
    others = [replace(EVENT, scope="T1/8"), replace(EVENT, incident="U1/2026-11-21")]
    shifted = [replace(EVENT, scope="T1/7U", incident="1/2026-11-20"), replace(EVENT, incident="U1/2026-11-20i")]
    ids = {event.uid("issue") for event in (EVENT, *others, *shifted)} | {EVENT.uid("comment"), shifted[1].uid("ssue")}

    assert len(ids) == 7


def test_what_is_beyond_the_usual_is_never_less_than_nothing_and_unknown_stays_unknown() -> None:
    assert FINDING.excess_usd == Decimal("912.40")
    assert replace(FINDING, usual_usd=Decimal(900)).excess_usd == Decimal("12.40")
    assert replace(FINDING, usual_usd=Decimal(1000)).excess_usd == 0
    assert replace(FINDING, spent_usd=None).excess_usd is None
