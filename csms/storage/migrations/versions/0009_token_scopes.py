"""Scopes of API tokens; those there are may do everything, as before."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        "api_tokens", sa.Column("scope", sa.Text(), nullable=False, server_default="manage")
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("api_tokens", "scope")
