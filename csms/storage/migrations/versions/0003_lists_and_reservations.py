"""Local authorization lists, reservations, triggers."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the change."""


def downgrade() -> None:
    """Take the change back."""
