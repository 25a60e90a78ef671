"""Head of the audit log as its newest row, written in one statement; a trigger copies it into the log."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_TEXTS = ("who", "origin", "deed", "thing", "detail")
_COLUMNS = "workspace_id, seq, at, who, origin, deed, thing, detail, hash"
_NEW = ", ".join(f"NEW.{name}" for name in _COLUMNS.split(", "))
_TAKE = f"INSERT INTO trail ({_COLUMNS}) VALUES ({_NEW});"


def upgrade() -> None:
    op.add_column("trail_head", sa.Column("at", sa.BigInteger(), nullable=False, server_default="0"))
    for name in _TEXTS:
        op.add_column("trail_head", sa.Column(name, sa.String(), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION trail_takes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_TAKE} RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER trail_grows AFTER UPDATE OF seq ON trail_head FOR EACH ROW EXECUTE FUNCTION trail_takes()"
        )
        return
    op.execute(f"CREATE TRIGGER trail_grows AFTER UPDATE OF seq ON trail_head BEGIN {_TAKE} END")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER trail_grows ON trail_head")
        op.execute("DROP FUNCTION trail_takes()")
    else:
        op.execute("DROP TRIGGER trail_grows")
    for name in (*_TEXTS, "at"):
        op.drop_column("trail_head", name)
