"""AWS KMS, through boto3 with AWS's usual credentials: variables, profile, role of the machine or of the pod.

The location of the secret is the encryption context: AWS binds it, logs it in CloudTrail, and a key policy may require
it. Needs `kms:Encrypt` and `kms:Decrypt`.
"""

import asyncio
import importlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from outlay.vault.errors import DAMAGED, VaultError
from outlay.vault.kms import errors as kms_errors
from outlay.vault.kms.key_uri import KmsKeyUri

TITLE = "AWS KMS"
CONNECT_SECONDS = 2
READ_SECONDS = 4
_DAMAGED = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_DISABLED = frozenset({"DisabledException", "KMSInvalidStateException"})
_STRANGER = frozenset(
    {
        "ExpiredTokenException",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_PASSING = frozenset(
    {
        "DependencyTimeoutException",
        "InternalFailure",
        "KeyUnavailableException",
        "KMSInternalException",
        "LimitExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_WHERE = "set AWS's usual variables or profile, or give the machine a role"


class AwsKms:
    """Symmetric key in AWS KMS. `make_client` returns another client, for tests."""

    def __init__(self, address: KmsKeyUri, make_client: Callable[[], Any] | None = None) -> None:
        self._address = address
        self._make_client = make_client or self._boto3
        self._client: Any = None
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return f"AwsKms({self.id})"

    @property
    def id(self) -> str:
        return self._address.id

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        answer = await asyncio.to_thread(self._ask, "encrypt", Plaintext=data_key, EncryptionContext=dict(context))
        return bytes(answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        answer = await asyncio.to_thread(self._ask, "decrypt", CiphertextBlob=wrapped, EncryptionContext=dict(context))
        return bytes(answer["Plaintext"])

    def _ask(self, operation: str, **given: Any) -> Any:
        """Call boto3, in a thread: it blocks, and so does its import."""
        errors = importlib.import_module("botocore.exceptions")
        try:
            with self._making:
                self._client = self._client or self._make_client()
            return getattr(self._client, operation)(KeyId=self._address.name, **given)
        except errors.ClientError as error:
            raise self._in_words(error.response) from None
        except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.ProfileNotFound) as error:
            raise kms_errors.credentials_error(TITLE, _WHERE, str(error)) from None
        except errors.ParamValidationError:
            raise VaultError(DAMAGED) from None
        except errors.BotoCoreError as error:  # no connection, or no response
            raise kms_errors.unreachable_error(TITLE, type(error).__name__) from None

    def _in_words(self, response: Mapping[str, Any]) -> VaultError:
        code = str(response.get("Error", {}).get("Code", ""))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        if code in _DAMAGED:
            return VaultError(DAMAGED)
        if code in _DISABLED:
            return kms_errors.disabled_error(TITLE, self._address.name, code)
        if code == "NotFoundException":
            return kms_errors.not_found_error(TITLE, self._address.name)
        if code in _STRANGER:
            return kms_errors.credentials_error(TITLE, _WHERE, code)
        if code in _PASSING or status in (408, 429) or status >= 500:
            return kms_errors.unreachable_error(TITLE, code or str(status))
        if code in ("AccessDeniedException", "AccessDenied", "InvalidGrantTokenException"):
            return kms_errors.permission_error(TITLE, self._address.name, "kms:Encrypt and kms:Decrypt", code)
        return kms_errors.unexpected_response_error(TITLE, code or str(status))

    def _boto3(self) -> Any:
        boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
        region = self._address.options.get("region") or self._address.name.split(":")[3]
        return boto3.session.Session().client(
            "kms",
            region_name=region,
            endpoint_url=self._address.options.get("endpoint"),
            config=config.Config(
                connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
            ),
        )
