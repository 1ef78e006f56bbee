"""Charge points, id tags, transactions, readings, and what happened on the wire."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def utc() -> sa.DateTime:
    """Times are stored in UTC."""
    return sa.DateTime(timezone=True)


def record_id() -> sa.types.TypeEngine[int]:
    """SQLite counts only INTEGER PRIMARY KEY by itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "api_tokens",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.Column("revoked_at", utc()),
        sa.PrimaryKeyConstraint("name", name="pk_api_tokens"),
        sa.UniqueConstraint("digest", name="uq_api_tokens_digest"),
    )
    op.create_table(
        "charge_points",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("credential", sa.Text()),
        sa.Column("heartbeat_interval_s", sa.Integer()),
        sa.Column("registered_at", utc(), nullable=False),
        sa.Column("updated_at", utc(), nullable=False),
        sa.Column("boot", sa.JSON()),
        sa.Column("booted_at", utc()),
        sa.Column("accepted_at", utc()),
        sa.Column("last_seen_at", utc()),
        sa.PrimaryKeyConstraint("identity", name="pk_charge_points"),
    )
    op.create_table(
        "connections",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", utc(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
    )
    op.create_index("ix_connections_identity_id", "connections", ["identity", "id"])
    op.create_table(
        "connectors",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("info", sa.Text()),
        sa.Column("vendor_id", sa.Text()),
        sa.Column("vendor_error_code", sa.Text()),
        sa.Column("reported_at", utc(), nullable=False),
        sa.Column("received_at", utc(), nullable=False),
        sa.Column("ordered_at", utc(), nullable=False),
        sa.Column("is_stale", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("identity", "connector_id", name="pk_connectors"),
    )
    op.create_table(
        "id_tags",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expires_at", utc()),
        sa.Column("parent_id_tag", sa.Text()),
        sa.PrimaryKeyConstraint("key", name="pk_id_tags"),
    )
    op.create_table(
        "messages",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("at", utc(), nullable=False),
        sa.Column("action", sa.Text()),
        sa.Column("message_id", sa.Text()),
        sa.Column("end_bytes", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
    )
    op.create_index("ix_messages_identity_id", "messages", ["identity", "id"])
    op.create_table(
        "meter_values",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.Integer()),
        sa.Column("transaction_id", sa.BigInteger()),
        sa.Column("received_at", utc(), nullable=False),
        sa.Column("sampled_at", sa.Text(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("meter_value", sa.Text(), nullable=False),
        sa.Column("flags", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_meter_values"),
        sa.UniqueConstraint(
            "identity", "sampled_at", "digest", name="uq_meter_values_identity_sampled_at_digest"
        ),
    )
    op.create_index("ix_meter_values_transaction_id", "meter_values", ["transaction_id"])
    op.create_table(
        "orphan_stops",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("claimed_transaction_id", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("stop_key", sa.Text(), nullable=False),
        sa.Column("stopped_at", utc(), nullable=False),
        sa.Column("received_at", utc(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orphan_stops"),
        sa.UniqueConstraint("stop_key", name="uq_orphan_stops_stop_key"),
    )
    op.create_index("ix_orphan_stops_identity_id", "orphan_stops", ["identity", "id"])
    op.create_table(
        "quarantine",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_at", utc(), nullable=False),
        sa.Column("last_at", utc(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
        sa.UniqueConstraint("identity", "content", name="uq_quarantine_identity_content"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "statuses",
        sa.Column("id", record_id(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("info", sa.Text()),
        sa.Column("vendor_id", sa.Text()),
        sa.Column("vendor_error_code", sa.Text()),
        sa.Column("timestamp", sa.Text()),
        sa.Column("reported_at", utc(), nullable=False),
        sa.Column("received_at", utc(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statuses"),
    )
    op.create_index("ix_statuses_identity_id", "statuses", ["identity", "id"])
    op.create_table(
        "transactions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.Integer()),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("id_tag_key", sa.Text(), nullable=False),
        sa.Column("authorization_status", sa.Text(), nullable=False),
        sa.Column("authorization_expires_at", utc()),
        sa.Column("authorization_parent", sa.Text()),
        sa.Column("meter_start_wh", sa.BigInteger()),
        sa.Column("started_at", utc(), nullable=False),
        sa.Column("start_received_at", utc(), nullable=False),
        sa.Column("reservation_id", sa.BigInteger()),
        sa.Column("start_key", sa.Text(), nullable=False),
        sa.Column("start_payload", sa.JSON(), nullable=False),
        sa.Column("meter_stop_wh", sa.BigInteger()),
        sa.Column("stopped_at", utc()),
        sa.Column("stop_received_at", utc()),
        sa.Column("stop_reason", sa.Text()),
        sa.Column("stop_id_tag", sa.Text()),
        sa.Column("stop_key", sa.Text()),
        sa.Column("stop_payload", sa.JSON()),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.CheckConstraint("id > 0 AND id <= 2147483647", name="ck_transactions_id_range"),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        sa.UniqueConstraint("start_key", name="uq_transactions_start_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transactions_id_tag_key_id", "transactions", ["id_tag_key", "id"])
    op.create_index(
        "ix_transactions_identity_connector_id_id",
        "transactions",
        ["identity", "connector_id", "id"],
    )
    op.create_index(
        "ix_transactions_running",
        "transactions",
        ["id_tag_key"],
        sqlite_where=sa.text("stop_received_at IS NULL"),
        postgresql_where=sa.text("stop_received_at IS NULL"),
    )


def downgrade() -> None:
    """Undo the change."""
    for table in (
        "api_tokens",
        "charge_points",
        "connections",
        "connectors",
        "id_tags",
        "messages",
        "meter_values",
        "orphan_stops",
        "quarantine",
        "statuses",
        "transactions",
    ):
        op.drop_table(table)
