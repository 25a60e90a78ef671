"""What a plugin author imports. `bot.plugin.contract` explains; everything needed is re-exported here."""

from bot.core.clock import Clock
from bot.core.tokens import NO_TOKENS, Tokens
from bot.plugin.client import GuardedClient, Pace
from bot.plugin.contract import (
    API,
    Checked,
    Config,
    Context,
    Key,
    Ledger,
    Meta,
    Page,
    Plugin,
    Reading,
    Report,
    Reread,
    Row,
    Window,
)
from bot.plugin.errors import BadConfig, NeedsReauth, Permanent, PluginError, RateLimited, Transient

__all__ = [
    "API",
    "NO_TOKENS",
    "BadConfig",
    "Checked",
    "Clock",
    "Config",
    "Context",
    "GuardedClient",
    "Key",
    "Ledger",
    "Meta",
    "NeedsReauth",
    "Pace",
    "Page",
    "Permanent",
    "Plugin",
    "PluginError",
    "RateLimited",
    "Reading",
    "Report",
    "Reread",
    "Row",
    "Tokens",
    "Transient",
    "Window",
]
