"""Sealing and opening: the right place opens, every other place, key or byte does not, and nothing shows."""

import asyncio
import base64
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from outlay.vault import Vault, VaultError, key_id_of
from outlay.vault.local_key import LocalKey, derive
from outlay.vault.vault import MAX_SECRET_BYTES

SECRET = "sk-or-v1-4f0c9a1be77d40d2a51c3f9"  # 32 characters


def a_vault(master: bytes = b"m" * 32, on_secret: Callable[[str], None] | None = None) -> Vault:
    return Vault(LocalKey(master), derive(master, "fingerprints"), on_secret=on_secret)


PLACES = st.tuples(*[st.text(min_size=1, max_size=30)] * 3)
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@settings(deadline=None)
@given(place=PLACES, secret=SECRETS)
def test_what_is_sealed_opens_in_its_place(place: tuple[str, str, str], secret: str) -> None:
    async def there_and_back() -> str:
        vault = a_vault()
        return (await vault.open(*place, await vault.seal(*place, secret))).get_secret_value()

    assert asyncio.run(there_and_back()) == secret


@settings(deadline=None)
@given(place=PLACES, other=PLACES)
def test_another_place_does_not_open_it(place: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    async def elsewhere() -> None:
        vault = a_vault()
        blob = await vault.seal(*place, SECRET)
        if other != place:
            with pytest.raises(VaultError, match="connect again"):
                await vault.open(*other, blob)

    asyncio.run(elsewhere())


@pytest.mark.parametrize(
    ("sealed_for", "opened_for"),
    [
        (("T1", "7", "key"), ("T2", "7", "key")),
        (("T1", "7", "key"), ("T1", "8", "key")),
        (("T1", "7", "key"), ("T1", "7", "admin_key")),
        (("a|b", "c", "d"), ("a", "b|c", "d")),
        (('a","b', "c", "d"), ("a", 'b","c', "d")),
    ],
)
async def test_places_that_look_alike_are_not_the_same(
    sealed_for: tuple[str, str, str], opened_for: tuple[str, str, str]
) -> None:
    vault = a_vault()
    blob = await vault.seal(*sealed_for, SECRET)
    with pytest.raises(VaultError):
        await vault.open(*opened_for, blob)


@pytest.mark.parametrize("spare_bits", [0, 2, 4])
async def test_every_flipped_bit_is_noticed_and_tells_nothing(spare_bits: int) -> None:
    """Base64 leaves up to four bits of its last character unread; they count as well."""
    vault = a_vault()
    secret = SECRET[: {0: 32, 2: 31, 4: 30}[spare_bits]]
    blob = await vault.seal("T1", "7", "key", secret)
    for position in range(len(blob)):
        for bit in range(8):
            changed = bytearray(blob)
            changed[position] ^= 1 << bit
            with pytest.raises(VaultError) as refused:
                await vault.open("T1", "7", "key", bytes(changed))
            assert secret[-8:] not in str(refused.value)
            assert refused.value.__cause__ is None


class Careless:
    """A key-encryption key whose backend knows no context, as some do: the secret is still bound to its place."""

    id = "careless:1"

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        return data_key[::-1]

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return wrapped[::-1]


async def test_the_place_is_bound_even_where_the_backend_does_not_bind_it() -> None:
    vault = Vault(Careless(), b"f" * 32)
    blob = await vault.seal("T1", "7", "key", SECRET)
    assert (await vault.open("T1", "7", "key", blob)).get_secret_value() == SECRET
    for place in (("T2", "7", "key"), ("T1", "8", "key"), ("T1", "7", "other")):
        with pytest.raises(VaultError):
            await vault.open(*place, blob)


async def test_the_local_key_unwraps_in_the_same_context_only() -> None:
    key = LocalKey(b"m" * 32)
    wrapped = await key.wrap(b"d" * 32, {"workspace": "T1", "field": "key"})
    assert await key.unwrap(wrapped, {"field": "key", "workspace": "T1"}) == b"d" * 32
    for changed in (wrapped[:-1], wrapped[:5], b""):
        with pytest.raises(VaultError):
            await key.unwrap(changed, {"workspace": "T1", "field": "key"})
    with pytest.raises(VaultError):
        await key.unwrap(wrapped, {"workspace": "T2", "field": "key"})


def test_a_local_key_has_32_bytes() -> None:
    with pytest.raises(VaultError, match="32 bytes"):
        LocalKey(b"short")


async def test_an_id_that_the_blob_cannot_hold_is_refused() -> None:
    careless = Careless()
    careless.id = "two$parts"
    with pytest.raises(VaultError, match="id"):
        await Vault(careless, b"f" * 32).seal("T1", "7", "key", SECRET)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_our_own_words(junk: bytes) -> None:
    with pytest.raises(VaultError):
        asyncio.run(a_vault().open("T1", "7", "key", junk))


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"A", lambda b: b + b"\n", lambda b: b * 4000])
async def test_a_cut_or_longer_blob_is_refused(change: Callable[[bytes], bytes]) -> None:
    vault = a_vault()
    blob = await vault.seal("T1", "7", "key", SECRET)
    with pytest.raises(VaultError):
        await vault.open("T1", "7", "key", change(blob))


