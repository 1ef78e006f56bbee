"""Who is connected: the newest connection of an identity."""

from csms.ocppj.registry import Registry
from tests.csms.ocppj.fakes import Station


async def test_newest_session_counts_and_the_old_one_cannot_remove_it() -> None:
    """The old one's end comes late; it must not touch the new one (CS-WS-17)."""
    registry = Registry()
    old, new, other = (
        Station().session,
        Station().session,
        Station(identity="CP2").session,
    )
    assert registry.add(old) is None
    assert registry.add(other) is None
    assert registry.add(new) is old
    registry.remove(old)

    assert registry.get("CP1") is new
    assert (len(registry), registry.identities()) == (2, ["CP2", "CP1"])
    registry.remove(new)
    assert registry.get("CP1") is None
    assert "CP1" not in registry
    assert "CP2" in registry
    registry.remove(new)
