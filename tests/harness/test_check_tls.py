"""What `preflight check` sees of TLS."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from harness.check_system import State, check
from harness.check_tls import HANDSHAKES, look
from tests.harness.test_check_system import of
from tests.secure_miniature import SecureMiniature
from tests.secure_proofs import client_root
from tests.secure_proofs import described as secure_system


async def test_tls_is_looked_at(tmp_path: Path) -> None:
    """Trust, name, versions and suites of a server with TLS, and its three ways to come in."""
    async with SecureMiniature(client_roots=[client_root()]) as miniature:
        sut = secure_system(miniature, tmp_path)
        checked = await check(sut, time_s=30)
        stranger = replace(sut, access=replace(sut.access, trust_anchors=()))
        distrusted = await check(stranger, time_s=30)

    tls = of(checked, "TLS")
    assert [one for one in tls if one.state is State.BAD] == []
    said = " ".join(one.found for one in tls)
    assert "is trusted, and names it" in said
    assert "TLS_RSA_WITH_AES_128_GCM_SHA256" in said
    assert "are refused" in said
    profiles = {one.topic for one in of(checked, "authentication")}
    assert profiles == {f"authentication, security profile {n}" for n in (1, 2, 3)}
    assert [one for one in of(checked, "authentication") if one.state is State.BAD] == []
    assert of(distrusted, "TLS")[0].state is State.BAD
    assert "tls.trust_anchors" in of(distrusted, "TLS")[0].remedy


async def test_no_tls_is_fatal() -> None:
    """A server that speaks something else ends it with one note, and no more handshakes."""
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"wss://127.0.0.1:{port}/ocpp"
        (note,) = await look(url, trust_anchors=None, server_name="", timeout_s=2)

    assert (note.is_fatal, "no TLS" in note.found) == (True, True)
    assert opened == 1 < HANDSHAKES
