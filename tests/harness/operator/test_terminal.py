"""The terminal as a face, over pipes."""

from __future__ import annotations

import asyncio
import io
import os

import pytest

from harness.drivers.driver import Credentials, ProvisioningError
from harness.operator.desk import Desk
from harness.operator.terminal import TerminalFace

pytestmark = pytest.mark.slow


class Screen(io.StringIO):
    """Keeps what is shown, and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def write(self, text: str, /) -> int:
        """Keep it, and wake who waits."""
        written = super().write(text)
        self._loop.call_soon_threadsafe(self._changed.set)
        return written

    async def shows(self, words: str) -> None:
        """Wait until some words are there."""
        async with asyncio.timeout(5):
            while words not in self.getvalue():
                self._changed.clear()
                await self._changed.wait()


async def test_a_person_reads_and_answers() -> None:
    """What has to be there is told, a password on request only, and a line is an answer."""
    read, write = os.pipe()
    out, desk = Screen(), Desk(sut_name="ACME\x1b[2J")
    with os.fdopen(read) as keys, os.fdopen(write, "w", buffering=1) as typed:
        face = TerminalFace(desk, out=out, keys=keys, url="http://127.0.0.1:1/x/")
        face.start()
        station = Credentials("PF1", b"hush-hush", 1)
        preparing = asyncio.create_task(desk.driver(None).prepare([station], {"valid": ["A1"]}))
        await out.shows("[r]")
        assert "Charge point PF1" in out.getvalue()
        assert "A1" in out.getvalue()
        assert "hush" not in out.getvalue()
        typed.write("w\n")
        await out.shows("hush-hush")
        typed.write("c\n")
        await out.shows("give a reason")
        typed.write("c nobody may do that\n")
        with pytest.raises(ProvisioningError, match="nobody may do that"):
            await preparing
        await asyncio.to_thread(face.stop)
    assert "\x1b[2J" not in out.getvalue()
