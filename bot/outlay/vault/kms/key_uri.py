"""URIs of keys in key services; the part that names the key is stored beside what it wrapped.

    aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-…   (?region=…&endpoint=…)
    gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K
    azure-kv://VAULT.vault.azure.net/keys/NAME
    vault-transit://HOST/MOUNT/KEY

Options after the `?` say how the service is reached and are not part of the name: they may change.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from outlay.vault.errors import VaultError

MAX_NAME_CHARACTERS = 500
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PART = r"[A-Za-z0-9._-]+"
_SHAPES = {
    "aws-kms": (
        r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
        "aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID (not an alias: that may come to mean another key)",
        frozenset({"region", "endpoint"}),
    ),
    "gcp-kms": (
        rf"projects/[A-Za-z0-9.:_-]+/locations/{_PART}/keyRings/{_PART}/cryptoKeys/{_PART}",
        "gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K (without a version: Google finds it)",
        frozenset[str](),
    ),
    "azure-kv": (
        r"[a-z0-9-]+\.(?:vault\.azure\.net|vault\.azure\.cn|vault\.usgovcloudapi\.net|managedhsm\.azure\.net)"
        r"/keys/[A-Za-z0-9-]+",
        "azure-kv://VAULT.vault.azure.net/keys/NAME (without a version: it is kept beside what it wrapped)",
        frozenset[str](),
    ),
    "vault-transit": (
        rf"(?:[A-Za-z0-9.-]+(?::[0-9]{{1,5}})?)?(?:/{_PART})+/{_PART}",
        "vault-transit://HOST/MOUNT/KEY (or vault-transit:///MOUNT/KEY and VAULT_ADDR)",
        frozenset[str](),
    ),
}
SCHEMES = tuple(_SHAPES)


@dataclass(frozen=True, slots=True)
class KmsKeyUri:
    """Location of a key. `name` is the part between `://` and `?`."""

    scheme: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the id that is stored beside each data key that this key wrapped."""
        return f"{self.scheme}:{self.name}"


def parse_kms_uri(uri: str) -> KmsKeyUri:
    """Parse a URI. Raises VaultError, which says what would be right."""
    scheme, colon, rest = uri.strip().partition("://")
    if not colon or scheme not in _SHAPES:
        raise VaultError(f"wants the URI of a key: {', '.join(f'{one}://…' for one in SCHEMES)}, or local")
    shape, wanted, options = _SHAPES[scheme]
    name, _, query = rest.partition("?")
    if not re.fullmatch(shape, name, re.ASCII) or len(name) > MAX_NAME_CHARACTERS or ".." in name:
        raise VaultError(f"wants {wanted}")
    given = parse_qsl(query, keep_blank_values=True)
    for option, _value in given:
        if option not in options:
            known = f"there is {', '.join(sorted(options))}" if options else "this kind of key has none"
            raise VaultError(f"knows no option {option[:40]!r} after the ?; {known}")
    found = dict(given)
    if "region" in found and not re.fullmatch(r"[a-z0-9-]{1,40}", found["region"], re.ASCII):
        raise VaultError("wants a region such as eu-west-1")
    if "endpoint" in found:
        parse_base_url(found["endpoint"], "endpoint")
    return KmsKeyUri(scheme, name, found)


def parse_base_url(url: str, what: str) -> str:
    """Return the base URL without its trailing slash. Raises VaultError unless it is https, or loopback.

    Data keys travel there, so TLS is a must.
    """
    try:
        parts = urlsplit(url.strip())
        sound = bool(parts.hostname) and parts.scheme in ("http", "https") and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or "@" in parts.netloc or parts.query or parts.fragment:
        raise VaultError(f"{what}: wants an address such as https://HOST:PORT")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise VaultError(f"{what}: wants https, since keys travel there; plain http is for 127.0.0.1 alone")
    return url.strip().rstrip("/")
