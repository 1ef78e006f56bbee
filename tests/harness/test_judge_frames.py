"""Raw text to frames."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge_frames import Frame, MessageType, read_frame, read_json, texts
from harness.results import Severity


def rules(text: str) -> list[str]:
    """Return the rules a text breaks."""
    return [one.rule for one in read_frame(text)[1]]


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[2,"a","Reset",{"type":"Hard"}]',
         Frame(MessageType.CALL, "a", "Reset", {"type": "Hard"}, has_payload=True)),
        ('[2,"a","Reset",null]', Frame(MessageType.CALL, "a", "Reset", None, has_payload=True)),
        ('[3,"a",{}]', Frame(MessageType.CALL_RESULT, "a", payload={}, has_payload=True)),
        ('[4,"a","GenericError","x",{}]',
         Frame(MessageType.CALL_ERROR, "a", code="GenericError", description="x")),
        (' [ 3 , "a" , { "b" : 1.50 } ] ',
         Frame(MessageType.CALL_RESULT, "a", payload={"b": 1.5}, has_payload=True)),
    ],
)  # fmt: skip
def test_messages_are_read(text: str, frame: Frame) -> None:
    """A proper message has no finding, whatever its white space."""
    assert read_frame(text) == (frame, [])


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[3,", ["json.unreadable"]),
        ("[3,'a',{}]", ["json.unreadable"]),
        ('[3,"a",{}] x', ["json.unreadable"]),
        ('\ufeff[3,"a",{}]', ["json.unreadable"]),
        ('[3,"a",{"b":1,"b":1}]', ["json.duplicate-key"]),
        ('[3,"a",{"x":{"b":1,"c":2,"b":3}}]', ["json.duplicate-key"]),
        ('[3,"a",{"b":NaN}]', ["json.not-a-number"]),
        ('[3,"a",{"b":-Infinity}]', ["json.not-a-number"]),
        ('[3,"a",{"b":1e999}]', ["json.not-a-number"]),
        ('[3,"a",{"b":"\\ud83d"}]', ["json.surrogate"]),
        ('[3,"a",{"b":"\\ud83d\\ude00"}]', []),
        ('[3,"a",{"b":' + "9" * 5000 + "}]", []),
        ("{}", ["frame.not-array"]),
        ("null", ["frame.not-array"]),
        ("[]", ["frame.message-type"]),
        ('[true,"a",{}]', ["frame.message-type"]),
        ('[1,"a",{}]', ["frame.message-type"]),
        ("[3]", ["frame.element-count", "frame.message-id"]),
        ('[3,"a"]', ["frame.element-count"]),
        ('[2,"a","Reset"]', ["frame.element-count"]),
        ('[2,"a"]', ["frame.element-count", "frame.action"]),
        ('[2,"a","Reset",{},{}]', ["frame.element-count"]),
        ('[3,1,{}]', ["frame.message-id"]),
        ('[3,null,{}]', ["frame.message-id"]),
        ('[3,"",{}]', ["frame.message-id"]),
        ('[4,"a","GenericError"]', ["frame.element-count"]),
        ('[4,"a","GenericError","",{},{}]', ["frame.element-count"]),
        ('[4,"a","GenericError",null,{}]', ["error.shape"]),
        ('[4,"a","GenericError","",null]', ["error.shape"]),
        ('[4,"a","GenericError","",""]', ["error.shape"]),
        ('[4,"a",5,"",{}]', ["error.shape"]),
        ('[4,"a","MyError","",{}]', ["error.code"]),
        ('[4,"a","genericError","",{}]', ["error.code"]),
        ('[4,"a","FormatViolation","",{}]', ["error.code-spelling"]),
        ('[4,"a","OccurrenceConstraintViolation","",{}]', ["error.code-spelling"]),
        ('[4,"a","FormationViolation","",{}]', []),
        ('[4,"a","OccurenceConstraintViolation","",{}]', []),
    ],
    ids=str,
)  # fmt: skip
def test_broken_messages_say_what_is_broken(text: str, broken: list[str]) -> None:
    """Each defect of a text or frame has its rule, and only that."""
    assert rules(text) == broken


def test_a_spelling_of_the_next_version_only_warns() -> None:
    """Receivers of 1.6 take both spellings; a code that exists nowhere fails."""
    (spelling,) = read_frame('[4,"a","FormatViolation","",{}]')[1]
    (unknown,) = read_frame('[4,"a","Oops","",{}]')[1]

    assert (spelling.severity, spelling.expected) == (Severity.WARNING, "FormationViolation")
    assert unknown.severity is Severity.FAILURE


def test_integers_of_any_length_are_read_without_end() -> None:
    """Digits beyond Python's own limit are cut, and stay beyond 64 bit."""
    value, found = read_json("9" * 100_000)

    assert found == []
    assert isinstance(value, int)
    assert value > 2**64


def test_texts_are_found_with_keys_and_without_free_text() -> None:
    """Keys count as texts; what stands under free keys does not."""
    value = {"vendorId": "v", "data": "frei", "list": [{"a": "b"}]}

    assert list(texts(value, skip=frozenset({"data"}))) == [
        "vendorId",
        "v",
        "data",
        "list",
        "a",
        "b",
    ]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """No text raises; what is no frame has a finding."""
    frame, found = read_frame(text)

    assert frame.type is not None or found


@given(st.lists(JSON, max_size=6))
def test_any_array_is_read(value: list[object]) -> None:
    """No array raises, and findings can be written anywhere."""
    for one in read_frame(json.dumps(value))[1]:
        assert f"{one.message}{one.expected}{one.actual}".encode()


@given(st.text(min_size=1, max_size=36).filter(str.isprintable), st.dictionaries(st.text(), JSON))
def test_results_come_back_as_they_were(message_id: str, payload: dict[str, object]) -> None:
    """Id and payload of a proper answer are what was sent."""
    frame, _ = read_frame(json.dumps([3, message_id, payload]))

    assert (frame.message_id, frame.payload) == (message_id, payload)
