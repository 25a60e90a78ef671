"""Sums of months and thirds of months that no longer change.

Empty at first: what is not summed up is read by the day, and the next poll, or the clock, sums it up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "period",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name="fk_period_connection_id_connection"),
        sa.PrimaryKeyConstraint("id", name="pk_period"),
        sa.UniqueConstraint("connection_id", "start", "until", name="uq_period_connection_id_start_until"),
    )
    op.create_table(
        "spend_period",
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("byok_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=True),
        sa.Column("input", sa.BigInteger(), nullable=False),
        sa.Column("cache_read", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h", sa.BigInteger(), nullable=False),
        sa.Column("output", sa.BigInteger(), nullable=False),
        sa.Column("reasoning", sa.BigInteger(), nullable=False),
        sa.Column("saved_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("unpriced_tokens", sa.BigInteger(), nullable=False),
        sa.Column("settles_at", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("period_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("basis", sa.Integer(), nullable=False),
        sa.Column("adjusts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "connection_id", "period_id", "key_id", "model_id", "basis", "adjusts", name="pk_spend_period"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spend_period_key",
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("byok_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=True),
        sa.Column("input", sa.BigInteger(), nullable=False),
        sa.Column("cache_read", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h", sa.BigInteger(), nullable=False),
        sa.Column("output", sa.BigInteger(), nullable=False),
        sa.Column("reasoning", sa.BigInteger(), nullable=False),
        sa.Column("saved_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("unpriced_tokens", sa.BigInteger(), nullable=False),
        sa.Column("settles_at", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("period_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("basis", sa.Integer(), nullable=False),
        sa.Column("adjusts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "period_id", "key_id", "basis", "adjusts", name="pk_spend_period_key"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("spend_period_key")
    op.drop_table("spend_period")
    op.drop_table("period")
