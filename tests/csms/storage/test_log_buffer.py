"""The buffer of the message log is filled by one thread and emptied by another."""

from datetime import UTC, datetime, timedelta

import pytest

from csms.domain.model import LoggedMessage
from csms.storage import log_buffer
from csms.storage.log_buffer import LogBuffer
from csms.storage.message_log import MessageLogLimits

AT = datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)


class Interrupting(str):
    """A frame during whose measuring the other thread adds one more."""

    buffer: LogBuffer

    def __len__(self) -> int:
        self.buffer.add(LoggedMessage("CP2", "received", AT, "later"))
        return super().__len__()


def test_a_portion_is_taken_while_frames_arrive() -> None:
    """An entry that comes while the writer takes its portion neither breaks nor joins it."""
    buffer = LogBuffer(MessageLogLimits(timedelta(days=1), 1_000_000))
    text = Interrupting("[2,...]")
    text.buffer = buffer
    entries = [LoggedMessage("CP1", "received", AT, text) for _ in range(3)]
    for entry in entries:
        buffer.add(entry)
    waiting = 3 + 3  # each adding measured its text once

    portion = buffer.portion()

    assert len(portion) == waiting
    assert [entry for entry in portion if entry.text is text] == entries


def test_written_frames_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on what waits, not on what ever came."""
    monkeypatch.setattr(log_buffer, "MAX_TEXT", 100)
    buffer = LogBuffer(MessageLogLimits(timedelta(days=1), 1_000_000))
    entry = LoggedMessage("CP1", "received", AT, "x" * 40)

    for _ in range(5):
        buffer.add(entry)
        buffer.add(entry)
        buffer.add(entry)
        portion = buffer.portion()
        assert len(portion) == 2
        buffer.forget(portion)

    assert buffer.dropped == 5
    assert buffer.is_empty()
