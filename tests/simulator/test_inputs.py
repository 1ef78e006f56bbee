"""What can happen to a charge point, and what cannot happen now."""

from __future__ import annotations

import inspect

import pytest

from simulator.errors import LocalProtocolError
from simulator.inputs import INPUTS
from tests.simulator.rig import Rig


@pytest.mark.parametrize(
    ("event", "arguments", "words"),
    [
        ("fly", {}, "unknown input 'fly'"),
        ("plug_in", {}, "connector_id"),
        ("plug_in", {"connector_id": 3}, "no connector 3; there are 1 to 2"),
        ("plug_in", {"connector_id": 0}, "no connector 0"),
        ("plug_in", {"connector_id": "1"}, "no connector '1'"),
        ("plug_in", {"connector_id": 1, "speed": 2}, "speed"),
        ("unplug", {"connector_id": 1}, "no cable is in"),
        ("ev_disconnect", {"connector_id": 1}, "no cable is in"),
        ("ev_suspend", {"connector_id": 1}, "no cable is in"),
        ("evse_suspend", {"connector_id": 1}, "no transaction runs"),
        ("press_stop", {"connector_id": 1}, "no transaction runs"),
        ("emergency_stop", {"connector_id": 1}, "no transaction runs"),
        ("present_tag", {"id_tag": ""}, "1 to 20 characters"),
        ("present_tag", {"id_tag": "x" * 21}, "1 to 20 characters"),
        ("fault", {"connector_id": 1, "error_code": "Fire"}, "unknown error code 'Fire'"),
        ("fault", {"connector_id": 1, "error_code": "NoError"}, "unknown error code"),
        ("fault", {"connector_id": 1, "error_code": "EVCommunicationError"}, "cannot be while"),
        ("clear_fault", {"connector_id": 1}, "there is no fault"),
        ("power_on", {}, "POWER_ON"),
        ("download_failure", {"times": "2"}, "'2' is no number of times"),
        ("upload_failure", {"times": -1}, "-1 is no number of times"),
    ],
)
def test_impossible_inputs_say_why(event: str, arguments: dict[str, object], words: str) -> None:
    """What cannot happen is refused with words, and nothing changes."""
    rig = Rig()
    with pytest.raises(LocalProtocolError, match=words):
        rig.do(event, **arguments)

    assert rig.story() == []


def test_plugged_twice() -> None:
    """A connector takes one cable."""
    rig = Rig()
    rig.do("plug_in", connector_id=1)
    with pytest.raises(LocalProtocolError, match="a cable is in already"):
        rig.do("plug_in", connector_id=1)


def test_ev_leaves_once() -> None:
    """An EV that is gone cannot leave again, but may come back to the cable."""
    rig = Rig()
    rig.do("plug_in", connector_id=1)
    rig.do("ev_disconnect", connector_id=1)
    with pytest.raises(LocalProtocolError, match="no EV"):
        rig.do("ev_disconnect", connector_id=1)
    rig.do("plug_in", connector_id=1)

    assert rig.story() == ["Status 1 Preparing"]


def test_id_without_ev_waits_for_it() -> None:
    """A cable alone is not enough: charging begins when the EV is there."""
    rig = Rig()
    rig.do("plug_in", connector_id=1)
    rig.do("ev_disconnect", connector_id=1)
    rig.do("present_tag", id_tag="A", connector_id=1)
    assert rig.story() == ["Status 1 Preparing", "Authorize A"]
    rig.do("plug_in", connector_id=1)
    assert rig.story() == ["Start 1 A", "Status 1 Charging"]


def test_fixed_cable_has_no_lock_to_fail() -> None:
    """Lock inputs need a lock."""
    rig = Rig(has_fixed_cable=True)
    for event in ("lock_failure", "unlock_failure"):
        with pytest.raises(LocalProtocolError, match="no lock"):
            rig.do(event, connector_id=1)


def test_without_power_only_hands_can_do_something() -> None:
    """While the power is off cables can be moved, and nothing else happens."""
    rig = Rig()
    rig.do("power_off")
    assert rig.hangups[0].is_abrupt
    rig.drop()
    rig.do("plug_in", connector_id=1)
    rig.do("ev_disconnect", connector_id=1)
    rig.do("unplug", connector_id=1)
    rig.do("plug_in", connector_id=2)
    for event in set(INPUTS) - {"plug_in", "unplug", "ev_disconnect", "power_on"}:
        needed = [
            parameter.name
            for parameter in inspect.signature(INPUTS[event]).parameters.values()
            if parameter.default is parameter.empty and parameter.name not in ("station", "now")
        ]
        arguments: dict[str, object] = {
            name: 1 if name == "connector_id" else "A" for name in needed
        }
        with pytest.raises(LocalProtocolError, match="the power is off"):
            rig.do(event, **arguments)
    rig.advance(10_000)
    assert rig.story() == []
    rig.do("power_on")
    rig.connect()
    assert "Status 2 Preparing" in rig.story()


def test_power_loss_while_asking() -> None:
    """An Authorize that was under way when the power went starts nothing."""
    rig = Rig(keys={"AllowOfflineTxForUnknownId": "true"})
    rig.do("plug_in", connector_id=1)
    rig.holds_answers = True
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.holds_answers = False
    rig.do("power_off")
    rig.drop()
    rig.take()
    rig.do("power_on")
    rig.connect()

    assert "Start 1 A" not in rig.story()


def test_reboot_by_itself() -> None:
    """A reboot nobody asked for ends transactions as Reboot, told after the boot."""
    rig = Rig()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.do("reboot")
    rig.reconnect_after_hangup()

    assert rig.story()[0] == "Boot"
    rig.do("plug_in", connector_id=2)


def test_data_needs_the_line() -> None:
    """DataTransfer is sent now or not at all."""
    rig = Rig()
    rig.do("send_data", vendor_id="V", message_id="M", data="D")
    assert rig.payload("DataTransfer") == {"vendorId": "V", "messageId": "M", "data": "D"}
    rig.drop()
    with pytest.raises(LocalProtocolError, match="not connected"):
        rig.do("send_data", vendor_id="V")
