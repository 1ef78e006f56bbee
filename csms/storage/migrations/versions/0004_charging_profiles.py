"""Charging profiles as charge points hold them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "charging_profiles",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.Integer()),
        sa.Column("transaction_id", sa.BigInteger()),
        sa.Column("id_tag_key", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_charging_profiles"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_charging_profiles_identity_id", "charging_profiles", ["identity", "id"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("charging_profiles")
