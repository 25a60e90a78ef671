"""Tables of workspaces that installed the app from a browser. See `tables` for the units of time.

The bot's token is sealed by the vault like any other secret, for its workspace, the owner `slack` and the field
`bot_token`. Of a `state`, which Slack carries from one end of an installation to the other, only a digest is stored.
"""

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel


class Installation(SQLModel, table=True):
    """App installed in a workspace. Deleted when the workspace removes it or revokes its token."""

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    blob: bytes = Field(sa_type=LargeBinary)
    fingerprint: str = ""
    scopes: str = ""  # as granted, separated by commas
    bot_id: str = ""
    bot_user_id: str = ""
    installed_by: str = ""
    installed_at: int = Field(sa_type=BigInteger)


class OauthState(SQLModel, table=True):
    """Installation in progress. The replica that deletes the row may finish it, whichever replica began it."""

    __tablename__ = "oauth_state"
    digest: str = Field(primary_key=True)
    expires_at: int = Field(sa_type=BigInteger, index=True)


class Preference(SQLModel, table=True):
    """What a workspace, or one of its people, has chosen in Slack. `name` says what, and of a person's also whose."""

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    name: str = Field(primary_key=True)
    value: str
