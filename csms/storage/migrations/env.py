"""Alembic's entry: runs the migrations on the connection `csms.storage.migrate` opened."""

from alembic import context

from csms.storage.tables import metadata

# `batch`: SQLite cannot alter most things in place.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
