"""What is handed to others: deployment files, the public CI, licences, the bill of materials. Parsed, not run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from docs import licences, sbom
from outlay.settings import documented_settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
NOT_RUN = re.compile(r"^# not run here: no [\w ]+ on the machine$")
NAMES = {name for name, _, _ in documented_settings()}
OURS = re.compile(r"\b(?:OUTLAY|SLACK)_[A-Z_]+\b")
CI: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
UNTRIED = sorted([*(path for path in DEPLOY.iterdir() if path.is_file()), ROOT / ".github" / "workflows" / "ci.yml"])


def text_of(name: str) -> str:
    """A file of `deploy`."""
    return (DEPLOY / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", UNTRIED, ids=lambda path: path.name)
def test_what_was_not_run_says_so_first(path: Path) -> None:
    assert NOT_RUN.match(path.read_text(encoding="utf-8").splitlines()[0])


@pytest.mark.parametrize("path", UNTRIED, ids=lambda path: path.name)
def test_each_setting_that_is_named_is_one(path: Path) -> None:
    named = set(OURS.findall(path.read_text(encoding="utf-8")))

    assert named or path.name in ("ci.yml",)
    assert named <= NAMES


# The image


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with what follows it, lines joined and comments left out."""
    lines = [line for line in text_of("Dockerfile").splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


def last(word: str) -> str:
    """What the last instruction of this name says."""
    return [rest for name, rest in instructions() if name == word][-1]


def test_the_image_runs_as_nobody_special_with_packages_from_the_lock_alone() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last("USER"))
    assert len(installs) == 1
    assert {"--require-hashes", "--no-deps"} <= set(installs[0].split())
    assert installs[0].endswith("-r requirements.lock")
    assert all(re.search(r":\d+\.\d+", rest.split()[0]) for word, rest in instructions() if word == "FROM")


def test_the_image_is_made_of_what_is_there_and_says_how_it_is() -> None:
    copied = [part for word, rest in instructions() if word == "COPY" and "--from" not in rest for part in rest.split()]
    sources = [part for part in copied if not part.startswith(("/", "."))]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert sources
    assert all((ROOT / source).exists() and f"!{source}" in ignored for source in sources)
    assert "/healthz" in last("HEALTHCHECK")
    assert json.loads(last("ENTRYPOINT")) == ["python", "-m", "outlay"]
    assert json.loads(last("CMD")) == ["run"]


def test_the_composition_has_a_database_a_root_that_is_only_read_and_no_rights() -> None:
    services = yaml.safe_load(text_of("docker-compose.yml"))["services"]
    outlay = services["outlay"]

    assert outlay["user"].split(":")[0] not in ("", "0", "root")
    assert (outlay["read_only"], outlay["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in outlay["security_opt"]
    assert outlay["environment"]["OUTLAY_DATABASE_URL"].startswith("postgresql://")
    assert services["postgres"]["healthcheck"]
    assert all(port.startswith("127.0.0.1:") for port in outlay["ports"])
    assert (ROOT / outlay["build"]["dockerfile"]).exists()


def test_the_pod_runs_as_nobody_special_and_lives_while_slack_is_away() -> None:
    parts = {part["kind"]: part for part in yaml.safe_load_all(text_of("kubernetes.yml"))}
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    allowed = container["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 1000
    assert (allowed["readOnlyRootFilesystem"], allowed["allowPrivilegeEscalation"]) == (True, False)
    assert allowed["capabilities"] == {"drop": ["ALL"]}
    assert "httpGet" not in container["livenessProbe"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert {volume["name"] for volume in pod["volumes"]} == {mount["name"] for mount in container["volumeMounts"]}


def test_the_unit_is_one_and_runs_as_nobody_special(tmp_path: Path) -> None:
    text = text_of("outlay.service")
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))

    assert said["User"] not in ("", "root")
    assert (said["NoNewPrivileges"], said["ProtectSystem"]) == ("yes", "strict")
    assert said["ExecStart"].endswith("/outlay run")
    if tool := shutil.which("systemd-analyze"):
        unit = tmp_path / "outlay.service"
        unit.write_text(text.replace(said["ExecStart"], f"{sys.executable} -V"), encoding="utf-8")
        looked = subprocess.run([tool, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
        assert [line for line in looked.stderr.splitlines() if "outlay.service" in line] == []


# The public CI


def test_the_public_ci_runs_what_ci_runs_and_an_audit_that_can_fail() -> None:
    steps = {name: [step.get("run", "") for step in job["steps"]] for name, job in CI["jobs"].items()}

    assert ".ci/run" in steps["test"]
    assert any("pip_audit" in run and "--require-hashes" in run for run in steps["audit"])
    assert any("assert len(seen)" in run for run in steps["audit"]), "pip-audit says yes where it has audited nothing"
    assert any(run.startswith("./run sbom") for run in steps["bill"])
    assert CI["permissions"] == {"contents": "read"}


def test_each_action_is_pinned() -> None:
    uses = [step["uses"] for job in CI["jobs"].values() for step in job["steps"] if "uses" in step]

    assert len(uses) > 5
    assert [one for one in uses if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", one)] == []


# Licences, and the bill


def test_every_locked_package_comes_under_a_licence_that_is_let_in() -> None:
    packages = licences.locked()

    assert len(packages) > 90
    assert {one.name: one.licence for one in packages if not licences.let_in(one.licence)} == {}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND PSF-2.0", True),
        ("MIT AND AGPL-3.0-only", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_one_clean_way_through_an_expression_is_enough(expression: str, wanted: bool) -> None:
    assert licences.let_in(expression) is wanted


def test_the_bill_names_what_the_lock_names_and_nothing_else() -> None:
    made = sbom.bill()
    names = {sbom._tidy(part["name"]) for part in made["components"]}
    wanted = {one.name for one in licences.locked() if one.running} - set(licences.ELSEWHERE)
    sample = made | {"components": made["components"][:4], "dependencies": []}  # all of it takes the validator seconds

    assert names == wanted
    assert made["metadata"]["component"]["name"] == "outlay"
    assert all(part["licenses"] for part in made["components"])
    assert str(ROOT) not in json.dumps(made)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(sample)) is None
