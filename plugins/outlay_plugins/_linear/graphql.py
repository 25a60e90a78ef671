"""GraphQL transport to Linear: gql over the host's guarded client, and Linear's errors as plugin errors.

Linear reports errors in two places, the HTTP status and the `errors` of an answer, which do not always agree: a rate
limit may come with 400 or with 200. So the code in the body decides first, and the status only where there is none.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outlay.plugin import NeedsReauth, Permanent, PluginError, SendingClient, Sent, Transient

if TYPE_CHECKING:
    from gql.transport import AsyncTransport
    from graphql import ExecutionResult

LONGEST_WAIT_SECONDS = 3_600.0
_BUCKETS = ("requests", "complexity", "endpoint-requests")
_AUTHENTICATION = frozenset({"authentication error", "forbidden"})
_PASSING = frozenset({"internal error", "lock timeout", "network error"})
_CONFLICT = "conflict on insert of "
_NOT_FOUND = "entity not found: "


class LinearRefused(Permanent):
    """Raised when Linear refuses a request.

    conflict  the type of entity of which this id exists already, or "".
    missing   the type of entity that Linear cannot find, or "".
    """

    conflict = ""
    missing = ""


async def execute_graphql(
    http: SendingClient, path: str, document: str, variables: Mapping[str, Any], token: str | None
) -> dict[str, Any]:
    """Send a GraphQL document and return its data. Raises one of the five errors, among them Refused."""
    from gql import Client, GraphQLRequest  # late: it takes half a second
    from gql.transport.exceptions import TransportQueryError

    transport = _transport(http, path, token)
    request = GraphQLRequest(document, variable_values=dict(variables))
    async with Client(transport=transport, execute_timeout=None) as session:
        try:
            data = await session.execute(request)
        except TransportQueryError as error:
            sent: Sent = transport.sent  # type: ignore[attr-defined]
            raise error_of(error.errors or [], sent, http) from None
    if not isinstance(data, dict) or any(value is None for name, value in data.items() if name != "issue"):
        raise Permanent(f"{http.who} answered with something else than it was asked for.")
    return data


def _transport(http: SendingClient, path: str, token: str | None) -> "AsyncTransport":
    """Build a gql transport that sends through the guarded client alone, and only once."""
    from gql import GraphQLRequest
    from gql.transport import AsyncTransport
    from graphql import ExecutionResult

    class Guarded(AsyncTransport):
        sent: Sent

        async def connect(self) -> None:
            """Do nothing: the client belongs to the host."""

        async def close(self) -> None:
            """Do nothing: the client belongs to the host."""

        async def execute(self, request: GraphQLRequest, *_: Any, **__: Any) -> ExecutionResult:
            headers = {"Authorization": f"Bearer {token}"} if token else None
            secrets = (token,) if token else ()
            self.sent = await http.send("POST", path, json=request.payload, headers=headers, secrets=secrets)
            return result_of(self.sent, http)

        def subscribe(self, request: GraphQLRequest, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("nothing is subscribed to")

    return Guarded()


def result_of(sent: Sent, http: SendingClient) -> "ExecutionResult":
    """Parse a response as a GraphQL result. Raises by its status if it is none."""
    from graphql import ExecutionResult

    if sent.status == 429:
        raise http.limited(sent, wait_seconds(sent.headers, http.now().timestamp()))
    try:
        answer = sent.json(http.who)
    except PluginError:
        http.raise_for(sent)
        raise
    if not isinstance(answer, dict) or not ({"data", "errors"} & answer.keys()):
        http.raise_for(sent)
        raise Permanent(f"{http.who} answered with something that is no GraphQL. Is the base URL right?")
    errors = answer.get("errors")
    return ExecutionResult(data=answer.get("data"), errors=errors if isinstance(errors, list) and errors else None)


def error_of(errors: Sequence[Any], sent: Sent, http: SendingClient) -> PluginError:
    """Convert the first GraphQL error of an answer to a plugin error."""
    first = errors[0] if errors and isinstance(errors[0], dict) else {}
    said = first.get("extensions")
    extensions: dict[str, Any] = said if isinstance(said, dict) else {}
    message = str(first.get("message") or "")
    code, kind = str(extensions.get("code") or "").upper(), str(extensions.get("type") or "").lower()
    told = http.tidy_words(str(extensions.get("userPresentableMessage") or message)) or "no reason given"
    if code == "RATELIMITED" or kind == "ratelimited":
        return http.limited(sent, wait_seconds(sent.headers, http.now().timestamp()))
    if code in ("AUTHENTICATION_ERROR", "FORBIDDEN") or kind in _AUTHENTICATION or sent.status in (401, 403):
        return NeedsReauth(f'Linear does not accept the credential for this: "{told}"', status=sent.status)
    refused = LinearRefused(f'Linear refused: "{told}"', status=sent.status)
    lowered = message.lower()
    if lowered.startswith(_CONFLICT):
        refused.conflict = lowered.removeprefix(_CONFLICT).strip()
    elif lowered.startswith(_NOT_FOUND):
        refused.missing = lowered.removeprefix(_NOT_FOUND).split(" ")[0].strip(".")
    elif kind in _PASSING or code == "INTERNAL_SERVER_ERROR" or sent.status >= 500:
        return Transient(f'Linear has trouble of its own: "{told}"', status=sent.status)
    return refused


def wait_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until the last exhausted rate limit is refilled, an hour at most.

    None: Linear does not say.
    """
    resets = []
    for bucket in _BUCKETS:
        remaining, reset = (headers.get(f"x-ratelimit-{bucket}-{name}", "") for name in ("remaining", "reset"))
        if remaining.strip() == "0" and reset.strip().isdigit():
            resets.append(int(reset) / 1000 - now)  # Linear sends milliseconds since 1970
    if resets:
        return min(max(resets), LONGEST_WAIT_SECONDS)
    after = headers.get("retry-after", "").strip()
    return min(float(after), LONGEST_WAIT_SECONDS) if after.isdigit() else None
