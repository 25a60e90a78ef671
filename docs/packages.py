"""Generator of docs/packages.md: the packages and their arrows, from the import statements of the code.

    .venv/bin/python -m docs.packages

An arrow that already follows from others is left out of the picture; the table has all. `tests/test_packages.py` fails
when the page is stale and names this command, and finds cycles between files with the same graph.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "packages.md"
SOURCES = {"outlay": ROOT / "bot", "outlay_plugins": ROOT / "plugins"}
Graph = dict[str, set[str]]

_INTRO = """# The packages

Made by `.venv/bin/python -m docs.packages` from the import statements of the code; a test fails when it is stale.
An arrow means "imports". The picture leaves out what already follows from other arrows; the table has all of them.
What each import may be is in `pyproject.toml` (import-linter): each package imports only what stands below it.
"""


def modules() -> dict[str, Path]:
    """Return the file of every module of the two packages, by its dotted name."""
    found = {}
    for package, source in SOURCES.items():
        for path in sorted((source / package).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of_files() -> Graph:
    """Return which modules of ours each module imports, anywhere in its file."""
    known = modules()
    return {
        name: set(_imported(ast.parse(path.read_text(encoding="utf-8")), known)) - {name}
        for name, path in known.items()
    }


def _imported(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def imports_of_packages(files: Graph) -> Graph:
    """Return the same for whole packages; a module at the top of `outlay` stands for itself."""
    found: Graph = defaultdict(set)
    for name, targets in files.items():
        if name not in ("outlay", "outlay.__main__"):
            found[_package(name)] |= {_package(target) for target in targets} - {_package(name), "outlay"}
    return dict(found)


def _package(module: str) -> str:
    parts = module.split(".")
    return parts[0] if parts[0] != "outlay" or len(parts) == 1 else parts[1]


def cycles(graph: Graph) -> list[list[str]]:
    """Return the groups of nodes that reach each other, sorted; empty if there is no cycle."""
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {
        tuple(sorted({node} | {other for other in reach[node] if node in reach.get(other, ())}))
        for node in graph
        if node in reach[node]
    }
    return [list(group) for group in sorted(groups)]


def _reachable(graph: Graph, start: str) -> set[str]:
    """Return the nodes that can be reached in one step or more."""
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph.get(node, ())
    return seen


def reduced(graph: Graph) -> Graph:
    """Return a graph without cycles and without the arrows that follow from others (its transitive reduction)."""
    reach = {node: _reachable(graph, node) for node in graph}
    return {
        node: {target for target in targets if not any(target in reach[other] for other in targets - {target})}
        for node, targets in graph.items()
    }


def page() -> str:
    """Build the whole page: the picture in Mermaid, then the table."""
    graph = imports_of_packages(imports_of_files())
    arrows = [f"  {node} --> {target}" for node, found in sorted(reduced(graph).items()) for target in sorted(found)]
    rows = [f"| `{node}` | {_idea(node)} | {', '.join(sorted(graph[node])) or 'nothing'} |" for node in sorted(graph)]
    picture = ["```mermaid", "flowchart TD", *arrows, "```"]
    return "\n".join([_INTRO, *picture, "", "| package | what it is | imports |", "|---|---|---|", *rows, ""])


def _idea(package: str) -> str:
    """Return the first sentence of a package's docstring, "" if it has none."""
    known = modules()
    path = known.get(f"outlay.{package}") or known[package]
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].rstrip(".").replace("|", "\\|")


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}\n")


if __name__ == "__main__":
    main()
