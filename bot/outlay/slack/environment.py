"""Isolation from SLACK_… variables, which Bolt and the SDK read by themselves; settings are read in one place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_slack_environment() -> Iterator[None]:
    """Hide every SLACK_… environment variable in the `with` block, in which Bolt's and the SDK's objects are made.

    Otherwise a token makes them warn, and a client id makes them start OAuth.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SLACK_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
