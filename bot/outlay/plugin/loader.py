"""Plugin loader. Built-in plugins come in through the same door as others: a module is loaded and validated.

Three places are searched, in this order: the package `outlay_plugins`, a folder of the operator's, and installed
packages that announce themselves in the entry-point group `outlay.plugins`. What cannot be loaded is named, with the
reason, and left out; everything else runs. Plugins are trusted code: this is about accidents, not about attacks.
"""

import hashlib
import importlib
import importlib.util
import inspect
import logging
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from outlay.plugin import contract
from outlay.plugin.contract import Ledger, Plugin, PluginInfo, Report, Sink
from outlay.plugin.forms import fields_of

BUILT_IN = "outlay_plugins"
GROUP = "outlay.plugins"
MAX_ERROR_CHARACTERS = 300
_MODULE_PREFIX = "_outlay_folder_plugin"
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_OLD_IMPORT = re.compile(r"\b(?:import|from)\s+bot(?:\.|\s+import\s+)(plugin|core)\b")
_log = logging.getLogger(__name__)

Kind = Literal["ledger", "sink"]


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """Plugin that was found, loaded or not. `kind` None: it failed before that was known. `source` is no path."""

    slug: str
    kind: Kind | None
    version: str
    source: str
    ok: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedPlugins:
    """Plugins that run, by slug, and everything that was found, in the order of the search."""

    plugins: dict[str, type[Plugin[Any]]] = field(default_factory=dict)
    found: list[FoundPlugin] = field(default_factory=list)

    def ledgers(self) -> dict[str, type[Ledger[Any]]]:
        """Return the plugins that are sources of spend."""
        return {slug: plugin for slug, plugin in self.plugins.items() if issubclass(plugin, Ledger)}

    def sinks(self) -> dict[str, type[Sink[Any]]]:
        """Return the plugins that incidents go to."""
        return {slug: plugin for slug, plugin in self.plugins.items() if issubclass(plugin, Sink)}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Possible plugin: a name until its slug is known, where it is from, and how to load it."""

    name: str
    source: str
    load: Callable[[], Any]


def load(*, folder: Path | None = None, packages: bool = False) -> LoadedPlugins:
    """Load all plugins: the built-in ones, those of `folder`, and those of installed packages if asked for."""
    loaded = LoadedPlugins()
    candidates = [*_built_in(), *(_in_folder(folder) if folder else ()), *(_in_packages() if packages else ())]
    for candidate in candidates:
        try:
            classes = _classes(candidate.load())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a stranger's module may even call sys.exit
            _log.debug("Plugin %s (%s) does not load.", candidate.name, candidate.source, exc_info=True)
            loaded.found.append(FoundPlugin(candidate.name, None, "", candidate.source, False, _words(error, folder)))
            continue
        if not classes:
            problem = "It holds no plugin: no class that derives from Ledger or Sink and has a `meta`."
            loaded.found.append(FoundPlugin(candidate.name, None, "", candidate.source, False, problem))
        for plugin in classes:
            loaded.found.append(_admit(loaded, candidate, plugin))
    return loaded


def plugin_problem(plugin: type[Plugin[Any]]) -> str | None:
    """Return why this class cannot be a plugin, in words its author understands, or None."""
    meta = plugin.meta
    if not isinstance(meta, PluginInfo):
        return f"Its `meta` is a {type(meta).__name__}, not a Meta."
    if meta.api != contract.API:
        return f"It was written for contract {meta.api}; this Outlay speaks contract {contract.API}."
    if not isinstance(meta.slug, str) or not _SLUG.fullmatch(meta.slug):
        return f"Its slug {meta.slug!r} is not one: small letters, digits, - and _, a letter first, at most 32."
    if not isinstance(meta.title, str) or not meta.title.strip():
        return "Its `meta` has no title."
    config = getattr(plugin, "Config", None)
    if not (isinstance(config, type) and issubclass(config, contract.Config)):
        return "It has no `Config` that derives from outlay.plugin.Config."
    try:
        fields = fields_of(plugin)
    except TypeError as error:
        return f"Its Config does not make a form: {error}."
    if "base_url" not in (form_field.name for form_field in fields):
        return "Its Config has no `base_url`, so that no gateway or stand-in could take the vendor's place."
    if issubclass(plugin, Ledger):
        return _ledger_problem(plugin)
    missing = [name for name in ("check", "opened", "updated", "resolved") if getattr(plugin, name) is _of_sink(name)]
    return f"It has no `{missing[0]}`." if missing else None


def _of_sink(name: str) -> Any:
    return getattr(Sink, name)


def _ledger_problem(plugin: type[Ledger[Any]]) -> str | None:
    for method in ("check", "poll", "keys"):
        if getattr(plugin, method) is getattr(Ledger, method):
            return f"It has no `{method}`."
    reports = getattr(plugin, "reports", ())
    if not reports or not all(isinstance(report, Report) for report in reports):
        return "Its `reports` are not Report objects, or there are none."
    names = [report.name for report in reports]
    if len(set(names)) < len(names):
        return "Two of its reports have one name."
    hour, day = timedelta(hours=1), timedelta(days=1)
    for report in reports:
        grain = report.grain
        if grain is not None and grain != day and (grain <= timedelta(0) or hour % grain):
            return f"The grain of its report {report.name!r} is neither a day nor a divisor of an hour."
        if report.split_by:
            of = next((one for one in reports if one.name == report.split_by), None)
            if report.grain != day or of is None or of.grain is None or of.grain >= day:
                return f"Its report {report.name!r} is split by {report.split_by!r}: wants a bill, and a finer report."
    return None


def _admit(loaded: LoadedPlugins, candidate: _Candidate, plugin: type[Plugin[Any]]) -> FoundPlugin:
    kind: Kind = "ledger" if issubclass(plugin, Ledger) else "sink"
    problem = plugin_problem(plugin)
    meta = plugin.meta if isinstance(plugin.meta, PluginInfo) else None
    slug, version = (str(meta.slug), str(meta.version)) if meta else (candidate.name, "")
    if not problem and slug in loaded.plugins:
        first = next(found.source for found in loaded.found if found.ok and found.slug == slug)
        problem = f"The slug {slug!r} is taken by another plugin ({first})."
    if not problem:
        loaded.plugins[slug] = plugin
    return FoundPlugin(slug, kind, version, candidate.source, not problem, problem)


def _classes(loaded: Any) -> list[type[Plugin[Any]]]:
    """Return the plugin classes that a module defines itself; a class stands for itself. Raises TypeError."""
    if isinstance(loaded, type) and issubclass(loaded, Plugin):
        return [loaded]
    if not isinstance(loaded, ModuleType):
        raise TypeError(f"it is neither a module nor a plugin class, but a {type(loaded).__name__}")
    return [
        member
        for member in vars(loaded).values()
        if isinstance(member, type)
        and issubclass(member, (Ledger, Sink))
        and member.__module__ == loaded.__name__
        and hasattr(member, "meta")
        and not inspect.isabstract(member)
    ]


def _built_in() -> Iterator[_Candidate]:
    package = importlib.import_module(BUILT_IN)
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        if not name.startswith("_"):
            yield _Candidate(name, "built-in", partial(importlib.import_module, f"{BUILT_IN}.{name}"))


def _in_folder(folder: Path) -> Iterator[_Candidate]:
    if not folder.is_dir():
        yield _Candidate(folder.name, f"folder: {folder.name}", _no_folder)
        return
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("_"):
            yield _Candidate(path.stem, f"folder: {path.name}", partial(_import_file, path))


def _no_folder() -> None:
    raise NotADirectoryError("the folder that OUTLAY_PLUGINS_DIR names is not there")


def _import_file(path: Path) -> ModuleType:
    """Import a file under a private name, so that it can neither shadow nor be shadowed."""
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"{_MODULE_PREFIX}_{place}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up while it is being run
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _in_packages() -> Iterator[_Candidate]:
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        source = entry.dist.name if entry.dist else entry.name
        yield _Candidate(entry.name, f"package: {source}", entry.load)


def _words(error: BaseException, folder: Path | None) -> str:
    """Describe an error in one line for people, without the machine's paths."""
    old = _old_import(error)
    if old:
        return f"It imports bot.{old}, which is now outlay.{old}: change the import."
    text = " ".join(str(error).split()) or "no reason given"
    if folder:
        text = text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
    text = f"It does not load: {type(error).__name__}: {text}"
    return text if len(text) <= MAX_ERROR_CHARACTERS else text[: MAX_ERROR_CHARACTERS - 1] + "…"


def _old_import(error: BaseException) -> str | None:
    """Return which package (`plugin` or `core`) an import under the old name `bot` asked for, or None.

    The line that failed is read, since `import bot.plugin` names only `bot` in its error.
    """
    if not isinstance(error, ImportError) or (error.name or "").partition(".")[0] != "bot":
        return None
    lines = (frame.line or "" for frame in reversed(traceback.extract_tb(error.__traceback__)))
    return next((found[1] for line in lines if (found := _OLD_IMPORT.search(line))), None)
