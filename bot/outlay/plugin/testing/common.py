"""Conformance kit for plugins of either kind: their metadata and their form."""

from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

import pytest

from outlay.plugin import forms
from outlay.plugin.contract import Config, Plugin
from outlay.plugin.errors import BadConfig
from outlay.plugin.loader import plugin_problem


class Tried(Protocol):
    """Part of a trial that these checks need."""

    @property
    def good(self) -> Config:
        """Return settings that work."""
        ...

    @property
    def secret(self) -> str:
        """Return the credential in them."""
        ...


def must(condition: object, words: str) -> None:
    """Raise AssertionError, in words that the plugin's author can act on, unless the condition holds."""
    if not condition:
        raise AssertionError(words)


class PluginConformance:
    """Checks of any plugin: one a method, each with a fresh trial."""

    plugin: ClassVar[type[Plugin[Any]]]
    pytestmark = pytest.mark.asyncio

    @staticmethod
    def make() -> AbstractAsyncContextManager[Any]:
        """Return a fresh trial; the author's function replaces this one."""
        raise NotImplementedError

    async def test_its_meta_and_reports_are_sound(self) -> None:
        problem = plugin_problem(self.plugin)
        must(problem is None, f"The loader would refuse it: {problem}")

    async def test_its_form_round_trips(self) -> None:
        async with self.make() as found:
            trial: Tried = found
            values = forms.values_of(self.plugin, trial.good)
            rebuilt = forms.build(self.plugin, values)
            must(rebuilt == trial.good, "Settings put into the form and read back are other settings.")
            held = [values[name] for name in forms.secret_fields(self.plugin) if name in values]
            must(trial.secret in held, "The trial's secret is in no field that is a SecretStr.")
            for field in forms.fields_of(self.plugin):
                if field.required:
                    rest = {name: text for name, text in values.items() if name != field.name}
                    self._refused_on(field.name, rest)
            self._refused_on("no_such_field", values | {"no_such_field": "x"})

    def _refused_on(self, name: str, values: dict[str, str]) -> None:
        try:
            forms.build(self.plugin, values)
        except BadConfig as error:
            must(error.field == name, f"The form blames {error.field!r} for what is wrong with {name!r}.")
        else:
            raise AssertionError(f"The form takes settings that are wrong in {name!r}.")
