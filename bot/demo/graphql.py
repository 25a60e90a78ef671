"""As much of GraphQL as a stand-in needs: which fields a query selects, and a value cut down to them.

Arguments are passed over, since clients send theirs as variables; fragments and aliases are not understood.
"""

import re
from typing import Any

Selection = dict[str, "Selection"]
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}()]|[^\s,{}()]+')


class UnknownField(LookupError):
    """A field was selected that the value does not have; its name is the message."""


def selection(query: str) -> Selection:
    """What a query or mutation selects. Raises LookupError if it is none."""
    pieces = _PIECE.findall(query)
    depth, place = 0, 0
    while pieces[place] != "{" or depth:  # past `mutation Name($input: IssueCreateInput!)`
        depth += {"(": 1, ")": -1}.get(pieces[place], 0)
        place += 1
    selected, _ = _inside(pieces, place + 1)
    return selected


def select(value: Any, selected: Selection) -> Any:
    """The value with the selected fields and no others."""
    if isinstance(value, list):
        return [select(one, selected) for one in value]
    if not isinstance(value, dict) or not selected:
        return value
    for name in selected:
        if name not in value:
            raise UnknownField(name)
    return {name: select(value[name], inner) for name, inner in selected.items()}


def _inside(pieces: list[str], place: int) -> tuple[Selection, int]:
    """The fields from here to the closing brace, and where that is."""
    selected: Selection = {}
    name = ""
    while (piece := pieces[place]) != "}":
        if piece == "(":
            place = pieces.index(")", place)
        elif piece == "{":
            selected[name], place = _inside(pieces, place + 1)
        else:
            name = piece
            selected[name] = {}
        place += 1
    return selected, place
