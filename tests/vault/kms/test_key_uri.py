"""Which URIs name a key, and which keys are at hand then."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from outlay.vault import VaultError, new_key, open_vault
from outlay.vault.envelope import Envelope, decode_envelope, encode_envelope
from outlay.vault.kms import EXTRAS
from outlay.vault.kms import parse_kms_uri as parse_uri

AWS = "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GCP = "gcp-kms://projects/acme/locations/europe-west1/keyRings/outlay/cryptoKeys/main"
AZURE = "azure-kv://acme.vault.azure.net/keys/outlay"
TRANSIT = "vault-transit://vault.example:8200/transit/outlay"


@pytest.mark.parametrize("uri", [AWS, GCP, AZURE, TRANSIT, "vault-transit:///team/transit/outlay"])
def test_a_key_has_an_id_that_a_stored_secret_can_hold(uri: str) -> None:
    address = parse_uri(uri)
    assert address.id == uri.replace("://", ":")
    assert decode_envelope(encode_envelope(Envelope(address.id, b"w", b"n", b"c"))).key_id == address.id


def test_how_it_is_reached_is_no_part_of_its_name() -> None:
    address = parse_uri(f"{AWS}?region=eu-west-1&endpoint=https://vpce-1.kms.eu-west-1.vpce.amazonaws.com")
    assert address.id == parse_uri(AWS).id
    assert address.options["region"] == "eu-west-1"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("arn:aws:kms:eu-west-1:111122223333:key/1", "wants the URI of a key"),
        ("s3://bucket", "wants the URI of a key"),
        ("aws-kms://arn:aws:kms:eu-west-1:111122223333:alias/outlay", "not an alias"),
        ("aws-kms://arn:aws:s3:::bucket", "wants aws-kms"),
        (f"{AWS}?profile=x", "knows no option 'profile'"),
        (f"{AWS}?endpoint=http://kms.example", "wants https"),
        (f"{AWS}?region=a b", "wants a region"),
        (f"{GCP}/cryptoKeyVersions/1", "without a version"),
        ("azure-kv://acme.evil.example/keys/outlay", "wants azure-kv"),
        (f"{AZURE}/0123456789abcdef", "without a version"),
        ("vault-transit://vault.example/outlay", "MOUNT/KEY"),
        ("vault-transit://vault.example/../sys/seal", "MOUNT/KEY"),
        (f"{TRANSIT}?token=x", "has none"),
    ],
)
def test_what_names_no_key_is_refused_and_says_what_would(uri: str, said: str) -> None:
    with pytest.raises(VaultError) as refused:
        parse_uri(uri)
    assert said in str(refused.value)


def test_the_key_of_the_service_seals_and_a_master_key_that_is_there_still_opens(tmp_path: Path) -> None:
    alone = open_vault(data_dir=tmp_path, kms_uris=TRANSIT)
    assert alone.key_ids == (TRANSIT.replace("://", ":"),)
    assert alone.key_file is None
    assert list(tmp_path.iterdir()) == []  # no master key is made beside it

    local = open_vault(data_dir=tmp_path)
    behind = open_vault(data_dir=tmp_path, kms_uris=TRANSIT)
    assert behind.key_ids == (alone.key_id, local.key_id)
    assert (behind.key_file, behind.source) == (None, "OUTLAY_KMS_KEY")
    assert behind.fingerprint("x") == local.fingerprint("x") != alone.fingerprint("x")

    before = open_vault(data_dir=tmp_path, kms_uris=f"local,{TRANSIT}")
    assert before.key_ids == (local.key_id, alone.key_id)
    assert before.key_file == tmp_path / "master.key"
    by_value = open_vault(data_dir=tmp_path, kms_uris=TRANSIT, master_key=SecretStr(new_key()))
    assert by_value.key_ids[1] not in (local.key_id, alone.key_id)


@pytest.mark.parametrize("uris", [f"{TRANSIT},{TRANSIT}", "local,local", f"{TRANSIT},", ",".join(["local"] * 9)])
def test_a_list_that_cannot_be_meant_is_refused(uris: str, tmp_path: Path) -> None:
    with pytest.raises(VaultError):
        open_vault(data_dir=tmp_path, kms_uris=uris)


@pytest.mark.parametrize(("uri", "extra"), [(AWS, "aws"), (GCP, "gcp"), (AZURE, "azure")])
def test_a_client_that_is_not_installed_is_named_in_one_line(
    uri: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = uri.partition(":")[0]
    monkeypatch.setitem(EXTRAS, scheme, ("no_such_package.kms", extra))
    with pytest.raises(VaultError) as refused:
        open_vault(data_dir=tmp_path, kms_uris=uri)
    assert f'pip install "outlay[{extra}]"' in str(refused.value)
    assert "\n" not in str(refused.value)
