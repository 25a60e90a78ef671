"""Settings: what may stand in each, and that a wrong one costs one line that names it and no secret."""

import stat
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from outlay.plugin.secret_references import AllowedReferences
from outlay.settings import SettingsError, documented_settings, load
from outlay.vault import new_key

SECRET_NAMES = [
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_CLIENT_SECRET",
    "OUTLAY_MASTER_KEY",
    "OUTLAY_DATABASE_URL",
]
NAMES = [name for name, _, _ in documented_settings()]


def refusal(**environ: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    return text


def test_an_empty_environment_has_the_defaults() -> None:
    settings = load({})
    assert settings.slack_api_url == "https://slack.com/api/"
    assert (settings.poll_seconds, settings.recovery_minutes, settings.http_port) == (60, 60, 8080)
    assert settings.admins == frozenset()
    assert settings.slack_bot_token is settings.alert_channel is settings.digest_channel is settings.log_level is None
    assert settings.data_dir.is_absolute()
    assert settings.database_url() == f"sqlite+aiosqlite:///{settings.data_dir}/outlay.sqlite"


def test_each_setting_is_read_from_its_own_name(tmp_path: Path) -> None:
    key = new_key()
    settings = load(
        {
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_APP_TOKEN": "xapp-1",
            "SLACK_SIGNING_SECRET": "abc123",
            "SLACK_CLIENT_ID": "12.34",
            "SLACK_CLIENT_SECRET": "def456",
            "SLACK_API_URL": "http://127.0.0.1:1234/api",
            "OUTLAY_DATABASE_URL": "postgresql://outlay@db/books",
            "OUTLAY_DATA_DIR": str(tmp_path),
            "OUTLAY_MASTER_KEY": key,
            "OUTLAY_MASTER_KEY_FILE": str(tmp_path / "key"),
            "OUTLAY_KMS_KEY": "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "OUTLAY_POLL_SECONDS": "5",
            "OUTLAY_ALERT_CHANNEL": "C012AB3CD",
            "OUTLAY_DIGEST_CHANNEL": "C99",
            "OUTLAY_RECOVERY_MINUTES": " 30 ",
            "OUTLAY_ADMINS": "U1, U2 W3,",
            "OUTLAY_HTTP_HOST": "127.0.0.1",
            "OUTLAY_HTTP_PORT": "0",
            "OUTLAY_SECRET_REFERENCES": "OPENROUTER_KEY, /run/secrets",
            "OUTLAY_PRIVATE_HOSTS": "litellm, 10.1.0.0/16 [::1]",
            "OUTLAY_PLUGINS_DIR": str(tmp_path / "plugins"),
            "OUTLAY_LOG_LEVEL": "debug",
            "OUTLAY_WORKSPACE": "T012AB3CD",
            "OUTLAY_PYTHON": "python3.12",
            "PATH": "/usr/bin",
        }
    )
    shown = settings.model_dump()
    secrets = {
        name: shown.pop(name).get_secret_value()
        for name in ("slack_bot_token", "slack_app_token", "slack_signing_secret", "slack_client_secret", "master_key")
    }
    assert list(secrets.values()) == ["xoxb-1", "xapp-1", "abc123", "def456", key]
    assert shown.pop("database").get_secret_value() == "postgresql://outlay@db/books"
    assert shown == {
        "slack_client_id": "12.34",
        "slack_api_url": "http://127.0.0.1:1234/api/",
        "data_dir": tmp_path,
        "master_key_file": tmp_path / "key",
        "kms_key": "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "poll_seconds": 5,
        "alert_channel": "C012AB3CD",
        "digest_channel": "C99",
        "recovery_minutes": 30,
        "admins": frozenset({"U1", "U2", "W3"}),
        "http_host": "127.0.0.1",
        "http_port": 0,
        "secret_references": frozenset({"OPENROUTER_KEY", "/run/secrets"}),
        "private_hosts": frozenset({"litellm", "10.1.0.0/16", "[::1]"}),
        "plugins_dir": tmp_path / "plugins",
        "log_level": "DEBUG",
        "workspace": "T012AB3CD",
    }


def test_references_from_slack_are_the_operator_s_to_list_and_nobody_s_where_strangers_install() -> None:
    given = {"OUTLAY_SECRET_REFERENCES": "OPENROUTER_KEY,/run/secrets"}
    assert load(given).references_from_slack() == AllowedReferences(
        frozenset({"OPENROUTER_KEY"}), (Path("/run/secrets"),)
    )
    assert load(given | {"SLACK_CLIENT_ID": "12.34"}).references_from_slack() == AllowedReferences()
    for wrong in ("relative/path", "VAULT_TOKEN", "OUTLAY_MASTER_KEY", "two words"):
        assert "OUTLAY_SECRET_REFERENCES" in refusal(OUTLAY_SECRET_REFERENCES=wrong)
    assert "OUTLAY_PRIVATE_HOSTS" in refusal(OUTLAY_PRIVATE_HOSTS="litellm, http://x")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_setting_is_not_set(name: str) -> None:
    assert load({name: ""}) == load({name: "  "}) == load({})


def test_digests_go_where_alerts_go_unless_told_otherwise() -> None:
    assert load({"OUTLAY_ALERT_CHANNEL": "C1"}).digest_channel == "C1"
    assert load({"OUTLAY_DIGEST_CHANNEL": "C2"}).alert_channel is None


@pytest.mark.parametrize("url", ["https://slack.test/api", "https://slack.test/api/", "https://slack.test/api//"])
def test_the_last_slash_of_the_api_may_be_there_or_not(url: str) -> None:
    assert load({"SLACK_API_URL": url}).slack_api_url == "https://slack.test/api/"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("sqlite:////abs/books.sqlite", "sqlite+aiosqlite:////abs/books.sqlite"),
        ("sqlite+aiosqlite:////abs/books.sqlite", "sqlite+aiosqlite:////abs/books.sqlite"),
        ("postgresql://a:b%40c@db:5433/x", "postgresql+asyncpg://a:b%40c@db:5433/x"),
        ("postgres://a@db/x", "postgresql+asyncpg://a@db/x"),
        ("postgresql+asyncpg://a@db/x", "postgresql+asyncpg://a@db/x"),
        ("postgresql://a@db/x?sslmode=require", "postgresql+asyncpg://a@db/x?ssl=require"),
        ("postgresql:///x?host=%2Fvar%2Frun", "postgresql+asyncpg:///x?host=%2Fvar%2Frun"),
    ],
)
def test_a_database_needs_no_driver(given: str, made: str) -> None:
    assert make_url(load({"OUTLAY_DATABASE_URL": given}).database_url()) == make_url(made)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("OUTLAY_POLL_SECONDS", "4", "from 5 to 86400, not '4'"),
        ("OUTLAY_POLL_SECONDS", "86401", "from 5 to 86400"),
        ("OUTLAY_POLL_SECONDS", "1e3", "a whole number"),
        ("OUTLAY_POLL_SECONDS", "6_0", "a whole number"),
        ("OUTLAY_POLL_SECONDS", "٦٠", "a whole number"),
        ("OUTLAY_POLL_SECONDS", "9" * 5000, "a whole number"),
        ("OUTLAY_RECOVERY_MINUTES", "0", "from 1 to 10080"),
        ("OUTLAY_HTTP_HOST", "everywhere", "wants an address of this machine"),
        ("OUTLAY_KMS_KEY", "arn:aws:kms:eu-west-1:1:key/2", "wants the URI of a key"),
        ("OUTLAY_HTTP_PORT", "65536", "from 0 to 65535"),
        ("OUTLAY_HTTP_PORT", "-1", "from 0 to 65535"),
        ("OUTLAY_ALERT_CHANNEL", "#general", "C012AB3CD"),
        ("OUTLAY_DIGEST_CHANNEL", "general", "C012AB3CD"),
        ("OUTLAY_ADMINS", "U1,@bob", "not '@bob'"),
        ("OUTLAY_LOG_LEVEL", "LOUD", "DEBUG, INFO"),
        ("OUTLAY_WORKSPACE", "two words", "T012AB3CD"),
        ("OUTLAY_KMS_KEY", "two words", "URI"),
        ("OUTLAY_MASTER_KEY", "c2hvcnQ=", "outlay vault new-key"),
        ("OUTLAY_DATABASE_URL", "mysql://a@db/x", "'mysql'"),
        ("OUTLAY_DATABASE_URL", "postgresql+psycopg2://a@db/x", "leave the driver"),
        ("OUTLAY_DATABASE_URL", "sqlite:///books.sqlite", "four slashes"),
        ("OUTLAY_DATABASE_URL", "sqlite://", "four slashes"),
        ("OUTLAY_DATABASE_URL", "postgresql://a@db", "names no database"),
        ("OUTLAY_DATABASE_URL", "books.sqlite", "sqlite:////"),
        ("OUTLAY_DATABASE_URL", "postgresql://a@db:port/x", "postgresql://"),
        ("OUTLAY_DATA_DIR", "~nobody-of-that-name/x", "no home"),
        ("OUTLAY_PLUGINS_DIR", "a\0b", "path"),
        ("SLACK_API_URL", "slack.com/api", "https://slack.com/api/"),
        ("SLACK_API_URL", "ftp://slack.com/api", "https://slack.com/api/"),
        ("SLACK_API_URL", "http://slack.com/api", "clear text"),
        ("SLACK_API_URL", "https://slack.com:x/api", "https://slack.com/api/"),
        ("SLACK_API_URL", "https://slack.com/api?x=1", "without"),
        ("SLACK_API_URL", "https://", "https://slack.com/api/"),
        ("SLACK_BOT_TOKEN", "xapp-1-A1-23", "belongs in SLACK_APP_TOKEN"),
        ("SLACK_APP_TOKEN", "xoxb-1-A1-23", "belongs in SLACK_BOT_TOKEN"),
        ("SLACK_SIGNING_SECRET", "abc def", "copy it again"),
        ("SLACK_CLIENT_ID", "12 34", "client id"),
    ],
)
def test_a_malformed_setting_is_named_with_what_would_be_right(name: str, value: str, wanted: str) -> None:
    text = refusal(**{name: value})
    assert text.startswith(f"{name}: ")
    assert wanted in text
    assert len(text) < 300


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("value", ["hunter2 planted", "xapp-planted planted", "planted\nplanted"])
def test_the_value_of_a_secret_is_never_said(name: str, value: str) -> None:
    assert "planted" not in refusal(**{name: value})


