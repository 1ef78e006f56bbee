"""The normal form of frames: blind to what may differ, and to nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.comparison.normal_form import (
    ALLOWED,
    Json,
    Names,
    Role,
    Sent,
    Slot,
    canonical,
    normal_form,
    normal_text,
    normalise,
)
from harness.results import CaseResult, StepResult
from simulator.trace import Event
from tests.harness.report_samples import RECEIVED, SENT, STARTED_AT, case, frame

WORDS = st.text("abcdefghij", min_size=1, max_size=8)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=10,
)


def of_case(*events: Event, steps: dict[str, tuple[int, ...]] | None = None) -> CaseResult:
    """Return a case of these events and steps."""
    position = case().position
    return case(
        identity="PF0001",
        events=events,
        steps=tuple(
            StepResult(path, "send", "", position, STARTED_AT, 0.1, "passed", indices)
            for path, indices in (steps or {}).items()
        ),
    )


def session(transaction_id: int, tag: str, minute: int, message_id: str) -> CaseResult:
    """Return a case with a transaction whose numbers, names and times are as given."""
    time = f"2026-01-31T12:{minute:02}:00.{minute}Z"
    return of_case(
        frame(0.0, SENT, f'[2,"{message_id}","StartTransaction",{{"idTag":"{tag}"}}]'),
        frame(
            0.1,
            RECEIVED,
            f'[3,"{message_id}",{{"transactionId":{transaction_id},"idTagInfo":'
            f'{{"status":"Accepted","parentIdTag":"P-{tag}","expiryDate":"{time}"}}}}]',
        ),
        frame(
            0.2,
            RECEIVED,
            f'[2,"x{message_id}","RemoteStopTransaction",{{"transactionId":{transaction_id}}}]',
        ),
        steps={"1": (0, 1), "2": (2,)},
    )


@given(
    st.integers(1, 2**31 - 1),
    st.text("ABCDEF0123456789", min_size=1, max_size=20),
    st.integers(0, 59),
    st.uuids().map(str),
)
def test_what_may_differ_makes_no_difference(
    transaction_id: int, tag: str, minute: int, message_id: str
) -> None:
    """Other transaction ids, cards, times and message ids leave the normal form as it is."""
    assert normal_form(session(transaction_id, tag, minute, message_id)) == normal_form(
        session(7, "CARD", 30, "m")
    )


def test_a_number_that_belongs_elsewhere_shows() -> None:
    """A stop of another transaction than the one begun is another frame."""
    right = session(7, "CARD", 30, "m")
    stop = frame(0.2, RECEIVED, '[2,"y","RemoteStopTransaction",{"transactionId":8}]')
    wrong = of_case(*right.events[:2], stop, steps={"1": (0, 1), "2": (2,)})

    assert normal_form(right) != normal_form(wrong)


@given(st.dictionaries(WORDS, VALUES, min_size=1), st.randoms())
def test_the_order_of_keys_makes_no_difference(payload: dict[str, Json], chance: Any) -> None:
    """Keys in another order are the same object."""
    names = list(payload)
    chance.shuffle(names)
    shuffled = {name: payload[name] for name in names}

    assert canonical(normalise(payload, Names())) == canonical(normalise(shuffled, Names()))


@given(VALUES, VALUES)
def test_everything_else_that_differs_shows(one: Json, other: Json) -> None:
    """Values without numbers of their own keep their differences, in type as well."""
    same = canonical(one) == canonical(other)

    assert (canonical(normalise(one, Names())) == canonical(normalise(other, Names()))) == same


@given(VALUES)
def test_a_normal_form_is_its_own(value: Json) -> None:
    """Normalising twice is normalising once."""
    once = normalise({"idTag": "CARD", "transactionId": 4, "data": value}, Names())

    assert normalise(once, Names()) == once


@given(st.text(max_size=200))
def test_any_text_has_a_normal_form(text: str) -> None:
    """Nothing a CSMS may send makes the reader stumble."""
    found = normal_form(of_case(frame(0, RECEIVED, text), frame(1, RECEIVED, f"[2,{text}]")))

    assert len(found.uncounted) >= 1
    assert isinstance(normal_text(text, Names("PF0001")), str)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-01-31T12:00:00Z", "2027-02-01T00:00:01.5Z"),
        ("2026-01-31T12:00:00+01:00", "2026-07-31T12:00:00+02:00"),
        ("http://h:8080/files/1a2b3c4d5e", "http://h:9090/files/ffffffff00"),
        ("ftp://u:***@h/?token=Ab3dEf6hIj9lMn2pQ", "ftp://u:***@h/?token=Zz3dEf6hIj9lMn2pQ"),
        ("id 0b7efae3-dd7d-415a-8915-645b2d71248a", "id 1b7efae3-dd7d-415a-8915-645b2d71248b"),
        ("of 0123456789abcdef0123", "of fedcba98765432100123"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n",
        ),
    ],
)
def test_texts_may_differ_in_what_is_made_up(one: str, other: str) -> None:
    """Times, ports, random parts and certificates are alike."""
    assert normal_text(one, Names()) == normal_text(other, Names())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00"),
        ("http://h:80/files/a", "https://h:80/files/a"),
        ("http://h/files/a", "http://g/files/a"),
        ("http://h/firmware/v1.bin", "http://h/firmware/v2.bin"),
        ("Accepted", "Blocked"),
        ("60", "61"),
        (
            "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n" * 2,
        ),
    ],
)
def test_texts_keep_what_is_meant(one: str, other: str) -> None:
    """The form of a time, the scheme, host and file of a URL, and plain values stay."""
    assert normal_text(one, Names()) != normal_text(other, Names())


@pytest.mark.parametrize("value", [0, -1])
def test_ids_that_mean_none_stay(value: int) -> None:
    """A transaction id of 0 or -1 says that there is none."""
    assert normalise({"transactionId": value}, Names()) == {"transactionId": value}


def test_the_identity_and_known_tags_are_named_in_texts() -> None:
    """Words that name the charge point or a card are the same for another one."""
    names = Names("PF0001")
    normalise({"idTag": "CARD7"}, names)

    assert normal_text("CARD7 at PF0001", names) == "<id tag 1> at <identity>"


def test_lists_without_order_are_sorted() -> None:
    """The keys that GetConfiguration asks for may come in any order; others may not."""
    assert normalise({"key": ["b", "a"]}, Names()) == {"key": ["a", "b"]}
    assert normalise({"other": ["b", "a"]}, Names()) == {"other": ["b", "a"]}


def test_frames_stand_where_they_belong() -> None:
    """An answer belongs to its CALL, a request to its step, the rest is not counted."""
    found = normal_form(
        of_case(
            frame(0.0, SENT, '[2,"a","Heartbeat",{}]'),
            frame(0.1, SENT, '[2,"b","Heartbeat",{}]'),
            frame(0.2, RECEIVED, '[3,"b",{"n":2}]'),
            frame(0.3, RECEIVED, '[2,"c","Reset",{"type":"Soft"}]'),
            frame(0.4, RECEIVED, '[2,"d","ClearCache",{}]'),
            frame(0.5, RECEIVED, '[4,"zz","InternalError","at line 12",{}]'),
            frame(0.6, RECEIVED, "no frame"),
            steps={"1": (0,), "2": (1, 2, 3)},
        )
    )

    assert found.counted == {
        Slot("1", Role.ANSWER, "Heartbeat", 1): None,
        Slot("2", Role.ANSWER, "Heartbeat", 1): Sent("result", {"n": 2}),
        Slot("2", Role.REQUEST, "Reset", 1): Sent("request", {"type": "Soft"}),
    }
    error: Json = {
        "errorCode": "InternalError",
        "errorDescription": "at line #",
        "errorDetails": {},
    }
    assert found.uncounted == {
        Slot("", Role.UNASKED, "ClearCache", 0): (Sent("request", {}),),
        Slot("", Role.STRAY, "", 0): (Sent("error", error), Sent("unreadable", "no frame")),
    }


def test_deep_nesting_is_survived() -> None:
    """A payload nested beyond any reader is compared as far as it can be."""
    deep = json.dumps([3, "a", {"x": 1}]).replace("1", "[" * 900 + "]" * 900)

    assert normal_form(of_case(frame(0, RECEIVED, deep))).uncounted


def test_the_document_shows_the_whole_table() -> None:
    """Whoever reads how to compare knows what may differ."""
    page = (Path(__file__).parents[3] / "docs/how-to/compare-runs.md").read_text()

    for line in ALLOWED:
        assert f"| {' | '.join(line)} |" in page
