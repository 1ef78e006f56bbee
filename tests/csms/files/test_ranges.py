"""Range, If-Range, If-Match and If-None-Match (RFC 9110)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.files.ranges import Part, Refusal, requested_part

ETAG = '"abc"'
SIZE = 1000
WHOLE = Part(0, SIZE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-499", Part(0, 500, True)),
        ("bytes=500-999", Part(500, 1000, True)),
        ("bytes=500-", Part(500, 1000, True)),
        ("bytes=-200", Part(800, 1000, True)),
        ("bytes=0-0", Part(0, 1, True)),
        ("bytes=999-", Part(999, 1000, True)),
        ("bytes=0-", Part(0, 1000, True)),
        ("BYTES=0-1", Part(0, 2, True)),
        ("bytes= 0-1 ", Part(0, 2, True)),
        ("bytes=,0-1,", Part(0, 2, True)),
        ("bytes=0-5000", Part(0, 1000, True)),  # cut at the end
        ("bytes=-5000", Part(0, 1000, True)),
        ("bytes=1000-", Refusal.NOT_SATISFIABLE),
        ("bytes=1000-2000", Refusal.NOT_SATISFIABLE),
        ("bytes=-0", Refusal.NOT_SATISFIABLE),
        ("bytes=9999999999999999999-", Refusal.NOT_SATISFIABLE),
        # Not heeded: several, other units, and what is no range.
        ("bytes=0-1,5-6", WHOLE),
        ("bytes=0-1, -5", WHOLE),
        ("lines=0-1", WHOLE),
        ("bytes", WHOLE),
        ("bytes=", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=5-4", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=0x1-2", WHOLE),
        ("bytes=1-2-3", WHOLE),
        ("bytes=--1", WHOLE),
        ("bytes=1 - 2", WHOLE),
        ("bytes=\N{ARABIC-INDIC DIGIT ONE}-", WHOLE),
        (f"bytes={'9' * 30}-", WHOLE),
        ("", WHOLE),
    ],
)
def test_ranges(text: str, expected: Part | Refusal) -> None:
    """The part, 416, or the whole file where the header is not heeded."""
    assert requested_part({"range": text}, etag=ETAG, size_bytes=SIZE) == expected


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_no_part_of_an_empty_file(text: str) -> None:
    """No byte of it can be served."""
    found = requested_part({"range": text}, etag=ETAG, size_bytes=0)

    assert found is Refusal.NOT_SATISFIABLE


@pytest.mark.parametrize(
    ("if_range", "is_part"),
    [
        (ETAG, True),
        ('"other"', False),
        (f"W/{ETAG}", False),  # a weak tag promises no equal bytes
        ("abc", False),
        ("Sun, 01 Mar 2026 12:00:00 GMT", False),  # we send no date to compare with
        ("*", False),
    ],
)
def test_if_range_serves_a_part_of_the_same_file_only(if_range: str, is_part: bool) -> None:
    """Anything else gets the whole file, so nothing is spliced."""
    headers = {"range": "bytes=10-", "if-range": if_range}

    found = requested_part(headers, etag=ETAG, size_bytes=SIZE)

    assert found == (Part(10, SIZE, True) if is_part else WHOLE)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WHOLE),
        ({"if-range": ETAG}, Part(10, SIZE, True)),
        ({"if-match": ETAG}, Part(10, SIZE, True)),
        ({"if-match": '"other"'}, Refusal.PRECONDITION_FAILED),
    ],
)
def test_a_replaced_file_is_resumed_with_proof_only(
    headers: dict[str, str], expected: Part | Refusal
) -> None:
    """Who names the tag of the new file has its beginning; who names none may have the old one."""
    asked = {"range": "bytes=10-", **headers}

    assert requested_part(asked, etag=ETAG, size_bytes=SIZE, may_resume=False) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"if-match": "*"}, WHOLE),
        ({"if-match": '"x", "abc"'}, WHOLE),
        ({"if-match": f"W/{ETAG}"}, Refusal.PRECONDITION_FAILED),
        ({"if-match": "abc"}, Refusal.PRECONDITION_FAILED),
        ({"if-none-match": "*"}, Refusal.NOT_MODIFIED),
        ({"if-none-match": ETAG}, Refusal.NOT_MODIFIED),
        ({"if-none-match": f'"x", W/{ETAG}'}, Refusal.NOT_MODIFIED),
        ({"if-none-match": '"x"'}, WHOLE),
        ({"if-none-match": ETAG, "range": "bytes=0-1"}, Refusal.NOT_MODIFIED),
        ({"if-match": '"x"', "if-none-match": ETAG}, Refusal.PRECONDITION_FAILED),
    ],
)
def test_preconditions(headers: dict[str, str], expected: Part | Refusal) -> None:
    """If-Match compares strongly and comes first; If-None-Match compares weakly (§13.1, §13.2)."""
    assert requested_part(headers, etag=ETAG, size_bytes=SIZE) == expected


@given(
    st.text("bytes=0123456789-, \tx", max_size=30).map(lambda text: f"bytes={text}")
    | st.text(max_size=20),
    st.integers(0, 3000),
)
def test_any_header_gives_a_part_of_the_file_or_none(text: str, size_bytes: int) -> None:
    """Whatever is asked, no byte outside the file is served, and no partial answer is empty."""
    found = requested_part({"range": text}, etag=ETAG, size_bytes=size_bytes)

    if isinstance(found, Part):
        assert 0 <= found.first <= found.end <= size_bytes
        assert found.is_partial or found == Part(0, size_bytes)
        assert not found.is_partial or found.first < found.end
    else:
        assert found is Refusal.NOT_SATISFIABLE