def test_a_token_in_the_wrong_setting_is_not_said_either() -> None:
    for name in ("OUTLAY_ALERT_CHANNEL", "OUTLAY_ADMINS", "OUTLAY_HTTP_PORT", "OUTLAY_WORKSPACE", "SLACK_API_URL"):
        assert "AbCdEfGhIj" not in refusal(**{name: "xoxb-1234-AbCdEfGhIj!"})
    assert "planted" not in refusal(SLACK_API_URL="https://user:planted@slack.com/api/")
    assert "planted" not in refusal(SLACK_API_URL="user:planted@slack.com")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OUTLAY_POLL_SECOND", "OUTLAY_POLL_SECONDS"),
        ("OUTLAY_DATABASE_URI", "OUTLAY_DATABASE_URL"),
        ("OUTLAY_ADMIN", "OUTLAY_ADMINS"),
        ("OUTLAY_MASTERKEY", "OUTLAY_MASTER_KEY"),
        ("OUTLAY_SHARED_SECRET", None),
        ("OUTLAY_", None),
    ],
)
def test_an_unknown_name_is_refused_with_a_guess_and_without_its_value(name: str, meant: str | None) -> None:
    text = refusal(**{name: "planted"})
    assert text.startswith(f"{name} is not a setting")
    assert "planted" not in text
    assert (f"did you mean {meant}?" if meant else "docs/settings.md") in text


