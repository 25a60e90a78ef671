"""Azure Key Vault: Microsoft's own CryptographyClient, its requests led to a stand-in on loopback with real RSA keys.

Skipped unless azure-keyvault-keys is installed (tests/README.md says how).
"""

import base64
import json
import threading
import time
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from outlay.vault import VaultError
from outlay.vault.errors import VaultUnavailableError
from outlay.vault.kms import parse_kms_uri
from outlay.vault.kms.azure import AzureKeyVault

crypto = pytest.importorskip("azure.keyvault.keys.crypto", reason="needs azure-keyvault-keys: see tests/README.md")
transports = pytest.importorskip("azure.core.pipeline.transport", reason="needs azure-keyvault-keys")

pytestmark = pytest.mark.key_services
HOST = "acme.vault.azure.net"
PLACE = {"workspace": "T1", "owner": "7", "field": "api_key"}
DATA_KEY = b"d" * 32
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Azure:
    """Versions of one key. `fault` is what every request is answered with; `no_get` hides the key's own data."""

    def __init__(self) -> None:
        self.versions = {"v1": rsa_key(1)}
        self.fault: tuple[int, str] | None = None
        self.no_get = False

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.fault is not None:
            return self.fault[0], {"error": {"code": "Forbidden", "message": self.fault[1]}}
        _, _keys, name, *rest = path.partition("?")[0].rstrip("/").split("/")
        if name != "outlay":
            return 404, {"error": {"code": "KeyNotFound", "message": "A key with (name/id) was not found"}}
        version = rest[0] if rest and rest[0] in self.versions else list(self.versions)[-1]
        key, kid = self.versions[version], f"https://{HOST}/keys/outlay/{version}"
        if method == "GET":
            if self.no_get:
                return 403, {"error": {"code": "Forbidden", "message": "The user does not have keys get permission"}}
            return 200, {"key": _jwk(key, kid), "attributes": {"enabled": True}}
        value = base64.urlsafe_b64decode(body["value"] + "==")
        if path.partition("?")[0].endswith("/wrapkey"):
            return 200, {"kid": kid, "value": _b64(key.public_key().encrypt(value, OAEP))}
        try:
            return 200, {"kid": kid, "value": _b64(key.decrypt(value, OAEP))}
        except ValueError:
            return 400, {"error": {"code": "BadParameter", "message": "The parameter is incorrect."}}


def _jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    n, e = (_b64(part.to_bytes((part.bit_length() + 7) // 8, "big")) for part in (numbers.n, numbers.e))
    return {"kid": kid, "kty": "RSA", "key_ops": ["wrapKey", "unwrapKey"], "n": n, "e": e}


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


class Redirected(transports.RequestsTransport):  # type: ignore[misc]
    """The real transport, to another place; the policies before it still see where the request was meant to go."""

    def __init__(self, loopback: str) -> None:
        super().__init__()
        self._loopback = loopback

    def send(self, request: Any, **given: Any) -> Any:
        meant, request.url = request.url, request.url.replace(f"https://{HOST}", self._loopback)
        try:
            return super().send(request, **given)
        finally:
            request.url = meant


class Credential:
    """A token for whoever asks."""

    def get_token(self, *_scopes: str, **_more: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("token-of-the-test", int(time.time()) + 3600)


@pytest.fixture
def azure() -> Azure:
    return Azure()


@pytest.fixture
def key(azure: Azure) -> Iterator[AzureKeyVault]:
    """The backend, whose client's requests go to the stand-in instead."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.headers.get("Authorization"):
                status, found = 401, {}
            else:
                status, found = azure.answer(self.command, self.path, json.loads(raw) if raw else {})
            self.send_response(status)
            if status == 401:
                self.send_header(
                    "WWW-Authenticate",
                    'Bearer authorization="https://login.windows.net/t", resource="https://vault.azure.net"',
                )
            body = json.dumps(found).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    loopback = f"http://127.0.0.1:{server.server_address[1]}"

    def client(key_id: str) -> Any:
        return crypto.CryptographyClient(key_id, Credential(), transport=Redirected(loopback), retry_total=0)

    yield AzureKeyVault(parse_kms_uri(f"azure-kv://{HOST}/keys/outlay"), client)
    server.shutdown()
    server.server_close()


async def test_a_data_key_comes_back_in_its_place_and_in_no_other(key: AzureKeyVault) -> None:
    wrapped = await key.wrap(DATA_KEY, PLACE)
    assert wrapped.startswith(b"v1:")
    assert await key.unwrap(wrapped, dict(reversed(PLACE.items()))) == DATA_KEY
    for changed in ({"workspace": "T2"}, {"owner": "8"}, {"field": "other"}):
        with pytest.raises(VaultError, match="another place"):
            await key.unwrap(wrapped, PLACE | changed)
    for odd in (b"", b"v1", b":x", b"../keys:x", wrapped[:-1] + bytes([wrapped[-1] ^ 1])):
        with pytest.raises(VaultError, match="damaged"):
            await key.unwrap(odd, PLACE)


async def test_a_new_version_seals_and_the_old_one_opens_what_it_sealed(key: AzureKeyVault, azure: Azure) -> None:
    before = await key.wrap(DATA_KEY, PLACE)
    azure.versions["v2"] = rsa_key(2)
    after = await key.wrap(DATA_KEY, PLACE)
    assert after.startswith(b"v2:")
    assert await key.unwrap(before, PLACE) == await key.unwrap(after, PLACE) == DATA_KEY


@pytest.mark.parametrize(
    ("status", "message", "outage", "said"),
    [
        (403, "Operation unwrapKey is not allowed on a disabled key.", False, "is disabled or about to be deleted"),
        (403, "The user does not have keys unwrap permission", False, "Key Vault Crypto User"),
        (404, "A key with (name/id) was not found", False, "knows no key"),
        (429, "Throttled", True, "does not answer"),
        (500, "oops", True, "does not answer"),
        (503, "oops", True, "polling is paused"),
    ],
)
async def test_what_azure_refuses_is_said_in_words(
    key: AzureKeyVault, azure: Azure, status: int, message: str, outage: bool, said: str
) -> None:
    wrapped = await key.wrap(DATA_KEY, PLACE)
    azure.fault = (status, message)
    for refused_call in (key.unwrap(wrapped, PLACE), key.wrap(DATA_KEY, PLACE)):
        with pytest.raises(VaultError, match=said) as refused:
            await refused_call
        assert isinstance(refused.value, VaultUnavailableError) is outage
    azure.fault = None
    assert await key.unwrap(wrapped, PLACE) == DATA_KEY


async def test_without_leave_to_read_the_key_nothing_is_wrapped_that_could_not_be_found_again(
    key: AzureKeyVault, azure: Azure
) -> None:
    azure.no_get = True
    with pytest.raises(VaultError, match="get, wrapKey and unwrapKey"):
        await key.wrap(DATA_KEY, PLACE)


async def test_nobody_there_is_an_outage() -> None:
    def client(key_id: str) -> Any:
        return crypto.CryptographyClient(
            key_id, Credential(), transport=Redirected("http://127.0.0.1:1"), retry_total=0
        )

    with pytest.raises(VaultUnavailableError, match="does not answer"):
        await AzureKeyVault(parse_kms_uri(f"azure-kv://{HOST}/keys/outlay"), client).wrap(DATA_KEY, PLACE)
