"""Settings of Outlay: name, meaning and allowed values of each. They come from the environment alone.

A wrong setting stops the start with a single line that names it and says what would be right; the value is quoted
unless it is a secret. An empty setting counts as not set. An unknown OUTLAY_… variable is refused too: a misspelled
name would otherwise be ignored in silence.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from outlay.core.errors import OutlayError
from outlay.logs import redact_shapes
from outlay.plugin import request_guards
from outlay.plugin.errors import BadConfig
from outlay.plugin.reach import Reach
from outlay.plugin.secret_references import AllowedReferences
from outlay.vault import VaultError
from outlay.vault.key_setup import decode_keys, key_services

PREFIX = "OUTLAY_"
DATABASE_FILE_NAME = "outlay.sqlite"
ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
USED_BY_RUN = ("OUTLAY_PYTHON", "the first that works", "which Python `./run` makes its .venv with")
MAX_SHOWN_CHARACTERS = 60

OnSecret = Callable[[str], None]


class SettingsError(OutlayError):
    """A setting is wrong. The text is one line that names it and says what would be right."""


def _shown(value: str) -> str:
    """Quote a value on one line, with a token redacted that was pasted into the wrong setting."""
    value = redact_shapes(value)
    return repr(value if len(value) <= MAX_SHOWN_CHARACTERS else value[:MAX_SHOWN_CHARACTERS] + "…")


def _whole(low: int, high: int) -> BeforeValidator:
    def parse(value: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) and low <= int(value) <= high:
            return int(value)
        raise ValueError(f"wants a whole number from {low} to {high}, not {_shown(value)}")

    return BeforeValidator(parse)


def _matching(pattern: str, wanted: str) -> BeforeValidator:
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"wants {wanted}, not {_shown(value)}")
        return value

    return BeforeValidator(parse)


def _secret(*, unlike: Mapping[str, str] | None = None) -> BeforeValidator:
    """Build the validator of a token. `unlike` maps prefixes of similar tokens to the settings where those belong."""

    def parse(value: str) -> SecretStr:
        for beginning, place in (unlike or {}).items():
            if value.startswith(beginning):
                raise ValueError(f"wants another kind of token: one that begins with {beginning} belongs in {place}")
        if not re.fullmatch(r"[!-~]+", value):
            raise ValueError("has a space, a line break or an odd character inside; copy it again")
        return SecretStr(value)

    return BeforeValidator(parse)


def _parse_master_key(value: str) -> SecretStr:
    try:
        decode_keys(value.split(","))
    except VaultError as error:
        raise ValueError(str(error)) from None
    return SecretStr(value)


def _parse_host(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(f"wants an address of this machine such as 127.0.0.1 or ::1, not {_shown(value)}") from None


def _parse_kms_key(value: str) -> str:
    try:
        key_services(value)
    except VaultError as error:
        raise ValueError(str(error)) from None
    return value


def _parse_path(value: str) -> Path:
    if "\0" in value:
        raise ValueError("wants the path of a file or folder")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"wants a path, and there is no home for {_shown(value)}") from None


def _parse_level(value: str) -> str:
    if value.upper() not in LOG_LEVELS:
        raise ValueError(f"wants one of {', '.join(LOG_LEVELS)}, not {_shown(value)}")
    return value.upper()


def _parse_admins(value: str) -> frozenset[str]:
    ids = value.replace(",", " ").split()
    for one in ids:
        if not re.fullmatch(r"[UW][A-Z0-9]{1,30}", one, re.ASCII):
            raise ValueError(f"wants Slack user ids such as U012AB3CD with commas between, not {_shown(one)}")
    return frozenset(ids)


def _parse_references(value: str) -> frozenset[str]:
    references = frozenset(one.strip() for one in value.split(",") if one.strip())
    try:
        AllowedReferences.of(references)
    except ValueError as error:
        raise ValueError(
            "wants names of variables and whole paths of files or folders, with commas between, and none of Outlay's "
            f"own or of a key service, not {_shown(str(error))}"
        ) from None
    return references


def _parse_private_hosts(value: str) -> frozenset[str]:
    hosts = frozenset(value.replace(",", " ").split())
    try:
        Reach.of(hosts)
    except ValueError as error:
        raise ValueError(f"wants names, addresses or networks with commas between, not {_shown(str(error))}") from None
    return hosts


def _parse_api_url(value: str) -> str:
    wanted = "wants an address such as https://slack.com/api/"
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError(wanted) from None
    if not sound or re.search(r"\s", value):
        raise ValueError(f"{wanted}, not {_shown(value)}" if "@" not in value else wanted)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{wanted}, without a user, a query or a #")
    try:
        request_guards.parse_base_url(value, None)
    except BadConfig:
        raise ValueError(f"{wanted}: tokens do not travel to a public host in clear text") from None
    return value.rstrip("/") + "/"


def _parse_database(value: str) -> SecretStr:
    _database_url(value)
    return SecretStr(value)


def _database_url(value: str) -> URL:
    """Parse the URL and set the async driver. Raises ValueError without the URL, which may hold a password."""
    wanted = "sqlite:////absolute/path/outlay.sqlite or postgresql://user:password@host/database"
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(f"wants {wanted}") from None
    backend = url.get_backend_name()
    driver = ASYNC_DRIVERS.get(backend)
    if driver is None:
        raise ValueError(f"wants {wanted}; {_shown(backend)} is not a database Outlay knows")
    if "+" in url.drivername and url.drivername != driver:
        raise ValueError(f"wants {wanted}: leave the driver in {_shown(url.drivername)} out")
    if backend == "sqlite" and not (url.database or "").startswith("/"):
        raise ValueError("wants an absolute path: four slashes, as in sqlite:////var/lib/outlay/outlay.sqlite")
    if not url.database:
        raise ValueError(f"names no database; wants {wanted}")
    if "sslmode" in url.query and backend != "sqlite":  # libpq's word; asyncpg calls it ssl
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})
    return url.set(drivername=driver)


def _setting(name: str, meaning: str, default: Any = None, *, shown: str = "none") -> Any:
    how = {"default_factory": default} if callable(default) else {"default": default}
    return Field(validation_alias=name, description=meaning, json_schema_extra={"shown": shown}, **how)


_CHANNEL = _matching(r"[CGD][A-Z0-9]{1,30}", "a channel's id such as C012AB3CD (in Slack: the channel's details)")
_Secret = Annotated[SecretStr, _secret()]
_Path = Annotated[Path, BeforeValidator(_parse_path)]
_Channel = Annotated[str, _CHANNEL]


class Settings(BaseModel):
    """Settings of the process, made by `load`; immutable."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    slack_bot_token: Annotated[SecretStr, _secret(unlike={"xapp-": "SLACK_APP_TOKEN"})] | None = _setting(
        "SLACK_BOT_TOKEN", "The bot token (`xoxb-…`) of your Slack app; only `outlay run` and what posts need it."
    )
    slack_app_token: Annotated[SecretStr, _secret(unlike={"xoxb-": "SLACK_BOT_TOKEN"})] | None = _setting(
        "SLACK_APP_TOKEN",
        "The app-level token (`xapp-…`). With it the bot uses Socket Mode and needs no public address.",
    )
    slack_signing_secret: _Secret | None = _setting(
        "SLACK_SIGNING_SECRET", "Verifies Slack's requests in HTTP mode, which is used when there is no app token."
    )
    slack_client_id: Annotated[str, _matching(r"[!-~]{1,100}", "the app's client id")] | None = _setting(
        "SLACK_CLIENT_ID",
        "The app's client id: several workspaces install it from the browser, in HTTP mode (docs/slack.md).",
    )
    slack_client_secret: _Secret | None = _setting("SLACK_CLIENT_SECRET", "The app's client secret; goes with its id.")
    slack_api_url: Annotated[str, BeforeValidator(_parse_api_url)] = _setting(
        "SLACK_API_URL",
        "Another base for Slack's API, Socket Mode included. The last slash may be left out.",
        "https://slack.com/api/",
        shown="https://slack.com/api/",
    )
    database: Annotated[SecretStr, BeforeValidator(_parse_database)] | None = _setting(
        "OUTLAY_DATABASE_URL",
        "`sqlite:////abs/path` or `postgresql://…`; no driver suffix is needed.",
        shown=f"`{DATABASE_FILE_NAME}` in the data directory",
    )
    data_dir: _Path = _setting(
        "OUTLAY_DATA_DIR",
        "Where the database and the key file live.",
        lambda: platformdirs.user_data_path("outlay"),
        shown="the platform's usual place",
    )
    master_key: Annotated[SecretStr, BeforeValidator(_parse_master_key)] | None = _setting(
        "OUTLAY_MASTER_KEY",
        "The key that seals all credentials: urlsafe base64 of 32 bytes, as `outlay vault new-key` prints it. "
        "Older keys may follow, after commas: they still open.",
        shown="a 0600 file `master.key` in the data directory, made on first start",
    )
    master_key_file: _Path | None = _setting(
        "OUTLAY_MASTER_KEY_FILE", "A file with the master key, readable by its owner alone. `OUTLAY_MASTER_KEY` wins."
    )
    kms_key: Annotated[str, BeforeValidator(_parse_kms_key)] | None = _setting(
        "OUTLAY_KMS_KEY",
        "The URI of a key in a key service: `aws-kms://arn:aws:kms:…`, `gcp-kms://projects/…`, "
        "`azure-kv://VAULT.vault.azure.net/keys/NAME`, `vault-transit://HOST/MOUNT/KEY`. Further keys may follow, "
        "after commas: they still open. `local` among them is the place of the master key; else it comes last.",
    )
    poll_seconds: Annotated[int, _whole(5, 86_400)] = _setting(
        "OUTLAY_POLL_SECONDS", "Between polls of a connection; a ledger's own limits still hold.", 60, shown="60"
    )
    alert_channel: _Channel | None = _setting(
        "OUTLAY_ALERT_CHANNEL", "The id of the channel for alerts. Slack's modals change it for each workspace."
    )
    digest_channel: _Channel | None = _setting(
        "OUTLAY_DIGEST_CHANNEL",
        "The id of the channel for digests. Slack's modals change it for each workspace.",
        lambda data: data.get("alert_channel"),
        shown="the alert channel",
    )
    recovery_minutes: Annotated[int, _whole(1, 10_080)] = _setting(
        "OUTLAY_RECOVERY_MINUTES", "An incident ends after the rate has been back for so long.", 60, shown="60"
    )
    admins: Annotated[frozenset[str], BeforeValidator(_parse_admins)] = _setting(
        "OUTLAY_ADMINS", "Slack user ids, besides the workspace's own admins and owners.", frozenset()
    )
    http_host: Annotated[str, BeforeValidator(_parse_host)] = _setting(
        "OUTLAY_HTTP_HOST",
        "The address that `outlay run` serves on: `127.0.0.1` for this machine alone.",
        "0.0.0.0",  # noqa: S104  a container's health check comes from outside it
        shown="0.0.0.0, all interfaces",
    )
    http_port: Annotated[int, _whole(0, 65_535)] = _setting(
        "OUTLAY_HTTP_PORT", "Health, metrics, HTTP mode. 0 takes any free port and says which.", 8080, shown="8080"
    )
    secret_references: Annotated[frozenset[str], BeforeValidator(_parse_references)] = _setting(
        "OUTLAY_SECRET_REFERENCES",
        "What `env:NAME` and `file:/path` that are typed in Slack may name: variables, files and folders, with commas "
        "between. Nothing where several workspaces install the app.",
        frozenset(),
    )
    private_hosts: Annotated[frozenset[str], BeforeValidator(_parse_private_hosts)] = _setting(
        "OUTLAY_PRIVATE_HOSTS",
        "Private hosts that the `base_url` of a connection made in Slack may name: names, addresses, networks such as "
        "`10.1.0.0/16`, with commas between. Also link-local and IPv4-in-IPv6 addresses that any connection may reach.",
        frozenset(),
    )
    plugins_dir: _Path | None = _setting("OUTLAY_PLUGINS_DIR", "A folder with plugins of your own, one file each.")
    log_level: Annotated[str, BeforeValidator(_parse_level)] | None = _setting(
        "OUTLAY_LOG_LEVEL",
        f"How much goes to stderr: {', '.join(f'`{level}`' for level in LOG_LEVELS)}.",
        shown="`INFO` for `outlay run`, else `WARNING`",
    )
    workspace: Annotated[str, _matching(r"[A-Za-z0-9._-]{1,64}", "a workspace's id such as T012AB3CD")] | None = (
        _setting(
            "OUTLAY_WORKSPACE", "Which workspace the commands act on, where there are several.", shown="the only one"
        )
    )

    def database_url(self) -> str:
        """Return the URL for SQLAlchemy, with async driver and password: not for display."""
        if self.database is not None:
            url = _database_url(self.database.get_secret_value())
        else:
            url = URL.create(ASYNC_DRIVERS["sqlite"], database=str(self.data_dir / DATABASE_FILE_NAME))
        return url.render_as_string(hide_password=False)

    def installs_by_browser(self) -> tuple[str, str] | None:
        """Return (client id, client secret) if the app can be installed from a browser (HTTP mode only), else None."""
        if self.slack_app_token or not (
            self.slack_signing_secret and self.slack_client_id and self.slack_client_secret
        ):
            return None
        return self.slack_client_id, self.slack_client_secret.get_secret_value()

    def references_from_slack(self) -> AllowedReferences:
        """Return the references that may be used in Slack: none where strangers can install the app."""
        return (
            AllowedReferences()
            if self.slack_client_id or self.slack_client_secret
            else AllowedReferences.of(self.secret_references)
        )

    def prepare_data_dir(self) -> Path:
        """Create the data directory if needed, for its owner alone. Nothing else here touches a disk."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"OUTLAY_DATA_DIR: {_shown(str(self.data_dir))} cannot be made ({error.strerror}); name another folder"
            ) from None
        return self.data_dir

    def secrets(self) -> list[str]:
        """Return everything that must never be shown, including the database password."""
        values = [getattr(self, name) for name in type(self).model_fields]
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        password = make_url(self.database.get_secret_value()).password if self.database else None
        return [*found, str(password)] if password else found


def load(environ: Mapping[str, str], *, on_secret: OnSecret | None = None) -> Settings:
    """Read the settings of an environment. Raises SettingsError for the first wrong one, in the order of the docs."""
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    _refuse_unknown(given)
    try:
        settings = Settings.model_validate({name: value for name, value in given.items() if name in _known()})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = first.get("ctx", {}).get("error", first["msg"])
        raise SettingsError(f"{first['loc'][0]}: {reason}") from None
    if on_secret is not None:
        for secret in settings.secrets():
            on_secret(secret)
    return settings


def documented_settings() -> list[tuple[str, str, str]]:
    """Return each setting as (name, default in words, meaning). A test holds the docs to this list."""
    rows = []
    for field in Settings.model_fields.values():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        rows.append((str(field.validation_alias), str(extra["shown"]), str(field.description)))
    return [*rows, USED_BY_RUN]


def _known() -> list[str]:
    return [name for name, _, _ in documented_settings()]


def _refuse_unknown(given: Mapping[str, str]) -> None:
    known = [name.removeprefix(PREFIX) for name in _known() if name.startswith(PREFIX)]
    for name in sorted(given):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known:
            close = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
            hint = f"did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md lists those there are"
            raise SettingsError(f"{_shown(name)[1:-1]} is not a setting; {hint}")
