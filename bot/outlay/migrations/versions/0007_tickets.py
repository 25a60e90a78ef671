"""Last known states of tickets, and the address of a workspace's Slack."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("receipt", sa.Column("standing", sa.String(), nullable=False, server_default=""))
    op.add_column("workspace", sa.Column("url", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("workspace", "url")
    op.drop_column("receipt", "standing")
