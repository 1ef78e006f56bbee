"""Whether a case changed what a charge point proves itself with."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from harness.credential_changes import changes_credentials, keys_in
from simulator.trace import Direction, Event, EventKind
from tests.harness.scenario_texts import BOOT, scenario

ORDER = (
    "  - {operator: ChangeConfiguration, payload: {key: %s, value: x}}\n"
    "  - {receive: ChangeConfiguration}\n"
)


def frame(key: str, value: object, direction: Direction = Direction.RECEIVED) -> Event:
    text = json.dumps([2, "1", "ChangeConfiguration", {"key": key, "value": value}])
    return Event(EventKind.FRAME, "CP", 1, datetime.now(UTC), 0.0, direction, text)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("AuthorizationKey", True),
        ("authorizationkey", True),
        ("SecurityProfile", True),
        ("X", False),
    ],
)
def test_what_was_ordered_or_sent_counts(key: str, changes: bool) -> None:
    """The order is enough: its frame may be lost; a frame nobody ordered is, too."""
    assert changes_credentials(scenario(ORDER % key), []) is changes
    assert changes_credentials(scenario(BOOT), [frame(key, "x")]) is changes


def test_keys_are_found_wherever_they_came_from() -> None:
    """Only what the CSMS sent as text is a key."""
    events = [
        frame("AuthorizationKey", "00ff"),
        frame("authorizationKEY", "11ff"),
        frame("AuthorizationKey", 5),
        frame("SecurityProfile", "2"),
        frame("AuthorizationKey", "22ff", Direction.SENT),
    ]

    assert list(keys_in(events)) == ["00ff", "11ff"]
