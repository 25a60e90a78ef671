"""Installation and state stores for Bolt, in the books: tokens sealed by the vault, states valid once.

Bolt's own stores keep tokens in plain text. Here a token is sealed for its workspace before it is written, and opened
for each use; a copy in memory would outlive an uninstallation that another replica receives.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.error import BoltError
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.core.actor import Actor, acting
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.vault.errors import VaultError
from outlay.vault.vault import Vault
from outlay.workspaces import installations
from outlay.workspaces.store import adopt, others
from outlay.workspaces.tables import Installation as Row

UrlOf = Callable[[str], Awaitable[str]]  # a token → the URL of its Slack workspace


class SlackInstallationStore(AsyncInstallationStore):
    """Bolt's installation store, keyed by team id. Org-wide installations are refused: a tenant is a team.

    The first installation takes over the data of the workspace `local`, if `may_adopt` returns true for its team.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        log: logging.Logger,
        *,
        url_of: UrlOf,
        may_adopt: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._log = log
        self._url_of = url_of
        self._may_adopt = may_adopt

    @property
    def logger(self) -> logging.Logger:
        return self._log

    async def token(self, workspace_id: str) -> str | None:
        """Return the bot token of a workspace; None if it is not installed. Raises VaultError."""
        async with self._database.read() as session:
            row = await installations.get_installation(session, workspace_id)
        return None if row is None else await self._opened(row)

    async def tokens_by_workspace(self) -> dict[str, str]:
        """Return all bot tokens by workspace. Raises VaultError."""
        async with self._database.read() as session:
            rows = await installations.every(session)
        return {workspace.id: await self._opened(row) for workspace, row in rows}

    async def async_save(self, installation: Installation) -> None:
        """Save a new workspace, or the new token of a known one. Raises BoltError, which a page shows as text."""
        team, token, now = installation.team_id, installation.bot_token, self._clock.now()
        if installation.is_enterprise_install or not team or not token:
            raise BoltError("Outlay is installed workspace by workspace, not for a whole organization.")
        url = await self._url_of(token)
        try:
            blob = await self._vault.seal(team, installations.OWNER, installations.FIELD, token)
            who = Actor(installation.user_id or "", "slack", team)
            async with self._database.write() as session:
                with acting(who):
                    name = installation.team_name or ""
                    local = self._may_adopt(team) and not await others(session, team)
                    await adopt(session, self._vault, team, now=now, name=name, url=url, take_local=local)
                    row = Row(
                        workspace_id=team,
                        blob=blob,
                        fingerprint=self._vault.fingerprint(token),
                        scopes=",".join(installation.bot_scopes or ()),
                        bot_id=installation.bot_id or "",
                        bot_user_id=installation.bot_user_id or "",
                        installed_by=who.who,
                        installed_at=int(now.timestamp()),
                    )
                    await installations.keep(session, row)
                    await audit_log.append(
                        session, team, AuditedAction.INSTALL, f"workspace:{team}", now=now, name=name
                    )
        except VaultError as error:
            self._log.error("an installation could not be kept: %s", error)
            raise BoltError("The token could not be sealed.") from None

    async def async_save_bot(self, bot: Bot) -> None:
        """Refuse a rotated token: Bolt calls this for rotation, which the manifest leaves off. Raises BoltError."""
        raise BoltError("Outlay does not rotate its tokens in Slack.")

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """Return the bot token of a workspace in Bolt's type; None if it is not installed."""
        found = await self.async_find_installation(
            enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )
        return None if found is None else found.to_bot()

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """Return the installation of a workspace; None if there is none, or for an organization."""
        if not team_id or is_enterprise_install:
            return None
        async with self._database.read() as session:
            row = await installations.get_installation(session, team_id)
        if row is None:
            return None
        return Installation(
            user_id=row.installed_by,
            team_id=team_id,
            enterprise_id=enterprise_id,
            bot_token=await self._opened(row),
            bot_id=row.bot_id,
            bot_user_id=row.bot_user_id,
            bot_scopes=row.scopes,
            installed_at=float(row.installed_at),
        )

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Delete the token; polls and messages of the workspace end. Its credentials stay sealed."""
        await self.remove_workspace(team_id or "", uninstalled=False)

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """Delete the workspace's installation if `user_id` is None.

        A single user's token needs no work: Outlay has none.
        """
        if user_id is None:
            await self.remove_workspace(team_id or "", uninstalled=False)

    async def remove_workspace(self, workspace_id: str, *, uninstalled: bool) -> None:
        """Record that a workspace has removed the app or revoked its token. Idempotent."""
        now = self._clock.now()
        async with self._database.write() as session:
            with acting(Actor("", "slack", workspace_id)):
                if await installations.uninstall_workspace(session, workspace_id, now, credentials_too=uninstalled):
                    how = "uninstalled" if uninstalled else "revoked"
                    await audit_log.append(
                        session, workspace_id, AuditedAction.LEAVE, f"workspace:{workspace_id}", now=now, how=how
                    )

    async def _opened(self, row: Row) -> str:
        sealed = await self._vault.open(row.workspace_id, installations.OWNER, installations.FIELD, row.blob)
        return sealed.get_secret_value()


class OAuthStateStore(AsyncOAuthStateStore):
    """OAuth state store in the books, so that any replica can finish an installation."""

    def __init__(self, database: Database, clock: Clock, log: logging.Logger) -> None:
        self._database = database
        self._clock = clock
        self._log = log

    @property
    def logger(self) -> logging.Logger:
        return self._log

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """Create and return a new state."""
        async with self._database.write() as session:
            return await installations.begin(session, self._clock.now())

    async def async_consume(self, state: str) -> bool:
        """Consume a state; return whether it was valid. A state is valid once."""
        async with self._database.write() as session:
            return await installations.finish(session, state, self._clock.now())
