"""Audit log. Its rows are never changed or deleted: the database itself refuses that."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_WRITTEN = "seq, at, who, origin, deed, thing, detail, hash"  # the workspace may change once: `local` is adopted


def upgrade() -> None:
    op.create_table(
        "trail",
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("deed", sa.String(), nullable=False),
        sa.Column("thing", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_trail_workspace_id_workspace"),
        sa.PrimaryKeyConstraint("workspace_id", "seq", name="pk_trail"),
    )
    op.create_table(
        "trail_head",
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_trail_head_workspace_id_workspace"),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_trail_head"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION trail_refuses() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail is only appended to'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER trail_stays BEFORE UPDATE OF {_WRITTEN} OR DELETE ON trail "
            "FOR EACH ROW EXECUTE FUNCTION trail_refuses()"
        )
        return
    for name, event in (("trail_stays", f"UPDATE OF {_WRITTEN}"), ("trail_is_kept", "DELETE")):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON trail "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END"
        )


def downgrade() -> None:
    op.drop_table("trail_head")
    op.drop_table("trail")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION trail_refuses()")
