"""Patterns against values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.expressions import BadExpression, UnknownVariable, format_time
from harness.matching import MatchResult, compiled, findings, is_equal, match, show
from harness.model import Check, Fields, Items, Json, Operator, Pattern, Position, Value
from harness.pki import Kind, Pki
from harness.results import Severity

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
AT = Position("case.yaml", 7, 3)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MISSING: Any = object()
WITH_PATTERN = ("absent_or", "each", "first", "only_contains")


def pattern(written: Json) -> Pattern:
    """Make a pattern the way files write it: operators by name, else fields, items or equality."""
    names = {operator.value for operator in Operator}
    if isinstance(written, dict) and written and set(written) <= names:
        return Value(tuple(check(key, argument) for key, argument in written.items()), AT)
    if isinstance(written, dict):
        return Fields({key: pattern(inner) for key, inner in written.items()}, AT)
    if isinstance(written, list):
        return Items(tuple(pattern(inner) for inner in written), AT)
    return Value((check("equals", written),), AT)


def check(name: str, argument: Json) -> Check:
    nested = pattern(argument) if name in WITH_PATTERN else None
    return Check(Operator(name), argument, AT, nested)


def held(
    written: Json,
    value: object,
    variables: Mapping[str, Json] | None = None,
    gathered: Mapping[str, Sequence[Json]] | None = None,
) -> MatchResult:
    return match(
        pattern(written), value, variables=variables or {}, now=NOW, gathered=gathered or {}
    )


def of_field(operator: str, argument: Json, value: Any) -> MatchResult:
    """Hold one operator against a field `f` that has a value, or is missing."""
    payload = {} if value is MISSING else {"f": value}
    return held({"f": {operator: argument}}, payload)


PKI = Pki(Path("nowhere"), hosts=["localhost"])
PEM = PKI.client("SN-1", organization="Maker").chain
OTHER_PEM = PKI.client("SN-1", organization="Maker", kind=Kind.UNTRUSTED).chain
FIRMWARE = PKI.variables()


@pytest.mark.parametrize(
    ("operator", "argument", "right", "wrong"),
    [
        ("equals", "a", ["a"], ["A", "b", 1, None, MISSING, ["a"]]),
        ("equals", 1, [1], [True, 1.0, "1", MISSING]),
        ("equals", 1.5, [1.5], [1, "1.5"]),
        ("equals", 2.0, [2, 2.0], [True, "2"]),
        ("equals", True, [True], [1, "true", False]),
        ("equals", [1, {"a": 2}], [[1, {"a": 2}]], [[1, {"a": 2.0}], [1], [1, {"a": 2, "b": 3}]]),
        ("equals_ignoring_case", "AbC", ["abc", "ABC"], ["abd", 1, MISSING]),
        ("equals_ignoring_case", ["Key"], [["key"]], [["key", "key"], "key"]),
        ("equals_ignoring_case", {"a": "Fe"}, [{"a": "fE"}], [{"a": "f"}, {"A": "fe"}, {}, "fe"]),
        ("not_equals", "a", ["b", 1], ["a", MISSING]),
        ("one_of", ["a", 1], ["a", 1], ["b", True, MISSING]),
        ("present", True, ["", None, 0], [MISSING]),
        ("absent", True, [MISSING], ["", None, 0]),
        ("empty_or_absent", True, [MISSING, []], [["a"], {}, "", None]),
        ("absent_or", 1, [MISSING, 1], [2, None]),
        ("absent_or", {"one_of": [1, 2]}, [MISSING, 2], [3]),
        ("greater_than", 0, [1, 0.5], [0, -1, True, "1", MISSING]),
        ("at_least", 3, [3, 4.5], [2, "3", MISSING]),
        (
            "approximately",
            {"time": "$now+60s", "tolerance_s": 5},
            ["2026-01-31T12:01:00Z", "2026-01-31T12:01:05.000Z", "2026-01-31T13:00:55+01:00"],
            ["2026-01-31T12:01:06Z", "2026-01-31T12:01:00", "soon", 5, MISSING],
        ),
        ("matches", "[0-9a-f]{2,4}", ["0a", "ffff"], ["0", "0a\n", "x0a", "0aG", 12, MISSING]),
        ("matches", "a|b", ["a", "b"], ["ab", "xb"]),
        (
            "approximately",
            {"time": "$now", "tolerance_s": 5},
            ["2026-01-31T12:00:05Z", "2026-01-31T11:59:55Z"],
            ["2026-01-31T12:00:05.001Z", "2026-01-31T11:59:54.999Z"],
        ),
        ("each", {"at_least": 1}, [[], [1, 2]], [[0], "a", MISSING]),
        ("first", {"at_least": 1}, [[1], [1, 0]], [[], [0, 1], 1, MISSING]),
        ("first", {"id": "a"}, [[{"id": "a"}, 5]], [[{"id": "b"}, {"id": "a"}], [5]]),
        (
            "only_contains",
            {"id": "a"},
            [[{"id": "a", "x": 1}]],
            [[], [{"id": "b"}], [{"id": "a"}, {"id": "a"}], MISSING],
        ),
        ("includes_all", ["a", "b"], [["b", "c", "a"]], [["a"], [], "ab", MISSING]),
        ("equals_or_absent_if_3", 3, [3, MISSING], [1, "3"]),
        ("equals_or_absent_if_3", 1, [1], [3, MISSING]),
        ("decoded_length_between", [2, 3], ["0aFF", "000000"], ["0a", "0a0", "zz00", 12, MISSING]),
        (
            "valid_pem",
            True,
            [PEM, PEM + PEM],
            ["", "x", PEM + "x", "x" + PEM, PEM.replace("MII", "MIH", 1), MISSING],
        ),
        (
            "pem_equals",
            PEM,
            [PEM, PEM.replace("\n", "\r\n"), PEM.strip(), f"\n {PEM}\n"],
            [OTHER_PEM, PEM + PEM, PEM.replace("\n", ""), 5, MISSING],
        ),
        (
            "leaf_certificate",
            {
                "public_key_of": PEM,
                "signature_algorithm": "SHA256withECDSA",
                "common_name": "SN-1",
                "organization": "Maker",
                "key_bits": {"RSA": 2048, "EC": 224},
            },
            [PEM, PEM + OTHER_PEM],
            [OTHER_PEM, OTHER_PEM + PEM, "", PEM + "x", 5, MISSING],
        ),
        ("invalid_signature", "good", ["bad", ""], ["good", 5, MISSING]),
        (
            "invalid_signature",
            {
                "certificate": FIRMWARE["firmware_signing_certificate"],
                "content": FIRMWARE["firmware_content"],
            },
            [FIRMWARE["invalid_firmware_signature"], "bm9uZQ==", "no base64", ""],
            [FIRMWARE["firmware_signature"], f" {FIRMWARE['firmware_signature']}\n", 5, MISSING],
        ),
    ],
)
def test_operators(operator: str, argument: Json, right: list[Any], wrong: list[Any]) -> None:
    """Every operator takes what it should and nothing else, with a path and both sides told."""
    for value in right:
        assert of_field(operator, argument, value).is_match, value
    for value in wrong:
        result = of_field(operator, argument, value)

        assert not result.is_match, value
        for mismatch in result.mismatches:
            assert mismatch.path.startswith("$.f")
            assert mismatch.expected
            assert mismatch.actual
            assert mismatch.position == AT


def test_every_operator_is_tried_above() -> None:
    """No operator is left out of these tests."""
    marks = test_operators.pytestmark
    tried = {row[0] for mark in marks for row in mark.args[1]}
    elsewhere = {"present_if", "absent_if", "all_different", "capture"}

    assert tried | elsewhere == {operator.value for operator in Operator}


@pytest.mark.parametrize(
    ("payload", "matches"),
    [
        ({"kind": "Absolute", "plan": {"from": "x"}}, True),
        ({"kind": "Absolute", "plan": {}}, False),
        ({"kind": "Absolute"}, False),
        ({"kind": "Relative", "plan": {}}, True),
        ({"kind": "Relative", "plan": {"from": "x"}}, False),
        ({"kind": "Recurring", "plan": {"from": "x"}}, True),
    ],
)
def test_conditions_look_at_the_whole_payload(payload: object, matches: bool) -> None:
    """`present_if` and `absent_if` take a dotted path from the payload's root."""
    written: Json = {
        "plan": {"from": {"present_if": {"kind": "Absolute"}, "absent_if": {"kind": ["Relative"]}}}
    }

    assert held(written, payload).is_match is matches


