"""Reservations: what is answered, who may come, and how they end (§3.11, §5.2, §5.13)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.clock import format_time
from tests.simulator.rig import Rig

CALM = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "0"}


def idle(**keys: str) -> Rig:
    """Return an idle charge point."""
    rig = Rig(keys={**CALM, **keys})
    rig.dialogue()
    return rig


def reserve(
    rig: Rig,
    connector_id: int = 1,
    *,
    number: int = 7,
    id_tag: str = "A",
    parent: str | None = None,
    for_s: float = 60,
) -> str:
    """Reserve; return the status."""
    payload: dict[str, object] = {
        "connectorId": connector_id,
        "expiryDate": format_time(rig.now.at + timedelta(seconds=for_s), milliseconds=True),
        "idTag": id_tag,
        "reservationId": number,
    }
    if parent is not None:
        payload["parentIdTag"] = parent
    answer = rig.ask("ReserveNow", payload)
    assert isinstance(answer, dict)
    return str(answer["status"])


def cancel(rig: Rig, number: int = 7) -> str:
    """Cancel; return the status."""
    answer = rig.ask("CancelReservation", {"reservationId": number})
    assert isinstance(answer, dict)
    return str(answer["status"])


# --- ReserveNow ------------------------------------------------------------------------------


def test_free_connector() -> None:
    """Accepted, and only then told as Reserved (A7)."""
    rig = idle()
    assert reserve(rig) == "Accepted"
    assert rig.dialogue() == ["conf Accepted", "Status 1 Reserved"]


def test_faulted() -> None:
    """A connector out of order cannot be reserved, nor any when the whole is out of order."""
    rig = idle()
    rig.do("fault", connector_id=1)
    assert reserve(rig) == "Faulted"
    rig.do("clear_fault", connector_id=1)
    rig.do("fault", connector_id=0)
    assert reserve(rig) == "Faulted"
    assert len(rig.charge_point.charging.reserving.book) == 0


@pytest.mark.parametrize("what", ["plug", "charge", "finish"])
def test_occupied(what: str) -> None:
    """A connector somebody uses cannot be reserved."""
    rig = idle()
    rig.do("plug_in", connector_id=1)
    for _ in range({"plug": 0, "charge": 1, "finish": 2}[what]):
        rig.do("present_tag", id_tag="X", connector_id=1)
    assert reserve(rig) == "Occupied"


def test_occupied_by_another_reservation() -> None:
    """One reservation a connector, for the same card too."""
    rig = idle()
    assert reserve(rig, number=1) == "Accepted"
    assert reserve(rig, number=2) == "Occupied"
    assert reserve(rig, 2, number=2) == "Accepted"


def test_same_id_replaces() -> None:
    """The same reservationId takes the place of the old reservation: card, time, connector."""
    rig = idle()
    reserve(rig)
    assert reserve(rig, id_tag="B") == "Accepted"
    assert rig.story() == ["Status 1 Reserved"]
    rig.do("present_tag", id_tag="A", connector_id=1)
    assert rig.story() == []
    assert reserve(rig, 2, id_tag="B") == "Accepted"
    assert rig.story() == ["Status 1 Available", "Status 2 Reserved"]


def test_replacement_that_is_refused_leaves_the_old_one() -> None:
    """What cannot be replaced stays as it is."""
    rig = idle()
    reserve(rig)
    rig.do("plug_in", connector_id=2)
    rig.take()
    assert reserve(rig, 2) == "Occupied"
    assert rig.story() == []
    assert cancel(rig) == "Accepted"


def test_unavailable() -> None:
    """Out of service, one connector or all."""
    rig = idle()
    rig.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    assert reserve(rig) == "Unavailable"
    assert reserve(rig, 2) == "Accepted"
    cancel(rig)
    rig.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    assert reserve(rig, 2) == "Unavailable"


@pytest.mark.parametrize(("connector_id", "for_s"), [(3, 60), (1, 0), (1, -5)])
def test_rejected(connector_id: int, for_s: float) -> None:
    """A connector that is not there, or a time that is over."""
    assert reserve(idle(), connector_id, for_s=for_s) == "Rejected"


def test_rejected_before_acceptance() -> None:
    """Nothing is reserved while the CSMS has not accepted the charge point."""
    rig = Rig(boots=False)
    rig.answers["BootNotification"] = lambda _: {
        "status": "Pending",
        "currentTime": "2026-01-31T12:00:00Z",
        "interval": 60,
    }
    rig.do("power_on")
    rig.connect()
    assert reserve(rig) == "Rejected"


# --- connector 0 -----------------------------------------------------------------------------


def test_any_connector() -> None:
    """Connector 0 keeps one connector free; a second such reservation takes the next."""
    rig = idle()
    assert reserve(rig, 0, number=1) == "Accepted"
    assert rig.story() == ["Status 1 Reserved"]
    assert reserve(rig, 0, number=2, id_tag="B") == "Accepted"
    assert rig.story() == ["Status 2 Reserved"]
    assert reserve(rig, 0, number=3) == "Occupied"


def test_any_connector_where_that_is_not_supported() -> None:
    """ReserveConnectorZeroSupported false: Rejected."""
    assert reserve(idle(ReserveConnectorZeroSupported="false"), 0) == "Rejected"


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("fault", "fault", "Faulted"),
        ("off", "off", "Unavailable"),
        ("fault", "off", "Unavailable"),
        ("fault", "plug", "Occupied"),
        ("off", "plug", "Occupied"),
        ("plug", "plug", "Occupied"),
        ("fault", "", "Accepted"),
    ],
)
def test_any_connector_when_few_are_good(first: str, second: str, status: str) -> None:
    """None free: the answer is the one that gives most hope."""
    rig = idle()
    for number, state in ((1, first), (2, second)):
        if state == "fault":
            rig.do("fault", connector_id=number)
        elif state == "plug":
            rig.do("plug_in", connector_id=number)
        elif state == "off":
            rig.ask("ChangeAvailability", {"connectorId": number, "type": "Inoperative"})
    assert reserve(rig, 0) == status


def test_any_connector_moves_when_its_connector_fails() -> None:
    """A reservation for any connector goes on with another one, or with the next that is free."""
    rig = idle()
    reserve(rig, 0)
    rig.take()
    rig.do("fault", connector_id=1)
    assert sorted(rig.story()) == ["Status 1 Faulted OtherError", "Status 2 Reserved"]
    rig.do("fault", connector_id=2)
    assert rig.story() == ["Status 2 Faulted OtherError"]
    rig.do("clear_fault", connector_id=1)
    assert rig.story() == ["Status 1 Available", "Status 1 Reserved"]
    assert cancel(rig) == "Accepted"


def test_any_connector_used_at_another() -> None:
    """The holder may come to any free connector; the one kept free is released."""
    rig = idle()
    reserve(rig, 0)
    rig.do("plug_in", connector_id=2)
    rig.take()
    rig.do("present_tag", id_tag="A", connector_id=2)

    assert rig.payload("StartTransaction")["reservationId"] == 7
    assert rig.story() == [
        *["Authorize A", "Start 2 A", "Status 2 Charging", "Status 1 Available"],
    ]


# --- coming ----------------------------------------------------------------------------------


def test_holder_comes() -> None:
    """The idTag of the reservation may start, whatever its case; the id goes with the start."""
    rig = idle()
    reserve(rig, id_tag="Card")
    rig.take()
    rig.do("present_tag", id_tag="CARD", connector_id=1)
    rig.do("plug_in", connector_id=1)

    assert rig.payload("StartTransaction")["reservationId"] == 7
    assert rig.story() == [
        *["Authorize CARD", "Status 1 Preparing", "Start 1 CARD", "Status 1 Charging"],
    ]
    assert cancel(rig) == "Rejected"


def test_holder_is_sent_to_the_reserved_connector() -> None:
    """A card held before the reader is for the connector it reserved; others go elsewhere."""
    rig = idle()
    reserve(rig, 2)
    rig.take()
    rig.do("present_tag", id_tag="A")
    assert rig.story() == ["Authorize A", "Status 2 Preparing"]
    rig.do("present_tag", id_tag="B")
    assert rig.story() == ["Authorize B", "Status 1 Preparing"]


def test_others_are_refused() -> None:
    """Another card is refused without asking, by remote start too; a cable changes nothing."""
    rig = idle()
    reserve(rig)
    rig.take()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="B", connector_id=1)
    answer = rig.ask("RemoteStartTransaction", {"idTag": "B", "connectorId": 1})

    assert answer == {"status": "Rejected"}
    assert rig.story() == []
    assert "Connector 1: reserved for somebody else" in rig.notices


def test_remote_start_for_the_holder() -> None:
    """RemoteStartTransaction for the reserved idTag is accepted and uses the reservation."""
    rig = idle(AuthorizeRemoteTxRequests="false")
    reserve(rig)
    rig.take()
    answer = rig.ask("RemoteStartTransaction", {"idTag": "A", "connectorId": 1})
    rig.do("plug_in", connector_id=1)

    assert answer == {"status": "Accepted"}
    assert rig.payload("StartTransaction")["reservationId"] == 7


@pytest.mark.parametrize(
    ("parent", "told", "starts"),
    [("G", "g", True), ("G", "H", False), ("G", None, False), (None, None, False)],
)
def test_group(parent: str | None, told: str | None, starts: bool) -> None:
    """A card of the reservation's group may start; the CSMS says which group that is."""
    rig = idle()
    reserve(rig, parent=parent)
    info = {"status": "Accepted"} if told is None else {"status": "Accepted", "parentIdTag": told}
    rig.answers["Authorize"] = lambda _: {"idTagInfo": info}
    rig.do("plug_in", connector_id=1)
    rig.take()
    rig.do("present_tag", id_tag="B", connector_id=1)

    story = rig.story()
    assert ("Start 1 B" in story) is starts
    assert ("Authorize B" in story) is (parent is not None)


