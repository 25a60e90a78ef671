"""Slack's limits on messages and views, as pure functions over plain dicts.

Every check returns problems in Slack's own wording (`no more than 50 items allowed [json-pointer:/blocks]`), so that a
test which meets one reads what a developer would read. Limits on one block are in `slack_limits_blocks`; here are those
that need the whole payload: counts, uniqueness, surfaces, budgets.
"""

from collections.abc import Collection, Iterator
from typing import Any, Literal

from outlay.fakes.slack.block_validation import BLOCK_TYPES, Json, Problem, check_block, check_item_count, text_length

Surface = Literal["message", "modal", "home"]

MESSAGE_BLOCKS_MAX = 50
VIEW_BLOCKS_MAX = 100
TEXT_MAX = 40_000
BUDGET_CHARACTERS = 10_000
BLOCKS_CHARACTERS_MAX = 12_000
MARKDOWN_CHARACTERS_MAX = 12_000
TABLE_CHARACTERS_MAX = 10_000
DATA_TABLE_CHARACTERS_MAX = 20_000
CHARTS_MAX = 2
VIEW_BYTES_MAX = 250_000
MODAL_WORDS_MAX = 24
PRIVATE_METADATA_MAX = 3_000
ID_MAX = 255

_NOT_IN_MODAL = "carousel container context_actions data_table data_visualization file markdown plan table task_card"
_NOT_ON: dict[Surface, list[str]] = {
    "message": ["alert", "file"],
    "modal": _NOT_IN_MODAL.split(),
    "home": ["alert", "context_actions", "file", "markdown", "plan", "task_card"],
}


def check_blocks(
    blocks: object, surface: Surface, *, at: str = "/blocks", unknown: Collection[str] = ()
) -> list[Problem]:
    """Return all problems of these blocks on this surface. `unknown`: block types this workspace does not know yet."""
    if not isinstance(blocks, list):
        return [Problem("must be a list of blocks", at)]
    problems = check_item_count(blocks, MESSAGE_BLOCKS_MAX if surface == "message" else VIEW_BLOCKS_MAX, at)
    for index, block in enumerate(blocks):
        problems += _check_one(block, surface, f"{at}/{index}", unknown)
    good = [block for block in blocks if isinstance(block, dict)]
    return problems + _unique_block_ids(good, at) + _whole_payload(good, at)


def check_view(view: object, *, at: str = "/view", unknown: Collection[str] = ()) -> list[Problem]:
    """Return all problems of a modal or home view."""
    if not isinstance(view, dict):
        return [Problem("must be an object", at)]
    kind = view.get("type")
    if kind not in ("modal", "home"):
        return [Problem(f"unsupported type: {kind}", f"{at}/type")]
    problems = check_blocks(view.get("blocks"), kind, at=f"{at}/blocks", unknown=unknown)
    for name, most in (
        ("private_metadata", PRIVATE_METADATA_MAX),
        ("callback_id", ID_MAX),
        ("external_id", ID_MAX),
    ):
        if len(str(view.get(name) or "")) > most:
            problems.append(Problem(f"must be less than {most + 1} characters", f"{at}/{name}"))
    return problems + (_modal_words(view, at) if kind == "modal" else [])


def characters(blocks: list[Json]) -> int:
    """Count the characters of text over all blocks: what `msg_blocks_too_long` counts, as near as is known."""
    return sum(text_length(block) for block in blocks)


def interactive_elements(block: Json) -> Iterator[Json]:
    """Yield every interactive element of a block, wherever a block may hold one."""
    for name in ("elements", "actions"):
        for element in block.get(name) or []:
            if isinstance(element, dict):
                yield element
    for name in ("accessory", "element"):
        if isinstance(block.get(name), dict):
            yield block[name]
    for child in block.get("child_blocks") or []:
        yield from interactive_elements(child)
    for row in block.get("rows") or []:
        for cell in row if isinstance(row, list) else []:
            if isinstance(cell, dict) and isinstance(cell.get("element"), dict):
                yield cell["element"]


def _check_one(block: Any, surface: Surface, at: str, unknown: Collection[str]) -> list[Problem]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in BLOCK_TYPES or kind in unknown or kind in _NOT_ON[surface]:
        return [Problem(f"unsupported type: {kind}", f"{at}/type")]
    problems = check_block(block, at)
    seen: set[str] = set()
    for element in interactive_elements(block):
        action_id = element.get("action_id")
        if action_id is not None and action_id in seen:
            problems.append(Problem(f"action_id `{action_id}` already exists", f"{at}/elements"))
        seen.add(str(action_id))
    return problems


def _unique_block_ids(blocks: list[Json], at: str) -> list[Problem]:
    problems, seen = [], set()
    for index, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id is not None and block_id in seen:
            problems.append(Problem(f"block_id `{block_id}` already exists", f"{at}/{index}/block_id"))
        seen.add(block_id)
    return problems


def _whole_payload(blocks: list[Json], at: str) -> list[Problem]:
    def of(*kinds: str) -> list[Json]:
        return [block for block in blocks if block.get("type") in kinds]

    problems = []
    if len(of("table", "data_table")) > 1:
        problems.append(Problem("only one table is allowed per message", at))
    if len(of("data_visualization")) > CHARTS_MAX:
        problems.append(Problem(f"no more than {CHARTS_MAX} data_visualization blocks allowed", at))
    for kinds, most in (
        ("markdown", MARKDOWN_CHARACTERS_MAX),
        ("table", TABLE_CHARACTERS_MAX),
        ("data_table", DATA_TABLE_CHARACTERS_MAX),
    ):
        if characters(of(kinds)) > most:
            problems.append(Problem(f"{kinds} blocks must hold less than {most + 1} characters together", at))
    return problems


def _modal_words(view: Json, at: str) -> list[Problem]:
    problems = []
    for name in ("title", "submit", "close"):
        words = view.get(name)
        if words is None:
            if name == "title":
                problems.append(Problem("missing required field: title", at))
            continue
        if not isinstance(words, dict) or words.get("type") != "plain_text" or not words.get("text"):
            problems.append(Problem("must be a plain_text object", f"{at}/{name}"))
        elif len(words["text"]) > MODAL_WORDS_MAX:
            problems.append(Problem(f"must be less than {MODAL_WORDS_MAX + 1} characters", f"{at}/{name}/text"))
    blocks = view.get("blocks") if isinstance(view.get("blocks"), list) else []
    for index, block in enumerate(blocks or []):
        if isinstance(block, dict) and block.get("type") == "input" and not view.get("submit"):
            where = f"{at}/blocks/{index}/input"
            return [*problems, Problem("must define `submit` to use an `input` block in modals", where)]
    return problems
