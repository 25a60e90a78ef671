"""All errors of our own have one root, and the tree at the top of its module shows them all."""

import ast
import re
from pathlib import Path

from outlay.core import errors

ROOT = Path(__file__).parents[2]
EXCEPTIONS = {"Exception", "ValueError", "RuntimeError", "LookupError", "OSError", "TypeError", "ArithmeticError"}


def classes() -> list[tuple[str, list[str]]]:
    """The name and the bases of each class of the product; those of the stand-ins are the vendors' own."""
    paths = [*ROOT.glob("bot/outlay/**/*.py"), *ROOT.glob("plugins/outlay_plugins/**/*.py")]
    return [
        (node.name, [base.id for base in node.bases if isinstance(base, ast.Name)])
        for path in paths
        if "fakes" not in path.parts
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]


def drawn() -> set[tuple[str, str]]:
    """Each error in the tree of the docstring, with its parent."""
    found = set()
    above = {-1: "OutlayError"}
    for indent, name in re.findall(r"^( *)[*x+] (\w+)$", errors.__doc__ or "", re.MULTILINE):
        depth = len(indent) // 2
        above[depth] = name
        found.add((name, above[depth - 1]))
    return found


def test_every_error_of_our_own_has_the_one_root() -> None:
    rootless = [name for name, bases in classes() if EXCEPTIONS & set(bases) and "OutlayError" not in bases]

    assert rootless == ["OutlayError"]


def test_the_tree_shows_every_error_below_its_parent() -> None:
    known = classes()
    below = {"OutlayError"}
    while more := {name for name, bases in known if below & set(bases)} - below:
        below |= more
    public = {(name, base) for name, bases in known for base in bases if base in below and not name.startswith("_")}

    assert len(public) > 25
    assert drawn() == public
