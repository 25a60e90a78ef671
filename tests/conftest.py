"""Fixtures for every test. Kept small: fixtures of one folder live in that folder."""

import pytest

pytest_plugins = ["tests.request_audit_plugin", "tests.postgres_plugin", "tests.books_plugin"]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove proxy settings: every server that a test talks to is on loopback."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
