"""Google Cloud KMS: Google's own client over real gRPC on loopback, before a stand-in that encrypts for real.

Skipped unless google-cloud-kms is installed (tests/README.md says how).
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from outlay.vault import VaultError
from outlay.vault.errors import VaultUnavailableError
from outlay.vault.kms import parse_kms_uri
from outlay.vault.kms.gcp import GoogleKms

grpc = pytest.importorskip("grpc", reason="needs google-cloud-kms: see tests/README.md")
kms_v1 = pytest.importorskip("google.cloud.kms_v1", reason="needs google-cloud-kms: see tests/README.md")

pytestmark = pytest.mark.key_services
NAME = "projects/acme/locations/europe-west1/keyRings/outlay/cryptoKeys/main"
PLACE = {"workspace": "T1", "owner": "7", "field": "api_key"}
DATA_KEY = b"d" * 32


class Google(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Encrypts and decrypts; `fault` is the status and the words with which it refuses instead."""

    def __init__(self) -> None:
        self.cipher = AESGCM(os.urandom(32))
        self.fault: tuple[Any, str] | None = None

    def service(self, call: Any) -> Any:
        operation = call.method.rpartition("/")[2]
        asked, answered = {
            "Encrypt": (kms_v1.EncryptRequest, kms_v1.EncryptResponse),
            "Decrypt": (kms_v1.DecryptRequest, kms_v1.DecryptResponse),
        }[operation]
        return grpc.unary_unary_rpc_method_handler(
            getattr(self, operation.lower()),
            request_deserializer=asked.deserialize,
            response_serializer=answered.serialize,
        )

    def encrypt(self, request: Any, context: Any) -> Any:
        self._refuse(request, context)
        nonce = os.urandom(12)
        sealed = self.cipher.encrypt(nonce, request.plaintext, request.additional_authenticated_data)
        return kms_v1.EncryptResponse(name=f"{request.name}/cryptoKeyVersions/1", ciphertext=nonce + sealed)

    def decrypt(self, request: Any, context: Any) -> Any:
        self._refuse(request, context)
        raw = request.ciphertext
        try:
            plain = self.cipher.decrypt(raw[:12], raw[12:], request.additional_authenticated_data)
        except (InvalidTag, ValueError):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed: verify that 'name' refers to the key.")
        return kms_v1.DecryptResponse(plaintext=plain)

    def _refuse(self, request: Any, context: Any) -> None:
        if self.fault is not None:
            context.abort(*self.fault)
        if request.name != NAME:
            context.abort(grpc.StatusCode.NOT_FOUND, "CryptoKey not found.")


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def key(google: Google) -> Iterator[GoogleKms]:
    """The backend, whose client is connected to the stand-in."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((google,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    transport = kms_v1.services.key_management_service.transports.KeyManagementServiceGrpcTransport(
        channel=grpc.insecure_channel(f"127.0.0.1:{port}")
    )
    yield GoogleKms(parse_kms_uri(f"gcp-kms://{NAME}"), lambda: kms_v1.KeyManagementServiceClient(transport=transport))
    transport.close()
    server.stop(None)


async def test_a_data_key_comes_back_in_its_place_and_in_no_other(key: GoogleKms) -> None:
    wrapped = await key.wrap(DATA_KEY, PLACE)
    assert await key.unwrap(wrapped, dict(reversed(PLACE.items()))) == DATA_KEY
    for changed in ({"workspace": "T2"}, {"owner": "8"}, {"field": "other"}):
        with pytest.raises(VaultError, match="another place"):
            await key.unwrap(wrapped, PLACE | changed)
    with pytest.raises(VaultError, match="damaged"):
        await key.unwrap(wrapped[:-1] + bytes([wrapped[-1] ^ 1]), PLACE)


@pytest.mark.parametrize(
    ("status", "outage", "said"),
    [
        ("FAILED_PRECONDITION", False, "is disabled or about to be deleted"),
        ("PERMISSION_DENIED", False, "cryptoKeyEncrypterDecrypter"),
        ("UNAUTHENTICATED", False, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("NOT_FOUND", False, "knows no key"),
        ("RESOURCE_EXHAUSTED", True, "does not answer"),
        ("UNAVAILABLE", True, "polling is paused"),
        ("INTERNAL", True, "does not answer"),
        ("DEADLINE_EXCEEDED", True, "does not answer"),
    ],
)
async def test_what_google_refuses_is_said_in_words(
    key: GoogleKms, google: Google, status: str, outage: bool, said: str
) -> None:
    wrapped = await key.wrap(DATA_KEY, PLACE)
    google.fault = (grpc.StatusCode[status], f"{NAME}/cryptoKeyVersions/1 is not enabled, current state is: DISABLED.")
    for refused_call in (key.unwrap(wrapped, PLACE), key.wrap(DATA_KEY, PLACE)):
        with pytest.raises(VaultError, match=said) as refused:
            await refused_call
        assert isinstance(refused.value, VaultUnavailableError) is outage
    google.fault = None
    assert await key.unwrap(wrapped, PLACE) == DATA_KEY


async def test_without_credentials_it_says_what_to_set() -> None:
    from google.auth.exceptions import DefaultCredentialsError

    def nobody() -> Any:
        raise DefaultCredentialsError("none found")

    with pytest.raises(VaultError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        await GoogleKms(parse_kms_uri(f"gcp-kms://{NAME}"), nobody).wrap(DATA_KEY, PLACE)
