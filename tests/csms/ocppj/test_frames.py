"""Reading and writing frames: nothing a peer sends may raise, every usable id is kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.ocppj import frames
from csms.ocppj.errors import ErrorCode
from csms.ocppj.frames import BadCall, Call, CallError, CallResult, Unreadable


def test_call_is_read() -> None:
    """A plain CALL gives its id, action and payload."""
    assert frames.parse('[2,"19","Heartbeat",{"a":1}]') == Call("19", "Heartbeat", {"a": 1})


def test_null_payload_is_an_empty_one() -> None:
    """`null` is legal notation for no payload (CS-RPC-10)."""
    assert frames.parse('[2,"19","Heartbeat",null]') == Call("19", "Heartbeat", {})
    assert frames.parse('[3,"19",null]') == CallResult("19", {})


def test_integer_id_is_taken_and_echoed_as_integer() -> None:
    """Only the same integer surely matches what such a charge point waits for."""
    assert frames.parse('[2,17,"Heartbeat",{}]') == Call(17, "Heartbeat", {})
    assert frames.call_result(17, {}) == b"[3,17,{}]"


@pytest.mark.parametrize(
    "text",
    [
        '[2,"a","Heartbeat",{}]\0',
        '\ufeff[2,"a","Heartbeat",{}]',
        ' \r\n[2,"a","Heartbeat",{}]\n\0\0',
        '[2,"a","Heartbeat",{}]\r\n',
    ],
)
def test_wrapping_is_forgiven(text: str) -> None:
    """A byte order mark, white space and trailing NULs do no harm."""
    assert frames.parse(text) == Call("a", "Heartbeat", {})


@pytest.mark.parametrize(
    ("text", "message_id", "action"),
    [
        ('[2,"a"]', "a", ""),
        ('[2,"a","Heartbeat"]', "a", "Heartbeat"),
        ('[2,"a","Heartbeat",{},{}]', "a", "Heartbeat"),
        ('[2,"a",["Heartbeat"],{}]', "a", ""),
        ('[2,"a",{"x":1},{}]', "a", ""),
        ('[2,"a",null,{}]', "a", ""),
        ('[2,"a",7,{}]', "a", ""),
        ('[2,"a","Heartbeat",[]]', "a", "Heartbeat"),
        ('[2,"a","Heartbeat","{}"]', "a", "Heartbeat"),
        ('[2,"a","Heartbeat",1]', "a", "Heartbeat"),
        (f'[2,"{"x" * 37}","Heartbeat",{{}}]', "x" * 37, "Heartbeat"),
        (f'[2,"{"x" * 60}","Heartbeat",{{}}]', "x" * 60, "Heartbeat"),
        ('[2,"a","MeterValues",{"v":NaN}]', "a", "MeterValues"),
        ('[2,"a","MeterValues",{"v":-Infinity}]', "a", "MeterValues"),
        ('[2,"a","MeterValues",{"v":1e999}]', "a", "MeterValues"),
        ('[2,"a","MeterValues",{"v":' + "9" * 5000 + "}]", "a", "MeterValues"),
        ('[2,"a","MeterValues",{"v":"\\ud800"}]', "a", "MeterValues"),
        ('[2,"a","Heartbeat",' + '{"a":' * 5000 + "1" + "}" * 5000 + "]", "a", "Heartbeat"),
        ('[2,"a","Heartbeat",' + "[" * 100_000 + "]" * 100_000 + "]", "a", "Heartbeat"),
        ('[ 2 , 5 , "Heartbeat", {"v":NaN} ]', 5, "Heartbeat"),
        ("[2,9223372036854775807,Infinity]", 2**63 - 1, ""),
    ],
)
def test_broken_call_with_a_usable_id_can_be_answered(
    text: str, message_id: str | int, action: str
) -> None:
    """Wrong structure is FormationViolation, with the id it came with."""
    frame = frames.parse(text)

    assert isinstance(frame, BadCall)
    assert (frame.message_id, frame.action) == (message_id, action)
    assert frame.code is ErrorCode.FORMATION_VIOLATION
    assert 0 < len(frame.description) < 100


def test_id_of_36_characters_is_fine() -> None:
    """The limit is a maximum (OCPP-J 1.6 §4.1.4), counted in characters."""
    assert isinstance(frames.parse(f'[2,"{"ü" * 36}","Heartbeat",{{}}]'), Call)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\0",
        "not json",
        "null",
        "2",
        '"[2]"',
        "{}",
        '{"2":"a"}',
        "[]",
        "[2]",
        "[[2]]",
        '[2,"a","Heartbeat",{}',
        '[2,"a","Heartbeat",{',
        '[2,"a',
        "[2,null,null,null]",
        '[2,["a"],"Heartbeat",{}]',
        '[2,{"a":1},"Heartbeat",{}]',
        '[2,1.5,"Heartbeat",{}]',
        '[2,true,"Heartbeat",{}]',
        '[2,18446744073709551616,"Heartbeat",{}]',
        f'[2,"{"x" * 256}","Heartbeat",{{}}]',
        f'[2,"{"x" * 256}","Heartbeat",{{"v":NaN}}]',
        '[2,"\\ud800","Heartbeat",{}]',
        '[2.0,"a","Heartbeat",{}]',
        '["2","a","Heartbeat",{}]',
        '[true,"a","Heartbeat",{}]',
        '[1,"a","Heartbeat",{}]',
        '[5,"a","Heartbeat",{}]',
        '[-2,"a","Heartbeat",{}]',
        '[null,"a","Heartbeat",{}]',
        "[3]",
        "[4]",
        "[3,null,{}]",
        "[" * 200_000,
        "]" * 10,
    ],
)
def test_what_cannot_be_correlated_is_dropped(text: str) -> None:
    """Unknown message types and ids nobody could match get no answer (CS-RPC-02, CS-RPC-16)."""
    assert isinstance(frames.parse(text), Unreadable)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[4,"a"]', CallError("a", "", "", {})),
        ('[4,"a","GenericError"]', CallError("a", "GenericError", "", {})),
        ('[4,"a","FormatViolation","x"]', CallError("a", "FormatViolation", "x", {})),
        ('[4,"a","X","y",null]', CallError("a", "X", "y", {})),
        ('[4,"a","X","y","text"]', CallError("a", "X", "y", "text")),
        ('[4,"a",null,5,{"k":1},9]', CallError("a", "", "", {"k": 1})),
        ('[3,"a"]', CallResult("a", {})),
        ('[3,"a",{"status":"Accepted"},1]', CallResult("a", {"status": "Accepted"})),
        ('[3,"a",[1]]', CallResult("a", [1])),
    ],
)
def test_answers_are_read_leniently(text: str, frame: object) -> None:
    """Missing or odd parts of an answer do not hide it (CS-RPC-09)."""
    assert frames.parse(text) == frame


def test_duplicate_keys_let_the_last_win() -> None:
    """JSON leaves it open; the raw text is in the message log."""
    assert frames.parse('[2,"a","Authorize",{"idTag":"x","idTag":"y"}]') == Call(
        "a", "Authorize", {"idTag": "y"}
    )


def test_frames_are_written_as_the_standard_has_them() -> None:
    """Five elements in a CALLERROR, details an object, the description bounded (CS-RPC-09)."""
    assert json.loads(frames.call("i", "Reset", {"type": "Soft"})) == [
        2,
        "i",
        "Reset",
        {"type": "Soft"},
    ]
    error = json.loads(frames.call_error("i", ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION, "d" * 999))
    assert error == [4, "i", "OccurenceConstraintViolation", "d" * 255, {}]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(
    st.text()
    | _JSON.map(json.dumps)
    | st.lists(_JSON, max_size=6).map(lambda rest: json.dumps([2, *rest]))
)
def test_reading_never_raises(text: str) -> None:
    """Whatever comes is one of the five kinds of frame."""
    assert isinstance(frames.parse(text), Call | BadCall | CallResult | CallError | Unreadable)


@given(
    st.text(max_size=36) | st.integers(-(2**63), 2**63 - 1),
    st.lists(_JSON, max_size=4),
)
def test_every_call_with_a_usable_id_can_be_answered_with_it(
    message_id: str | int, rest: list[object]
) -> None:
    """The answer carries the id as it came, whatever follows it."""
    try:
        text = json.dumps([2, message_id, *rest], ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair cannot cross a wire
        return
    frame = frames.parse(text)

    assert isinstance(frame, Call | BadCall)
    assert frame.message_id == message_id
    assert json.loads(frames.call_error(frame.message_id, ErrorCode.GENERIC_ERROR))[1] == message_id
