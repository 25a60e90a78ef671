"""TLS cannot be switched off: no setting and no field of a form speaks of it, no variable changes it."""

import ast
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from outlay import settings
from outlay.plugin import BadConfig, loader
from outlay.plugin.contract import Plugin
from outlay.plugin.read_client import tls_context
from outlay.plugin.request_guards import parse_base_url

ROOT = Path(__file__).parents[2]
LOADED = loader.load()
PLUGINS: list[type[Plugin[Any]]] = [*LOADED.ledgers().values(), *LOADED.sinks().values()]
SPEAKS_OF_IT = ("verify", "insecure", "tls", "ssl", "cert", "trust", "starttls", "skip")
SWITCHES_OF_OTHERS = {  # what turns verification off, or brings roots of one's own, elsewhere
    "PYTHONHTTPSVERIFY": "0",
    "CURL_INSECURE": "1",
    "GIT_SSL_NO_VERIFY": "true",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "VAULT_SKIP_VERIFY": "true",
    "HTTPX_VERIFY": "0",
    "SSL_VERIFY": "false",
    "SSL_NO_VERIFY": "1",
    "REQUESTS_CA_BUNDLE": "",
    "CURL_CA_BUNDLE": "",
    "SSL_CERT_FILE": "",
}
ASKS = """
from outlay.plugin.read_client import tls_context
context = tls_context()
print(context.verify_mode.name, context.check_hostname, context.minimum_version.name)
"""


def test_no_setting_speaks_of_tls() -> None:
    names = [name for name, _, _ in settings.documented_settings()]

    assert len(names) > 15
    assert [name for name in names if any(word in name.lower() for word in SPEAKS_OF_IT)] == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.meta.slug)
def test_no_field_of_a_form_speaks_of_tls_and_no_base_url_of_a_public_host_goes_without(
    plugin: type[Plugin[Any]],
) -> None:
    fields = plugin.Config.model_fields

    assert [name for name in fields if any(word in name.lower() for word in SPEAKS_OF_IT)] == []
    for scheme in ("http", "ftp", "ws"):
        with pytest.raises(BadConfig):
            parse_base_url(f"{scheme}://api.example.com/v1", None, plugin.schemes)


def test_no_variable_of_the_environment_switches_it_off() -> None:
    kept = {"PATH": "", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-c", ASKS],
        env=kept | SWITCHES_OF_OTHERS,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert ran.stdout.split() == ["CERT_REQUIRED", "True", "TLSv1_2"]


def test_this_process_verifies_names_and_certificates() -> None:
    assert (tls_context().verify_mode, tls_context().check_hostname) == (ssl.CERT_REQUIRED, True)


def test_no_line_of_the_product_takes_verification_away() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("plugins/**/*.py")])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.expr | ast.Assign | ast.keyword) and _takes_it_away(node)
    ]

    assert found == []


def _takes_it_away(node: ast.expr | ast.Assign | ast.keyword) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg in ("verify", "verify_ssl", "ssl", "check_hostname") and _is_false(node.value)
    if isinstance(node, ast.Assign):
        ends = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
        return bool({"check_hostname", "verify_mode"} & set(ends)) and _is_false(node.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in ("CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context")


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (False, 0)
