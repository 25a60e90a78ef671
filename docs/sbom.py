"""Software bill of materials: what Outlay runs with, as CycloneDX 1.6.

    ./run sbom [FILE]

The generator describes the whole environment, including developer tools. Only what `requirements.lock` names is
kept, with the license as in `docs/licences.md`; so the bill, the lock and the list of licenses agree.
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
    """Build the bill of the environment that runs this. Raises CalledProcessError, with the generator's output."""
    made = subprocess.run(  # noqa: S603  our own tool, in the environment it came in
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--sv", "1.6"),
            "--no-validate",  # of the whole environment; `main` validates the kept part
            *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application", sys.executable),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    return narrowed(json.loads(made.stdout), [one for one in locked() if one.running])


def narrowed(whole: dict[str, Any], wanted: list[Locked]) -> dict[str, Any]:
    """Return the bill without unwanted packages; each license as one expression."""
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
    """Write the bill to a file, or to stdout."""
    text = json.dumps(bill(), indent=1) + "\n"
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"What was made is no bill of materials: {problem}")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
