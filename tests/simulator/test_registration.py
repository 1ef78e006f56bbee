"""Booting, being accepted, waiting, beating (§4.2, §4.6)."""

from __future__ import annotations

import pytest

from simulator.boot import Registration
from simulator.frames import CallError
from tests.simulator.rig import FAILURE, Payload, Rig

ALL = ["Status 0 Available", "Status 1 Available", "Status 2 Available"]


def booting(status: str, interval: object = 60, **more: object) -> Rig:
    """Return a charge point that got this answer to its first boot."""
    rig = Rig(boots=False)
    answer = {"status": status, "interval": interval, "currentTime": "2026-01-31T12:16:40Z", **more}
    rig.answers["BootNotification"] = lambda _: answer
    rig.do("power_on")
    rig.connect()
    return rig


def accept(rig: Rig) -> None:
    """Let the CSMS accept from now on."""
    rig.answers["BootNotification"] = Rig(boots=False).answers["BootNotification"]


def test_boot_payload() -> None:
    """BootNotification says who it is; what is not known is left out."""
    rig = Rig(boots=False, vendor="V", model="M", serial_number="S")
    rig.do("power_on")
    rig.connect()

    assert rig.payload("BootNotification") == {
        "chargePointVendor": "V",
        "chargePointModel": "M",
        "chargePointSerialNumber": "S",
    }


def test_nothing_happens_without_power() -> None:
    """A connection of a charge point that is off says nothing."""
    rig = Rig(boots=False)
    rig.connect()
    rig.advance(1000)

    assert rig.story() == []
    rig.do("power_on")
    assert rig.story() == ["Boot", *ALL]


def test_nothing_before_the_boot_is_answered() -> None:
    """Until the answer came not even a status leaves (§4.2)."""
    rig = Rig(boots=False)
    rig.holds_answers = True
    rig.do("power_on")
    rig.connect()
    rig.do("plug_in", connector_id=1)

    assert rig.story() == ["Boot"]
    rig.holds_answers = False
    rig.release()
    assert rig.story() == ["Status 0 Available", "Status 1 Preparing", "Status 2 Available"]


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_waits_for_the_interval(status: str) -> None:
    """Pending and Rejected wait out the interval, in silence, then boot again."""
    rig = booting(status, 90)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")

    assert rig.story() == ["Boot"]
    rig.advance(89.9)
    assert rig.story() == []
    accept(rig)
    rig.advance(0.1)
    assert rig.story()[0] == "Boot"
    assert rig.charge_point.registration is Registration.ACCEPTED


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_interval_zero_leaves_it_to_us(status: str) -> None:
    """With interval 0 the charge point takes its own time, and never hurries."""
    rig = booting(status, 0)
    rig.advance(59.9)
    assert rig.story() == ["Boot"]
    rig.advance(0.2)
    assert rig.story() == ["Boot"]


def test_rejected_does_not_answer() -> None:
    """A rejected charge point keeps silent, a pending one answers but starts nothing (§4.2)."""
    assert booting("Rejected").ask("ClearCache") is None
    pending = booting("Pending")
    assert pending.ask("GetConfiguration", {"key": []}) is not None
    assert pending.ask("RemoteStartTransaction", {"idTag": "A"}) == {"status": "Rejected"}
    assert pending.ask("RemoteStopTransaction", {"transactionId": 1}) == {"status": "Rejected"}


@pytest.mark.parametrize(
    "answer",
    [FAILURE, None, {}, {"status": "Maybe", "interval": 1}],
    ids=["error", "silence", "empty", "unknown status"],
)
def test_unusable_answer_is_tried_again(answer: Payload | CallError | None) -> None:
    """No proper answer: again, at our own pace."""
    rig = Rig(boots=False)
    rig.answers["BootNotification"] = lambda _: answer
    rig.do("power_on")
    rig.connect()
    assert rig.story() == ["Boot"]
    accept(rig)
    rig.advance(95)

    assert rig.story() == ["Boot", *ALL]


def test_connection_lost_while_booting() -> None:
    """A boot whose answer never came is repeated on the next connection."""
    rig = Rig(boots=False)
    rig.holds_answers = True
    rig.do("power_on")
    rig.connect()
    rig.drop()
    rig.holds_answers = False
    rig.take()
    rig.connect()

    assert rig.story() == ["Boot", *ALL]


def test_pending_waits_on_across_connections() -> None:
    """The interval goes on while there is no connection; then the next one starts with boot."""
    rig = booting("Pending", 30)
    rig.take()
    rig.drop()
    rig.connect()
    assert rig.story() == []
    rig.drop()
    rig.advance(60)
    accept(rig)
    rig.connect()

    assert rig.story() == ["Boot", *ALL]


