"""What a digest says in words."""

from dataclasses import replace

from outlay.slack.digests import blocks
from tests.slack.fake_digests_budgets import DOLLAR, digest


def test_what_no_usage_explains_is_said_however_small_it_is() -> None:
    found = digest()
    said = "of it is on the bill, and no usage explains it."
    assert said not in " ".join(blocks.text(found))
    found = replace(found, answer=replace(found.answer, residual_nano_usd=DOLLAR // 10))
    assert f"$0.10 {said}" in " ".join(blocks.text(found))
