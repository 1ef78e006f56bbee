"""Conditions on JSON values, as a driver's file writes them. Pure.

A condition names values by JSON pointer, and holds when all of them are as it says: equal to what
stands there, or `{present: true}`, or one of `{one_of: […]}`. Null is not present.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from harness.drivers.template import Absent, find
from harness.model import Json

Condition: TypeAlias = Mapping[str, Json]


def holds(condition: Condition, value: Json) -> bool:
    """Tell whether all of a condition is true of a value; an empty one is."""
    return all(_is_as(find(value, pointer), wanted) for pointer, wanted in condition.items())


def _is_as(found: Json | Absent, wanted: Json) -> bool:
    if isinstance(wanted, dict) and len(wanted) == 1:
        match wanted:
            case {"present": bool(present)}:
                return (found is not None and not isinstance(found, Absent)) is present
            case {"one_of": list(options)}:
                return any(_is_equal(found, one) for one in options)
    return _is_equal(found, wanted)


def _is_equal(found: Json | Absent, wanted: Json) -> bool:
    """Compare as JSON does: true is not 1."""
    if isinstance(found, Absent) or isinstance(found, bool) is not isinstance(wanted, bool):
        return False
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(
            _is_equal(found[key], wanted[key]) for key in found
        )
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_is_equal, found, wanted))
    return found == wanted
