"""What a person is told, for every button there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from harness import expressions
from harness.awaited import Awaited, leaves
from harness.drivers.driver import COMMANDS, Operation
from harness.loader import library_directory, load_tree
from harness.model import CaseSet, Json, OperatorStep, Scenario
from harness.operator.words import SCREENS, instruct, span_words, time_words

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CASES = [
    one for one in load_tree([library_directory()]).scenarios if one.case_set is CaseSet.OFFICIAL
]


def variables(case: Scenario) -> dict[str, Json]:
    """Return a value for every variable that a step may name."""
    values: dict[str, Json] = {
        **dict.fromkeys(expressions.STANDARD_VARIABLES, "VALUE"),
        **expressions.connector_variables(2, 1),
        "transaction_id": 77,
        "reservation_id": 5,
        "profile_id": 3,
        "hash_data": {"hashAlgorithm": "SHA256", "issuerNameHash": "a" * 128},
        "root_certificate": PEM,
        "root_certificate_2": PEM,
        "firmware_signing_certificate": PEM,
        "firmware_signature": "c2lnbmF0dXJl" * 20,
        "higher_security_profile": 2,
    }
    return {**values, **case.variables}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_operator_step_has_words(case: Scenario) -> None:
    """Each button of each official case is told in plain words, without raw JSON."""
    awaited = Awaited(case.steps)
    for step in leaves(case.steps):
        if not isinstance(step, OperatorStep):
            continue
        scope = expressions.scope(variables(case), step.bindings, now=NOW, milliseconds=True)
        payload = expressions.resolve(step.payload, scope, now=NOW, milliseconds=True)
        assert isinstance(payload, dict)
        receive = awaited.receive_of(step)
        told = instruct(
            Operation(step.action),
            payload,
            identity="PF0007",
            rules=receive.payload if receive else None,
            now=NOW,
            note=step.note,
        )
        words = [told.headline, told.screen, told.note]
        words += [text for pair in told.details for text in pair]
        assert "PF0007" in told.headline
        assert told.headline.endswith((".", ":"))
        assert not any(mark in text for text in words for mark in '{}[]"\n')
        assert not any("None" in text or "$" in text for text in words)
        assert all(len(text) < 160 for text in words)


def test_every_command_has_a_screen_and_a_template() -> None:
    """No button lacks words, whatever is in its payload."""
    for operation in COMMANDS:
        assert SCREENS[operation]
        assert instruct(operation, {}, identity="PF0007", now=NOW).headline


def test_a_reservation_is_told_as_a_person_would() -> None:
    """The example everybody has in mind."""
    payload: dict[str, Json] = {
        "connectorId": 1,
        "idTag": "A1B2C3D4",
        "expiryDate": "2026-03-01T12:02:00.000Z",
        "reservationId": 4711,
    }
    told = instruct(Operation.RESERVE_NOW, payload, identity="PF0007", now=NOW)
    assert (
        told.headline == "Reserve connector 1 of PF0007 for tag A1B2C3D4, expiring in two minutes."
    )
    assert "reservationId" not in told.named


def test_long_values_become_files() -> None:
    """Nobody types a certificate."""
    payload: dict[str, Json] = {
        "certificateType": "CentralSystemRootCertificate",
        "certificate": PEM,
    }
    told = instruct(Operation.INSTALL_CERTIFICATE, payload, identity="PF0007", now=NOW)
    assert [(file.name, file.text) for file in told.files] == [("certificate.pem", PEM)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (120, "in two minutes"),
        (3600, "in one hour"),
        (86400, "in one day"),
        (-60, "one minute ago"),
        (45, "in 45 seconds"),
    ],
)
def test_times_are_told_from_now(seconds: float, words: str) -> None:
    """A time is said as a length of time."""
    at = expressions.format_time(NOW + timedelta(seconds=seconds), milliseconds=True)
    assert time_words(at, NOW) == words


def test_spans_have_whole_units() -> None:
    """A length of time that is no whole unit is told in smaller ones."""
    assert span_words(90) == "90 seconds"
    assert span_words(900) == "15 minutes"
