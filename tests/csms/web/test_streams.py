"""Bodies in pieces: whole, broken off, or silent."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from starlette.types import Message

from csms.files.ranges import Part
from csms.files.vault import FileTooLarge, Vault
from csms.web import streams
from csms.web.streams import PIECE_BYTES, BrokenOff, FileAnswer, receive_body


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An open, empty vault."""
    made = Vault(tmp_path / "files")
    made.open()
    return made


def _request(*messages: Message) -> Request:
    remaining = iter(messages)

    async def receive() -> Message:
        return next(remaining)

    return Request({"type": "http", "method": "PUT", "headers": []}, receive)


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


async def test_a_body_is_written_piece_by_piece(vault: Vault) -> None:
    """In order, also where a piece is larger than the buffer."""
    contents = [b"a", b"b" * PIECE_BYTES, b"", b"c" * (PIECE_BYTES * 2 + 1), b"d"]
    incoming = vault.receive(limit_bytes=10**7)

    await receive_body(_request(*(_body(one, more=one != b"d") for one in contents)), incoming)

    assert vault.path(incoming.keep().stored_as).read_bytes() == b"".join(contents)


async def test_what_came_before_the_end_of_the_connection_is_kept(vault: Vault) -> None:
    """It is not the whole, and that is told."""
    incoming = vault.receive(limit_bytes=10)

    with pytest.raises(BrokenOff, match="the connection ended"):
        await receive_body(
            _request(_body(b"half", more=True), {"type": "http.disconnect"}), incoming
        )

    assert incoming.keep().size_bytes == 4


async def test_silence_ends_a_transfer(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead connection may never end by itself."""
    monkeypatch.setattr(streams, "IDLE_S", 0.01)
    incoming = vault.receive(limit_bytes=10)

    async def silent() -> AsyncIterator[bytes]:

        await asyncio.Event().wait()
        yield b""

    request = _request()
    monkeypatch.setattr(request, "stream", silent)
    with pytest.raises(BrokenOff, match="nothing came"):
        await receive_body(request, incoming)
    incoming.discard()


async def test_a_body_that_is_too_long_is_not_read_to_its_end(vault: Vault) -> None:
    """The first piece too many ends it."""
    incoming = vault.receive(limit_bytes=PIECE_BYTES)

    with pytest.raises(FileTooLarge):
        await receive_body(_request(_body(b"x" * (PIECE_BYTES + 1), more=True)), incoming)
    incoming.discard()


async def _serve(
    content: bytes,
    on_send: Callable[[int], Message | None],
    **options: Any,
) -> list[Message]:
    """Serve `content`; `on_send` may return a message to receive after so many were sent."""

    sent: list[Message] = []
    incoming: asyncio.Queue[Message] = asyncio.Queue()

    async def send(message: Message) -> None:
        sent.append(message)
        if (event := on_send(len(sent))) is not None:
            incoming.put_nowait(event)
            for _ in range(3):  # until whoever waits for it has seen it
                await asyncio.sleep(0)

    answer = FileAnswer(io.BytesIO(content), etag='"x"', headers={}, **options)
    await answer({"type": "http", "method": "GET", "headers": []}, incoming.get, send)
    return sent


async def test_a_file_is_sent_in_pieces_and_its_end_is_noted() -> None:
    """And what was begun is ended."""
    noted: list[Any] = []

    async def begun(part: Part) -> int:
        noted.append(part)
        return 7

    async def ended(number: int, sent: int, is_whole: bool) -> None:
        noted.append((number, sent, is_whole))

    content = bytes(PIECE_BYTES * 2 + 1)
    sent = await _serve(content, lambda _: None, begun=begun, ended=ended)

    assert b"".join(one.get("body", b"") for one in sent) == content
    assert [one.get("more_body") for one in sent] == [None, True, True, False]
    assert noted == [Part(0, len(content)), (7, len(content), True)]


async def test_a_client_that_went_away_got_no_whole_file() -> None:
    """Nothing more is read for it."""
    noted: list[Any] = []

    async def ended(number: int, sent: int, is_whole: bool) -> None:
        noted.append((sent, is_whole))

    await _serve(
        bytes(PIECE_BYTES * 5),
        lambda count: {"type": "http.disconnect"} if count == 3 else None,
        ended=ended,
    )

    assert noted == [(PIECE_BYTES, False)]


async def test_an_empty_file_has_an_empty_body() -> None:
    """And an end."""
    sent = await _serve(b"", lambda _: None)

    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
    assert not sent[-1].get("more_body")