@pytest.mark.parametrize("group", ["G", "H"])
def test_group_known_from_the_list(group: str) -> None:
    """Offline the list knows the group, and decides."""
    rig = idle()
    info = {"status": "Accepted", "parentIdTag": group}
    rig.ask(
        "SendLocalList",
        {
            "updateType": "Full",
            "listVersion": 1,
            "localAuthorizationList": [{"idTag": "B", "idTagInfo": info}],
        },
    )
    reserve(rig, parent="G")
    rig.drop()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="B", connector_id=1)
    rig.take()
    rig.connect()

    starts = [payload for action, payload in rig.take() if action == "StartTransaction"]
    assert [start["reservationId"] for start in starts] == ([7] if group == "G" else [])


def test_holder_who_gives_up_keeps_the_reservation() -> None:
    """Identified and gone without a cable: Available for a moment, then Reserved again."""
    rig = idle(ConnectionTimeOut="10")
    reserve(rig)
    rig.take()
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.advance(10)

    assert rig.story() == [
        *["Authorize A", "Status 1 Preparing", "Status 1 Available", "Status 1 Reserved"],
    ]
    rig.advance(50)
    assert rig.story() == ["Status 1 Available"]


# --- ending ----------------------------------------------------------------------------------


def test_expiry() -> None:
    """At its date a reservation ends by itself, not before."""
    rig = idle()
    reserve(rig, for_s=30)
    reserve(rig, 2, number=8, for_s=20)
    rig.take()
    rig.advance(19.9)
    assert rig.story() == []
    rig.advance(0.2)
    assert rig.story() == ["Status 2 Available"]
    rig.advance(10)
    assert rig.story() == ["Status 1 Available"]
    assert cancel(rig) == "Rejected"


