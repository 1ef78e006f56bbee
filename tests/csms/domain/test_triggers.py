"""Triggered messages: which message is what was asked for (CS-TRG)."""

from datetime import UTC, datetime, timedelta

import pytest

from csms.domain.triggers import (
    MAX_FOLLOWING,
    Expectation,
    TriggerStatus,
    connector_of,
    read_status,
)

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _waiting(message: str, connector_id: int | None = None) -> Expectation:
    return Expectation(1, message, connector_id, until=AT, is_accepted=True)


@pytest.mark.parametrize(
    ("asked", "connector_id", "action", "of", "is_meant"),
    [
        ("Heartbeat", None, "Heartbeat", None, True),
        ("Heartbeat", 3, "Heartbeat", None, True),  # the connector means nothing
        ("Heartbeat", None, "MeterValues", 1, False),
        ("MeterValues", 1, "MeterValues", 1, True),
        ("MeterValues", 1, "MeterValues", 2, False),
        ("MeterValues", 1, "MeterValues", None, False),
        ("StatusNotification", 0, "StatusNotification", 0, True),
        ("StatusNotification", 0, "StatusNotification", 1, False),
        ("StatusNotification", None, "StatusNotification", 1, True),
    ],
)
def test_action_and_connector_decide(
    asked: str, connector_id: int | None, action: str, of: int | None, is_meant: bool
) -> None:
    """Connectors matter for MeterValues and StatusNotification alone (CS-TRG-02)."""
    assert _waiting(asked, connector_id).meets(action, of, AT) is is_meant


def test_what_comes_late_is_not_meant() -> None:
    """The end of the window belongs to it."""
    waiting = _waiting("Heartbeat")

    assert waiting.meets("Heartbeat", None, AT)
    assert not waiting.meets("Heartbeat", None, AT + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("message", "connector_id", "seen", "is_met"),
    [
        ("Heartbeat", None, None, True),
        ("MeterValues", 1, 1, True),
        ("MeterValues", None, 1, False),
    ],
)
def test_one_message_is_enough_unless_all_connectors_were_asked(
    message: str, connector_id: int | None, seen: int | None, is_met: bool
) -> None:
    """Then one of each may come; the same one never again."""
    waiting = _waiting(message, connector_id)
    assert not waiting.is_met

    waiting.seen.add(seen)

    assert waiting.is_met is is_met
    assert not waiting.meets(message, seen, AT)
    assert waiting.meets(message, 2, AT) is not is_met


def test_connectors_are_bounded() -> None:
    """A charge point that invents connectors does not fill the database."""
    waiting = _waiting("StatusNotification")
    waiting.seen.update(range(MAX_FOLLOWING))

    assert not waiting.meets("StatusNotification", MAX_FOLLOWING, AT)


@pytest.mark.parametrize(
    ("action", "payload", "connector_id"),
    [
        ("MeterValues", {"connectorId": 2}, 2),
        ("StatusNotification", {"connectorId": "2"}, 2),
        ("StatusNotification", {"connectorId": "x"}, None),
        ("StatusNotification", {}, None),
        ("Heartbeat", {"connectorId": 2}, None),
    ],
)
def test_connector_of_a_message(
    action: str, payload: dict[str, object], connector_id: int | None
) -> None:
    """As leniently as messages are read."""
    assert connector_of(action, payload) == connector_id


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"status": "Accepted"}, TriggerStatus.ACCEPTED),
        ({"status": "NotImplemented"}, TriggerStatus.NOT_IMPLEMENTED),
        ({"status": "Refused"}, TriggerStatus.UNKNOWN),  # our word, not theirs
        ({"status": {}}, TriggerStatus.UNKNOWN),
        ({}, TriggerStatus.UNKNOWN),
    ],
)
def test_only_the_standards_words_are_answers(
    payload: dict[str, object], status: TriggerStatus
) -> None:
    """Nonsense promises nothing."""
    assert read_status(payload) is status
