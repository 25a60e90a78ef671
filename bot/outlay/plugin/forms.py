"""Forms from a plugin's settings, and settings from a filled form. Slack's modal and the command line both fill it.

A plugin declares its settings once, as a pydantic model. Here each becomes a `FormField`; what people typed becomes the
model again, or a `BadConfig` that names the first wrong field in words a person can act on.

A secret need not be typed at all: see `secret_references`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AnyUrl, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from outlay.plugin import request_guards
from outlay.plugin.contract import Config, Plugin
from outlay.plugin.errors import BadConfig

MAX_VALUE_CHARACTERS = 8_192
_UPPER = {"api": "API", "id": "ID", "ids": "IDs", "url": "URL"}
_SENTENCES = {
    "bool_parsing": "That is neither yes nor no: true and false work.",
    "int_parsing": "That is not a whole number.",
    "int_from_float": "That is not a whole number.",
    "float_parsing": "That is not a number.",
    "decimal_parsing": "That is not a number.",
    "url_parsing": "That is not a web address; it looks like https://api.example.com/v1.",
    "url_scheme": "A web address begins with https://.",
}

FieldKind = Literal["text", "secret", "choice", "bool", "number", "url"]


@dataclass(frozen=True, slots=True)
class FormField:
    """Field of a form. `default` is text, "" for none, and always "" for a secret.

    `choices` are (value, label), for kind "choice" only. `advanced` fields are hidden until asked for.
    """

    name: str
    title: str
    hint: str
    kind: FieldKind
    required: bool
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    advanced: bool = False


def fields_of(plugin: type[Plugin[Any]]) -> tuple[FormField, ...]:
    """Return a plugin's form, in the order of its settings. Raises TypeError for a type that no form can show."""
    return tuple(_field(name, info) for name, info in _settings(plugin).items())


def secret_fields(plugin: type[Plugin[Any]]) -> frozenset[str]:
    """Return the names of the fields that are encrypted and never shown."""
    return frozenset(field.name for field in fields_of(plugin) if field.kind == "secret")


def build(plugin: type[Plugin[Any]], values: Mapping[str, str]) -> Config:
    """Build the plugin's settings from what people typed, without blank fields. Raises BadConfig, echoing nothing."""
    form = {field.name: field for field in fields_of(plugin)}
    for name in values:
        if name not in form:
            raise BadConfig(name, f"{plugin.meta.title} has no field {name!r}. It has: {', '.join(form)}.")
    given = {name: values[name].strip() for name in form if values.get(name, "").strip()}
    for name, field in form.items():
        problem = _problem(field, given.get(name), plugin.schemes)
        if problem:
            raise BadConfig(name, problem)
    config, wrong = _validated(plugin, {name: _native(plugin, name, text) for name, text in given.items()})
    if config is None:
        field_name, words = min(wrong, key=lambda found: list(form).index(found[0]) if found[0] in form else -1)
        field_name = field_name if field_name in form else next(iter(form))
        for secret in (given[name] for name, field in form.items() if field.kind == "secret" and name in given):
            words = words.replace(secret, "…")
        raise BadConfig(field_name, words)
    return config


def values_of(plugin: type[Plugin[Any]], config: Config) -> dict[str, str]:
    """Return the settings as text, as `build` takes them: secrets in plain text, so for the vault, not for eyes."""
    found = {name: getattr(config, name) for name in _settings(plugin)}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else _text(value)
        for name, value in found.items()
        if value is not None
    }


def _settings(plugin: type[Plugin[Any]]) -> dict[str, FieldInfo]:
    model: type[Config] = plugin.Config
    return model.model_fields


def _field(name: str, info: FieldInfo) -> FormField:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind = _kind(name, info)
    required = info.is_required()
    default = None if required else info.get_default(call_default_factory=True, validated_data={})
    return FormField(
        name=name,
        title=info.title or _title(name),
        hint=info.description or "",
        kind=kind,
        required=required,
        default="" if kind == "secret" or default is None else _text(default),
        choices=tuple((_text(choice), _label(choice)) for choice in _choices(info)),
        advanced=bool(extra.get("advanced", False)),
    )


def _plain_type(info: FieldInfo) -> Any:
    """Return the type without `| None` and annotations; None for a union of several."""
    found = info.annotation
    while True:
        origin = get_origin(found)
        if origin is Annotated:
            found = get_args(found)[0]
        elif origin in (Union, UnionType):
            rest = [part for part in get_args(found) if part is not NoneType]
            if len(rest) != 1:
                return None
            found = rest[0]
        else:
            return found


def _kind(name: str, info: FieldInfo) -> FieldKind:
    plain = _plain_type(info)
    if get_origin(plain) is Literal:
        return "choice"
    if isinstance(plain, type):
        kinds: tuple[tuple[tuple[type, ...], FieldKind], ...] = (
            ((SecretStr,), "secret"),
            ((Enum,), "choice"),
            ((bool,), "bool"),
            ((int, float, Decimal), "number"),
            ((AnyUrl,), "url"),
        )
        for types, kind in kinds:
            if issubclass(plain, types):
                return kind
        if issubclass(plain, str):
            return "url" if name == "url" or name.endswith("_url") else "text"
    raise TypeError(f"the setting {name!r} is of a type that no form can show: {info.annotation}")


def _choices(info: FieldInfo) -> tuple[Any, ...]:
    plain = _plain_type(info)
    if get_origin(plain) is Literal:
        return get_args(plain)
    return tuple(plain) if isinstance(plain, type) and issubclass(plain, Enum) else ()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.value if isinstance(value, Enum) else value)


def _label(choice: Any) -> str:
    return _title(choice.name.lower()) if isinstance(choice, Enum) else _text(choice)


def _title(name: str) -> str:
    words = [_UPPER.get(word, word) for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _problem(field: FormField, text: str | None, schemes: tuple[str, ...]) -> str | None:
    """Return what is wrong with one field before the model looks at it, in words, or None."""
    if text is None:
        return f"{field.title} is needed." if field.required else None
    if len(text) > MAX_VALUE_CHARACTERS:
        return f"That is longer than the {MAX_VALUE_CHARACTERS:,} characters a field takes."
    if field.kind == "secret" and not (text.isascii() and text.isprintable()):
        return "That holds characters that no credential has. Was it pasted whole, and alone?"
    if field.kind == "choice" and text not in dict(field.choices):
        return f"{text[:40]!r} is not one of: {', '.join(value for value, _ in field.choices)}."
    if field.name == "base_url":
        try:
            request_guards.parse_base_url(text, None, schemes)
        except BadConfig as error:
            return str(error)
    return None


def _native(plugin: type[Plugin[Any]], name: str, text: str) -> Any:
    """Convert a choice to the value the model knows; everything else stays text, which pydantic reads."""
    return next((choice for choice in _choices(_settings(plugin)[name]) if _text(choice) == text), text)


def _validated(plugin: type[Plugin[Any]], values: Mapping[str, Any]) -> tuple[Config | None, list[tuple[str, str]]]:
    """Validate the settings, or list each wrong field with words.

    The error of pydantic ends here: it holds what was typed.
    """
    model: type[Config] = plugin.Config
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return None, [(str(wrong["loc"][0]) if wrong["loc"] else "", _sentence(wrong)) for wrong in found]


def _sentence(wrong: Mapping[str, Any]) -> str:
    words = _SENTENCES.get(wrong["type"]) or str(wrong["msg"]).removeprefix("Value error, ")
    words = words.replace("Input should", "It should").replace("String should", "It should")
    return words if words.endswith((".", "!", "?")) else words + "."
