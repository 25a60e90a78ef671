"""Where the master key comes from, and that a file of it is made once, for one pair of eyes."""

import base64
import multiprocessing
import os
import stat
import threading
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from pydantic import SecretStr

from outlay.vault import VaultError, decode_key, new_key, open_vault
from outlay.vault.key_setup import KEY_FILE_NAME

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


def key_file(path: Path, text: str = KEY, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_new_key_is_urlsafe_base64_of_32_bytes_and_never_the_same() -> None:
    assert len(base64.urlsafe_b64decode(new_key())) == 32
    assert new_key() != new_key()


@pytest.mark.parametrize("text", [KEY, KEY.rstrip("="), f" {KEY}\n"])
def test_padding_and_space_around_do_not_matter(text: str) -> None:
    assert decode_key(text) == bytes(range(32))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        KEY[:-4],
        KEY + "AA",
        KEY + "==",
        KEY.replace("A", "+", 1),
        KEY[:-2] + "9",
        KEY[:10] + " " + KEY[10:],
    ],
)
def test_a_malformed_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(VaultError, match=r"outlay vault new-key|last character") as refused:
        decode_key(text)
    assert not text or text not in str(refused.value)


def test_the_environment_comes_before_the_file_before_the_first_start(tmp_path: Path) -> None:
    other = key_file(tmp_path / "other", new_key())
    by_value = open_vault(data_dir=tmp_path / "data", master_key=SecretStr(KEY), master_key_file=other)
    by_file = open_vault(data_dir=tmp_path / "data", master_key_file=other)
    assert not (tmp_path / "data").exists()
    made = open_vault(data_dir=tmp_path / "data")
    assert len({by_value.key_id, by_file.key_id, made.key_id}) == 3
    assert by_value.source == "OUTLAY_MASTER_KEY"
    assert made.source == str(tmp_path / "data" / KEY_FILE_NAME)


def test_the_first_start_makes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first = open_vault(data_dir=tmp_path / "data")
    finally:
        os.umask(before)
    path = tmp_path / "data" / KEY_FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == [KEY_FILE_NAME]
    assert open_vault(data_dir=tmp_path / "data").key_id == first.key_id


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o622])
@pytest.mark.parametrize("named", [True, False])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int, named: bool
) -> None:
    path = key_file(tmp_path / KEY_FILE_NAME, mode=mode)
    with pytest.raises(VaultError, match=f"chmod 600 .*{KEY_FILE_NAME}"):
        open_vault(data_dir=tmp_path, master_key_file=path if named else None)


@pytest.mark.parametrize("text", ["", "not a key", KEY + "\nnot a key", "é" * 43])
def test_a_malformed_file_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = key_file(tmp_path / KEY_FILE_NAME, text)
    with pytest.raises(VaultError, match=f"{KEY_FILE_NAME}: a master key is"):
        open_vault(data_dir=tmp_path)
    assert path.read_text() == text


def test_a_named_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="does not exist"):
        open_vault(data_dir=tmp_path, master_key_file=tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_pipe_or_folder_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(VaultError, match="not a file"):
            open_vault(data_dir=tmp_path, master_key_file=path)


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    blocker = key_file(tmp_path / "file")
    with pytest.raises(VaultError, match="cannot be made"):
        open_vault(data_dir=blocker / "data")


def test_a_disk_without_hard_links_is_told_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    with pytest.raises(VaultError, match="set OUTLAY_MASTER_KEY"):
        open_vault(data_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_log_hears_of_the_master_key_too(tmp_path: Path) -> None:
    heard: list[str] = []
    open_vault(data_dir=tmp_path, master_key=SecretStr(KEY), on_secret=heard.append)
    assert heard == [KEY.rstrip("=")]


def _start(data_dir: Path, barrier: Barrier, found: "multiprocessing.Queue[str]") -> None:
    barrier.wait(60)
    found.put(open_vault(data_dir=data_dir).key_id)


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, found = spawn.Barrier(2), spawn.Queue()
    starters = [spawn.Process(target=_start, args=(tmp_path / "data", barrier, found)) for _ in range(2)]
    for starter in starters:
        starter.start()
    ids = {found.get(timeout=60) for _ in starters}
    for starter in starters:
        starter.join(30)
    assert ids == {open_vault(data_dir=tmp_path / "data").key_id}


def test_the_loser_of_a_race_takes_the_winners_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every thread has seen that there is no file before any of them makes it."""
    together = threading.Barrier(8)
    look, ids = os.path.lexists, []

    def all_look_first(path: Path) -> bool:
        seen = look(path)
        together.wait(30)
        return seen

    monkeypatch.setattr("os.path.lexists", all_look_first)
    threads = [
        threading.Thread(target=lambda: ids.append(open_vault(data_dir=tmp_path / "data").key_id)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert os.listdir(tmp_path / "data") == [KEY_FILE_NAME]


@pytest.mark.parametrize(("mode", "taken"), [(0o440, True), (0o640, True), (0o444, False), (0o660, False)])
def test_a_mounted_secret_of_another_owner_may_be_lent_to_our_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, taken: bool
) -> None:
    path = key_file(tmp_path / "mounted", mode=mode)
    owner = path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    if taken:
        assert open_vault(data_dir=tmp_path, master_key_file=path).key_id
    else:
        with pytest.raises(VaultError, match="open to others"):
            open_vault(data_dir=tmp_path, master_key_file=path)


def test_a_malformed_key_in_the_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=r"^OUTLAY_MASTER_KEY: a master key is"):
        open_vault(data_dir=tmp_path, master_key=SecretStr("planted"))
