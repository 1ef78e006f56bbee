"""Conditions on JSON values."""

from __future__ import annotations

import pytest
from hypothesis import given

from harness.drivers.conditions import holds
from harness.model import Json
from tests.harness.drivers.test_template import json_values

VALUE: Json = {"list": [{"ok": True, "n": 1, "none": None}], "empty": []}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"/list/0/ok": True}, True),
        ({"/list/0/ok": 1}, False),
        ({"/list/0/n": True}, False),
        ({"/list/0/n": 1.0}, True),
        ({"/list/0/ok": True, "/list/0/n": 2}, False),
        ({"/list/0": {"present": True}}, True),
        ({"/list/1": {"present": True}}, False),
        ({"/empty/0": {"present": False}}, True),
        ({"/list/0/none": {"present": False}}, True),
        ({"/list/0/none": None}, True),
        ({"/list/0/missing": None}, False),
        ({"/list/0/n": {"one_of": [3, 1]}}, True),
        ({"/list/0/n": {"one_of": []}}, False),
        ({"/list": [{"ok": 1, "n": 1, "none": None}]}, False),
    ],
)
def test_all_of_a_condition_must_be_so(condition: dict[str, Json], expected: bool) -> None:
    """Values are compared as JSON compares them; null is not present."""
    assert holds(condition, VALUE) is expected


@given(json_values)
def test_a_value_is_equal_to_itself(value: Json) -> None:
    """Whatever stands there can be asked for, unless it looks like a question of our own."""
    if isinstance(value, dict) and set(value) in ({"present"}, {"one_of"}):
        return
    assert holds({"": value}, value)


@given(json_values)
def test_present_is_the_opposite_of_absent(value: Json) -> None:
    """Exactly one of both holds at any place."""
    assert holds({"/x": {"present": True}}, value) is not holds({"/x": {"present": False}}, value)
