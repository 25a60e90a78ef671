"""Entry point of Alembic: runs the migrations on the connection that `upgrade` passes."""

from alembic import context

from outlay.database.tables import Workspace

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Workspace.metadata,
    render_as_batch=True,
)
context.run_migrations()