@pytest.mark.parametrize(
    ("at", "matches"),
    [
        ("2026-01-31T12:00:01.9Z", False),
        ("2026-01-31T12:00:02Z", True),
        ("2026-01-31T12:00:14Z", True),
        ("2026-01-31T12:00:14.1Z", False),
    ],
)
def test_a_time_may_count_from_when_it_was_asked_for(at: str, matches: bool) -> None:
    """An expiry 3 s after the order is right however long the order took, 10 s here."""
    written: Json = {"f": {"approximately": {"time": "$now+${offset_s}s", "tolerance_s": "$t"}}}
    now = NOW + timedelta(seconds=10)
    variables: dict[str, Json] = {"offset_s": 3, "t": 1}

    result = match(pattern(written), {"f": at}, variables=variables, now=now, asked=NOW)

    assert result.is_match is matches


@pytest.mark.parametrize(("offset_s", "tolerance_s"), [(3, 1), (-3, 1), (30, 10), (0, 60)])
def test_a_tolerance_is_at_most_a_third_of_the_offset(offset_s: int, tolerance_s: int) -> None:
    """A larger one is the scenario's error, not the CSMS's: the rule could hardly fail."""
    written: Json = {"f": {"approximately": {"time": "$now+${o}s", "tolerance_s": "$t"}}}
    at = format_time(NOW + timedelta(seconds=offset_s), milliseconds=True)

    assert held(written, {"f": at}, {"o": offset_s, "t": tolerance_s}).is_match
    if offset_s:
        with pytest.raises(BadExpression, match="more than a third of"):
            held(written, {"f": at}, {"o": offset_s, "t": tolerance_s + 0.1})