def test_expiry_goes_by_the_clock_of_the_charge_point() -> None:
    """A clock that is ahead ends reservations early."""
    rig = idle()
    rig.charge_point.set_clock(40)
    reserve(rig, for_s=50)
    rig.take()
    rig.advance(10.1)
    assert rig.story() == ["Status 1 Available"]


def test_expiry_while_somebody_prepares() -> None:
    """Who identified in time may go on; the start carries no reservation any more."""
    rig = idle()
    reserve(rig, for_s=5)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.advance(6)
    rig.do("plug_in", connector_id=1)

    assert "reservationId" not in rig.payload("StartTransaction")


def test_cancelling() -> None:
    """Accepted once, and then told; unknown ids and the second time Rejected."""
    rig = idle()
    reserve(rig)
    rig.dialogue()
    assert cancel(rig, 8) == "Rejected"
    assert cancel(rig) == "Accepted"
    assert cancel(rig) == "Rejected"
    assert rig.dialogue() == [
        *["conf Rejected", "conf Accepted", "Status 1 Available", "conf Rejected"],
    ]


def test_fault_ends_a_reservation() -> None:
    """A connector that fails is reserved for nobody after it is repaired."""
    rig = idle()
    reserve(rig)
    rig.take()
    rig.do("fault", connector_id=1)
    rig.do("clear_fault", connector_id=1)

    assert rig.story() == ["Status 1 Faulted OtherError", "Status 1 Available"]
    assert cancel(rig) == "Rejected"


