"""References in scenario values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.expressions import (
    BadExpression,
    UnknownVariable,
    connector_variables,
    format_time,
    references,
    resolve,
    scope,
    substitute,
)
from harness.model import Json

NOW = datetime(2026, 1, 31, 12, 34, 56, 789_012, tzinfo=UTC)
VARIABLES: dict[str, Json] = {"connector_id": 1, "tag": "ABC", "flag": True, "list": [1, 2]}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def resolved(value: Json, *, milliseconds: bool = True) -> Json:
    return resolve(value, VARIABLES, now=NOW, milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("$connector_id", 1),
        ("$flag", True),
        ("$list", [1, 2]),
        ("connector ${connector_id}/${tag} ${flag}", "connector 1/ABC true"),
        ("$$", "$"),
        ("costs 5 $$ for $${tag}", "costs 5 $ for ${tag}"),
        ("plain", "plain"),
        (7, 7),
        ({"a": ["$tag", {"$tag": "$tag"}]}, {"a": ["ABC", {"$tag": "ABC"}]}),
    ],
)
def test_references_are_replaced(written: Json, wanted: Json) -> None:
    """A whole reference keeps its type, one inside a text becomes text, keys stay."""
    assert resolved(written) == wanted
    assert type(resolved(written)) is type(wanted)


@pytest.mark.parametrize(
    ("written", "milliseconds", "wanted"),
    [
        ("$now", True, "2026-01-31T12:34:56.789Z"),
        ("$now", False, "2026-01-31T12:34:56Z"),
        ("$now-120s", False, "2026-01-31T12:32:56Z"),
        ("$now+3s", True, "2026-01-31T12:34:59.789Z"),
        ("$now+0.5s", True, "2026-01-31T12:34:57.289Z"),
        ("at ${now-1s}", False, "at 2026-01-31T12:34:55Z"),
    ],
)
def test_the_present_is_shifted(written: str, milliseconds: bool, wanted: str) -> None:
    """`$now` takes a shift in seconds, and has milliseconds where the setting says so."""
    assert resolved(written, milliseconds=milliseconds) == wanted


def test_time_of_another_zone_is_written_in_utc() -> None:
    """A charge point sends UTC, whatever zone the moment was given in."""
    at = NOW.astimezone(timezone(timedelta(hours=5)))

    assert format_time(at, milliseconds=False) == "2026-01-31T12:34:56Z"


def test_unknown_variable_is_named() -> None:
    """A name without a value is an error that names it."""
    with pytest.raises(UnknownVariable) as caught:
        resolved({"a": "x ${nothing}"})

    assert caught.value.name == "nothing"


@pytest.mark.parametrize("written", ["5 $", "$Tag", "${tag", "$tag and more", "$now-5", "${list}s"])
def test_stray_dollar_is_refused(written: str) -> None:
    """A dollar sign that starts no reference is an error, not a text; nor can a list be text."""
    with pytest.raises(BadExpression):
        resolved(written)


def test_references_lists_every_name_but_now() -> None:
    """The names a value refers to are found at any depth."""
    value: Json = {"a": "$x", "b": ["${y} ${z}", "$now-5s", "$$w"], "c": 1}

    assert list(references(value)) == ["x", "y", "z"]


def test_scope_puts_a_steps_own_bindings_over_the_variables() -> None:
    """Bindings are resolved with the variables of the case, then win over them."""
    variables = scope(
        VARIABLES, {"tag": "${tag}-2", "c": "$connector_id"}, now=NOW, milliseconds=True
    )

    assert variables["tag"] == "ABC-2"
    assert variables["c"] == 1
    assert variables["flag"] is True


def test_numbers_and_times_can_be_shifted() -> None:
    """`$name+1` is the number after, `$now+${name}s` so many seconds from now."""
    variables: dict[str, Json] = {"level": 4, "wait_s": 2.5}

    def shown(value: Json) -> Json:
        return resolve(value, variables, now=NOW, milliseconds=True)

    assert (shown("$level+1"), shown("$level-10"), shown("$level")) == (5, -6, 4)
    assert shown("$now+${wait_s}s") == "2026-01-31T12:34:59.289Z"
    assert shown("$now-${wait_s}s") == "2026-01-31T12:34:54.289Z"
    assert list(references(["$level+1", "$now-${wait_s}s"])) == ["level", "wait_s"]


@pytest.mark.parametrize("written", ["$tag+1", "$flag+1", "$list-1", "$now+${tag}s"])
def test_only_numbers_can_be_shifted(written: str) -> None:
    """A shift of anything else is the scenario's error."""
    with pytest.raises(BadExpression, match="where a number is needed"):
        resolved(written)


