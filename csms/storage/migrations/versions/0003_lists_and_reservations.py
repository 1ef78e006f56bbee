"""Local authorization lists, reservations, triggers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def utc() -> sa.DateTime:
    """Times are stored in UTC."""
    return sa.DateTime(timezone=True)


def record_id() -> sa.types.TypeEngine[int]:
    """SQLite counts only INTEGER PRIMARY KEY by itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    op.add_column("charge_points", sa.Column("send_local_list_max_length", sa.Integer()))
    op.create_table(
        "capabilities",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reported_at", utc(), nullable=False),
        sa.PrimaryKeyConstraint("identity", "name", name="pk_capabilities"),
    )
    op.create_table(
        "local_lists",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("is_known", sa.Boolean(), nullable=False),
        sa.Column("is_ours", sa.Boolean(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("accepted_at", utc()),
        sa.Column("settled_update_id", record_id()),
        sa.Column("highest_version", sa.Integer(), nullable=False),
        sa.Column("reported_version", sa.BigInteger()),
        sa.Column("reported_at", utc()),
        sa.Column("is_version_told", sa.Boolean(), nullable=False),
        sa.Column("split_from", sa.Integer()),
        sa.Column("split_until", sa.Integer()),
        sa.PrimaryKeyConstraint("identity", name="pk_local_lists"),
    )
    op.create_table(
        "local_list_entries",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expires_at", utc()),
        sa.Column("parent_id_tag", sa.Text()),
        sa.PrimaryKeyConstraint("identity", "key", name="pk_local_list_entries"),
    )
    op.create_table(
        "local_list_updates",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_type", sa.Text(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("entries", sa.JSON()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_at", utc(), nullable=False),
        sa.Column("settled_at", utc()),
        sa.PrimaryKeyConstraint("id", name="pk_local_list_updates"),
    )
    op.create_index("ix_local_list_updates_identity_id", "local_list_updates", ["identity", "id"])
    op.create_table(
        "reservations",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("parent_id_tag", sa.Text()),
        sa.Column("expires_at", utc(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("refusal", sa.Text()),
        sa.Column("cancellation", sa.Text()),
        sa.Column("transaction_id", sa.Integer()),
        sa.Column("ended_by", sa.Text()),
        sa.Column("requested_at", utc(), nullable=False),
        sa.Column("changed_at", utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reservations"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reservations_identity_id", "reservations", ["identity", "id"])
    op.create_index("ix_reservations_reservation_id", "reservations", ["reservation_id"])
    op.create_index("ix_reservations_state_expires_at", "reservations", ["state", "expires_at"])
    op.create_table(
        "triggers",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("requested_message", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.Integer()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_at", utc(), nullable=False),
        sa.Column("answered_at", utc()),
        sa.Column("followed_by", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_triggers"),
    )
    op.create_index("ix_triggers_identity_id", "triggers", ["identity", "id"])


def downgrade() -> None:
    """Take the change back."""
    for table in (
        "capabilities",
        "local_list_entries",
        "local_list_updates",
        "local_lists",
        "reservations",
        "triggers",
    ):
        op.drop_table(table)
    # SQLite learnt to drop columns in 3.35 only.
    with op.batch_alter_table("charge_points") as charge_points:
        charge_points.drop_column("send_local_list_max_length")
