"""Transit engine of HashiCorp Vault and OpenBao, over its two HTTP calls.

Reads `VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_NAMESPACE` and `VAULT_CACERT` as their own tools do, or the token that an
agent keeps in `~/.vault-token`. The location of the secret is the associated data, so the key has to be of an AEAD type
(aes256-gcm96, the default). The token needs `update` on `MOUNT/encrypt/KEY` and `MOUNT/decrypt/KEY`.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from outlay.vault.errors import DAMAGED, VaultError
from outlay.vault.kms import errors as kms_errors
from outlay.vault.kms.key_uri import KmsKeyUri, parse_base_url

TITLE = "Vault's transit engine"
TIMES = httpx.Timeout(4.0, connect=2.0)
MAX_ANSWER_BYTES = 64 * 1024
MAX_TOKEN_BYTES = 8 * 1024
_PASSING = frozenset({408, 412, 429, 472, 473})  # 412: a replica that is behind; 472, 473: a standby
_DISABLED = ("disabled", "has been deleted", "minimum decryption", "disallowed by policy", "minimum version")
_WHERE = "set VAULT_TOKEN to a token that is valid, or let an agent write ~/.vault-token"


class Transit:
    """Key of a transit engine. The token is read again for each call, because an agent renews it."""

    def __init__(
        self, address: KmsKeyUri, environ: Mapping[str, str], *, on_secret: Callable[[str], None] | None = None
    ) -> None:
        host, _, path = address.name.partition("/")
        self._mount, _, self._key = path.rpartition("/")
        given = environ.get("VAULT_ADDR", "").strip()
        if not host and not given:
            raise VaultError("OUTLAY_KMS_KEY: vault-transit:///MOUNT/KEY needs VAULT_ADDR; or name the host in the URI")
        self._base = parse_base_url(given or f"https://{host}", "VAULT_ADDR")
        self._address = address
        self._environ = environ
        self._on_secret = on_secret
        self._trust: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"Transit({self.id})"

    @property
    def id(self) -> str:
        return self._address.id

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        data = await self._ask("encrypt", {"plaintext": _b64(data_key), "associated_data": _spell(context)})
        return _text(data, "ciphertext").encode()

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        if not wrapped.isascii():
            raise VaultError(DAMAGED)
        data = await self._ask("decrypt", {"ciphertext": wrapped.decode(), "associated_data": _spell(context)})
        try:
            return base64.b64decode(_text(data, "plaintext"), validate=True)
        except ValueError:
            raise kms_errors.unexpected_response_error(TITLE, "no base64") from None

    async def _ask(self, operation: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        headers = {"X-Vault-Token": await asyncio.to_thread(self._token), "X-Vault-Request": "true"}
        if namespace := self._environ.get("VAULT_NAMESPACE", "").strip():
            headers["X-Vault-Namespace"] = namespace
        if self._trust is None:
            self._trust = await asyncio.to_thread(self._trusted)
        url = f"{self._base}/v1/{self._mount}/{operation}/{self._key}"
        try:
            async with (
                httpx.AsyncClient(verify=self._trust, timeout=TIMES, trust_env=False) as client,
                client.stream("POST", url, json=body, headers=headers) as response,
            ):
                answer = await _read(response)
        except httpx.HTTPError as error:
            raise kms_errors.unreachable_error(TITLE, type(error).__name__) from None
        if response.status_code == 200 and isinstance(answer.get("data"), dict):
            data: Mapping[str, Any] = answer["data"]
            return data
        said = answer.get("errors")
        raise self._in_words(response.status_code, " ".join(map(str, said)) if isinstance(said, list) else "")

    def _in_words(self, status: int, said: str) -> VaultError:
        if status in _PASSING or status >= 500:
            return kms_errors.unreachable_error(TITLE, str(status))
        if any(sign in said for sign in _DISABLED):
            return kms_errors.disabled_error(TITLE, self._address.name, str(status))
        if status == 403 and "invalid token" in said:
            return kms_errors.credentials_error(TITLE, _WHERE, str(status))
        if status == 403:
            wanted = f"update on {self._mount}/encrypt/{self._key} and {self._mount}/decrypt/{self._key}"
            return kms_errors.permission_error(TITLE, self._address.name, wanted, str(status))
        if status == 404 or "key not found" in said:
            return kms_errors.not_found_error(TITLE, self._address.name)
        if status == 400 and ("message authentication failed" in said or "ciphertext" in said):
            return VaultError(DAMAGED)
        if status in (301, 302, 303, 307, 308):
            return kms_errors.unexpected_response_error(
                TITLE, f"{status}: it sends us elsewhere; VAULT_ADDR should name the active node"
            )
        return kms_errors.unexpected_response_error(TITLE, str(status))

    def _token(self) -> str:
        token = self._environ.get("VAULT_TOKEN", "").strip()
        if not token:
            home = self._environ.get("HOME", "")
            try:
                with (Path(home) / ".vault-token").open("rb") as file:
                    token = file.read(MAX_TOKEN_BYTES).decode("latin-1").strip()
            except OSError:
                raise kms_errors.credentials_error(TITLE, _WHERE, "no token") from None
        if not token or not token.isascii() or not token.isprintable():
            raise kms_errors.credentials_error(TITLE, _WHERE, "the token is not one")
        if self._on_secret is not None:
            self._on_secret(token)
        return token

    def _trusted(self) -> ssl.SSLContext:
        authority = self._environ.get("VAULT_CACERT", "").strip() or None
        try:
            return ssl.create_default_context(cafile=authority)
        except (OSError, ssl.SSLError):
            raise VaultError("VAULT_CACERT: this file holds no certificate that can be read") from None


async def _read(response: httpx.Response) -> dict[str, Any]:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise kms_errors.unexpected_response_error(TITLE, "more than was asked for")
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise kms_errors.unexpected_response_error(TITLE, f"no {name}")
    return value


def _spell(context: Mapping[str, str]) -> str:
    """Encode a context in one way only, whatever the order of its parts."""
    return _b64(json.dumps(sorted(context.items())).encode())


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
