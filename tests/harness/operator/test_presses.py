"""What is a wrong press, and what is the Central System's doing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest

from harness import matching
from harness.awaited import Awaited, leaves
from harness.drivers.driver import COMMANDS, Operation
from harness.model import Json, OperatorStep
from harness.operator.presses import REFUSALS, wrong_action, wrong_fields
from harness.operator.words import instruct
from harness.schemas import Kind, schema_of
from tests.harness.small_runs import scenario

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HARD = "- operator: Reset\n  payload: {type: Hard}\n- receive: Reset\n  payload: {type: Hard}\n"
CLEAR = """\
- operator: ClearChargingProfile
  payload: {chargingProfilePurpose: TxProfile, stackLevel: 1}
- receive: ClearChargingProfile
  payload: {id: {absent: true}, chargingProfilePurpose: TxProfile, stackLevel: 1}
"""
LIST = """\
- operator: SendLocalList
  payload: {listVersion: 2, updateType: Differential}
- receive: SendLocalList
  payload: {updateType: Differential, listVersion: {greater_than: 1}}
"""
KEY = """\
- operator: ChangeConfiguration
  payload: {key: AuthorizationKey, value: "00112233445566778899aabbccddeeff"}
- receive: ChangeConfiguration
  payload: {key: AuthorizationKey, value: {matches: "[0-9a-f]*"}}
"""


def explain(tmp_path: Path, steps: str, came: dict[str, Json]) -> str:
    """Return what a person is told about a frame in a case of these steps."""
    case = scenario(tmp_path, "- connect: {}\n" + steps)
    (step,) = (one for one in leaves(case.steps) if isinstance(one, OperatorStep))
    receive = Awaited(case.steps).receive_of(step)
    assert receive is not None
    assert receive.payload is not None
    operation = Operation(step.action)
    told = instruct(operation, step.payload, identity="CP1", rules=receive.payload, now=NOW)
    held = matching.match(receive.payload, came, variables={}, now=NOW)
    return wrong_fields(operation, came, held.mismatches, told)


def test_another_choice_is_a_wrong_press(tmp_path: Path) -> None:
    """The example everybody has in mind."""
    words = explain(tmp_path, HARD, {"type": "Soft"})
    assert words == "You sent Reset Soft; the case needs Hard."


def test_what_fits_is_none(tmp_path: Path) -> None:
    """The right frame needs no words."""
    assert explain(tmp_path, HARD, {"type": "Hard"}) == ""


@pytest.mark.parametrize("came", [{"type": "hard"}, {"type": 1}, {}, {"type": "Soft", "x": 1}])
def test_what_no_button_sends_is_judged(tmp_path: Path, came: dict[str, Json]) -> None:
    """A malformed frame is the Central System's doing, whatever was pressed."""
    assert explain(tmp_path, HARD, came) == ""


def test_a_filter_that_should_be_empty_is_a_wrong_press(tmp_path: Path) -> None:
    """The instruction says which fields to leave empty."""
    came: dict[str, Json] = {"id": 4, "chargingProfilePurpose": "TxProfile", "stackLevel": 1}
    words = explain(tmp_path, CLEAR, came)
    assert words == (
        "You sent ClearChargingProfile with profile id 4; the case needs it without. "
        "Leave that field empty."
    )


def test_a_field_left_empty_is_a_wrong_press(tmp_path: Path) -> None:
    """What is optional in the standard may have been forgotten by the person."""
    words = explain(tmp_path, CLEAR, {"chargingProfilePurpose": "TxProfile"})
    assert words == "You sent ClearChargingProfile without stack level; the case needs 1."


def test_a_number_nobody_types_is_judged(tmp_path: Path) -> None:
    """The version of a list is the Central System's own."""
    assert explain(tmp_path, LIST, {"listVersion": 1, "updateType": "Differential"}) == ""


def test_a_wrong_press_with_a_fault_besides_is_judged(tmp_path: Path) -> None:
    """A fault that no button causes does not get lost behind one that a button does."""
    assert explain(tmp_path, LIST, {"listVersion": 1, "updateType": "Full"}) == ""


def test_the_form_of_a_value_is_judged(tmp_path: Path) -> None:
    """How a Central System writes a password is its own doing."""
    assert explain(tmp_path, KEY, {"key": "AuthorizationKey", "value": "öffne dich"}) == ""


def test_another_button_is_told_by_its_screen() -> None:
    """Both the request and where it is found are named."""
    words = wrong_action("ClearCache", Operation.RESET)
    assert words == "You sent ClearCache (Clear the cache); the case needs Reset (Reset)."
    assert wrong_action("BootNotification", Operation.RESET) == ""
    assert wrong_action("Reset", Operation.RESET) == ""


@pytest.mark.parametrize("operation", COMMANDS)
def test_refusals_are_right_answers(operation: Operation) -> None:
    """What the charge point declines with is valid, or it answers as ever."""
    refusal = REFUSALS.get(operation)
    if refusal is not None:
        schema = schema_of(operation.value, Kind.RESULT)
        jsonschema_rs.validator_for(dict(schema)).validate(refusal)
