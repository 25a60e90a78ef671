"""Connections: checked with the ledger, their secrets encrypted, saved; listed, opened for use, and disconnected.

Nothing is saved unless the ledger itself has confirmed whose credential it is. The same account cannot be connected
twice in a workspace, since its dollars would count twice; disconnecting removes the credential and keeps the books.
"""

import json
import os
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace as replaced
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.books.ingest import ledger_keys as book_keys
from outlay.connections import roles
from outlay.connections.token_store import KEPT, EncryptedTokenStore, MemoryTokenStore
from outlay.connections.views import ChoiceNeeded, ConnectionSummary, ConnectionView, LedgerForm, SavedConnection
from outlay.core.actor import current_actor
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Connection, Secret
from outlay.plugin import forms
from outlay.plugin.contract import CheckResult, Config, Ledger, Plugin, Sink
from outlay.plugin.errors import BadConfig, Permanent
from outlay.plugin.rate_limits import RequestPacer
from outlay.plugin.reach import Reach
from outlay.plugin.secret_references import AllowedReferences, resolve_reference
from outlay.plugin.session import plugin_session as plugin_session
from outlay.spend.gateway_rows import gateway_targets
from outlay.spend.report import freshness
from outlay.vault.vault import Vault
from outlay.workspaces.store import ensure

