"""The schema that editors use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from harness import grammar
from harness.loader import library_directory


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def test_the_schema_for_editors_is_up_to_date_and_takes_every_file() -> None:
    """`python -m harness.grammar` wrote the schema, and every file of ours satisfies it."""
    text = (library_directory() / "schema.json").read_text()
    validator = jsonschema_rs.Draft7Validator(json.loads(text))

    assert text == grammar.written()
    for path in library_directory().rglob("*.yaml"):
        if path.name != "case-list.yaml":
            errors = [error.message for error in validator.iter_errors(read_yaml(path))]
            assert errors == [], path


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"send": "Heartbit"}]},
        {"steps": [{"send": "Authorize", "payload": {"idtag": "a"}}]},
        {"steps": [{"send": "StatusNotification", "payload": {"status": "Charge"}}]},
        {"steps": [{"receive": "UnlockConnector", "payload": {"connector": 1}}]},
        {"steps": [{"operator": "Reset", "payload": {"type": "hard"}}]},
        {"steps": [{"send": "Heartbeat", "budget": "authorise"}]},
        {"stepz": []},
    ],
    ids=str,
)
def test_the_schema_for_editors_refuses_what_the_loader_would(change: dict[str, Any]) -> None:
    """Editors mark wrong actions, fields, values and keys."""
    good = read_yaml(library_directory() / "core" / "TC_001_CSMS.yaml")
    validator = jsonschema_rs.Draft7Validator(grammar.scenario_schema(hints=True))

    assert validator.is_valid(good)
    assert not validator.is_valid({**good, **change})
