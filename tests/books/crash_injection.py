"""Injected crash between two statements, as the database sees it: uncommitted changes are lost."""

from typing import Any

from sqlalchemy import event

from tests.books.factories import Books


class CrashError(RuntimeError):
    """The simulated death of the process."""


class Crashing:
    """Raises CrashError at the n-th statement that the books' writers send; a commit counts as one."""

    def __init__(self, books: Books) -> None:
        self.left: int | None = None
        event.listen(books.database.engine.sync_engine, "before_cursor_execute", self.statement)
        event.listen(books.database.engine.sync_engine, "commit", self.commit)

    def statement(self, *_: Any) -> None:
        self.commit()

    def commit(self, *_: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise CrashError
