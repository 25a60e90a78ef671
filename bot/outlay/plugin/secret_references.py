"""References to secrets: `env:NAME` and `file:/path` point to a credential on the bot's own machine.

They are for whoever runs the machine. On the command line all may be named but what opens the bot itself: its own
settings and files, and the variables and token files of the key services. In Slack only what OUTLAY_SECRET_REFERENCES
lists may be named, and every refusal there has the same words, so that it does not tell what exists.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_SECRET_BYTES = 8_192
REFUSED = (
    "From Slack, Outlay reads no such reference: whoever runs it lists those that may be used in "
    "OUTLAY_SECRET_REFERENCES. Paste the credential, or ask them to connect it on the command line."
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_SERVICES = (
    *("AWS_", "AMAZON_", "ECS_", "EKS_"),
    *("GOOGLE_", "GCLOUD_", "GCP_", "GCE_", "CLOUDSDK_"),
    *("AZURE_", "ARM_", "MSI_", "IDENTITY_", "IMDS_"),
    *("VAULT_", "BAO_", "OPENBAO_"),
)
_OWN = ("SLACK_", "OUTLAY_", "PG")  # the bot's own secrets are never a connection's credential; PG: its database's
_TOKEN_FILES = (
    *("/proc", "/sys", "/dev"),
    *("/var/run/secrets/kubernetes.io", "/var/run/secrets/eks.amazonaws.com", "/var/run/secrets/azure"),
    *("/var/run/secrets/tokens", "/var/run/secrets/vault.hashicorp.com", "/vault/secrets"),
    *("~/.aws", "~/.azure", "~/.config/gcloud", "~/.config/azure", "~/.vault-token", "~/.bao-token"),
    *("~/.pgpass", "~/.kube", "~/.ssh"),
)


@dataclass(frozen=True, slots=True)
class AllowedReferences:
    """What a reference from Slack may name: variables, and files or folders. Nothing by default."""

    names: frozenset[str] = frozenset()
    places: tuple[Path, ...] = ()

    @classmethod
    def of(cls, references: Collection[str]) -> "AllowedReferences":
        """Build it from a list of names and whole paths. Raises ValueError for what is neither, or is never lent."""
        names, places = set(), []
        for one in sorted(references):
            if one.startswith("/"):
                places.append(Path(one))
            elif _ENV_NAME.fullmatch(one) and not _never(one):
                names.add(one)
            else:
                raise ValueError(one)
        return cls(frozenset(names), tuple(places))


def is_reference(value: str) -> bool:
    """Report whether a value points to a secret instead of being one."""
    return value.strip().startswith(("env:", "file:"))


def resolve_reference(
    value: str,
    environ: Mapping[str, str],
    forbidden_files: Collection[Path] = (),
    listed: AllowedReferences | None = None,
) -> str:
    """Return the secret that `env:NAME` or `file:/path` points to, or the value as typed. Raises ValueError.

    `listed`: what may be named, for a value from Slack; None for one from the machine itself.
    """
    value = value.strip()
    if not is_reference(value):
        return value
    scheme, _, place = value.partition(":")
    place = place.strip()
    try:
        if scheme == "env":
            return _from_environment(place, environ, listed)
        return _from_file(place, [*forbidden_files, *_token_files(environ)], listed)
    except ValueError:
        if listed is None:
            raise
    raise ValueError(REFUSED)


def _never(name: str) -> bool:
    return name.upper().startswith((*_OWN, *_KEY_SERVICES))


def _token_files(environ: Mapping[str, str]) -> Iterable[Path]:
    """Return the files and folders of key services: the usual ones, and those that their variables name."""
    with suppress(RuntimeError):  # no home
        for place in _TOKEN_FILES:
            yield Path(place).expanduser()
    for name, value in environ.items():
        if _never(name) and value.strip().startswith("/"):
            yield Path(value.strip())


def _from_environment(name: str, environ: Mapping[str, str], listed: AllowedReferences | None) -> str:
    if not _ENV_NAME.fullmatch(name):
        raise ValueError("After env: comes the name of an environment variable, such as env:OPENROUTER_KEY.")
    if _never(name):
        raise ValueError(f"{name} belongs to Outlay itself, or to its key service, and is not lent to a connection.")
    if listed is not None and name not in listed.names:
        raise ValueError(REFUSED)
    found = environ.get(name, "").strip()
    if not found:
        raise ValueError(f"The environment variable {name} is not set where the bot runs.")
    return found


def _from_file(place: str, forbidden: Collection[Path], listed: AllowedReferences | None) -> str:
    path = Path(place.removeprefix("//"))
    if not path.is_absolute():
        raise ValueError("After file: comes a whole path, such as file:/run/secrets/openrouter.")
    if "\0" in place:
        raise ValueError("There is no file of such a name.")
    try:
        real = path.resolve()  # a link is judged by where it leads
        if listed is not None and not any(_within(real, allowed) for allowed in listed.places):
            raise ValueError(REFUSED)
        if not real.is_file():
            raise ValueError(f"There is no file {path} where the bot runs.")
        if any(_within(real, other) or (other.is_file() and real.samefile(other)) for other in forbidden):
            raise ValueError(
                f"{path} belongs to Outlay itself, or to its key service, and is not lent to a connection."
            )
        with real.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is a link to itself"
        raise ValueError(f"The bot cannot read {path}: {why}.") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"{path} is longer than a credential: at most {MAX_SECRET_BYTES:,} bytes.")
    text = content.decode("ascii", "replace").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError(f"{path} should hold one line with the credential and nothing else.")
    return text


def _within(real: Path, place: Path) -> bool:
    return real.is_relative_to(place.resolve())
