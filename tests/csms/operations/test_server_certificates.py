"""Server certificates that are made anew in time."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from csms.operations.server_certificates import ServerCertificates
from csms.pki.authority import CertificateAuthority, ServerFiles
from csms.pki.key_files import PkiError

FILES = ServerFiles(*(Path(name) for name in ("a", "b", "c", "d")))


class FakeAuthority:
    """Tells when it is asked, and fails as it is told."""

    def __init__(self) -> None:
        self.names: list[Sequence[str]] = []
        self.failures: list[PkiError] = []
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Queue[None] = asyncio.Queue()

    def server_certificates(self, names: Sequence[str]) -> ServerFiles:
        """Called in a thread."""
        self.names.append(names)
        self._loop.call_soon_threadsafe(self._asked.put_nowait, None)
        if self.failures:
            raise self.failures.pop(0)
        return FILES

    async def asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        for _ in range(times):
            await asyncio.wait_for(self._asked.get(), 5)


async def test_authority_is_asked_again_and_again() -> None:
    """At once, and as long as it runs; the files stay where they are."""
    authority = FakeAuthority()
    server = ServerCertificates(
        cast(CertificateAuthority, authority), ["localhost"], look_every_s=0.001
    )

    assert await server.start() == FILES
    await authority.asked(4)
    await server.close()

    assert set(authority.names) == {("localhost",)}


async def test_failed_renewal_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """A disk may be full for a while."""
    authority = FakeAuthority()
    server = ServerCertificates(
        cast(CertificateAuthority, authority), ["localhost"], look_every_s=0.001
    )
    await server.start()
    authority.failures = [PkiError("no space")]

    with caplog.at_level(logging.ERROR):
        await authority.asked(4)
    await server.close()

    assert authority.failures == []
    assert "no space" in caplog.text


async def test_first_failure_is_for_the_caller() -> None:
    """Without certificates no listener starts; nothing goes on in the background."""
    authority = FakeAuthority()
    authority.failures = [PkiError("chmod 700")]
    server = ServerCertificates(
        cast(CertificateAuthority, authority), ["localhost"], look_every_s=0.001
    )

    with pytest.raises(PkiError, match="chmod 700"):
        await server.start()
    await server.close()

    assert len(authority.names) == 1
