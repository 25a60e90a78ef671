"""The docstrings of functions begin with a verb, so that a stranger reads off what each does.

Ruff's D401 finds a wrong form of a verb ("Returns"), but lets a noun or "Whether" pass; so the share is measured here.
A first word that is not in the list counts as no verb.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot/outlay", "plugins/outlay_plugins")
VERB_FIRST_AT_LEAST = 0.8
_IMPERATIVES = """
accept acknowledge add advance announce answer append apply ask assign attach attribute audit await bind book break
bring build call cancel change check choose claim clean clear clip close collect comment compact compare compose
compute connect consume continue convert copy count create cut declare decode decrypt delete deliver derive describe
determine discard divide draw drop encode encrypt end enqueue ensure erase escape exchange execute expect explain
extend extrapolate fetch file fill filter find flatten flush fold follow forecast format freeze generate give group
hash hide hold import ingest invalidate issue join keep lease learn let link list load lock look make mark mention
merge migrate move multiply name normalize notify open pair parse play poll post press print process publish put queue
quote raise read rebuild record redact redraw refuse register release remove render reopen replace replay report
request requeue resolve restore return round run save say scale schedule seal search select send separate serialize
serve set shorten show shut snooze sort split spread start stop store strip subtract suggest sum summarize sweep take
tell train try type undo update upload validate verify wait wake widen withdraw wrap write yield
"""
VERBS = frozenset(_IMPERATIVES.split())


def docstrings(source: str) -> Iterator[str]:
    """Yield the docstring of each function of a module that has one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
            yield text


def is_verb_first(docstring: str) -> bool:
    """Report whether the first word is an imperative."""
    return docstring.split()[0].rstrip(",.;:").lower() in VERBS


def test_the_docstrings_of_functions_begin_with_a_verb() -> None:
    paths = [path for package in PACKAGES for path in ROOT.joinpath(package).rglob("*.py")]
    found = [text for path in paths for text in docstrings(path.read_text(encoding="utf-8"))]
    others = [text.splitlines()[0] for text in found if not is_verb_first(text)]

    assert len(found) > 1_000
    assert 1 - len(others) / len(found) >= VERB_FIRST_AT_LEAST, others


@pytest.mark.parametrize(
    ("docstring", "verb_first"),
    [
        ("Return the total.", True),
        ("Acknowledge, and say who did.", True),
        ("Returns the total.", False),
        ("Whether it is there at all.", False),
        ("The total of a day.", False),
        ("Of a day one report is believed.", False),
    ],
)
def test_what_counts_as_a_verb(docstring: str, verb_first: bool) -> None:
    assert is_verb_first(docstring) is verb_first
