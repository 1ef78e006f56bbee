"""Security events, reported by charge points and noticed by ourselves."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def utc() -> sa.DateTime:
    """Times are stored in UTC."""
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "security_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("identity", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("timestamp", sa.Text()),
        sa.Column("occurred_at", utc(), nullable=False),
        sa.Column("received_at", utc(), nullable=False),
        sa.Column("last_at", utc(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_security_events"),
    )
    op.create_index("ix_security_events_identity_id", "security_events", ["identity", "id"])
    op.create_index("ix_security_events_source_id", "security_events", ["source", "id"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("security_events")
