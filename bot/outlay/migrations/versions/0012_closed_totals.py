"""Totals of a closed month by owner, model, key and ledger, and a hash over them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "closed_total",
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("month", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("nano_usd", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_closed_total_workspace_id_workspace"),
        sa.PrimaryKeyConstraint("workspace_id", "month", "kind", "id", name="pk_closed_total"),
    )
    with op.batch_alter_table("closed_month") as batch_op:
        batch_op.add_column(sa.Column("totals_hash", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("closed_month") as batch_op:
        batch_op.drop_column("totals_hash")
    op.drop_table("closed_total")