@pytest.mark.parametrize("offset_s", [10**9 + 1, -1e300])
def test_times_stay_in_the_calendar(offset_s: float) -> None:
    """An offset beyond a thousand million seconds is refused."""
    with pytest.raises(BadExpression, match="too far from now"):
        resolve("$now+${o}s", {"o": offset_s}, now=NOW, milliseconds=True)


@pytest.mark.parametrize(
    ("value", "bound"),
    [("$a+1", "$b+1"), ("$a+1", "text"), ("$now+${a}s", True), ("x ${a}", "$b+1")],
)
def test_a_shift_of_a_shift_is_refused(value: str, bound: Json) -> None:
    """What could not be written by hand cannot come out of bindings either."""
    with pytest.raises(BadExpression):
        substitute(value, {"a": bound})


@pytest.mark.parametrize(
    ("value", "bindings", "wanted"),
    [
        ("$a+1", {"a": "$b"}, "$b+1"),
        ("$a-1", {"a": 5}, 4),
        ("$a+1", {}, "$a+1"),
        ("$now+${a}s", {"a": "$b"}, "$now+${b}s"),
        ("$now-${a}s", {"a": 5}, "$now-5s"),
        ("$a", {"a": "$b"}, "$b"),
        ("$a", {"a": 5}, 5),
        ("x ${a}", {"a": "$b"}, "x ${b}"),
        ("x ${a}", {"a": "$now-5s"}, "x ${now-5s}"),
        ("x ${a}", {"a": 5}, "x 5"),
        ("$c ${a}", {}, "$c ${a}"),
        (["$a", {"k": "$other"}], {"a": "$$"}, ["$$", {"k": "$other"}]),
    ],
)
def test_substitute_leaves_nothing_bound(
    value: Json, bindings: dict[str, Json], wanted: Json
) -> None:
    """References to bound names give way to what they are bound to, unresolved."""
    assert substitute(value, bindings) == wanted


def test_connectors_follow_from_their_number() -> None:
    """Connector lists are made from how many there are and which is in use."""
    variables = connector_variables(3, connector_id=2)

    assert variables["all_connectors"] == [0, 1, 2, 3]
    assert variables["connectors"] == [1, 2, 3]
    assert variables["other_connectors"] == [1, 3]
    assert variables["unknown_connector_id"] == 4
    assert variables["next_connector_id"] == 4


def _escaped(value: Json) -> Json:
    """Write a value so that resolving gives it back."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_escaped(member) for member in value]
    if isinstance(value, dict):
        return {key: _escaped(member) for key, member in value.items()}
    return value


@given(JSON)
def test_escaped_values_come_back_as_they_were(value: Json) -> None:
    """Whatever JSON is written with doubled dollars is sent as it is."""
    assert resolved(_escaped(value)) == value


@given(st.text())
def test_any_text_is_resolved_or_refused(text: str) -> None:
    """No text makes anything but a value or one of the two errors."""
    try:
        resolved(text)
    except (BadExpression, UnknownVariable):
        return


@given(JSON)
def test_a_variables_value_is_not_read_again(value: Json) -> None:
    """What a variable holds is data: dollars in it mean nothing."""
    assert resolve("$v", {"v": value}, now=NOW, milliseconds=True) == value