MAX_NAME_CHARACTERS = 40
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class ConnectionService:
    """Service for the connections of all workspaces. `forbidden_files` are never read through a `file:` reference.

    `private_hosts`: what OUTLAY_PRIVATE_HOSTS lists. `listed`: the references that may be used in Slack.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        plugins: Mapping[str, type[Plugin[Any]]],
        clock: Clock,
        *,
        environ: Mapping[str, str] | None = None,
        forbidden_files: Collection[Path] = (),
        private_hosts: frozenset[str] = frozenset(),
        listed: AllowedReferences | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._plugins = plugins
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._forbidden_files = tuple(forbidden_files)
        self._pacer = RequestPacer(clock)
        self._reach = Reach.of(private_hosts)
        self._listed = listed or AllowedReferences()

    def forms(self) -> tuple[LedgerForm, ...]:
        """Return the form of each plugin that can be connected, by title."""
        found = [LedgerForm(slug, plugin.meta.title, forms.fields_of(plugin)) for slug, plugin in self._plugins.items()]
        return tuple(sorted(found, key=lambda form: form.title))

    async def connections(self, workspace_id: str) -> tuple[ConnectionSummary, ...]:
        """List the connections of a workspace, by name."""
        async with self._database.read() as session:
            rows = await _connected(session, workspace_id)
        return tuple(
            ConnectionSummary(
                public_id(row), row.name, row.ledger, self._title(row.ledger), row.state, row.role == "sink"
            )
            for row in rows
        )

    async def views(self, workspace_id: str) -> list[ConnectionView]:
        """List the connections of a workspace with health and freshness, by name."""
        async with self._database.read() as session:
            rows = await _connected(session, workspace_id)
            fresh = await freshness(session, rows)
            fronts = await gateway_targets(session, rows)
        return [_view(row, fresh[row.name], fronts.get(row.id or 0, ""), title=self._title(row.ledger)) for row in rows]

    async def connect(
        self,
        workspace_id: str,
        slug: str,
        name: str,
        values: Mapping[str, str],
        *,
        replace: bool = False,
        by: str = "",
    ) -> SavedConnection:
        """Check a credential with the ledger, encrypt and save it. `by`: the Slack user who does it, "" for none.

        What is typed in Slack may name less than what is typed on the machine (`reach_of`); that holds as long as
        nobody connects it anew on the machine.

        Raises a PluginError, and then nothing is saved: BadConfig("name") for a name in use, BadConfig of the
        credential for an account that is connected already, ChoiceNeeded for a field that is still to be chosen.
        """
        plugin = self.plugin(slug)
        by = by or (current_actor().who if current_actor().origin == "slack" else "")
        values, role = roles.split_role_settings(plugin, values)
        name = _checked_name(name)
        async with self._database.read() as session:
            before = await _by_name(session, workspace_id, name)
        _refuse_taken_name(before, replace)
        if before is not None and replace:  # a field that is not given again keeps its value
            values = {field: str(value) for field, value in json.loads(before.settings).items()} | dict(values)
        config = forms.build(plugin, self._resolved(plugin, values, from_slack=bool(by)))
        reach = replaced(self._reach, from_slack=bool(by))
        async with plugin_session(
            plugin, config, clock=self._clock, pacer=self._pacer, kept=MemoryTokenStore(), reach=reach
        ) as ledger:
            checked = await ledger.check()
        for field in checked.asks:
            if not getattr(config, field, None):
                raise ChoiceNeeded(field, checked.choices)
        if not checked.account_id:
            raise Permanent(f"{plugin.meta.title} does not say whose account this is")
        secret_names = forms.secret_fields(plugin)
        secrets = {field: values[field].strip() for field in sorted(secret_names) if values.get(field)}
        settings = {
            field: value for field, value in config.model_dump(mode="json").items() if field not in secret_names
        }
        fingerprint = self._fingerprint(config, secret_names)
        async with self._database.write() as session:
            await ensure(session, workspace_id, now=self._clock.now())
            row = await self._place(session, workspace_id, plugin, name, checked, replace)
            deed = _deed_on(row)
            await roles.apply_role(session, row, role)
            row.settings, row.fingerprint = json.dumps(settings, sort_keys=True), fingerprint
            row.credential = checked.credential
            row.connected_by = by
            row.state, row.error, row.failures, row.disconnected_at, row.next_poll_at = "ok", "", 0, None, None
            session.add(row)
            await session.flush()
            await self._keep(session, row, secrets)
            await self._note(session, row, deed, fingerprint=fingerprint)
        return SavedConnection(
            public_id(row),
            row.name,
            plugin.meta.title,
            row.account_title,
            row.fingerprint,
            checked.can_read,
            is_sink=row.role == "sink",
        )

    async def disconnect(self, workspace_id: str, name: str) -> None:
        """Remove the credential and keep the books. Raises BadConfig("name") if no connection has that name."""
        async with self._database.write() as session:
            row = await _by_name(session, workspace_id, name)
            if row is None or row.disconnected_at is not None:
                raise BadConfig("name", f"nothing is connected as «{name}»")
            for secret in await session.exec(select(Secret).where(Secret.connection_id == row.id)):
                await session.delete(secret)
            row.disconnected_at, row.fingerprint = int(self._clock.now().timestamp()), ""
            session.add(row)
            await self._note(session, row, AuditedAction.DISCONNECT)

    @asynccontextmanager
    async def open_ledger(self, connection_id: int) -> AsyncIterator[Ledger[Any]]:
        """Open a connection's ledger for use. Raises PluginError or VaultError."""
        async with self.open(connection_id) as plugin:
            if not isinstance(plugin, Ledger):
                raise Permanent("this connection is no ledger")
            yield plugin

    @asynccontextmanager
    async def open(self, connection_id: int) -> AsyncIterator[Plugin[Any]]:
        """Open a connection's plugin, of either kind, for use. Raises PluginError or VaultError."""
        async with self._database.read() as session:
            row = await session.get(Connection, connection_id)
            if row is None or row.disconnected_at is not None:
                raise Permanent("this connection has been removed")
            secrets = (await session.exec(select(Secret).where(Secret.connection_id == connection_id))).all()
            known = await book_keys.known(session, connection_id)
        plugin, config = await self._configured(row, secrets)
        kept = EncryptedTokenStore(self._database, self._vault, self._clock, row) if issubclass(plugin, Sink) else None
        async with plugin_session(
            plugin, config, clock=self._clock, pacer=self._pacer, known_keys=known, kept=kept, reach=self.reach_of(row)
        ) as opened:
            yield opened

    async def equipped(self, row: Connection) -> tuple[type[Plugin[Any]], Config, EncryptedTokenStore]:
        """Return a connection's plugin, its settings and its token store. Raises PluginError or VaultError."""
        async with self._database.read() as session:
            secrets = (await session.exec(select(Secret).where(Secret.connection_id == row.id))).all()
        plugin, config = await self._configured(row, secrets)
        return plugin, config, EncryptedTokenStore(self._database, self._vault, self._clock, row)

    def reach_of(self, row: Connection) -> Reach:
        """Return which addresses a connection may lead to; fewer for one that was made in Slack."""
        return replaced(self._reach, from_slack=bool(row.connected_by))

    async def _configured(self, row: Connection, secrets: Iterable[Secret]) -> tuple[type[Plugin[Any]], Config]:
        plugin = self.plugin(row.ledger)
        values = {name: str(value) for name, value in json.loads(row.settings).items() if value is not None}
        for secret in secrets:
            if not secret.field.startswith(KEPT):
                opened = await self._vault.open(row.workspace_id, str(row.id), secret.field, secret.blob)
                values[secret.field] = opened.get_secret_value()
        return plugin, forms.build(plugin, self._resolved(plugin, values, from_slack=bool(row.connected_by)))

    def plugin(self, slug: str) -> type[Plugin[Any]]:
        """Return a plugin by its slug. Raises BadConfig if none is loaded."""
        if slug not in self._plugins:
            raise BadConfig("ledger", f"no plugin «{slug}» is loaded; there is: {', '.join(sorted(self._plugins))}")
        return self._plugins[slug]

    def _title(self, slug: str) -> str:
        return self._plugins[slug].meta.title if slug in self._plugins else slug

    def _resolved(self, plugin: type[Plugin[Any]], values: Mapping[str, str], *, from_slack: bool) -> dict[str, str]:
        """Resolve the `env:` and `file:` references of secret fields. Raises BadConfig."""
        resolved = dict(values)
        for field in forms.secret_fields(plugin) & values.keys():
            try:
                resolved[field] = resolve_reference(
                    values[field], self._environ, self._forbidden_files, self._listed if from_slack else None
                )
            except ValueError as error:
                raise BadConfig(field, str(error)) from None
        return resolved

    def _fingerprint(self, config: Config, secret_names: Collection[str]) -> str:
        for field in sorted(secret_names):
            value = getattr(config, field, None)
            if isinstance(value, SecretStr):
                return self._vault.fingerprint(value.get_secret_value())
        return ""

    async def _place(
        self,
        session: AsyncSession,
        workspace_id: str,
        plugin: type[Plugin[Any]],
        name: str,
        checked: CheckResult,
        replace: bool,
    ) -> Connection:
        """Return the row to save to: new, one whose credential is replaced, or the account's earlier one.

        Raises BadConfig for a name or an account that is in use.
        """
        named = await _by_name(session, workspace_id, name)
        _refuse_taken_name(named, replace)
        same_account = Connection.account_id == checked.account_id
        found = await session.exec(
            select(Connection).where(
                Connection.workspace_id == workspace_id, Connection.ledger == plugin.meta.slug, same_account
            )
        )
        account = found.first()
        credential = next(iter(sorted(forms.secret_fields(plugin))), "name")
        if account is not None and account.disconnected_at is None and account.name != name:
            raise BadConfig(
                credential,
                f"this is the account that «{account.name}» reads already; it would count twice"
                if issubclass(plugin, Ledger)
                else f"«{account.name}» goes there already; everything would be told twice",
            )
        if named is not None and (account is None or named.id != account.id):
            what = "holds the books of" if named.disconnected_at else "is connected to"
            raise BadConfig(credential, f"«{name}» {what} another account ({named.account_title}); choose another name")
        if account is not None:
            account.name, account.account_title = name, checked.account_title
            return account
        role = plugin.role if issubclass(plugin, Ledger) else "sink"
        return Connection(
            workspace_id=workspace_id,
            name=name,
            ledger=plugin.meta.slug,
            role=role,
            account_id=checked.account_id,
            account_title=checked.account_title,
            created_at=int(self._clock.now().timestamp()),
        )

    async def _keep(self, session: AsyncSession, row: Connection, secrets: Mapping[str, str]) -> None:
        for old in await session.exec(select(Secret).where(Secret.connection_id == row.id)):
            await session.delete(old)
        await session.flush()
        for field, secret in secrets.items():
            blob = await self._vault.seal(row.workspace_id, str(row.id), field, secret)
            session.add(Secret(connection_id=row.id or 0, field=field, blob=blob))

    async def _note(self, session: AsyncSession, row: Connection, deed: AuditedAction, **more: object) -> None:
        await session.flush()
        await audit_log.append(
            session, row.workspace_id, deed, f"connection:{public_id(row)}",
            now=self._clock.now(), name=row.name, ledger=row.ledger, role=row.role, account=row.account_id, **more,
        )  # fmt: skip