def test_all_different_compares_with_what_was_gathered() -> None:
    """A value seen before under the same name mismatches; it is handed on either way."""
    written: Json = {"id": {"all_different": "profile_id"}}

    fresh = held(written, {"id": 3}, gathered={"profile_id": [1, 2]})
    seen = held(written, {"id": 2}, gathered={"profile_id": [1, 2]})

    assert fresh.is_match
    assert fresh.gathered == {"profile_id": 3}
    assert "1, 2" in seen.mismatches[0].expected
    assert not held(written, {}, gathered={}).is_match


def test_captures_are_kept_beside_mismatches() -> None:
    """What could be captured is captured even where another field is wrong."""
    written: Json = {"status": "Accepted", "number": {"capture": "transaction_id"}}

    result = held(written, {"status": "Blocked", "number": 5})

    assert result.captures == {"transaction_id": 5}
    assert [one.path for one in result.mismatches] == ["$.status"]


def test_capturing_what_is_missing_mismatches() -> None:
    """Nothing can be remembered of a field that is not there."""
    result = held({"number": {"capture": "n"}}, {})

    assert result.captures == {}
    assert result.mismatches[0].operator == "capture"


def test_several_operators_must_all_hold() -> None:
    """Each operator that does not hold is a mismatch of its own."""
    result = held({"n": {"greater_than": 5, "not_equals": 3, "capture": "n"}}, {"n": 3})

    assert [one.operator for one in result.mismatches] == ["greater_than", "not_equals"]
    assert result.captures == {"n": 3}


def test_fields_of_a_missing_object_are_judged_one_by_one() -> None:
    """A missing object mismatches where a field of it is expected, not where it is to be absent."""
    written: Json = {"info": {"status": "Accepted", "parent": {"absent": True}}}

    result = held(written, {})

    assert [one.path for one in result.mismatches] == ["$.info.status"]
    assert result.mismatches[0].actual == "absent"


def test_lists_are_compared_element_by_element() -> None:
    """A list pattern wants the same length, and tells which element is wrong."""
    assert held({"k": [1, {"at_least": 2}]}, {"k": [1, 5]}).is_match
    assert held({"k": [1, 2]}, {"k": [1, 3]}).mismatches[0].path == "$.k[1]"
    assert held({"k": [1]}, {"k": [1, 1]}).mismatches[0].expected == "a list of 1"
    assert held({"k": []}, {"k": []}).is_match


def test_variables_stand_for_their_values() -> None:
    """References in patterns are resolved when they are used, with their types."""
    assert held({"n": "$id"}, {"n": 4}, {"id": 4}).is_match
    assert not held({"n": "$id"}, {"n": "4"}, {"id": 4}).is_match
    with pytest.raises(UnknownVariable):
        held({"n": "$id"}, {"n": 4})


