"""Frames are read strictly, completely and without ever raising."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.frames import (
    Call,
    CallError,
    CallResult,
    Unreadable,
    encode_call,
    encode_error,
    encode_result,
    parse,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_call_is_read() -> None:
    """A proper CALL has its parts, its raw text and no defects."""
    text = '[2, "17", "Reset", {"type": "Hard"}]'

    assert parse(text) == Call("17", "Reset", {"type": "Hard"}, text, ())


def test_result_is_read() -> None:
    """A proper CALLRESULT has its parts, its raw text and no defects."""
    text = '[3,"17",{"status":"Accepted"}]'

    assert parse(text) == CallResult("17", {"status": "Accepted"}, text, ())


def test_error_is_read() -> None:
    """A proper CALLERROR has its parts, its raw text and no defects."""
    text = '[4,"17","GenericError","why",{"a":1}]'

    assert parse(text) == CallError("17", "GenericError", "why", {"a": 1}, text, ())


def test_null_payload_is_empty() -> None:
    """`null` is a legal way to write an empty payload (OCPP-J §4.2.1)."""
    assert parse('[3,"1",null]') == CallResult("1", {}, '[3,"1",null]', ())


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ('[4,"1","GenericError"]', "error description is missing"),
        ('[4,"1","GenericError","",null]', "error details is no object"),
        ('[4,"1","FormatViolation","",{}]', "unknown error code FormatViolation"),
        ('[3,"1",[]]', "payload is no object"),
        ('[3,"1"]', "payload is missing"),
        ('[3,"1",{},{}]', "4 elements instead of 3"),
        ('[2,"1","Reset",{"type":"Hard","type":"Soft"}]', "key given twice: type"),
        ('[2,"1","Reset",{"type":NaN}]', "NaN is not JSON"),
        ('[2,"' + "x" * 37 + '","Reset",{}]', "message id longer than 36"),
        ('[2,"","Reset",{}]', "message id is empty"),
        ('[3,"1",{"transactionId":' + "9" * 5000 + "}]", "integer of 5000 digits"),
    ],
)
def test_usable_frames_keep_their_defects(text: str, defect: str) -> None:
    """What is wrong with a usable frame is listed beside it."""
    frame = parse(text)

    assert not isinstance(frame, Unreadable)
    assert frame.text == text
    assert any(defect in found for found in frame.defects), frame.defects


@pytest.mark.parametrize(
    ("text", "message_id", "message_type"),
    [
        ("", None, None),
        ("hello", None, None),
        ("{}", None, None),
        ("[]", None, None),
        ("[2]", None, 2),
        ('[5,"1",{}]', "1", 5),
        ('["2","1","Reset",{}]', "1", None),
        ("[true,1]", None, None),
        ('[2,1,"Reset",{}]', None, 2),
        ('[2,"1",["Reset"],{}]', "1", 2),
        ('[2,"1"]', "1", 2),
        ("[" * 100_000, None, None),
    ],
)
def test_unusable_texts_are_unreadable(
    text: str, message_id: str | None, message_type: int | None
) -> None:
    """What cannot be used keeps its text, and its id and type where they could be told."""
    frame = parse(text)

    assert isinstance(frame, Unreadable)
    assert (frame.text, frame.message_id, frame.message_type) == (text, message_id, message_type)
    assert frame.defects


def test_large_integers_stay_exact() -> None:
    """An integer beyond 64 bits is not turned into a float."""
    frame = parse('[3,"1",{"transactionId":92233720368547758080}]')

    assert isinstance(frame, CallResult)
    assert frame.payload["transactionId"] == 92233720368547758080


@pytest.mark.slow
@given(st.text() | JSON.map(json.dumps) | st.lists(JSON, max_size=6).map(json.dumps))
def test_parse_never_raises(text: str) -> None:
    """Whatever comes in, a frame with the same text comes out."""
    assert parse(text).text == text


@given(
    st.text(max_size=36, min_size=1),
    st.dictionaries(st.text(), st.text() | st.integers(-(10**30), 10**30)),
)
def test_written_frames_read_back(message_id: str, payload: dict[str, object]) -> None:
    """What we write is read back as it was, without defects."""
    call = parse(encode_call(message_id, "DataTransfer", payload))
    result = parse(encode_result(message_id, payload))
    error = parse(encode_error(message_id, "InternalError", "why", payload))

    assert (call.defects, result.defects, error.defects) == ((), (), ())
    assert isinstance(call, Call)
    assert isinstance(result, CallResult)
    assert isinstance(error, CallError)
    assert call.message_id == result.message_id == error.message_id == message_id
    assert call.payload == result.payload == error.details == payload
