"""One lock for each charge point."""

from csms.operations.locks import Locks


def test_an_identity_has_one_lock() -> None:
    """Who asks for the same charge point gets the same lock, another one another."""
    locks = Locks()
    first = locks.of("CP1")

    assert locks.of("CP1") is first
    assert locks.of("CP2") is not first
