"""Answers of a charge point: as a script says, or as the model sees fit."""

import pytest

from simulator.frames import Call, CallError, CallResult
from simulator.outputs import ScriptedAnswer
from simulator.responder import Responder, encode
from tests.simulator.rig import Rig


@pytest.fixture
def rig() -> Rig:
    """An idle charge point."""
    rig = Rig()
    rig.dialogue()
    return rig


@pytest.fixture
def responder(rig: Rig) -> Responder:
    """Its answering side."""
    return rig.charge_point._responder


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (Call("1", "Levitate", {}), "NotImplemented"),
        (Call("1", "Reset", {}, defects=("no payload",)), "FormationViolation"),
        (Call("1", "Reset", {}), "ProtocolError"),
        (Call("1", "Reset", {"type": 7}), "TypeConstraintViolation"),
        (Call("1", "Reset", {"type": "Warm"}), "PropertyConstraintViolation"),
    ],
)
def test_bad_call_is_answered_with_its_error(
    rig: Rig, responder: Responder, call: Call, code: str
) -> None:
    """The model does nothing for it."""
    answer, follow_up = responder.respond(call, rig.now)

    assert isinstance(answer, CallError)
    assert answer.code == code
    assert follow_up is None


def test_good_call_is_answered_before_anything_follows(rig: Rig, responder: Responder) -> None:
    """A Reset says Accepted while the charge point is still there."""
    answer, follow_up = responder.respond(Call("1", "Reset", {"type": "Soft"}), rig.now)

    assert answer == CallResult("1", {"status": "Accepted"})
    assert follow_up is not None
    assert not rig.hangups


def test_scripts_are_used_up_one_by_one(rig: Rig, responder: Responder) -> None:
    """Then the model answers again; other actions are not touched."""
    responder.script("ClearCache", ScriptedAnswer(payload={"status": "Rejected"}), 1)
    responder.script("ClearCache", ScriptedAnswer(error_code="InternalError"), 1)

    assert rig.ask("ClearLocalList", {}) == "NotImplemented"
    assert rig.ask("ClearCache") == {"status": "Rejected"}
    assert rig.ask("ClearCache") == "InternalError"
    assert rig.ask("ClearCache") == {"status": "Accepted"}


def test_late_answers_can_be_forgotten(rig: Rig, responder: Responder) -> None:
    """Whoever asked is gone; none may leave on the next connection."""
    responder.script("ClearCache", ScriptedAnswer(delay_s=5.0), 2)
    assert rig.ask("ClearCache") is None
    assert rig.ask("ClearCache") is None
    assert not responder.is_idle

    responder.forget_late_answers()
    before = len(rig.sent)
    rig.advance(10.0)

    assert responder.is_idle
    assert not [one for one in rig.sent[before:] if isinstance(one, CallResult)]


def test_late_answers_leave_in_their_time(rig: Rig, responder: Responder) -> None:
    """Each once."""
    responder.script("ClearCache", ScriptedAnswer(delay_s=5.0), 1)
    rig.ask("ClearCache")

    before = len(rig.sent)
    rig.advance(5.0)

    assert [one for one in rig.sent[before:] if isinstance(one, CallResult)]
    assert responder.is_idle


def test_answers_are_frames() -> None:
    """OCPP-J 1.6 §4.2."""
    assert encode(CallResult("7", {"status": "Accepted"})) == '[3,"7",{"status":"Accepted"}]'
    assert encode(CallError("7", "InternalError", "no", {})) == '[4,"7","InternalError","no",{}]'
