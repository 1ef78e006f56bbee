"""Firmware and diagnostics files, and the jobs that move them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def utc() -> sa.DateTime:
    """Times are stored in UTC."""
    return sa.DateTime(timezone=True)


def record_id() -> sa.types.TypeEngine[int]:
    """SQLite counts only INTEGER PRIMARY KEY by itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "firmware",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("stored_as", sa.Text(), nullable=False),
        sa.Column("uploaded_at", utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_firmware"),
    )
    op.create_table(
        "file_jobs",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token", sa.Text()),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text()),
        sa.Column("password_digest", sa.Text()),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("requested_at", utc(), nullable=False),
        sa.Column("until_at", utc(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("answered_at", utc()),
        sa.Column("answer", sa.JSON()),
        sa.Column("status", sa.Text()),
        sa.Column("status_at", utc()),
        sa.Column("firmware", sa.JSON()),
        sa.Column("version_before", sa.Text()),
        sa.Column("booted_version", sa.Text()),
        sa.Column("booted_at", utc()),
        sa.Column("closed_at", utc()),
        sa.PrimaryKeyConstraint("id", name="pk_file_jobs"),
        sa.UniqueConstraint("token", name="uq_file_jobs_token"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_file_jobs_identity_kind_id", "file_jobs", ["identity", "kind", "id"])
    op.create_table(
        "file_job_statuses",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("received_at", utc(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_file_job_statuses"),
    )
    op.create_index("ix_file_job_statuses_identity_id", "file_job_statuses", ["identity", "id"])
    op.create_index("ix_file_job_statuses_job_id_id", "file_job_statuses", ["job_id", "id"])
    op.create_table(
        "file_transfers",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", utc(), nullable=False),
        sa.Column("ended_at", utc()),
        sa.Column("first_byte", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.Text()),
        sa.Column("stored_as", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_file_transfers"),
    )
    op.create_index("ix_file_transfers_identity_id", "file_transfers", ["identity", "id"])
    op.create_index("ix_file_transfers_job_id_id", "file_transfers", ["job_id", "id"])


def downgrade() -> None:
    """Undo the change."""
    for table in ("file_transfers", "file_job_statuses", "file_jobs", "firmware"):
        op.drop_table(table)