@hypothesis.settings(deadline=None)
@given(st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text_is_taken_or_refused_in_one_line_that_names_the_setting(name: str, value: str) -> None:
    text = ""
    try:
        load({name: value})
    except SettingsError as error:
        text = str(error)
    assert not text or (text.startswith(f"{name}: ") and len(text.splitlines()) == 1)


def test_the_log_hears_of_every_secret() -> None:
    heard: list[str] = []
    key = new_key()
    load(
        {
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_SIGNING_SECRET": "abc123",
            "OUTLAY_MASTER_KEY": key,
            "OUTLAY_DATABASE_URL": "postgresql://outlay:p%40ss@db/books",
        },
        on_secret=heard.append,
    )
    assert set(heard) == {"xoxb-1", "abc123", key, "postgresql://outlay:p%40ss@db/books", "p@ss"}


def test_settings_show_no_secret() -> None:
    settings = load(dict.fromkeys(SECRET_NAMES[:4], "xplanted") | {"OUTLAY_DATABASE_URL": "postgresql://a:planted@h/d"})
    assert "planted" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_loading_makes_nothing_and_preparing_makes_the_folder_for_its_owner(tmp_path: Path) -> None:
    settings = load({"OUTLAY_DATA_DIR": str(tmp_path / "a" / "b")})
    settings.database_url()
    assert not list(tmp_path.iterdir())
    assert settings.prepare_data_dir() == settings.prepare_data_dir() == tmp_path / "a" / "b"
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_a_setting_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(SettingsError, match=r"^OUTLAY_DATA_DIR: .* cannot be made"):
            load({"OUTLAY_DATA_DIR": str(tmp_path / place)}).prepare_data_dir()


def test_a_relative_folder_is_below_where_we_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({"OUTLAY_DATA_DIR": "data"}).data_dir == tmp_path / "data"


def test_every_setting_is_documented_once() -> None:
    assert len(set(NAMES)) == len(NAMES) == 24
    assert all(shown and meaning.endswith((".", "`", "venv with")) for _, shown, meaning in documented_settings())
    assert all(name.startswith(("SLACK_", "OUTLAY_")) for name in NAMES)
