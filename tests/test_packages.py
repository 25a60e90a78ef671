"""The packages and their arrows: the picture in the docs is what the import statements say."""

from docs import packages


def test_the_picture_of_the_packages_is_not_stale() -> None:
    text = packages.PAGE.read_text(encoding="utf-8")

    assert text == packages.page(), "stale: run .venv/bin/python -m docs.packages"


def test_the_arrows_are_those_of_the_code() -> None:
    graph = packages.imports_of_packages(packages.imports_of_files())

    assert graph["core"] == set()
    assert graph["outlay_plugins"] <= {"plugin", "core"}
    assert {"settings", "plugin", "vault"} <= graph["services"]
    assert "outlay" not in graph, "the package itself is no node"


def test_an_arrow_that_follows_from_others_is_not_drawn() -> None:
    assert packages.reduced({"cli": {"books", "core"}, "books": {"core"}, "core": set()}) == {
        "cli": {"books"},
        "books": {"core"},
        "core": set(),
    }
