"""Settings of the Linear sink, as `outlay connect linear` and the Slack modal ask for them."""

from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from outlay.plugin import Config, Severity

_ADVANCED: dict[str, Any] = {"advanced": True}


class LinearConfig(Config):
    """Settings of one team in Linear."""

    api_key: SecretStr | None = Field(
        None, title="API key", description="Linear → Settings → Security & access → Personal API keys."
    )
    client_id: str = Field(
        "", title="Client ID", description="Instead of an API key: an OAuth app with client credentials.",
        json_schema_extra=_ADVANCED,
    )  # fmt: skip
    client_secret: SecretStr | None = Field(None, title="Client secret", json_schema_extra=_ADVANCED)
    team: str = Field("", title="Team", description="Its key, such as ENG, or its id.")
    label: str = Field("ai-spend", title="Label", description="Put on every issue; made if it is not there.")
    assign: Literal["owner", "subscribe", "nobody"] = Field(
        "owner", title="Assignee", description="owner: whoever spent it, by e-mail. subscribe: they are only told."
    )
    on_recovery: str = Field(
        "", title="State on recovery", description="Such as Done, if nobody has started it. Empty: only a comment."
    )
    file_from_usd: Decimal = Field(
        Decimal(50), title="File from, in dollars", description="Dollars beyond the usual.", ge=0
    )
    file_severity: Severity = Field("warning", title="File from severity")
    urgent_usd: Decimal = Field(Decimal(1000), title="Urgent from, in dollars", ge=0, json_schema_extra=_ADVANCED)
    high_usd: Decimal = Field(Decimal(250), title="High from, in dollars", ge=0, json_schema_extra=_ADVANCED)
    medium_usd: Decimal = Field(Decimal(50), title="Medium from, in dollars", ge=0, json_schema_extra=_ADVANCED)
    webhook_secret: SecretStr | None = Field(
        None, title="Webhook secret", description="Of a webhook for Issues in Linear.", json_schema_extra=_ADVANCED
    )
    base_url: str = Field("https://api.linear.app/graphql", title="Base URL", json_schema_extra=_ADVANCED)

    @property
    def endpoint(self) -> str:
        """Return the last part of the base URL's path: `/graphql`."""
        path = urlsplit(self.base_url.strip()).path.rstrip("/")
        return f"/{path.rpartition('/')[2]}" if path else ""

    @property
    def root(self) -> str:
        """Return the base URL without its endpoint; OAuth tokens are issued beside it."""
        return self.base_url.strip().rstrip("/").removesuffix(self.endpoint)
