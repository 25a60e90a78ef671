"""Azure Key Vault and Managed HSM, through Microsoft's clients with DefaultAzureCredential.

Azure's wrapping has no context, so a digest of it is wrapped together with the data key, and compared when it comes
back. What was wrapped by one version of a key is unwrapped by that version alone, so the version is stored in front.
RSA keys, RSA-OAEP-256. Needs get, wrapKey and unwrapKey (the role "Key Vault Crypto User").
"""

import asyncio
import hashlib
import hmac
import importlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from outlay.vault.errors import DAMAGED, VaultError
from outlay.vault.kms import errors as kms_errors
from outlay.vault.kms.key_uri import KmsKeyUri

TITLE = "Azure Key Vault"
ALGORITHM = "RSA-OAEP-256"
DATA_KEY_BYTES = 32
CONNECT_SECONDS, READ_SECONDS = 2, 4
MAX_CLIENTS = 16
_VERSION = re.compile(rb"[A-Za-z0-9]{1,64}")
_ROLE = 'get, wrapKey and unwrapKey (the role "Key Vault Crypto User")'
_WHERE = "set Azure's usual variables, or give the machine a managed identity"
MakeClient = Callable[[str], Any]


class AzureKeyVault:
    """RSA key in Azure Key Vault. `make_client` returns a CryptographyClient for the id of a key, for tests."""

    def __init__(self, address: KmsKeyUri, make_client: MakeClient | None = None) -> None:
        self._address = address
        self._make_client = make_client or _microsoft
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return f"AzureKeyVault({self.id})"

    @property
    def id(self) -> str:
        return self._address.id

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        if len(data_key) != DATA_KEY_BYTES:
            raise VaultError(f"a data key has {DATA_KEY_BYTES} bytes")
        return await asyncio.to_thread(self._wrap, data_key + _digest(context))

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        version, colon, value = wrapped.partition(b":")
        if not colon or not _VERSION.fullmatch(version):
            raise VaultError(DAMAGED)
        plain = await asyncio.to_thread(self._unwrap, version.decode(), value)
        if len(plain) != DATA_KEY_BYTES * 2 or not hmac.compare_digest(plain[DATA_KEY_BYTES:], _digest(context)):
            raise VaultError(DAMAGED)
        return plain[:DATA_KEY_BYTES]

    def _wrap(self, plain: bytes) -> bytes:
        def ask() -> bytes:
            client = self._make_client(self._key_id(""))  # a new client each time, to see the key's newest version
            result = client.wrap_key(ALGORITHM, plain)
            version = str(result.key_id or "").rpartition("/")[2].encode()
            if not _VERSION.fullmatch(version) or version == self._address.name.rpartition("/")[2].encode():
                raise kms_errors.permission_error(
                    TITLE, self._address.name, _ROLE, "get is refused, and with it the key's version"
                )
            return version + b":" + bytes(result.encrypted_key)

        return self._in_our_words(ask, "wrap")

    def _unwrap(self, version: str, value: bytes) -> bytes:
        def ask() -> bytes:
            return bytes(self._client(version).unwrap_key(ALGORITHM, value).key)

        return self._in_our_words(ask, "unwrap")

    def _client(self, version: str) -> Any:
        with self._making:
            if version not in self._clients:
                if len(self._clients) >= MAX_CLIENTS:
                    del self._clients[next(iter(self._clients))]
                self._clients[version] = self._make_client(self._key_id(version))
            return self._clients[version]

    def _key_id(self, version: str) -> str:
        return f"https://{self._address.name}" + (f"/{version}" if version else "")

    def _in_our_words(self, ask: Callable[[], bytes], operation: str) -> bytes:
        """Call the client and translate its errors, in a thread: the client blocks, and so does its import."""
        errors = importlib.import_module("azure.core.exceptions")
        try:
            return ask()
        except errors.ClientAuthenticationError as error:
            raise kms_errors.credentials_error(TITLE, _WHERE, type(error).__name__) from None
        except errors.HttpResponseError as error:
            raise self._of(int(error.status_code or 0), str(error.message), operation) from None
        except errors.AzureError as error:  # no connection, or no response
            raise kms_errors.unreachable_error(TITLE, type(error).__name__) from None
        except ValueError as error:  # the key is not valid yet, or has expired
            raise kms_errors.disabled_error(TITLE, self._address.name, type(error).__name__) from None

    def _of(self, status: int, message: str, operation: str) -> VaultError:
        if status in (408, 429) or status >= 500:
            return kms_errors.unreachable_error(TITLE, str(status))
        if status == 403 and re.search(r"disabled|expired|not yet valid", message, re.IGNORECASE):
            return kms_errors.disabled_error(TITLE, self._address.name, str(status))
        if status == 403:
            return kms_errors.permission_error(TITLE, self._address.name, _ROLE, str(status))
        if status == 404:
            return kms_errors.not_found_error(TITLE, self._address.name)
        if status == 400 and operation == "unwrap":
            return VaultError(DAMAGED)
        return kms_errors.unexpected_response_error(TITLE, str(status))


def _microsoft(key_id: str) -> Any:
    crypto = importlib.import_module("azure.keyvault.keys.crypto")
    credential = importlib.import_module("azure.identity").DefaultAzureCredential()
    return crypto.CryptographyClient(
        key_id, credential, retry_total=0, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
    )


def _digest(context: Mapping[str, str]) -> bytes:
    return hashlib.sha256(json.dumps(sorted(context.items())).encode()).digest()