def test_fault_of_the_whole_ends_all() -> None:
    """A charge point that fails has no reservations any more."""
    rig = idle()
    reserve(rig, 1, number=1)
    reserve(rig, 0, number=2)
    rig.take()
    rig.do("fault", connector_id=0)
    assert sorted(rig.story()) == [
        *["Status 0 Faulted OtherError", "Status 1 Available", "Status 2 Available"],
    ]


def test_unavailability_waits_for_the_reservation() -> None:
    """ChangeAvailability of a reserved connector is done when the reservation ends (G8)."""
    rig = idle()
    reserve(rig)
    rig.take()
    answer = rig.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    assert answer == {"status": "Scheduled"}
    rig.advance(60)
    assert rig.story() == ["Status 1 Unavailable"]


def test_reservation_survives_a_restart() -> None:
    """After a reset or without power in between it is still there, or has ended meanwhile."""
    rig = idle()
    reserve(rig, 1, number=1, for_s=60)
    reserve(rig, 2, number=2, for_s=10)
    rig.do("power_off")
    rig.drop()
    rig.advance(20)
    rig.take()
    rig.do("power_on")
    rig.connect()
    rig.advance(1)
    assert rig.story() == [
        *["Boot", "Status 0 Available", "Status 1 Reserved", "Status 2 Available"],
    ]
    rig.ask("Reset", {"type": "Hard"})
    rig.reconnect_after_hangup()
    rig.take()
    rig.advance(60)
    assert rig.story() == ["Status 1 Available"]


# --- passive ---------------------------------------------------------------------------------


def passive() -> Rig:
    """Return a charge point that only answers."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    rig.by_hand("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    rig.take()
    return rig


def told(rig: Rig, connector_id: int, status: str) -> None:
    """Let a script tell a status."""
    payload = {"connectorId": connector_id, "status": status, "errorCode": "NoError"}
    rig.by_hand("StatusNotification", payload)
    rig.take()


def test_passive_answers_follow_what_scripts_told() -> None:
    """A passive charge point makes and ends reservations and says nothing by itself."""
    rig = passive()
    assert reserve(rig) == "Accepted"
    assert reserve(rig, number=8) == "Occupied"
    told(rig, 1, "Reserved")
    assert reserve(rig, number=8) == "Occupied"
    assert reserve(rig) == "Accepted"
    assert cancel(rig) == "Accepted"
    assert cancel(rig) == "Rejected"
    for status, answer in (
        *(("Preparing", "Occupied"), ("Unavailable", "Unavailable"), ("Faulted", "Faulted")),
    ):
        told(rig, 1, status)
        assert reserve(rig) == answer
    assert rig.story() == []


def test_passive_reservation_ends_by_script() -> None:
    """A start that names it, or Available, ends it; so does its time."""
    rig = passive()
    reserve(rig)
    start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "reservationId": 7}
    rig.by_hand("StartTransaction", {**start, "timestamp": "2026-01-31T12:00:00Z"})
    rig.take()
    assert cancel(rig) == "Rejected"
    reserve(rig, 2)
    told(rig, 2, "Available")
    assert cancel(rig) == "Rejected"
    reserve(rig, 2, for_s=5)
    rig.advance(5)
    assert cancel(rig) == "Rejected"
    assert rig.story() == []
