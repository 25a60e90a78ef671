"""Public names for plugin authors, all re-exported here. `outlay.plugin.contract` explains them."""

from outlay.core.clock import Clock
from outlay.core.tokens import NO_TOKENS, Tokens
from outlay.plugin.contract import (
    API,
    CheckResult,
    Config,
    Context,
    CounterReading,
    Key,
    Ledger,
    Page,
    Plugin,
    PluginInfo,
    Report,
    RereadRule,
    Row,
    Sink,
    TokenStore,
    Window,
)
from outlay.plugin.errors import BadConfig, NeedsReauth, Permanent, PluginError, RateLimited, Transient
from outlay.plugin.events import (
    SEVERITIES,
    Event,
    EventKind,
    Fact,
    Finding,
    Inbound,
    Link,
    Receipt,
    Severity,
    Subject,
    TicketStanding,
    TicketState,
)
from outlay.plugin.mail_client import MAIL, MailingClient
from outlay.plugin.read_client import GuardedClient, RateLimit
from outlay.plugin.write_client import SendingClient, Sent

Meta = PluginInfo  # the names of DESIGN 5, for plugins that were written against them
Checked = CheckResult

__all__ = [
    "API",
    "MAIL",
    "NO_TOKENS",
    "SEVERITIES",
    "BadConfig",
    "CheckResult",
    "Checked",
    "Clock",
    "Config",
    "Context",
    "CounterReading",
    "Event",
    "EventKind",
    "Fact",
    "Finding",
    "GuardedClient",
    "Inbound",
    "Key",
    "Ledger",
    "Link",
    "MailingClient",
    "Meta",
    "NeedsReauth",
    "Page",
    "Permanent",
    "Plugin",
    "PluginError",
    "PluginInfo",
    "RateLimit",
    "RateLimited",
    "Receipt",
    "Report",
    "RereadRule",
    "Row",
    "SendingClient",
    "Sent",
    "Severity",
    "Sink",
    "Subject",
    "TicketStanding",
    "TicketState",
    "TokenStore",
    "Tokens",
    "Transient",
    "Window",
]
