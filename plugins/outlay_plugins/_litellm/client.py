"""LiteLLM API client: an outage of its database is a transient error, whatever status a version gives it.

LiteLLM looks keys up in its database. So several versions answer an outage with 401, as if the key had been revoked.
"""

from typing import Any

from outlay.plugin import Context, NeedsReauth, Transient

_DATABASE_WORDS = ("prisma", "database", "no connected db", "connection attempts")


async def get_json(context: Context, path: str, params: dict[str, str | int] | None = None) -> Any:
    """Fetch the JSON at a path. Raises one of the five errors."""
    try:
        return await context.http.get(path, params)
    except NeedsReauth as error:
        if any(word in str(error).lower() for word in _DATABASE_WORDS):
            raise Transient("LiteLLM has no connection to its database now.", status=error.status) from None
        raise
