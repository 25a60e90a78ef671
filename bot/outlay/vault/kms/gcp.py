"""Google Cloud KMS, through Google's client with its application default credentials.

The location of the secret is the additional authenticated data. Google finds the version that encrypted by itself, so a
key that is rotated there still opens what it sealed. Needs the role `cloudkms.cryptoKeyEncrypterDecrypter`.
"""

import asyncio
import importlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from outlay.vault.errors import DAMAGED, VaultError
from outlay.vault.kms import errors as kms_errors
from outlay.vault.kms.key_uri import KmsKeyUri

TITLE = "Google Cloud KMS"
ANSWER_SECONDS = 4.0
_PASSING = frozenset({408, 409, 429, 499, 500, 502, 503, 504})
_ROLE = "the role cloudkms.cryptoKeyEncrypterDecrypter on it"
_WHERE = "set GOOGLE_APPLICATION_CREDENTIALS, or give the machine a service account"


class GoogleKms:
    """Symmetric key in Google Cloud KMS. `make_client` returns another client, for tests."""

    def __init__(self, address: KmsKeyUri, make_client: Callable[[], Any] | None = None) -> None:
        self._address = address
        self._make_client = make_client or _google
        self._client: Any = None
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return f"GoogleKms({self.id})"

    @property
    def id(self) -> str:
        return self._address.id

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        answer = await asyncio.to_thread(self._ask, "encrypt", context, plaintext=data_key)
        return bytes(answer.ciphertext)

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        answer = await asyncio.to_thread(self._ask, "decrypt", context, ciphertext=wrapped)
        return bytes(answer.plaintext)

    def _ask(self, operation: str, context: Mapping[str, str], **given: bytes) -> Any:
        """Call Google's client, in a thread: it blocks, and so does its import."""
        api = importlib.import_module("google.api_core.exceptions")
        auth = importlib.import_module("google.auth.exceptions")
        request = {"name": self._address.name, "additional_authenticated_data": _spell(context), **given}
        try:
            with self._making:
                self._client = self._client or self._make_client()
            return getattr(self._client, operation)(request=request, timeout=ANSWER_SECONDS, retry=None)
        except api.GoogleAPICallError as error:
            raise self._in_words(type(error).__name__, int(error.code or 0), operation) from None
        except api.GoogleAPIError as error:
            raise kms_errors.unreachable_error(TITLE, type(error).__name__) from None
        except (auth.TransportError, auth.TimeoutError) as error:
            raise kms_errors.unreachable_error(TITLE, type(error).__name__) from None
        except auth.GoogleAuthError as error:
            raise kms_errors.credentials_error(TITLE, _WHERE, type(error).__name__) from None

    def _in_words(self, kind: str, code: int, operation: str) -> VaultError:
        if kind == "FailedPrecondition":  # 400 as well, so before it
            return kms_errors.disabled_error(TITLE, self._address.name, kind)
        if code in _PASSING:
            return kms_errors.unreachable_error(TITLE, kind)
        if code == 401:
            return kms_errors.credentials_error(TITLE, _WHERE, kind)
        if code == 403:
            return kms_errors.permission_error(TITLE, self._address.name, _ROLE, kind)
        if code == 404:
            return kms_errors.not_found_error(TITLE, self._address.name)
        if code == 400 and operation == "decrypt":
            return VaultError(DAMAGED)
        return kms_errors.unexpected_response_error(TITLE, kind)


def _google() -> Any:
    return importlib.import_module("google.cloud.kms").KeyManagementServiceClient()


def _spell(context: Mapping[str, str]) -> bytes:
    """Encode a context in one way only, whatever the order of its parts."""
    return json.dumps(sorted(context.items())).encode()