def test_reconnecting_is_no_boot() -> None:
    """After a mere reconnect nothing is sent where nothing changed (OCPP-J §5.4)."""
    rig = Rig()
    rig.drop()
    rig.advance(100)
    rig.connect()

    assert rig.story() == []


def test_heartbeat_after_silence() -> None:
    """A Heartbeat leaves after HeartbeatInterval without any message, again and again."""
    rig = Rig()
    rig.advance(299.9)
    assert rig.story() == []
    rig.advance(600.1)

    assert rig.story() == ["Heartbeat", "Heartbeat", "Heartbeat"]


def test_any_message_puts_the_heartbeat_off() -> None:
    """Sending and receiving both count as signs of life."""
    rig = Rig()
    rig.advance(200)
    rig.do("plug_in", connector_id=1)
    rig.advance(50)
    rig.ask("ClearCache")
    rig.take()
    rig.advance(10)
    rig.do("unplug", connector_id=1)
    rig.take()
    rig.advance(299)
    assert rig.story() == []
    rig.advance(2)
    assert rig.story() == ["Heartbeat"]


def test_interval_of_the_answer_is_a_key() -> None:
    """The CSMS's interval becomes HeartbeatInterval, and changing that changes the beat."""
    rig = booting("Accepted", 120)
    answer = rig.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})
    assert isinstance(answer, dict)
    assert answer["configurationKey"][0]["value"] == "120"
    rig.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "10"})
    rig.take()
    rig.advance(10)

    assert rig.story() == ["Heartbeat"]


def test_accepted_with_interval_zero_uses_our_own() -> None:
    """0 has no meaning here; it must not become a flood."""
    rig = booting("Accepted", 0)
    rig.take()
    rig.advance(299)
    assert rig.story() == []
    rig.advance(1)
    assert rig.story() == ["Heartbeat"]


def test_no_heartbeat_while_disconnected() -> None:
    """Without connection there is no heartbeat, and it resumes with the next one."""
    rig = Rig()
    rig.drop()
    rig.advance(1000)
    rig.connect()
    assert rig.story() == []
    rig.advance(300)
    assert rig.story() == ["Heartbeat"]


def test_clock_is_set_by_the_csms() -> None:
    """A clock that is off is set by the answer to boot, and by Heartbeat."""
    rig = booting("Accepted", 300, currentTime="2030-01-01T00:00:00Z")
    rig.take()
    rig.advance(5)
    rig.do("plug_in", connector_id=1)
    assert rig.payload("StatusNotification")["timestamp"] == "2030-01-01T00:00:05.000Z"
    rig.take()
    rig.answers["Heartbeat"] = lambda _: {"currentTime": "2031-01-01T00:00:00Z"}
    rig.do("unplug", connector_id=1)
    rig.advance(300)
    rig.take()
    rig.do("plug_in", connector_id=1)

    assert rig.payload("StatusNotification")["timestamp"] == "2031-01-01T00:00:00.000Z"


def test_scripted_clock_is_not_set() -> None:
    """A script's clock stays what it is, whatever the CSMS says."""
    rig = Rig(boots=False)
    rig.charge_point.set_clock(-3600.0)
    rig.do("power_on")
    rig.connect()
    rig.take()
    rig.do("plug_in", connector_id=1)

    assert rig.payload("StatusNotification")["timestamp"] == "2026-01-31T11:16:40.000Z"


def test_boot_by_hand_ends_the_waiting() -> None:
    """A script that boots by hand while the model waits to try again takes its place."""
    rig = booting("Pending", 30)
    accept(rig)
    rig.by_hand("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    rig.take()
    rig.advance(100)

    assert rig.story() == []
    assert rig.charge_point.registration is Registration.ACCEPTED


def test_unanswered_message_is_a_sign_of_life_too() -> None:
    """What we send puts the Heartbeat off, whether it is answered or not."""
    rig = Rig()
    rig.answers["StatusNotification"] = lambda _: None
    rig.advance(200)
    rig.do("plug_in", connector_id=1)
    rig.do("unplug", connector_id=1)
    rig.take()
    rig.advance(299)
    assert "Heartbeat" not in rig.story()
    rig.advance(60)
    assert "Heartbeat" in rig.story()


@pytest.mark.parametrize("interval", [None, "60", -5, 1.5])
def test_unusable_interval_counts_as_none(interval: object) -> None:
    """An interval that is none leaves the choice to us; the acceptance counts."""
    rig = booting("Accepted", interval)
    rig.take()
    rig.advance(299)
    assert rig.story() == []
    rig.advance(1)
    assert rig.story() == ["Heartbeat"]
