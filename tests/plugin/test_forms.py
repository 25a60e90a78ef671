"""From a plugin's settings to a form and back."""

from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, HttpUrl, SecretStr, ValidationError, field_validator, model_validator

from outlay.plugin import BadConfig, Config, Ledger, PluginInfo
from outlay.plugin.forms import (
    FormField,
    build,
    fields_of,
    secret_fields,
    values_of,
)

SECRET = "sk-form-0123456789abcdef"


class Role(Enum):
    BOOKS = "books"
    ATTRIBUTION = "attribution"


class WideConfig(Config):
    api_key: SecretStr = Field(description="From Settings → Keys.", min_length=10)
    account_id: str = Field(title="Account")
    webhook_secret: SecretStr | None = None
    region: Literal["eu", "us"] = "eu"
    role: Role = Role.BOOKS
    back_days: int = Field(35, ge=1, le=365)
    ceiling_usd: Decimal | None = None
    with_byok: bool = True
    help_page: HttpUrl | None = None
    base_url: str = Field("https://wide.example/v1", json_schema_extra={"advanced": True})

    @field_validator("account_id")
    @classmethod
    def no_spaces(cls, value: str) -> str:
        if " " in value:
            raise ValueError("an account has no spaces")
        return value

    @model_validator(mode="after")
    def not_the_same(self) -> "WideConfig":
        if self.account_id == self.api_key.get_secret_value():
            raise ValueError(f"{self.account_id} is the key")
        return self


class Wide(Ledger[WideConfig]):
    meta = PluginInfo("wide", "Wide")
    Config = WideConfig


GOOD = {"api_key": SECRET, "account_id": "acme"}


def test_the_fields_of_a_form() -> None:
    fields = {field.name: field for field in fields_of(Wide)}
    assert list(fields) == list(WideConfig.model_fields)
    assert fields["api_key"] == FormField("api_key", "API key", "From Settings → Keys.", "secret", True)
    assert fields["account_id"].title == "Account"
    assert fields["webhook_secret"].kind == "secret"
    assert fields["region"].choices == (("eu", "eu"), ("us", "us"))
    assert fields["role"].choices == (("books", "Books"), ("attribution", "Attribution"))
    assert fields["role"].default == "books"
    assert (fields["back_days"].kind, fields["back_days"].default) == ("number", "35")
    assert (fields["with_byok"].kind, fields["with_byok"].default) == ("bool", "true")
    assert (fields["help_page"].kind, fields["help_page"].required) == ("url", False)
    assert (fields["base_url"].kind, fields["base_url"].advanced) == ("url", True)
    assert secret_fields(Wide) == {"api_key", "webhook_secret"}


def test_a_secret_has_no_default_on_a_form() -> None:
    class Careless(WideConfig):
        webhook_secret: SecretStr | None = SecretStr("whsec_do_not_show")

    class CarelessLedger(Wide):
        Config = Careless

    assert "do_not_show" not in repr(fields_of(CarelessLedger))


def test_a_setting_that_no_form_can_show_is_told_to_the_author() -> None:
    class Nested(WideConfig):
        tags: dict[str, str] = Field(default_factory=dict)

    class NestedLedger(Wide):
        Config = Nested

    with pytest.raises(TypeError, match="'tags'"):
        fields_of(NestedLedger)


def test_what_people_type_becomes_settings() -> None:
    typed = GOOD | {
        "api_key": f"  {SECRET}\n",
        "region": "us",
        "role": "attribution",
        "back_days": "7",
        "ceiling_usd": "12.50",
        "with_byok": "no",
        "help_page": "",
        "base_url": " https://eu.wide.example/v1/ ",
    }
    config = build(Wide, typed)
    assert isinstance(config, WideConfig)
    assert config.api_key.get_secret_value() == SECRET
    assert (config.region, config.role, config.back_days) == ("us", Role.ATTRIBUTION, 7)
    assert (config.ceiling_usd, config.with_byok, config.help_page) == (Decimal("12.50"), False, None)
    assert config.base_url == "https://eu.wide.example/v1/"


def test_settings_as_text_make_the_same_settings() -> None:
    config = build(Wide, GOOD | {"role": "attribution", "ceiling_usd": "0.1", "help_page": "https://wide.example/help"})
    values = values_of(Wide, config)
    assert values["api_key"] == SECRET
    assert "webhook_secret" not in values
    assert build(Wide, values) == config


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"account_id": "acme"}, "api_key", "API key is needed"),
        ({"api_key": "   ", "account_id": "acme"}, "api_key", "API key is needed"),
        ({}, "api_key", "API key is needed"),
        (GOOD | {"api_key": "short"}, "api_key", "at least 10"),
        (GOOD | {"api_key": f"{SECRET}\nand more"}, "api_key", "pasted whole"),
        (GOOD | {"api_key": f"{SECRET}–"}, "api_key", "pasted whole"),
        (GOOD | {"api_key": "k" * 10_000}, "api_key", "longer than"),
        (GOOD | {"account_id": "a b"}, "account_id", "an account has no spaces."),
        (GOOD | {"region": "mars"}, "region", "'mars' is not one of: eu, us."),
        (GOOD | {"back_days": "many"}, "back_days", "not a whole number"),
        (GOOD | {"back_days": "0"}, "back_days", "greater than or equal to 1"),
        (GOOD | {"ceiling_usd": "lots"}, "ceiling_usd", "not a number"),
        (GOOD | {"with_byok": "perhaps"}, "with_byok", "neither yes nor no"),
        (GOOD | {"help_page": "nowhere"}, "help_page", "web address"),
        (GOOD | {"base_url": "wide.example"}, "base_url", "https://"),
        (GOOD | {"base_url": "http://wide.example"}, "base_url", "clear text"),
        (GOOD | {"team": "x"}, "team", "Wide has no field 'team'. It has: api_key, account_id,"),
        (GOOD | {"account_id": "a b", "back_days": "many"}, "account_id", "spaces"),
        ({"api_key": SECRET, "account_id": SECRET}, "api_key", "… is the key."),
    ],
)
def test_the_first_wrong_field_is_named_in_words(typed: dict[str, str], field: str, words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        build(Wide, typed)
    assert caught.value.field == field
    assert words in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__context__ is None, "the error of pydantic holds what was typed"


def test_pydantic_s_own_error_does_not_echo_either() -> None:
    with pytest.raises(ValidationError) as caught:
        WideConfig.model_validate({"api_key": ["secret-in-a-list"], "account_id": "acme"})
    assert "secret-in-a-list" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(list(WideConfig.model_fields)), st.text(max_size=30)))
def test_whatever_is_typed_gives_settings_or_a_field_of_the_form(typed: dict[str, Any]) -> None:
    try:
        made: object = build(Wide, typed)
    except BadConfig as error:
        made = error.field
    assert isinstance(made, WideConfig) or made in WideConfig.model_fields
