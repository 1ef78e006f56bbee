"""Frames in short, whatever the peer sent."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.report.frames import FrameKind, printable, read_frames, summary_of
from simulator.trace import Event, EventKind
from tests.harness.report_samples import RECEIVED, SENT, failed_case, frame, other


def test_an_answer_gets_the_action_and_the_time_of_its_call() -> None:
    """The diagram can name an answer although the wire does not."""
    frames = read_frames(failed_case().events)

    assert frames[4].name == "Authorize.conf"
    assert frames[4].call_event == 3
    assert frames[4].latency_s is not None
    assert round(frames[4].latency_s, 3) == 0.43


def test_equal_ids_in_both_directions_are_two_calls() -> None:
    """An answer belongs to the CALL of the other side, also where both use one id."""
    events = (
        frame(0.0, SENT, '[2,"1","Heartbeat",{}]'),
        frame(0.1, RECEIVED, '[2,"1","Reset",{"type":"Hard"}]'),
        frame(0.2, SENT, '[3,"1",{"status":"Accepted"}]'),
        frame(0.3, RECEIVED, '[3,"1",{"currentTime":"2026-01-31T12:00:00Z"}]'),
    )

    frames = read_frames(events)

    assert [frames[2].name, frames[3].name] == ["Reset.conf", "Heartbeat.conf"]


def test_an_answer_on_another_connection_belongs_to_no_call() -> None:
    """Ids start anew with every connection."""
    events = (
        frame(0.0, SENT, '[2,"1","Heartbeat",{}]', connection=1),
        frame(0.1, RECEIVED, '[3,"1",{}]', connection=2),
    )

    assert read_frames(events)[1].action == ""


def test_an_error_shows_code_and_description() -> None:
    """A CALLERROR is told apart from an answer."""
    events = (
        frame(0.0, SENT, '[2,"1","Heartbeat",{}]'),
        frame(0.1, RECEIVED, '[4,"1","InternalError","disk full",{"a":1}]'),
    )

    error = read_frames(events)[1]

    assert (error.kind, error.name) == (FrameKind.ERROR, "Heartbeat CALLERROR")
    assert error.summary == 'InternalError "disk full" a=1'


def test_the_telling_fields_come_first() -> None:
    """Times say the least and come last; nested fields carry their path."""
    payload = {
        "currentTime": "2026-01-31T12:00:00Z",
        "interval": 300,
        "idTagInfo": {"expiryDate": "x y", "status": "Accepted"},
        "meterValue": [{}, {}],
    }

    assert summary_of(payload) == (
        'idTagInfo.status=Accepted interval=300 idTagInfo.expiryDate="x y"'
        " meterValue=[2 items] currentTime=2026-01-31T12:00:00Z"
    )


def test_what_steers_a_terminal_is_made_visible() -> None:
    """Escape sequences and direction marks of a hostile peer are shown, not obeyed."""
    assert printable("a\x1b[31m\u202eb\x00ü€") == "a\\u001b[31m\\u202eb\\u0000ü€"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(json_values.map(json.dumps) | st.text(), max_size=6))
def test_no_text_is_too_broken_to_be_shown(texts: list[str]) -> None:
    """Every message gets a line, and every line is printable."""
    events: list[Event] = [frame(0.1 * n, RECEIVED, text) for n, text in enumerate(texts)]
    events.append(other(9.0, EventKind.CLOSED))

    frames = read_frames(events)

    assert set(frames) == set(range(len(texts)))
    for shown in frames.values():
        assert all(char.isprintable() for char in shown.name + shown.summary)


def test_deep_nesting_does_not_break_the_reader() -> None:
    """A text nested beyond any parser's depth is shown as unreadable."""
    (shown,) = read_frames([frame(0.0, RECEIVED, "[" * 100_000)]).values()

    assert shown.kind is FrameKind.UNREADABLE
