"""Generator of the parts of the docs that repeat the code: settings, commands, example plugins, licenses.

    .venv/bin/python -m docs.reference

Each part stands between two marks in its page. `tests/test_docs.py` fails when a part is stale and names this command.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from docs import licences
from outlay.cli.parser import _parser as command_parser
from outlay.settings import documented_settings

DOCS = Path(__file__).parent
OPEN, CLOSE = "<!-- {}: made by docs/reference.py -->", "<!-- end of {} -->"
ALWAYS_THERE = ("help", "version", "workspace")


def settings() -> str:
    """Build the table of all settings."""
    rows = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in documented_settings()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def commands() -> str:
    """Build a section for each command with its arguments and options."""
    return "\n\n".join(_command(name, parser, what) for name, parser, what in every_command())


def ledger() -> str:
    """Return the example ledger plugin as a code block."""
    return _example("example_ledger")


def sink() -> str:
    """Return the example sink plugin as a code block."""
    return _example("example_sink")


def _example(name: str) -> str:
    return f"```python\n{(DOCS / 'examples' / f'{name}.py').read_text(encoding='utf-8').rstrip()}\n```"


PARTS = {
    "settings": (DOCS / "settings.md", settings),
    "commands": (DOCS / "commands.md", commands),
    "ledger": (DOCS / "plugins.md", ledger),
    "sink": (DOCS / "plugins.md", sink),
    "licences": (DOCS / "licences.md", licences.table),
}


def every_command() -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Yield every command that does something, with its parser and help: `vault new-key`, but not `vault`."""
    yield from _below(command_parser(), "")


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a command, then its options, each in the order of its help."""
    found = [action for action in parser._actions if action.dest not in ALWAYS_THERE]
    return sorted(found, key=lambda action: bool(action.option_strings))


def spelled(action: argparse.Action) -> str:
    """Format an argument or option as it is typed."""
    if not action.option_strings:
        return f"[{action.metavar} …]" if action.nargs == "*" else str(action.metavar)
    value = "" if action.nargs == 0 else f" {action.metavar or '|'.join(action.choices or ()) or action.dest.upper()}"
    words = action.option_strings[-1] + value
    more = " …" if isinstance(action, argparse._AppendAction) else ""
    return words if action.required else f"[{words}]{more}"


def page_with(name: str, text: str) -> str:
    """Return the page with this part regenerated. Raises ValueError where its marks are missing."""
    opening, closing = OPEN.format(name), CLOSE.format(name)
    before, rest = text.split(opening)
    after = rest.split(closing)[1]
    return f"{before}{opening}\n\n{PARTS[name][1]()}\n\n{closing}{after}"


def _below(parser: argparse.ArgumentParser, prefix: str) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            said = {choice.dest: str(choice.help) for choice in action._choices_actions}
            for name, child in action.choices.items():
                inner = list(_below(child, f"{prefix}{name} "))
                yield from inner or [(f"{prefix}{name}", child, said[name])]


def _command(name: str, parser: argparse.ArgumentParser, what: str) -> str:
    found = options(parser)
    usage = " ".join(["outlay", name, *(spelled(action) for action in found)])
    for group in parser._mutually_exclusive_groups:
        either = [spelled(action) for action in group._group_actions]
        usage = usage.replace(" ".join(either), f"[{' | '.join(words.strip('[]') for words in either)}]")
    lines = [f"### outlay {name}", "", what[0].upper() + what[1:] + ("" if what[-1] in ".?" else "."), ""]
    lines += ["```", usage, "```"]
    rows = [f"| `{_name(action)}` | {_meaning(action)} |" for action in found]
    return "\n".join([*lines, "", "| | |", "|---|---|", *rows] if rows else lines)


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else str(action.metavar)


def _meaning(action: argparse.Action) -> str:
    if action.help:
        return action.help
    if action.choices:
        shown = [f"`{choice}`" for choice in action.choices]
        return f"{', '.join(shown)}; {shown[0]} if not said"
    return "which one"


def main() -> None:
    """Regenerate every part."""
    for name, (page, _) in PARTS.items():
        page.write_text(page_with(name, page.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{page.name}: {name}\n")


if __name__ == "__main__":
    main()
