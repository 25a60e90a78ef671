"""Authentication at Linear: a personal key with every request, or an app's OAuth token, renewed when it is refused.

Only one token of an app is valid at a time: requesting another revokes the first. So the host stores it for all
replicas.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from outlay.plugin import NeedsReauth, Permanent, SendingClient, TokenStore
from outlay_plugins._linear.config import LinearConfig
from outlay_plugins._linear.graphql import execute_graphql

SCOPES = "read,write,issues:create,comments:create"
TOKEN = "access_token"  # noqa: S105  the name it is stored under
TOKEN_PATH = "/oauth/token"  # noqa: S105


class LinearSession:
    """Authenticated GraphQL requests of one connection."""

    def __init__(self, config: LinearConfig, http: SendingClient, kept: TokenStore | None) -> None:
        self._config, self._http, self._kept = config, http, kept

    async def ask(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request; if an app's token is refused, renew it and repeat, since nothing was done then."""
        kept, path = self._kept, self._config.endpoint or "/"
        if self._config.api_key is not None or kept is None:
            return await execute_graphql(self._http, path, document, variables, None)
        token = await kept.get(TOKEN) or await kept.renew(TOKEN, None, self._new_token)
        try:
            return await execute_graphql(self._http, path, document, variables, token)
        except NeedsReauth as error:
            if error.status == 403:
                raise  # the token is valid, but lacks the permission
            token = await kept.renew(TOKEN, token, self._new_token)
            return await execute_graphql(self._http, path, document, variables, token)

    async def _new_token(self) -> str:
        secret = self._config.client_secret.get_secret_value() if self._config.client_secret else ""
        form = {"grant_type": "client_credentials", "scope": SCOPES, "client_id": self._config.client_id}
        sent = await self._http.send(
            "POST",
            TOKEN_PATH,
            content=urlencode(form | {"client_secret": secret}).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            secrets=(secret,),
        )
        if sent.status in (400, 401, 403):
            raise NeedsReauth("Linear does not accept the client ID and secret.", status=sent.status)
        self._http.raise_for(sent)
        try:
            return str(json.loads(sent.body)["access_token"])
        except (ValueError, TypeError, KeyError):
            raise Permanent("Linear gave out no token where it should have.") from None
