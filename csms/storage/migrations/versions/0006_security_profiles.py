"""The security profile of each charge point."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the change: whoever had a key or password connects with Basic auth over plain TCP."""
    op.add_column(
        "charge_points",
        sa.Column("security_profile", sa.Integer(), nullable=False, server_default="0"),
    )
    op.add_column("charge_points", sa.Column("target_security_profile", sa.Integer()))
    op.add_column("charge_points", sa.Column("certificate_name", sa.Text()))
    op.execute("UPDATE charge_points SET security_profile = 1 WHERE credential IS NOT NULL")


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("charge_points", "certificate_name")
    op.drop_column("charge_points", "target_security_profile")
    op.drop_column("charge_points", "security_profile")
