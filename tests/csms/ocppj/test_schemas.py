"""The schema set is complete, and uses nothing our own walk does not know."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft4Validator

from csms.ocppj.schemas import (
    ACTIONS,
    FROM_CENTRAL_SYSTEM,
    FROM_CHARGE_POINT,
    received_schema,
    sent_schema,
)

# Draft 4 keywords that say something, and annotations that do not.
UNDERSTOOD = {
    *("type", "properties", "required", "items", "enum", "maxLength", "minItems"),
    *("minimum", "maximum", "additionalProperties", "format"),
}
MEANINGLESS = {"$schema", "$id", "title", "javaType"}


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from _nodes(child)
    if "items" in schema:
        yield from _nodes(schema["items"])


def test_every_action_of_1_6_is_known() -> None:
    """28 actions of the standard and 11 of the security whitepaper, DataTransfer both ways."""
    assert len(ACTIONS) == 39
    assert {"DataTransfer"} == FROM_CHARGE_POINT & FROM_CENTRAL_SYSTEM
    assert len(FROM_CHARGE_POINT) == 14


@pytest.mark.parametrize("action", sorted(FROM_CHARGE_POINT))
def test_received_schemas_hold_no_keyword_our_walk_ignores(action: str) -> None:
    """A keyword only the compiled validator knows would make clean and faulty disagree."""
    for node in _nodes(received_schema(action)):
        assert set(node) <= UNDERSTOOD | MEANINGLESS, node
        assert node["type"] in ("object", "array", "string", "integer")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_sent_schemas_are_official(action: str) -> None:
    """What we send is held against the schema as published, request and answer."""
    for name in (action, f"{action}Response"):
        assert sent_schema(name)["type"] == "object"
        assert sent_schema(name)["additionalProperties"] is False
        Draft4Validator(sent_schema(name))


def test_hertz_is_a_unit_in_both_messages() -> None:
    """Frequency is in Hertz (errata v4.0 3.84), though one official schema lacks it."""
    for action in ("MeterValues", "StopTransaction"):
        units = [
            node["enum"] for node in _nodes(received_schema(action)) if "Wh" in node.get("enum", ())
        ]
        assert len(units) == 1
        assert {"Hertz", "Celsius", "Celcius"} <= set(units[0])