def test_payload_that_is_no_object_mismatches() -> None:
    """A pattern of fields does not fit a list or a text."""
    assert held({"n": 1}, []).mismatches[0].path == "$"
    assert held({}, "text").mismatches[0].operator == "fields"


@pytest.mark.parametrize("operator", ["equals", "equals_ignoring_case"])
def test_objects_are_compared_member_by_member(operator: str) -> None:
    """What differs, is missing or is too much in an object has its own path."""
    result = of_field(
        operator, {"a": "x", "b": {"c": 1}, "d": 2}, {"a": "y", "b": {"c": 2}, "e": "$3"}
    )

    assert [(one.path, one.actual) for one in result.mismatches] == [
        ("$.f.a", '"y"'),
        ("$.f.b.c", "2"),
        ("$.f.d", "absent"),
        ("$.f.e", '"$3"'),
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (OTHER_PEM, "there is the certificate of"),
        (PEM + OTHER_PEM, "and 1 more"),
        (PEM.replace("\n", ""), "there is it, but with its lines broken elsewhere"),
        (PEM.replace("\n", "\\n"), "there is no X.509 certificate"),
        ("", "there is no text"),
    ],
)
def test_another_pem_text_is_told_in_words(value: str, words: str) -> None:
    """Of two long texts nobody sees where they differ."""
    (mismatch,) = of_field("pem_equals", PEM, value).mismatches

    assert words in mismatch.expected
    assert mismatch.expected.startswith("the text of the certificate of ")


def test_findings_say_everything() -> None:
    """A finding has rule, severity, section, step, event, place, and both sides."""
    result = held({"status": "Accepted"}, {"status": "Blocked"})

    (found,) = findings(
        result,
        rule="rule.Authorize.conf",
        severity=Severity.FAILURE,
        requirement="TC_003_CSMS §3.2.1",
        step="4",
        event=9,
    )

    assert found.rule == "rule.Authorize.conf"
    assert found.expected == '$.status: "Accepted"'
    assert found.actual == '"Blocked"'
    assert (found.step, found.event, found.position) == ("4", 9, AT)


def test_long_and_broken_values_are_shown_short_and_printable() -> None:
    """What is shown can be written anywhere, and is cut where it gets long."""
    assert len(show("x" * 5000)) <= 200
    assert show("\ud800").encode()


@pytest.mark.parametrize("expression", ["(?=a)", r"(a)\1", "(", "a)|(b", "a{1,100000}", "x" * 501])
def test_expressions_that_could_stall_are_refused(expression: str) -> None:
    """Only what runs in linear time is taken, and nothing that slips out of its anchors."""
    with pytest.raises(ValueError, match="regular expression"):
        compiled(expression)


def test_a_nested_repetition_does_not_stall() -> None:
    """The classic trap of backtracking engines is answered at once."""
    assert not compiled("(a*)*b").is_valid("a" * 50_000)


@given(JSON)
def test_a_value_equals_itself_and_its_pattern(value: Json) -> None:
    """Whatever JSON is expected literally is matched by itself."""
    assert is_equal(value, value)
    result = match(
        Value((Check(Operator.EQUALS, "$v", AT),), AT), value, variables={"v": value}, now=NOW
    )
    assert result.is_match


@given(JSON, JSON)
def test_matching_never_breaks(written: Json, value: Json) -> None:
    """Any literal pattern against any value gives a verdict, and mismatches mean difference."""
    wanted = Value((Check(Operator.EQUALS, "$w", AT),), AT)

    result = match(Fields({"f": wanted}, AT), {"f": value}, variables={"w": written}, now=NOW)

    assert result.is_match is is_equal(written, value)


@given(st.sampled_from(list(Operator)), JSON)
def test_operators_take_any_value_without_breaking(operator: Operator, value: Json) -> None:
    """A CSMS may send anything; operators answer, they do not raise."""
    arguments: dict[str, Json] = {
        "approximately": {"time": "$now", "tolerance_s": 1},
        "matches": "a*",
        "decoded_length_between": [1, 2],
        "present_if": {"f": 1},
        "absent_if": {"f": 1},
        "capture": "name",
        "all_different": "name",
    }
    written: Json = {"f": {operator.value: arguments.get(operator.value, 1)}}

    for mismatch in held(written, {"f": value}).mismatches:
        assert mismatch.expected
