"""Kind of a connection's credential."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("connection", sa.Column("credential", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("connection", "credential")
