"""Bolt and the SDK read SLACK_… from the environment on their own; settings are read in one place only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_slack_environment() -> Iterator[None]:
    """For the moment in which their objects are made, these are out of their sight: a token to warn about, a client id
    to start OAuth with."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SLACK_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
