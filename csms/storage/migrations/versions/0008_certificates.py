"""Certificates of charge points, roots installed on them, and extended triggers."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INDEXES = {
    "issued_certificates": (("identity", "id"), ("fingerprint",), ("key_digest",), ("state",)),
    "installed_certificates": (("identity", "id"),),
}


def _id() -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", number, autoincrement=True, nullable=False)


def _facts() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("subject", sa.Text()),
        sa.Column("issuer", sa.Text()),
        sa.Column("serial", sa.Text()),
        sa.Column("fingerprint", sa.Text()),
        sa.Column("key", sa.Text()),
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column("not_after", sa.DateTime(timezone=True)),
    )


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        "triggers",
        sa.Column("is_extended", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "issued_certificates",
        _id(),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("common_name", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("is_proven", sa.Boolean(), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.Column("key_digest", sa.Text(), nullable=False),
        *_facts(),
        sa.Column("chain", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_issued_certificates"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "installed_certificates",
        _id(),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("certificate_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        *_facts(),
        sa.Column("pem", sa.Text()),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("reported", sa.JSON()),
        sa.Column("reported_at", sa.DateTime(timezone=True)),
        sa.Column("deletion", sa.Text()),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installed_certificates"),
        sqlite_autoincrement=True,
    )
    for table, indexes in INDEXES.items():
        for columns in indexes:
            op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("installed_certificates")
    op.drop_table("issued_certificates")
    op.drop_column("triggers", "is_extended")
