"""Independent second check of blocks and views: a published JSON schema of Block Kit, when its file is available.

The demo runs without it. Tests pass the schema's path; `jsonschema` is imported only then, since it is a development
dependency.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from outlay.fakes.slack.block_validation import Json, Problem

_MESSAGE_MAX = 200


class BlockKitSchema:
    """Checker of plain dicts against the schema file, with problems worded like Slack's own refusals."""

    def __init__(self, path: Path) -> None:
        self._jsonschema = import_module("jsonschema")
        self._definitions: Json = json.loads(path.read_text("utf-8"))["$defs"]
        self._known: dict[str, Any] = {}

    def check_blocks(self, blocks: list[Json], at: str = "/blocks") -> list[Problem]:
        """Return one problem for each wrong block: the most informative one."""
        problems = []
        for index, block in enumerate(blocks):
            problems += list(self._check(f"{block.get('type')}_block", block, f"{at}/{index}"))[:1]
        return problems

    def check_view(self, view: Json, at: str = "/view") -> list[Problem]:
        """Return the problems of the view's own fields, then those of its blocks."""
        own = [
            p for p in self._check(f"{view.get('type')}_view", view, at) if not p.pointer.startswith(f"{at}/blocks/")
        ]
        return own + self.check_blocks(view.get("blocks") or [], f"{at}/blocks")

    def _check(self, definition: str, value: Json, at: str) -> Iterator[Problem]:
        if definition not in self._definitions:
            yield Problem(f"unsupported type: {value.get('type')}", f"{at}/type")
            return
        if definition not in self._known:
            schema = {"$ref": f"#/$defs/{definition}", "$defs": self._definitions}
            self._known[definition] = self._jsonschema.Draft202012Validator(schema)
        relevance = self._jsonschema.exceptions.relevance
        for error in sorted(self._known[definition].iter_errors(value), key=relevance, reverse=True):
            telling = _telling(error)
            message = str(telling.message)
            words = message if len(message) <= _MESSAGE_MAX else f"{message[:40]} … {message[-40:]}"
            yield Problem(words, "/".join([at, *map(str, telling.absolute_path)]))


def _telling(error: Any) -> Any:
    """Return the most informative error inside a failed choice between kinds.

    It is about the kind that was meant, and does not say that it is not another kind.
    """
    while error.context:
        branches: dict[Any, list[Any]] = {}
        for inner in error.context:
            branches.setdefault(inner.relative_schema_path[0], []).append(inner)
        meant = [found for found in branches.values() if not any(_is_other_kind(inner) for inner in found)]
        error = max((meant or list(branches.values()))[0], key=lambda inner: len(inner.absolute_path))
    return error


def _is_other_kind(error: Any) -> bool:
    """Report whether the error says only that the value is of another kind."""
    return bool(error.validator in ("const", "enum") and error.relative_path and error.relative_path[-1] == "type")
