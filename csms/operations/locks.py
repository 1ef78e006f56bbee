"""Locks for what must not happen twice at a time to one charge point."""

import asyncio
from weakref import WeakValueDictionary


class Locks:
    """One lock for each identity, kept while somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, identity: str) -> asyncio.Lock:
        """Return the lock of one charge point."""
        return self._locks.setdefault(identity, asyncio.Lock())
