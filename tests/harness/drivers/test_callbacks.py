"""The listener for callbacks: whoever comes, it stays small and believes nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from harness.drivers.callbacks import Callbacks
from harness.drivers.driver import DriverError
from harness.drivers.http_spec import CallbackSpec
from tests.harness.drivers.interface import post


@pytest.fixture
async def callbacks() -> AsyncIterator[Callbacks]:
    listening = Callbacks(CallbackSpec())
    await listening.start()
    yield listening
    await listening.close()


async def raw(url: str, content: bytes) -> bytes:
    """Send bytes and return all that comes back."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(content)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


async def test_it_listens_on_loopback_only(callbacks: Callbacks) -> None:
    """Unless the file says otherwise, nobody else can reach it."""
    with callbacks.expect("Reset of CP1") as expected:
        assert urlsplit(expected.url).hostname == "127.0.0.1"


@pytest.mark.parametrize(
    ("content", "method", "status", "remark"),
    [
        (b"{", "POST", 400, "was no JSON"),
        (b"[" * 100_000, "POST", 400, "was no JSON"),
        (b"{}", "GET", 405, "was no POST"),
        (b"x" * 300_000, "POST", 413, "was too long"),
    ],
)
async def test_what_is_no_answer_is_noted_and_waited_on(
    callbacks: Callbacks, content: bytes, method: str, status: int, remark: str
) -> None:
    """A bad callback does not use up the place of the good one."""
    with callbacks.expect("Reset of CP1") as expected:
        assert await post(expected.url, content, method=method) == status
        assert not expected.body.done()
        assert await post(expected.url, b'{"status": "Accepted"}', method="PUT") == 204
        assert expected.body.result() == {"status": "Accepted"}

    assert len(callbacks.remarks) == 1
    assert remark in callbacks.remarks[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"GARBAGE\r\n\r\n", b"HTTP/1.1 400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000, b"HTTP/1.1 431"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", b"HTTP/1.1 400"),
        (b"", b""),
    ],
)
async def test_other_bytes_do_no_harm(
    callbacks: Callbacks, content: bytes, expected: bytes
) -> None:
    """Whatever is sent is answered or left, and the next callback is taken."""
    with callbacks.expect("Reset of CP1") as wanted:
        answer = await raw(wanted.url, content)
        assert answer.startswith(expected)
        assert await post(wanted.url, b"1") == 204


async def test_remarks_do_not_grow_without_end(callbacks: Callbacks) -> None:
    """The same remark is made once; how many more there were is told."""
    with callbacks.expect("Reset of CP1") as expected:
        for number in range(5):
            await post(f"{expected.url}{number}", b"{}")

    assert callbacks.remarks == (
        "A callback came to a path that no command has, and was not believed.",
        "4 more callbacks were not believed.",
    )


async def test_paths_of_commands_are_not_in_remarks(callbacks: Callbacks) -> None:
    """What was secret is not written into a report."""
    with callbacks.expect("Reset of CP1") as expected:
        pass
    await post(expected.url, b"{}")

    assert expected.url.rpartition("/")[2] not in " ".join(callbacks.remarks)


async def test_the_address_may_be_another_for_the_central_system() -> None:
    """Behind a container or a network, the file says how we are reached."""
    listening = Callbacks(CallbackSpec(url="http://host.docker.internal:$port/deep/"))
    await listening.start()
    with listening.expect("Reset of CP1") as expected:
        token = expected.url.rpartition("/")[2]
        port = urlsplit(expected.url).port
        assert expected.url == f"http://host.docker.internal:{port}/deep/{token}"
        assert await post(f"http://127.0.0.1:{port}/deep/{token}", b"{}") == 204
    await listening.close()


async def test_an_address_that_cannot_be_used_is_told(callbacks: Callbacks) -> None:
    """Two cannot listen at the same place."""
    with callbacks.expect("x") as expected:
        port = urlsplit(expected.url).port
    taken = Callbacks(CallbackSpec(port=port or 0))

    with pytest.raises(DriverError, match=rf"cannot listen on 127\.0\.0\.1:{port} for callbacks"):
        await taken.start()
    await taken.close()


async def test_a_connection_that_says_nothing_does_not_hold_up_the_end(
    callbacks: Callbacks,
) -> None:
    """Closing does not wait for whoever is connected."""
    with callbacks.expect("x") as expected:
        parts = urlsplit(expected.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    async with asyncio.timeout(2):
        await callbacks.close()
    writer.close()
