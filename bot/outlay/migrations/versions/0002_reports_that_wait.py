"""Later retries of reports that an account does not have or may not read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("cursor", sa.Column("ask_again_at", sa.BigInteger(), nullable=True))
    op.add_column("cursor", sa.Column("absent", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("cursor", sa.Column("note", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("cursor", "note")
    op.drop_column("cursor", "absent")
    op.drop_column("cursor", "ask_again_at")
