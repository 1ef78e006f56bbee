"""Settings for the tests of the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from harness.engine import new_event_loop


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run what touches transports on both kinds of loop: they end connections differently."""
    if item.path.name == "test_transport.py":
        return {"asyncio": asyncio.new_event_loop, "harness": new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