async def test_a_form_of_a_newer_version_is_named_as_such() -> None:
    vault = a_vault()
    blob = await vault.seal("T1", "7", "key", SECRET)
    with pytest.raises(VaultError, match="form 2"):
        await vault.open("T1", "7", "key", blob.replace(b"outlay$1$", b"outlay$2$"))


async def test_parts_of_two_blobs_do_not_mix() -> None:
    vault = a_vault()
    first = (await vault.seal("T1", "7", "key", SECRET)).split(b"$")
    second = (await vault.seal("T1", "7", "key", SECRET)).split(b"$")
    for part in (3, 4, 5):
        mixed = [*first[:part], second[part], *first[part + 1 :]]
        with pytest.raises(VaultError):
            await vault.open("T1", "7", "key", b"$".join(mixed))


async def test_a_stolen_blob_holds_nothing_of_the_secret() -> None:
    vault = a_vault()
    blob = await vault.seal("T1", "7", "key", SECRET)
    raw = b"".join(base64.urlsafe_b64decode(part + b"===") for part in blob.split(b"$")[3:])
    for start in range(len(SECRET) - 5):
        piece = SECRET[start : start + 6].encode()
        assert piece not in blob
        assert piece not in raw
    assert await vault.seal("T1", "7", "key", SECRET) != blob


async def test_another_master_key_says_which_one_is_missing() -> None:
    lost, now = a_vault(b"a" * 32), a_vault(b"b" * 32)
    blob = await lost.seal("T1", "7", "key", SECRET)
    with pytest.raises(VaultError, match="under another master key") as refused:
        await now.open("T1", "7", "key", blob)
    assert lost.key_id in str(refused.value)
    assert key_id_of(blob) == lost.key_id != now.key_id


async def test_moving_to_a_workspace_leaves_the_old_place_behind() -> None:
    vault = a_vault()
    blob = await vault.seal("local", "7", "key", SecretStr(SECRET))
    moved = await vault.move(blob, "7", "key", from_workspace_id="local", to_workspace_id="T1")
    assert (await vault.open("T1", "7", "key", moved)).get_secret_value() == SECRET
    with pytest.raises(VaultError):
        await vault.open("local", "7", "key", moved)


@pytest.mark.parametrize("secret", ["", "x" * (MAX_SECRET_BYTES + 1), "half a pair \udc80 of sk-or-v1"])
async def test_what_cannot_be_a_credential_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(VaultError) as refused:
        await a_vault().seal("T1", "7", "key", secret)
    assert "sk-or-v1" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_a_secret_without_a_place_is_refused() -> None:
    with pytest.raises(VaultError, match="belong"):
        await a_vault().seal("", "7", "key", SECRET)


async def test_the_log_hears_of_each_secret_that_passes() -> None:
    heard: list[str] = []
    vault = a_vault(on_secret=heard.append)
    blob = await vault.seal("T1", "7", "key", SECRET)
    assert heard == [SECRET]
    await vault.open("T1", "7", "key", blob)
    assert heard == [SECRET, SECRET]


def test_nothing_shows_in_a_repr() -> None:
    master = b"m" * 32
    vault = a_vault(master)
    assert "mmmm" not in repr(vault) + repr(LocalKey(master)) + repr(vars(vault))


class TestFingerprint:
    def test_is_the_last_four_and_a_digest(self) -> None:
        shown = a_vault().fingerprint(SECRET)
        assert shown.startswith("…c3f9 (")
        assert len(shown) == len("…c3f9 (5d1e-88a0)")

    def test_is_the_same_for_the_same_secret_and_key_only(self) -> None:
        assert a_vault().fingerprint(SECRET) == a_vault().fingerprint(SECRET)
        assert a_vault().fingerprint(SECRET) != a_vault(b"n" * 32).fingerprint(SECRET)
        assert a_vault().fingerprint("x" + SECRET) != a_vault().fingerprint(SECRET)

    @pytest.mark.parametrize("secret", ["hunter2-abcd", "sk-1234", "sk-or-v1-aaaaaaaaaaaaaaaaaaaa<&>", "ü" * 40])
    def test_shows_no_characters_of_a_short_or_odd_one(self, secret: str) -> None:
        shown = a_vault().fingerprint(secret)
        assert shown.startswith("(")
        assert secret[-2:] not in shown
