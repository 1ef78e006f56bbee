"""What the CSMS is told of statuses, and when (§4.9)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulator.rig import FAILURE, Payload, Rig


def test_every_change_is_told_with_its_time() -> None:
    """A change is notified at once, with connector, error code and time."""
    rig = Rig()
    rig.do("plug_in", connector_id=2)

    assert rig.payload("StatusNotification") == {
        "connectorId": 2,
        "status": "Preparing",
        "errorCode": "NoError",
        "timestamp": "2026-01-31T12:16:40.000Z",
    }


def test_only_what_differs_is_told_after_a_reconnect() -> None:
    """Changed connectors are told in the order of their changes, with the times of those."""
    rig = Rig(connectors=3)
    rig.drop()
    rig.do("plug_in", connector_id=3)
    rig.advance(10)
    rig.do("plug_in", connector_id=1)
    rig.do("plug_in", connector_id=2)
    rig.do("unplug", connector_id=2)
    rig.advance(10)
    rig.connect()
    times = [payload["timestamp"][-8:] for _, payload in rig.calls]

    assert rig.story() == ["Status 3 Preparing", "Status 1 Preparing"]
    assert times == [":40.000Z", ":50.000Z"]


def test_unanswered_report_is_repeated_after_a_reconnect() -> None:
    """What was under way or waiting when the connection went is told again."""
    rig = Rig()
    rig.holds_answers = True
    rig.do("plug_in", connector_id=1)
    rig.do("plug_in", connector_id=2)
    rig.drop()
    rig.holds_answers = False
    rig.take()
    rig.connect()

    assert rig.story() == ["Status 1 Preparing", "Status 2 Preparing"]


def test_refused_report_is_not_repeated() -> None:
    """A CALLERROR is an answer; statuses are not queued again."""
    rig = Rig()
    rig.answers["StatusNotification"] = lambda _: FAILURE
    rig.do("plug_in", connector_id=1)
    rig.take()
    rig.drop()
    rig.connect()

    assert rig.story() == []


def test_short_states_are_not_told() -> None:
    """A state shorter than MinimumStatusDuration is passed over, a longer one told late."""
    rig = Rig(keys={"MinimumStatusDuration": "5"})
    rig.do("plug_in", connector_id=1)
    rig.advance(4.9)
    rig.do("unplug", connector_id=1)
    rig.advance(60)
    assert rig.story() == []
    rig.do("plug_in", connector_id=1)
    rig.advance(5)
    assert rig.payload("StatusNotification")["timestamp"] == "2026-01-31T12:17:44.900Z"
    assert rig.story() == ["Status 1 Preparing"]


def test_boot_reports_at_once_whatever_the_duration() -> None:
    """The reports after a boot do not wait for MinimumStatusDuration."""
    rig = Rig(boots=False, keys={"MinimumStatusDuration": "60"})
    rig.do("power_on")
    rig.connect()

    assert rig.story()[1:] == ["Status 0 Available", "Status 1 Available", "Status 2 Available"]


def test_connector_zero_has_its_own_faults() -> None:
    """A fault of the charge point as a whole is told for connector 0 alone."""
    rig = Rig()
    rig.do("fault", connector_id=0, error_code="HighTemperature", info="fan")
    rig.do("clear_fault", connector_id=0)

    assert [payload.get("info") for _, payload in rig.calls] == ["fan", None]
    assert rig.story() == ["Status 0 Faulted HighTemperature", "Status 0 Available"]


def test_warning_does_not_change_the_status() -> None:
    """EVCommunicationError is told with the status that goes on (§7.6)."""
    rig = Rig()
    rig.do("plug_in", connector_id=1)
    rig.do("fault", connector_id=1, error_code="EVCommunicationError")
    rig.do("clear_fault", connector_id=1)

    assert rig.story() == [
        "Status 1 Preparing",
        "Status 1 Preparing EVCommunicationError",
        "Status 1 Preparing",
    ]


def test_a_status_told_by_hand_is_not_told_again() -> None:
    """What a script reported counts as told."""
    rig = Rig(boots=False)
    rig.connect()
    told = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    rig.by_hand("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    rig.by_hand("StatusNotification", told)
    rig.take()
    rig.drop()
    rig.connect()

    assert "Status 1 Available" not in rig.story()


def test_reports_after_a_boot_are_completed() -> None:
    """A connection lost in the middle of the first reports: the next one brings the rest."""
    rig = Rig(boots=False)
    heard: Iterator[Payload | None] = iter([{}, None])
    rig.answers["StatusNotification"] = lambda _: next(heard)
    rig.do("power_on")
    rig.connect()
    assert rig.story() == ["Boot", "Status 0 Available", "Status 1 Available"]
    rig.drop()
    del rig.answers["StatusNotification"]
    rig.connect()

    assert rig.story() == ["Status 1 Available", "Status 2 Available"]
