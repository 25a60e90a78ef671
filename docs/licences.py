"""Licenses of all locked packages, and the licenses that Outlay accepts.

A package's license is read from its installed metadata: its license expression, else its classifier, else its
free text. A license that is unknown here, or not accepted, fails the tests, so that a person reviews it first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNNING, DEVELOPING = "requirements.lock", "requirements-dev.lock"
LET_IN = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"}
    | {"MPL-2.0"}  # binds changes to its own files only, and none of them is changed
)
ELSEWHERE = {"colorama": "BSD-3-Clause", "httpx2-jsfetch": "BSD-3-Clause"}  # only installed on other platforms
_WORDS = {  # free text of packages that do not use an expression
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_LOCKED = re.compile(r"^([a-z0-9][\w.-]*)(?:\[[\w,-]+\])?==([^\s;]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Locked:
    """A package of a lock file. `licence`: an SPDX expression, or the package's own text if that is unknown."""

    name: str
    version: str
    licence: str
    running: bool


def locked() -> list[Locked]:
    """Return all packages of both lock files, by name."""
    running = dict(_packages(RUNNING))
    both = dict(_packages(DEVELOPING)) | running
    return [Locked(name, version, licence(name), name in running) for name, version in sorted(both.items())]


def licence(name: str) -> str:
    """Return the license of an installed package, as an SPDX expression wherever its text is known."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    about = metadata.metadata(name)
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("Lic")]
    for said in (about["License-Expression"], about["License"], *classified):
        if said and _known(expression := _WORDS.get(said, said)):
            return str(expression)
    return str(about["License-Expression"] or about["License"] or ", ".join(classified) or "unknown")


def let_in(expression: str) -> bool:
    """Report whether an expression can be met with accepted licenses only, in at least one way."""
    ways = expression.replace("(", " ").replace(")", " ").split(" OR ")
    return any(all(part.strip() in LET_IN for part in way.split(" AND ")) for way in ways)


def table() -> str:
    """Build the tables of the packages that Outlay runs with, and of those that only its developers need."""
    rows = locked()
    parts = [("It runs with", True), ("Its developers use besides", False)]
    return "\n\n".join(
        f"{title}:\n\n| package | licence |\n|---|---|\n"
        + "\n".join(f"| {one.name} {one.version} | {one.licence} |" for one in rows if one.running is running)
        for title, running in parts
    )


def _known(expression: str) -> bool:
    return re.fullmatch(r"[\w.-]+(?: (?:AND|OR) [\w.-]+)*", expression) is not None and expression != "UNKNOWN"


def _packages(lock: str) -> Iterator[tuple[str, str]]:
    for match in _LOCKED.finditer((ROOT / lock).read_text(encoding="utf-8")):
        yield match[1], match[2]