def _deed_on(row: Connection) -> AuditedAction:
    """Return which audit action connecting amounts to, judged from the row before it is written."""
    if row.id is None:
        return AuditedAction.CONNECT
    return AuditedAction.REPLACE if row.disconnected_at is None else AuditedAction.RECONNECT


def public_id(row: Connection) -> str:
    """Return a connection's id as it is shown outside."""
    return f"con_{row.id}"


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise BadConfig(
            "name", f"a name has letters, digits, dots, dashes and underscores, at most {MAX_NAME_CHARACTERS}: main"
        )
    return name


def _refuse_taken_name(row: Connection | None, replace: bool) -> None:
    if row is not None and row.disconnected_at is None and not replace:
        raise BadConfig("name", f"«{row.name}» is in use; choose another name, or replace its credential (--replace)")


async def _by_name(session: AsyncSession, workspace_id: str, name: str) -> Connection | None:
    found = await session.exec(
        select(Connection).where(Connection.workspace_id == workspace_id, Connection.name == name)
    )
    return found.first()


async def _connected(session: AsyncSession, workspace_id: str) -> list[Connection]:
    statement = select(Connection).where(
        Connection.workspace_id == workspace_id, col(Connection.disconnected_at).is_(None)
    )
    return list(await session.exec(statement.order_by(col(Connection.name))))


def _view(row: Connection, fresh_until: datetime | None, in_front_of: str, *, title: str) -> ConnectionView:
    return ConnectionView(
        id=public_id(row),
        name=row.name,
        ledger=row.ledger,
        role=row.role,
        in_front_of=in_front_of,
        account_id=row.account_id,
        account_title=row.account_title,
        fingerprint=row.fingerprint,
        state=row.state,
        fresh_until=fresh_until,
        last_poll=_time(row.last_poll_at),
        next_poll=_time(row.next_poll_at),
        error=row.error,
        notes=row.notes,
        credential=row.credential,
        title=title,
    )


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
