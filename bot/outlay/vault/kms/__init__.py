"""Key services (KMS): the wrapping key never leaves the service, and can be audited, disabled and rotated there.

A URI says which (`address`). Each backend is one file that uses its vendor's own client with the vendor's usual
credentials; `patience` bounds how long it is waited for, `held` how often it is called at all.
"""

import importlib.util
import os
from collections.abc import Callable, Mapping

from outlay.core.clock import Clock, SystemClock
from outlay.vault.data_key_cache import DataKeyCache
from outlay.vault.errors import VaultError
from outlay.vault.key_wrapper import KeyWrapper
from outlay.vault.kms.aws import AwsKms
from outlay.vault.kms.azure import AzureKeyVault
from outlay.vault.kms.gcp import GoogleKms
from outlay.vault.kms.key_uri import KmsKeyUri, parse_kms_uri
from outlay.vault.kms.retries import RetryingKey
from outlay.vault.kms.transit import Transit

EXTRAS = {
    "aws-kms": ("boto3", "aws"),
    "gcp-kms": ("google.cloud.kms", "gcp"),
    "azure-kv": ("azure.keyvault.keys", "azure"),
}

__all__ = ["EXTRAS", "KmsKeyUri", "kms_key", "parse_kms_uri"]


def kms_key(
    address: KmsKeyUri,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    on_secret: Callable[[str], None] | None = None,
) -> KeyWrapper:
    """Build the key at this address; no service is called yet. Raises VaultError if its client is not installed."""
    clock = clock or SystemClock()
    environ = os.environ if environ is None else environ
    module, extra = EXTRAS.get(address.scheme, ("", ""))
    if module and not _installed(module):
        raise VaultError(
            f'OUTLAY_KMS_KEY: {address.scheme} needs a library that is not installed: pip install "outlay[{extra}]"'
        )
    backend: KeyWrapper
    match address.scheme:
        case "aws-kms":
            backend = AwsKms(address)
        case "gcp-kms":
            backend = GoogleKms(address)
        case "azure-kv":
            backend = AzureKeyVault(address)
        case _:
            backend = Transit(address, environ, on_secret=on_secret)
    return DataKeyCache(RetryingKey(backend, clock), clock)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is missing
        return False
