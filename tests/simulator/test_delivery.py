"""Transaction messages reach the CSMS in order, once each, or are given up (§3.7)."""

from __future__ import annotations

from simulator.frames import CallError
from tests.simulator.rig import ACCEPTED, FAILURE, Payload, Rig

OFFLINE = {"AllowOfflineTxForUnknownId": "true", "MeterValueSampleInterval": "0"}


def session(rig: Rig, id_tag: str = "A") -> None:
    """Charge for a minute."""
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag=id_tag)
    rig.advance(60)
    rig.do("present_tag", id_tag=id_tag)
    rig.do("unplug", connector_id=1)


def test_offline_sessions_come_in_order_with_their_ids() -> None:
    """Two sessions offline are told start, stop, start, stop, each stop with its own id."""
    rig = Rig(keys=OFFLINE)
    rig.drop()
    session(rig, "A")
    session(rig, "B")
    assert rig.charge_point.queued_messages == 4
    rig.connect()

    assert rig.story() == ["Start 1 A", "Stop 1 Local", "Start 1 B", "Stop 2 Local"]
    assert rig.charge_point.queued_messages == 0


def test_retries_with_growing_pauses_then_dropped() -> None:
    """3 attempts, 60 s: at 0, 60 and 180 s; then what follows goes on with transactionId -1."""
    rig = Rig(keys={**OFFLINE, "TransactionMessageRetryInterval": "60", "ConnectionTimeOut": "0"})
    rig.answers["StartTransaction"] = lambda _: FAILURE
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    starts = [rig.s for name, _ in rig.take() if name == "StartTransaction"]
    for _ in range(400):
        rig.advance(1)
        starts += [rig.s for name, _ in rig.take() if name == "StartTransaction"]
    rig.do("present_tag", id_tag="A")

    assert [s - 1000.0 for s in starts] == [0.0, 60.0, 180.0]
    assert rig.story() == ["Stop -1 Local", "Status 1 Finishing"]
    assert any("given up" in notice for notice in rig.notices)


def test_silence_counts_as_failure() -> None:
    """No answer within MessageTimeout is a failed attempt."""
    answers: list[Payload | None] = [None, {"transactionId": 9, **ACCEPTED}]
    rig = Rig(keys={**OFFLINE, "MessageTimeout": "10", "TransactionMessageRetryInterval": "20"})
    rig.answers["StartTransaction"] = lambda _: answers.pop(0)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.advance(29.9)
    assert rig.story() == ["Status 1 Charging"]
    rig.advance(0.2)
    assert rig.story() == ["Start 1 A"]


def test_stop_waits_for_the_start_and_gets_its_id() -> None:
    """While the start is tried again the stop is held back, and then carries the real id."""
    answers: list[Payload | CallError] = [FAILURE, {"transactionId": 77, **ACCEPTED}]
    rig = Rig(keys={**OFFLINE, "TransactionMessageRetryInterval": "30"})
    rig.answers["StartTransaction"] = lambda _: answers.pop(0)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.do("present_tag", id_tag="A")
    assert rig.story()[-3:] == ["Start 1 A", "Status 1 Charging", "Status 1 Finishing"]
    rig.advance(30)

    assert rig.story() == ["Start 1 A", "Stop 77 Local"]


def test_without_holding_back_the_id_is_minus_one() -> None:
    """The other variant of the field: what is made before the id is known says -1."""
    rig = Rig(keys=OFFLINE, holds_back=False)
    rig.drop()
    session(rig)
    rig.connect()

    assert rig.story() == ["Start 1 A", "Stop -1 Local"]


def test_lost_connection_resends_without_counting() -> None:
    """A start that was under way when the connection went is sent again, as often as that is."""
    rig = Rig(keys={**OFFLINE, "TransactionMessageAttempts": "1"})
    rig.do("plug_in", connector_id=1)
    rig.answers["StartTransaction"] = lambda _: None
    rig.do("present_tag", id_tag="A")
    for _ in range(5):
        rig.drop()
        rig.connect()
    del rig.answers["StartTransaction"]

    assert [line for line in rig.story() if line.startswith("Start ")] == ["Start 1 A"] * 6


def test_other_messages_overtake() -> None:
    """A status does not wait for a queue that waits."""
    rig = Rig(keys=OFFLINE)
    rig.answers["StartTransaction"] = lambda _: FAILURE
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.do("plug_in", connector_id=2)

    assert rig.story() == ["Status 2 Preparing"]


def test_queue_survives_a_power_loss() -> None:
    """What was queued before the power went is delivered after the boot, in order."""
    rig = Rig(keys=OFFLINE)
    rig.drop()
    session(rig)
    rig.do("plug_in", connector_id=2)
    rig.do("present_tag", id_tag="B")
    rig.advance(10)
    rig.do("power_off")
    rig.advance(1000)
    rig.do("power_on")
    rig.connect()
    stops = [payload for name, payload in rig.calls if name == "StopTransaction"]

    assert rig.story()[-4:] == ["Start 1 A", "Stop 1 Local", "Start 2 B", "Stop 2 PowerLoss"]
    assert stops[1]["timestamp"] == "2026-01-31T12:17:50.000Z"
    assert "idTag" not in stops[1]
