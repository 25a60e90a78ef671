"""What the conformance kit asks of plugins of either kind: what a class says of itself, and its form."""

from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

import pytest

from outlay.plugin import forms
from outlay.plugin.contract import Config, Plugin
from outlay.plugin.errors import BadConfig
from outlay.plugin.loader import problem_with


class Tried(Protocol):
    """As much of a trial as is asked here."""

    @property
    def good(self) -> Config:
        """Settings that work."""
        ...

    @property
    def secret(self) -> str:
        """The credential in them."""
        ...


def must(condition: object, words: str) -> None:
    """Fails the check in words that the plugin's author can act on."""
    if not condition:
        raise AssertionError(words)


class PluginConformance:
    """One check a method; each has a fresh trial."""

    plugin: ClassVar[type[Plugin[Any]]]
    pytestmark = pytest.mark.asyncio

    @staticmethod
    def make() -> AbstractAsyncContextManager[Any]:
        """A fresh trial; the author's is put in its place."""
        raise NotImplementedError

    async def test_its_meta_and_reports_are_sound(self) -> None:
        problem = problem_with(self.plugin)
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
