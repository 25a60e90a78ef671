"""AWS KMS with the real boto3 client against the moto server; what moto does not refuse, with botocore's own stubber.

Skipped unless boto3 and moto are installed (tests/README.md says how); the product itself needs neither.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from outlay.core.clock import FakeClock
from outlay.vault import Vault, VaultError, key_id_of
from outlay.vault.errors import VaultUnavailableError
from outlay.vault.kms import kms_key, parse_kms_uri
from outlay.vault.kms.aws import AwsKms

boto3 = pytest.importorskip("boto3", reason="needs boto3: see tests/README.md")
moto_server = pytest.importorskip("moto.server", reason="needs moto[server]: see tests/README.md")

pytestmark = pytest.mark.key_services
PLACE = {"workspace": "T1", "owner": "7", "field": "api_key"}
DATA_KEY = b"d" * 32
SECRET = "sk-or-v1-0123456789"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The server's address."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def client(endpoint: str) -> Any:
    return boto3.client("kms", region_name="eu-west-1", endpoint_url=endpoint)


@pytest.fixture
def uri(moto: str) -> str:
    """A key, as OUTLAY_KMS_KEY names it."""
    arn = client(moto).create_key()["KeyMetadata"]["Arn"]
    return f"aws-kms://{arn}?endpoint={moto}"


async def test_a_secret_is_sealed_opened_and_bound_to_its_place(uri: str) -> None:
    vault = Vault(kms_key(parse_kms_uri(uri), clock=FakeClock(datetime(2026, 11, 21, tzinfo=UTC))), b"f" * 32)
    blob = await vault.seal("T1", "7", "api_key", SECRET)
    assert key_id_of(blob).startswith("aws-kms:arn:aws:kms:eu-west-1:")
    again = Vault(kms_key(parse_kms_uri(uri)), b"f" * 32)  # another process: nothing is held
    assert (await again.open("T1", "7", "api_key", blob)).get_secret_value() == SECRET
    for place in (("T2", "7", "api_key"), ("T1", "8", "api_key"), ("T1", "7", "other")):
        with pytest.raises(VaultError, match="another place"):
            await again.open(*place, blob)


async def test_the_encryption_context_is_amazons_to_check(uri: str, moto: str) -> None:
    key = AwsKms(parse_kms_uri(uri))
    wrapped = await key.wrap(DATA_KEY, PLACE)
    assert await key.unwrap(wrapped, PLACE) == DATA_KEY
    assert client(moto).decrypt(CiphertextBlob=wrapped, EncryptionContext=PLACE)["Plaintext"] == DATA_KEY
    for context in (PLACE | {"workspace": "T2"}, {}):
        with pytest.raises(VaultError, match="damaged or belongs to another place"):
            await key.unwrap(wrapped, context)
    for odd in (b"", b"x", wrapped[:-1] + bytes([wrapped[-1] ^ 1])):
        with pytest.raises(VaultError):
            await key.unwrap(odd, PLACE)


async def test_a_key_that_rotates_there_goes_on_opening_and_a_rotation_moves_to_another_key(
    uri: str, moto: str
) -> None:
    key = AwsKms(parse_kms_uri(uri))
    wrapped = await key.wrap(DATA_KEY, PLACE)
    client(moto).rotate_key_on_demand(KeyId=parse_kms_uri(uri).name)
    assert await key.unwrap(wrapped, PLACE) == DATA_KEY
    other = AwsKms(parse_kms_uri(f"aws-kms://{client(moto).create_key()['KeyMetadata']['Arn']}?endpoint={moto}"))
    assert await other.unwrap(await other.wrap(await key.unwrap(wrapped, PLACE), PLACE), PLACE) == DATA_KEY


async def test_a_key_that_is_not_there_is_named(moto: str) -> None:
    arn = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    with pytest.raises(VaultError, match="knows no key arn:aws:kms"):
        await AwsKms(parse_kms_uri(f"aws-kms://{arn}?endpoint={moto}")).wrap(DATA_KEY, PLACE)


async def test_nobody_there_is_an_outage() -> None:
    with pytest.raises(VaultUnavailableError, match=r"EndpointConnectionError.*nothing is lost"):
        await AwsKms(parse_kms_uri(f"aws-kms://{ARN}?endpoint=http://127.0.0.1:1")).wrap(DATA_KEY, PLACE)


async def test_without_credentials_it_says_what_to_set(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(VaultError, match="usual variables or profile") as refused:
        await AwsKms(parse_kms_uri(uri)).wrap(DATA_KEY, PLACE)
    assert not isinstance(refused.value, VaultUnavailableError)


ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    ("code", "status", "outage", "said"),
    [
        ("DisabledException", 400, False, "disabled or about to be deleted"),  # moto would decrypt
        ("KMSInvalidStateException", 400, False, "disabled or about to be deleted"),
        ("AccessDeniedException", 400, False, "kms:Encrypt and kms:Decrypt"),
        ("ExpiredTokenException", 400, False, "who we say we are"),
        ("IncorrectKeyException", 400, False, "damaged or belongs"),
        ("ThrottlingException", 400, True, "ThrottlingException"),
        ("KMSInternalException", 500, True, "polling is paused"),
        ("ServiceUnavailable", 503, True, "polling is paused"),
        ("SomethingNew", 400, False, "does not know"),
    ],
)
async def test_what_amazon_refuses_is_said_in_words(code: str, status: int, outage: bool, said: str) -> None:
    from botocore.stub import Stubber

    real = client("http://127.0.0.1:1")
    with Stubber(real) as stub:
        stub.add_client_error("decrypt", service_error_code=code, http_status_code=status)
        with pytest.raises(VaultError, match=said) as refused:
            await AwsKms(parse_kms_uri(f"aws-kms://{ARN}"), lambda: real).unwrap(b"wrapped", PLACE)
    assert isinstance(refused.value, VaultUnavailableError) is outage
    assert "\n" not in str(refused.value)
