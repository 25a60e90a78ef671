"""Secrets that lie elsewhere: what may be pointed to, from where, and that refusals from Slack tell nothing."""

import os
from pathlib import Path

import pytest

from outlay.plugin.secret_references import MAX_SECRET_BYTES, REFUSED, AllowedReferences, resolve_reference

SECRET = "sk-form-0123456789abcdef"


def test_a_value_stands_for_itself() -> None:
    assert resolve_reference(f" {SECRET}\n", {}) == SECRET


def test_a_secret_may_lie_in_the_environment() -> None:
    assert resolve_reference(" env:OPENROUTER_KEY ", {"OPENROUTER_KEY": f"{SECRET}\n"}) == SECRET


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:MISSING", "MISSING is not set"),
        ("env:BLANK", "BLANK is not set"),
        ("env:", "name of an environment variable"),
        ("env:two words", "name of an environment variable"),
        ("env:SLACK_BOT_TOKEN", "belongs to Outlay itself"),
        ("env:slack_bot_token", "belongs to Outlay itself"),
        ("env:OUTLAY_MASTER_KEY", "belongs to Outlay itself"),
    ],
)
def test_a_reference_to_the_environment_that_leads_nowhere(reference: str, words: str) -> None:
    environ = {"BLANK": " ", "SLACK_BOT_TOKEN": SECRET, "slack_bot_token": SECRET, "OUTLAY_MASTER_KEY": SECRET}
    with pytest.raises(ValueError, match=words) as caught:
        resolve_reference(reference, environ)
    assert SECRET not in str(caught.value)


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    assert resolve_reference(f"file:{path}", {}) == SECRET
    assert resolve_reference(f"file://{path}", {}) == SECRET


def test_a_file_that_holds_no_credential(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content, words in (
        (b"", "one line"),
        (b"\n\n", "one line"),
        (f"{SECRET}\n{SECRET}".encode(), "one line"),
        (b"\x00\xff", "one line"),
        (b"k" * (MAX_SECRET_BYTES + 1), "longer than a credential"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words) as caught:
            resolve_reference(f"file:{path}", {})
        assert SECRET not in str(caught.value)
    for place, words in (
        (str(tmp_path / "none"), "There is no file"),
        (str(tmp_path), "There is no file"),
        ("relative/key", "whole path"),
        ("", "whole path"),
        ("/a\x00b", "There is no file"),
    ):
        with pytest.raises(ValueError, match=words):
            resolve_reference(f"file:{place}", {})


def test_outlay_s_own_files_are_not_lent_by_any_name(tmp_path: Path) -> None:
    own = tmp_path / "master.key"
    own.write_text(SECRET)
    (tmp_path / "soft").symlink_to(own)
    os.link(own, tmp_path / "hard")
    for name in ("master.key", "soft", "hard", "../" + tmp_path.name + "/master.key"):
        with pytest.raises(ValueError, match="belongs to Outlay itself"):
            resolve_reference(f"file:{tmp_path / name}", {}, [tmp_path / "not-there", own])


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match="Permission denied"):
        resolve_reference(f"file:{path}", {})


KEY_SERVICES = [
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
    *("AZURE_CLIENT_SECRET", "IDENTITY_HEADER", "MSI_SECRET", "VAULT_TOKEN", "BAO_TOKEN", "PGPASSWORD"),
    *("SLACK_CLIENT_SECRET", "OUTLAY_DATABASE_URL"),
]


@pytest.mark.parametrize("name", KEY_SERVICES)
def test_variables_of_the_key_services_are_never_lent(name: str) -> None:
    for listed in (None, AllowedReferences(frozenset({name}))):
        with pytest.raises(ValueError, match=r"not lent|From Slack") as caught:
            resolve_reference(f"env:{name}", {name: SECRET}, listed=listed)
        assert SECRET not in str(caught.value)
    with pytest.raises(ValueError, match=name):
        AllowedReferences.of({name})


@pytest.mark.parametrize(
    "place", [".vault-token", ".aws/credentials", ".azure/token.json", ".config/gcloud/credentials", ".pgpass"]
)
def test_token_files_of_the_key_services_are_never_lent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SECRET)
    (tmp_path / "soft").symlink_to(path)
    for name in (place, "soft"):
        for listed in (None, AllowedReferences(places=(tmp_path,))):
            with pytest.raises(ValueError, match=r"not lent|From Slack"):
                resolve_reference(f"file:{tmp_path / name}", {}, listed=listed)


@pytest.mark.parametrize("name", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "VAULT_CLIENT_KEY"])
def test_a_file_that_a_key_service_s_variable_names_is_never_lent(tmp_path: Path, name: str) -> None:
    path = tmp_path / "token"
    path.write_text(SECRET)
    with pytest.raises(ValueError, match="not lent"):
        resolve_reference(f"file:{path}", {name: str(path)})


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/self/cmdline", "/sys/kernel/uevent_seqnum"])
def test_what_the_kernel_tells_is_no_credential(path: str) -> None:
    if not Path(path).exists():
        pytest.skip("no such file on this system")
    with pytest.raises(ValueError, match="not lent"):
        resolve_reference(f"file:{path}", {})


def test_slack_may_use_what_is_listed(tmp_path: Path) -> None:
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "key").write_text(SECRET)
    listed = AllowedReferences.of({"OPENROUTER_KEY", str(tmp_path / "lent")})
    assert resolve_reference("env:OPENROUTER_KEY", {"OPENROUTER_KEY": SECRET}, listed=listed) == SECRET
    assert resolve_reference(f"file:{tmp_path / 'lent' / 'key'}", {}, listed=listed) == SECRET
    assert resolve_reference(SECRET, {}, listed=AllowedReferences()) == SECRET


def test_every_refusal_to_slack_has_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "own").write_text(SECRET)
    (tmp_path / "lent" / "long").write_text(SECRET * 1_000)
    (tmp_path / "lent" / "out").symlink_to(tmp_path / "key")
    (tmp_path / "lent" / "loop").symlink_to(tmp_path / "lent" / "loop")
    (tmp_path / "key").write_text(SECRET)
    environ = {"OTHER": SECRET, "VAULT_TOKEN": SECRET, "EMPTY": ""}
    said = set()
    for reference in (
        *("env:OTHER", "env:NOWHERE", "env:EMPTY", "env:VAULT_TOKEN", "env:OUTLAY_MASTER_KEY", "env:", "env:a b"),
        *(f"file:{tmp_path / 'key'}", f"file:{tmp_path / 'none'}", "file:key", "file:", "file:/a\x00b"),
        *(f"file:{tmp_path / 'lent' / name}" for name in ("none", "own", "long", "out", "loop", "../key", "")),
        *("file:/proc/self/environ", "file:/proc/self/root/etc/hostname"),
    ):
        with pytest.raises(ValueError, match=r".") as caught:
            resolve_reference(
                reference,
                environ,
                [tmp_path / "lent" / "own"],
                AllowedReferences.of({"EMPTY", "GONE", str(tmp_path / "lent")}),
            )
        said.add(str(caught.value))
    assert said == {REFUSED}
