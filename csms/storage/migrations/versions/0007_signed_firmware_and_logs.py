"""Signatures of firmware files; request ids of signed updates and logs, and which were canceled."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

COLUMNS = (
    ("firmware", "signature", sa.Text()),
    ("firmware", "signing_certificate", sa.Text()),
    ("firmware", "signature_algorithm", sa.Text()),
    ("file_jobs", "request_id", sa.BigInteger()),
    ("file_jobs", "canceled_at", sa.DateTime(timezone=True)),
    ("file_jobs", "canceled_by", sa.BigInteger()),
    ("file_job_statuses", "request_id", sa.BigInteger()),
)


def upgrade() -> None:
    """Make the change."""
    for table, name, type_ in COLUMNS:
        op.add_column(table, sa.Column(name, type_))


def downgrade() -> None:
    """Take the change back."""
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
