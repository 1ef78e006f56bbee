"""YAML as data with places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.yaml_source import ScenarioError, did_you_mean, parse
from tests.harness.scenario_texts import problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.yaml:1:1: is empty"),
        ("a: 1\na: 2\n", 'x.yaml:2:1: the key "a" stands here twice (first in line 1)'),
        ("a: [1\n", "x.yaml:2:1: is not YAML"),
        ("a: &x 1\nb: *x\n", "x.yaml:1:4: anchors and aliases are not part of the language"),
        ("a: !!python/name:os.system x\n", "x.yaml:1:4: the tag"),
        ("- a\n", "x.yaml:1:1: the file should be of type object"),
        (
            "state: X\npurpose: p\nsteps: [{connect: {}}]\n",
            "x.yaml:1:1: is a state, not a scenario",
        ),
        ("%YAML 1.1\n---\na: yes\n", "x.yaml:1:1: YAML directives are not part of the language"),
        ('a: "\\ud800"\n', "x.yaml:1:4: half a surrogate pair is no character"),
        ("a: 012\n", "x.yaml:1:4: 012 is no value of JSON (put it in quotes if it is text)"),
    ],
)
def test_what_is_no_scenario_file_is_refused(text: str, said: str) -> None:
    """Text that is no YAML, or says more than JSON can, is refused with its place."""
    assert any(line.startswith(said) for line in problems(text)), problems(text)


def test_values_and_keys_know_their_places() -> None:
    """Every value and key has file, line and column; what is unknown has the nearest around it."""
    source = parse("a: 2026-01-01\nb: [1, 1e3, true, null, '60', '']\nc:\n  d: $x\n", file="f.yaml")

    assert source.data == {
        "a": "2026-01-01",
        "b": [1, 1000.0, True, None, "60", ""],
        "c": {"d": "$x"},
    }
    assert (source.value_at("b", 2).line, source.value_at("b", 2).column) == (2, 13)
    assert (source.key_at("c", "d").line, source.key_at("c", "d").column) == (4, 3)
    assert source.value_at("c", "nothing") == source.value_at("c")
    assert source.get("b", 1) == 1000.0
    with pytest.raises(KeyError):
        source.get("b", "x")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("Autorize", "did you mean Authorize?"),
        ("AUTHORIZE", "did you mean Authorize?"),
        ("xyz", "known: Authorize, Heartbeat"),
    ],
)
def test_likely_words_are_suggested(word: str, hint: str) -> None:
    """A near word is named; where none is near, all are."""
    assert did_you_mean(word, ["Heartbeat", "Authorize"]) == hint


@given(st.text())
def test_any_text_is_data_or_problems(text: str) -> None:
    """No text makes the reader raise anything but its own error."""
    try:
        parse(text, file="f.yaml")
    except ScenarioError as error:
        assert error.problems  # noqa: PT017 - both ends are allowed here
