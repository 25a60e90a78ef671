"""The bill of materials: what Outlay runs with, as CycloneDX 1.6.

    ./run sbom [FILE]

The generator describes the whole environment, the tools of developers too. What is kept is what `requirements.lock`
names, with the licence as `docs/licences.md` has it; so the bill, the lock and the list of licences say the same.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from docs.licences import ROOT, Locked, locked


def bill() -> dict[str, Any]:
    """The bill of what is installed in the environment that runs this. Raises CalledProcessError, with its words."""
    made = subprocess.run(  # noqa: S603  our own tool, in the environment it came in
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--sv", "1.6"),
            "--no-validate",  # of the whole; what is kept of it is looked at by `main`
            *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application", sys.executable),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    return narrowed(json.loads(made.stdout), [one for one in locked() if one.running])


def narrowed(whole: dict[str, Any], wanted: list[Locked]) -> dict[str, Any]:
    """The bill without what is not wanted; each licence as one expression."""
    licences = {one.name: one.licence for one in wanted}
    kept = [part for part in whole["components"] if _tidy(part["name"]) in licences]
    for part in kept:
        part["licenses"] = [{"expression": licences[_tidy(part["name"])]}]
    refs = {part["bom-ref"] for part in kept} | {whole["metadata"]["component"]["bom-ref"]}
    links = [
        link | {"dependsOn": [ref for ref in link.get("dependsOn", ()) if ref in refs]}
        for link in whole["dependencies"]
        if link["ref"] in refs
    ]
    return whole | {"components": kept, "dependencies": links}


def _tidy(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Writes the bill to a file, or to stdout."""
    text = json.dumps(bill(), indent=1) + "\n"
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"What was made is no bill of materials: {problem}")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
