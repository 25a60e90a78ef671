"""What runs on the clock, on real books: the shelves of `tests.books` lend them here too."""

from tests.books.conftest import books, database, empty_books, server

__all__ = ["books", "database", "empty_books", "server"]
