"""Which ledger is held against a published schema, and which cannot be, since its vendor publishes none."""

from pathlib import Path

import pytest

from outlay.plugin import loader
from tests.plugins.documented_vendor import SPECS

HERE = Path(__file__).parent
SCHEMAS = {  # by slug: the schema's file beside the repository, or why there is none
    "anthropic": "anthropic-admin.openapi.yaml",
    "claude-code": "anthropic-admin.openapi.yaml",
    "cloudflare": "Cloudflare publishes types of its REST API only, and what is read is its GraphQL dataset",
    "copilot": "github-billing.openapi.json",
    "cursor": "cursor-admin.openapi.yaml",
    "helicone": "Helicone describes two paths on its documentation's pages, and no schema is at hand",
    "langfuse": "langfuse-metrics.openapi.yaml",
    "litellm": "litellm-proxy.openapi.json",
    "openai": "openai-admin.openapi.yaml",
    "openrouter": "openrouter.openapi.yaml",
    "portkey": "portkey-analytics.openapi.yaml",
    "vercel": "Vercel publishes the report as types of a package, and no schema",
}


def test_every_built_in_ledger_is_in_the_table() -> None:
    assert set(loader.load().ledgers()) == set(SCHEMAS)


@pytest.mark.parametrize("slug", SCHEMAS)
def test_a_ledger_with_a_schema_is_held_against_it(slug: str) -> None:
    name = SCHEMAS[slug]
    if " " in name:
        pytest.skip(name)
    tests = [path for path in HERE.glob("*.py") if path.name != Path(__file__).name]
    mine = [path for path in tests if path.stem.startswith(f"test_{slug.replace('-', '_')}")]
    assert mine
    said = "".join(path.read_text(encoding="utf-8") for path in mine)
    helpers = [path for path in tests if f"tests.plugins.{path.stem} " in said]
    assert name in said + "".join(path.read_text(encoding="utf-8") for path in helpers)


@pytest.mark.parametrize("name", sorted({name for name in SCHEMAS.values() if " " not in name}))
def test_the_schema_named_for_a_ledger_is_beside_the_repository(name: str) -> None:
    if not SPECS.exists():
        pytest.skip("no schemas are beside this repository")
    assert (SPECS / name).is_file()  # schemas of ledgers that have no plugin yet may lie beside it too
