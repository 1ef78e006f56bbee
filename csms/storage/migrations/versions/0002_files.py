"""Firmware and diagnostics files, and the jobs that move them."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the change."""


def downgrade() -> None:
    """Take the change back."""
