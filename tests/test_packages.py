"""The packages and their arrows: the picture in the docs is what the imports say, and no files import in a circle."""

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


def test_no_files_import_each_other_in_a_circle() -> None:
    assert packages.cycles(packages.imports_of_files()) == []


def test_a_circle_is_found_however_long() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}

    assert packages.cycles(graph) == [["a", "b", "c"], ["d", "e"]]
