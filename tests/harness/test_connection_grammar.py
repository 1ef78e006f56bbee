"""The shape of connection steps, for editors and the loader alike."""

from __future__ import annotations

from typing import Any

import pytest

from harness.connection_grammar import connection_steps
from harness.grammar import STEP_KINDS, scenario_schema
from harness.making import THINGS


def test_every_kind_is_a_step() -> None:
    """What is described here is known to the loader, by the same name."""
    kinds = connection_steps({})

    assert set(kinds) <= set(STEP_KINDS)
    assert all(kind in properties for kind, (_, properties, _) in kinds.items())


def test_editors_know_everything_that_can_be_made() -> None:
    """The list of things is that of the code."""
    properties = connection_steps({})["make"][1]

    assert properties["make"]["enum"] == sorted(THINGS)


@pytest.mark.parametrize("kind", ["connect", "probe_tls", "make"])
def test_the_shape_is_closed(kind: str) -> None:
    """No object in these steps takes a key that nobody knows, but for the names of variables."""
    step = scenario_schema(hints=False)["definitions"][f"{kind}_step"]

    def is_closed(schema: Any) -> bool:
        if not isinstance(schema, dict):
            return True
        inner = [*schema.get("properties", {}).values(), schema.get("then"), schema.get("else")]
        is_object = schema.get("type") == "object" and "$ref" not in schema
        names_keys = "additionalProperties" in schema or "propertyNames" in schema
        return (names_keys or not is_object) and all(map(is_closed, inner))

    assert is_closed(step)
