"""The docs against the code: what is there is documented, and what is documented is there."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs import reference
from outlay import plugin
from outlay.plugin import Ledger, PluginError, loader
from outlay.plugin.contract import Plugin, Sink
from outlay.plugin.testing.ledger_trial import Trial
from outlay.plugin.testing.sink_trial import SinkTrial
from outlay.settings import documented_settings
from outlay.spend.parser import DIMENSIONS, FILTERS, parse

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/*.md")])
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text(encoding="utf-8"))
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```\w*\n(.*?)^ *```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def code_in(text: str) -> Iterator[str]:
    """Everything on a page that is set as code, fenced or not."""
    for match in CODE.finditer(text):
        yield match[1] or match[2] or ""


def words_of_code(text: str) -> set[str]:
    """The names that a page's prose and tables set as code. What stands in fenced examples explains nothing."""
    return {word for span in code_in(FENCED.sub("", text)) for word in re.findall(r"\w+", span)}


def lines_of_code(path: Path) -> Iterator[str]:
    """The same, line by line."""
    for code in code_in(path.read_text(encoding="utf-8")):
        yield from code.splitlines()


def first_cells(text: str) -> dict[str, str]:
    """The tables of a page: what stands in code in the first cell, and the second cell."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*) \|$", text, re.MULTILINE)
    return dict(rows)


# Reference parts


@pytest.mark.parametrize("name", reference.PARTS)
def test_the_reference_is_not_stale(name: str) -> None:
    path, _ = reference.PARTS[name]
    text = path.read_text(encoding="utf-8")

    assert text == reference.page_with(name, text), "stale: run .venv/bin/python -m docs.reference"


def test_every_command_and_option_is_documented_and_no_other() -> None:
    reference_part = page("docs/commands.md").split("## Questions")[0]
    sections = dict(re.findall(r"^### outlay ([\w -]+)\n(.*?)(?=^### |^<!-- end)", reference_part, re.M | re.S))
    commands = {name: parser for name, parser, _ in reference.every_command()}

    assert set(sections) == set(commands)
    for name, parser in commands.items():
        wanted = {action.option_strings[-1] for action in reference.options(parser) if action.option_strings}
        assert set(re.findall(r"^\| `(--[a-z-]+)`", sections[name], re.M)) == wanted, name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_a_page_shows_is_there(path: Path) -> None:
    commands = {name.split()[0] for name, _, _ in reference.every_command()}
    scripts = set(re.findall(r"^  ([a-z]+)\)", page("run"), re.M))
    known = {
        option
        for _, parser, _ in reference.every_command()
        for action in parser._actions
        for option in action.option_strings
    } | {"--version", "--workspace"}
    for line in lines_of_code(path):
        assert set(re.findall(r"\./run ([a-z]+)", line)) <= scripts, line
        for called, rest in re.findall(r"(?<![\w./-])outlay ([a-z][a-z-]*)(.*)", line):
            assert called in commands, line
            assert set(re.findall(r"(?<!\S)(--[a-z-]+)", rest.split("#")[0])) <= known, line


def questions(path: Path) -> Iterator[str]:
    """The words of every question that a page shows, for Slack or for the terminal."""
    for line in lines_of_code(path):
        match = re.match(r"(?:(?:\./run )?outlay|/)\s?spend (.*)", re.split(r" --format|   #| >", line.strip())[0])
        words = match[1].replace('"', "") if match else ""
        if words and not words.startswith(
            ("[", "…", "<", "help", "connect", "owners", "alerts", "digest", "budget", "settings", "--")
        ):
            yield words


def test_every_question_that_a_page_shows_is_understood() -> None:
    asked = [words for path in PAGES for words in questions(path)]

    assert len(asked) >= 10
    for words in asked:
        assert parse(words, today=date(2026, 11, 20), me="U01ALICE").by


def test_the_grammar_is_documented_whole() -> None:
    words = words_of_code(page("docs/commands.md"))

    assert set(DIMENSIONS) | set(FILTERS) | {"today", "yesterday", "mtd", "by", "top", "from", "me"} <= words


# Settings


def test_every_setting_is_documented_and_no_other() -> None:
    table = re.findall(r"^\| `((?:OUTLAY|SLACK)_\w+)` \|", page("docs/settings.md"), re.M)

    assert table == [name for name, _, _ in documented_settings()]


@pytest.mark.parametrize("path", [*PAGES, ROOT / "manifest.yml", ROOT / "run"], ids=lambda path: path.name)
def test_every_setting_that_a_page_names_is_there(path: Path) -> None:
    named = set(re.findall(r"\b(?:OUTLAY|SLACK)_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    named = {name for name in named if not name.startswith("OUTLAY_TEST_")}  # those are for tests alone

    assert named <= {name for name, _, _ in documented_settings()}


# Slack


def test_every_scope_is_documented_with_its_reason_and_no_other() -> None:
    told = first_cells(page("docs/slack.md").split("## Scopes")[1].split("## Events")[0])

    assert set(told) == set(MANIFEST["oauth_config"]["scopes"]["bot"])
    assert all(reason.strip() for reason in told.values())
    for scope in MANIFEST["oauth_config"]["scopes"]["bot_optional"]:
        assert told[scope].startswith("optional")


def test_every_event_is_documented_with_its_reason_and_no_other() -> None:
    told = first_cells(page("docs/slack.md").split("## Events")[1].split("## What one can do")[0])

    assert set(told) == set(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    assert all(reason.strip() for reason in told.values())


# Plugins and ledgers

SHAPES = [found for found in vars(plugin).values() if dataclasses.is_dataclass(found)]
CONTRACT = page("docs/plugins.md").split("## The contract")[1]


@pytest.mark.parametrize("shape", [*SHAPES, Trial, SinkTrial], ids=lambda shape: shape.__name__)
def test_every_field_of_the_contract_is_documented(shape: type[Any]) -> None:
    assert {field.name for field in dataclasses.fields(shape)} <= words_of_code(CONTRACT)


def test_every_hook_of_a_plugin_is_documented() -> None:
    hooks = {name for kind in (Plugin, Ledger, Sink) for name in vars(kind) if not name.startswith("_")}
    said = {name for kind in (Plugin, Ledger, Sink) for name in inspect.get_annotations(kind)}

    assert {"check", "poll", "keys", "headers", "base_url", "reports", "paces"} <= hooks | said
    assert hooks | said <= words_of_code(CONTRACT)


def test_the_five_errors_are_documented_and_no_other() -> None:
    table = CONTRACT.split("### The five errors")[1].split("##")[0]

    assert [name.partition("(")[0] for name in first_cells_of_three(table)] == [
        error.__name__ for error in PluginError.__subclasses__()
    ]


def first_cells_of_three(text: str) -> list[str]:
    """What stands in code in the first of three cells."""
    return re.findall(r"^\| `([^`]+)` \|[^|]*\|[^|]*\|$", text, re.M)


def test_everything_a_plugin_author_imports_is_documented() -> None:
    assert set(plugin.__all__) <= words_of_code(CONTRACT)


@pytest.mark.parametrize("ledger", loader.load().ledgers().values(), ids=lambda ledger: ledger.meta.slug)
def test_every_built_in_ledger_is_documented(ledger: type[Ledger[Any]]) -> None:
    told = page("docs/ledgers.md").split(f"## {ledger.meta.title}\n")[1]

    assert {report.name for report in ledger.reports} <= words_of_code(told)
    assert all(path in told for path in ledger.reading_posts)
    assert "### What it cannot know" in told
    assert f"| {ledger.meta.title} |" in page("README.md")


def test_of_each_ledger_it_is_told_what_its_credential_could_do_besides() -> None:
    table = page("docs/security.md").split("## What the credential could do")[1].split("\n## ")[0]
    told = re.findall(r"^\| ([^|`]+?) \| [^|]+ \| [^|]+ \|$", table, re.M)

    assert sorted(told[1:]) == sorted(ledger.meta.title for ledger in loader.load().ledgers().values())


@pytest.mark.parametrize("sink", loader.load().sinks().values(), ids=lambda sink: sink.meta.slug)
def test_every_built_in_sink_is_documented(sink: type[Sink[Any]]) -> None:
    told = page("docs/sinks.md").split(f"## {sink.meta.title}\n")[1]

    assert set(sink.Config.model_fields) <= words_of_code(told)
    assert "### What it cannot know" in told


# Pages


def anchors(path: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_within_the_repository_leads_somewhere(path: Path) -> None:
    for _, _, target in LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name) if name else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = {target.partition("#")[0] for _, _, target in LINK.findall(page("README.md"))}
    pages = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")}

    assert pages | {"CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "manifest.yml"} <= linked


def test_every_path_that_contributing_names_is_there() -> None:
    text = page("CONTRIBUTING.md")
    tree = re.search(r"^```\n(bot/outlay/\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert tree
    inside = [f"bot/outlay/{name}" for line in re.findall(r"^  (\S.*?)  ", tree[1], re.M) for name in line.split(", ")]
    top = re.findall(r"^[a-z][\w/]*/", tree[1], re.M)
    named = re.findall(r"`((?:bot|plugins|tests|docs|benchmarks|deploy)/[\w./-]+)`", text)
    paths = [path for path in [*inside, *top, *named] if "NAME" not in path and "NNNN" not in path]

    assert len(paths) > 45
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_picture_says_its_finding_in_words() -> None:
    links = [link for path in PAGES for link in LINK.findall(path.read_text(encoding="utf-8"))]
    alternatives = [text for mark, text, _ in links if mark]

    assert alternatives
    assert all("$" in text and len(text) > 60 for text in alternatives), alternatives
