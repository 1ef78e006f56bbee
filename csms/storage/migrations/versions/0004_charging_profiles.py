"""Charging profiles as charge points hold them."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the change."""


def downgrade() -> None:
    """Take the change back."""
