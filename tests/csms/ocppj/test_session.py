"""One live charge point, without sockets and database."""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csms.domain.model import RegistrationStatus
from csms.ocppj import session as session_module
from csms.ocppj.errors import CallFailure, ErrorCode
from csms.ocppj.handlers import Received
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Refused,
    TimedOut,
)
from csms.ocppj.session import MAX_WAITING_CALLS, Command
from csms.storage.errors import CommitFailed
from tests.csms.ocppj.fakes import ANSWERS, AT, BOOT, TIME, Station

PENDING, REJECTED = RegistrationStatus.PENDING, RegistrationStatus.REJECTED
START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": TIME}


def command(
    action: str = "Reset",
    payload: dict[str, Any] | None = None,
    *,
    message_id: str = "c1",
    timeout_s: float = 30,
) -> Command:
    outcome: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
    return Command(message_id, action, payload or {"type": "Soft"}, timeout_s, outcome)


# --- answering -----------------------------------------------------------------------------------


async def test_call_is_answered_with_its_id() -> None:
    """The handler's payload comes back under the id it was asked with."""
    station = Station()

    assert await station.ask("Heartbeat", {}, "abc") == [3, "abc", {"currentTime": TIME}]
    assert await station.ask("Heartbeat", None, 17) == [3, 17, {"currentTime": TIME}]


async def test_handler_gets_the_raw_frame_and_the_quirks() -> None:
    """Everything a record needs arrives with the CALL."""
    station = Station()
    text = '[2, "q", "Authorize", {"idTag": "A", "x": null}]'
    station.say(text)
    await station.wire.next()

    assert station.handlers.handled == [
        Received(
            identity="CP1",
            action="Authorize",
            message_id="q",
            payload={"idTag": "A", "x": None},
            text=text,
            received_at=AT,
            quirks=("x: not in the schema",),
        )
    ]


async def test_letters_in_a_wrong_encoding_are_a_quirk() -> None:
    """They were replaced on the way; whoever reads the record must know."""
    station = Station()
    station.session.receive('[2,"1","Authorize",{"idTag":"\ufffd"}]', is_utf8=False)
    await station.wire.next()

    assert station.handlers.handled[0].quirks == ("message: not UTF-8",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[2,"1","Foo",{}]', "NotImplemented"),
        ('[2,"1","heartbeat",{}]', "NotImplemented"),
        ('[2,"1","CustomOperation",{"a":1}]', "NotImplemented"),
        ('[2,"1","",{}]', "NotImplemented"),
        ('[2,"1","Reset",{"type":"Soft"}]', "NotSupported"),
        ('[2,"1","SignCertificate",{"csr":"x"}]', "NotSupported"),
        ('[2,"1","Authorize",{}]', "ProtocolError"),
        ('[2,"1","Authorize",{"idTag":12}]', "TypeConstraintViolation"),
        (
            '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"x","status":"y"}]',
            "PropertyConstraintViolation",
        ),
        ('[2,"1","Heartbeat"]', "FormationViolation"),
        ('[2,"1","Heartbeat",[]]', "FormationViolation"),
        ('[2,"1",["Heartbeat"],{}]', "FormationViolation"),
        ('[2,"1","Heartbeat",{},{}]', "FormationViolation"),
        ('[2,"1"]', "FormationViolation"),
    ],
)
async def test_faulty_call_gets_the_code_of_1_6(text: str, code: str) -> None:
    """Every CALL with a usable id is answered, and the session goes on."""
    station = Station()
    station.say(text)
    answer = await station.wire.next()

    assert answer[:3] == [4, "1", code]
    assert isinstance(answer[3], str)
    assert answer[4] == {}
    assert await station.ask("Heartbeat", {}) == [3, "1", {"currentTime": TIME}]
    assert [one.action for one in station.handlers.handled] == ["Heartbeat"]


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '[5,"1",{}]', '[3,"1",{}]', '[4,"1"]', '[4,"1","X"]', '[2,null,"A",{}]'],
)
async def test_nothing_else_is_answered(text: str) -> None:
    """Not even with a CALLERROR, least of all a response (CS-RPC-02, CS-RPC-08, CS-RPC-16)."""
    station = Station()
    station.say(text)

    assert await station.ask("Heartbeat", {}, "after") == [3, "after", {"currentTime": TIME}]
    assert not station.wire.sent


@pytest.mark.parametrize(
    ("failure", "code", "description"),
    [
        (CallFailure(ErrorCode.GENERIC_ERROR, "no"), "GenericError", "no"),
        (
            RuntimeError("SELECT secret FROM table"),
            "InternalError",
            "the message could not be processed",
        ),
        (CommitFailed("disk full on /dev/sda1"), "InternalError", "try again later"),
    ],
)
async def test_failing_handler_costs_one_message_only(
    failure: Exception, code: str, description: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The charge point learns the code, and nothing of what is inside."""
    station = Station()
    station.handlers.answers["Authorize"] = failure

    assert await station.ask("Authorize", {"idTag": "A"}) == [4, "1", code, description, {}]
    assert await station.ask("Heartbeat", {}) == [3, "1", {"currentTime": TIME}]


@pytest.mark.parametrize(
    "answer", [{"currentTime": "now"}, {"currentTime": TIME, "x": 1}, {}, None, []]
)
async def test_answer_that_breaks_its_schema_never_leaves(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is an InternalError, not a broken CALLRESULT (CS-RPC-14)."""
    station = Station()
    station.handlers.answers["Heartbeat"] = answer

    assert (await station.ask("Heartbeat", {}))[:3] == [4, "1", "InternalError"]


async def test_calls_are_carried_out_in_order_of_arrival() -> None:
    """A later CALL waits although the first one takes its time (CS-ORD-01)."""
    station = Station()
    station.handlers.gate = asyncio.Event()
    station.call("StartTransaction", START, "a")
    station.call("StatusNotification", {}, "b")
    station.call("Heartbeat", {}, "c")
    await asyncio.sleep(0)
    assert [one.message_id for one in station.handlers.handled] == ["a"]
    station.handlers.gate.set()

    assert [(await station.wire.next())[1] for _ in range(3)] == ["a", "b", "c"]


async def test_reading_pauses_when_many_calls_wait() -> None:
    """A flood lines up only so far; then the reader waits for room."""
    station = Station()
    station.handlers.gate = asyncio.Event()
    for number in range(MAX_WAITING_CALLS + 1):
        assert not station.session.is_full
        station.call("Heartbeat", {}, number)
        await asyncio.sleep(0)
    assert station.session.is_full
    room = asyncio.create_task(station.session.room())
    await asyncio.sleep(0)
    assert not room.done()
    station.handlers.gate.set()

    await asyncio.wait_for(room, 5)
    await station.settled()
    assert len(station.wire.sent) == MAX_WAITING_CALLS + 1


async def test_one_large_call_fills_the_line() -> None:
    """Large frames must not pile up by the number."""
    station = Station()
    station.handlers.gate = asyncio.Event()
    station.call("Heartbeat", {}, 1)
    await asyncio.sleep(0)
    station.call("DataTransfer", {"vendorId": "v", "data": "x" * 70_000}, 2)

    assert station.session.is_full
    station.handlers.gate.set()
    await station.settled()
    assert not station.session.is_full


async def test_room_ends_with_the_session() -> None:
    """A reader that waits is not left behind."""
    station = Station()
    station.handlers.gate = asyncio.Event()
    for number in range(MAX_WAITING_CALLS + 2):
        station.call("Heartbeat", {}, number)
    room = asyncio.create_task(station.session.room())
    await asyncio.sleep(0)
    station.session.end()

    await asyncio.wait_for(room, 5)
    station.handlers.gate.set()
    await station.settled()


async def test_last_words_are_carried_out_but_not_answered() -> None:
    """What was received counts, even when its sender is gone."""
    station = Station()
    station.call("StartTransaction", START, "a")
    station.call("StopTransaction", {"transactionId": 1, "meterStop": 1, "timestamp": TIME}, "b")
    station.session.end()
    await station.settled()

    assert [one.message_id for one in station.handlers.handled] == ["a", "b"]
    assert not station.wire.sent


# --- duplicates ----------------------------------------------------------------------------------


async def test_repeated_call_gets_the_stored_answer() -> None:
    """Same id, action and payload: carried out once (CS-RPC-17)."""
    station = Station()
    first = await station.ask("StartTransaction", START, "7")
    station.handlers.answers["StartTransaction"] = RuntimeError("must not be asked again")

    assert await station.ask("StartTransaction", START, "7") == first
    assert len(station.handlers.handled) == 1


async def test_repeated_call_that_waits_is_carried_out_once() -> None:
    """The second copy arrives while the first is still under way (CS-RPC-15)."""
    station = Station()
    station.handlers.gate = asyncio.Event()
    station.call("StartTransaction", START, "7")
    station.call("StartTransaction", START, "7")
    station.handlers.gate.set()

    assert await station.wire.next() == await station.wire.next()
    assert len(station.handlers.handled) == 1


@pytest.mark.parametrize(
    ("action", "payload"),
    [("StartTransaction", {**START, "meterStart": 1}), ("Heartbeat", {})],
)
async def test_same_id_with_other_content_is_a_new_call(
    action: str, payload: dict[str, Any]
) -> None:
    """Some charge points count from "1" again and again."""
    station = Station()
    await station.ask("StartTransaction", START, "1")
    await station.ask(action, payload, "1")

    assert len(station.handlers.handled) == 2


async def test_id_that_was_used_for_something_else_since_starts_anew() -> None:
    """A charge point with one id for all must still have its status changes recorded."""
    station = Station()
    available = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    for payload in (available, {**available, "status": "Preparing"}, available):
        await station.ask("StatusNotification", payload, "1")

    assert [one.payload["status"] for one in station.handlers.handled] == [
        "Available",
        "Preparing",
        "Available",
    ]


@pytest.mark.parametrize(
    ("action", "payload", "fresh_s", "stale_s"),
    [
        ("Heartbeat", {}, 9, 11),
        ("BootNotification", BOOT, 9, 11),
        ("Authorize", {"idTag": "A"}, 59, 61),
    ],
)
async def test_stored_answer_goes_stale(
    action: str, payload: dict[str, Any], fresh_s: float, stale_s: float
) -> None:
    """Above all where it would set the charge point's clock."""
    station = Station()
    session = station.session
    clock = session._loop
    now_s = clock.time()

    class Clock:
        at_s = now_s

        def time(self) -> float:
            return self.at_s

        def create_task(self, coroutine: Any) -> Any:
            return clock.create_task(coroutine)

    fake = Clock()
    session._loop = fake  # type: ignore[assignment]
    await station.ask(action, payload)
    fake.at_s = now_s + fresh_s
    await station.ask(action, payload)
    assert len(station.handlers.handled) == 1
    fake.at_s = now_s + stale_s
    await station.ask(action, payload)

    assert len(station.handlers.handled) == 2


async def test_refusals_are_not_stored() -> None:
    """A failure is not an execution: the retry is carried out."""
    station = Station()
    station.handlers.answers["StartTransaction"] = CommitFailed("full")
    assert (await station.ask("StartTransaction", START))[2] == "InternalError"
    station.handlers.answers["StartTransaction"] = {
        "transactionId": 5,
        "idTagInfo": {"status": "Accepted"},
    }

    assert (await station.ask("StartTransaction", START))[2]["transactionId"] == 5


async def test_few_answers_are_stored() -> None:
    """Ids that never repeat must not fill the memory."""
    station = Station()
    for number in range(50):
        await station.ask("Authorize", {"idTag": "A"}, f"id{number}")
    await station.ask("Authorize", {"idTag": "A"}, "id49")
    assert len(station.handlers.handled) == 50
    await station.ask("Authorize", {"idTag": "A"}, "id0")

    assert len(station.handlers.handled) == 51
    assert station.session._answers is not None
    assert len(station.session._answers) == session_module.MAX_STORED_ANSWERS


async def test_id_used_anew_pushes_no_other_answer_out() -> None:
    """It takes the place it had."""
    station = Station()
    for number in range(session_module.MAX_STORED_ANSWERS):
        await station.ask("Authorize", {"idTag": "A"}, f"id{number}")
    await station.ask("Authorize", {"idTag": "B"}, "id7")
    handled = len(station.handlers.handled)
    await station.ask("Authorize", {"idTag": "A"}, "id0")

    assert len(station.handlers.handled) == handled


async def test_idle_session_holds_nothing_but_its_answers() -> None:
    """Thousands of charge points are idle at any time."""
    station = Station()
    await station.ask("Heartbeat", {})
    await station.settled()
    session = station.session

    assert (session._calls, session._worker, session._room) == (None, None, None)
    assert (session._commands, session._open, session._timer) == (None, None, None)


# --- quarantine ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "action", "reason"),
    [
        (
            '[2,"1","StartTransaction",{"connectorId":1}]',
            "StartTransaction",
            "ProtocolError: meterStart is missing",
        ),
        (
            '[2,"1","StopTransaction",[]]',
            "StopTransaction",
            "FormationViolation: the payload is not an object",
        ),
        (
            '[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"v":NaN}]}]',
            "MeterValues",
            "FormationViolation: the message is not JSON that can be processed",
        ),
        (
            f'[2,"{"i" * 37}","MeterValues",{{}}]',
            "MeterValues",
            "FormationViolation: the message id is longer than 36 characters",
        ),
    ],
)
async def test_faulty_transaction_message_is_kept(text: str, action: str, reason: str) -> None:
    """The charge point will drop it; its raw text must not be lost (CS-ORD-04)."""
    station = Station()
    station.say(text)
    await station.wire.next()

    assert station.services.quarantined == [
        {"identity": "CP1", "action": action, "text": text, "reason": reason, "at": AT}
    ]


async def test_transaction_message_a_handler_cannot_take_is_kept() -> None:
    """Whether it judged so or broke over it."""
    station = Station()
    station.handlers.answers["StartTransaction"] = CallFailure(
        ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "timestamp"
    )
    await station.ask("StartTransaction", START, "a")
    station.handlers.answers["StartTransaction"] = ZeroDivisionError()
    await station.ask("StartTransaction", START, "b")

    assert [one["reason"] for one in station.services.quarantined] == [
        "PropertyConstraintViolation: timestamp",
        "InternalError: the message could not be processed",
    ]


async def test_what_will_be_sent_again_is_not_quarantined() -> None:
    """A full disk, a charge point not accepted yet, messages without money in them."""
    station = Station()
    for failure in (CommitFailed("full"), CallFailure(ErrorCode.INTERNAL_ERROR, "full")):
        station.handlers.answers["StartTransaction"] = failure
        await station.ask("StartTransaction", START)
    await station.ask("Authorize", {})
    station.session.decide(PENDING)
    await station.ask("StartTransaction", {})

    assert station.services.quarantined == []


async def test_failing_quarantine_still_answers(caplog: pytest.LogCaptureFixture) -> None:
    """The charge point gets its CALLERROR all the same."""
    station = Station()
    station.services.quarantine_error = CommitFailed("full")

    assert (await station.ask("MeterValues", {}))[:3] == [4, "1", "ProtocolError"]
    assert "a refused MeterValues was not kept" in caplog.text


# --- registration gate ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", list(RegistrationStatus))
async def test_nothing_but_boot_before_acceptance(status: RegistrationStatus) -> None:
    """Everything else is a SecurityError, known or not (OCPP-J errata 3.10)."""
    station = Station(registration=status, is_accepted=False)
    for action in ("Heartbeat", "StartTransaction", "SecurityEventNotification", "Foo"):
        assert (await station.ask(action, {}))[2] == "SecurityError"
    station.say('[2,"x","Heartbeat"]')
    assert (await station.wire.next())[2] == "SecurityError"

    assert station.handlers.handled == []
    assert (await station.ask("BootNotification", BOOT))[2]["status"] == "Accepted"
    assert (await station.ask("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_boot_that_is_not_accepted_closes_the_gate(status: str) -> None:
    """The answer to BootNotification decides, also after an earlier acceptance."""
    station = Station()
    assert (await station.ask("Heartbeat", {}, "a"))[0] == 3
    station.handlers.answers["BootNotification"] = {
        "status": status,
        "currentTime": TIME,
        "interval": 60,
    }
    await station.ask("BootNotification", BOOT, "b")

    assert (await station.ask("Heartbeat", {}, "c"))[2] == "SecurityError"
    assert station.session.registration == status


async def test_calls_behind_the_boot_are_judged_after_it() -> None:
    """Some charge points send StatusNotification before they have the boot's answer."""
    station = Station(is_accepted=False)
    station.call("BootNotification", BOOT, "a")
    station.call("Heartbeat", {}, "b")

    assert [(await station.wire.next())[0] for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("status", [PENDING, REJECTED])
async def test_operator_closes_the_gate_at_once(status: RegistrationStatus) -> None:
    """And opens it only with the next accepted BootNotification, which tells the charge point."""
    station = Station()
    station.session.decide(status)
    assert (await station.ask("Heartbeat", {}, "a"))[2] == "SecurityError"
    station.session.decide(RegistrationStatus.ACCEPTED)
    assert (await station.ask("Heartbeat", {}, "b"))[2] == "SecurityError"
    assert station.session.registration is status
    await station.ask("BootNotification", BOOT, "c")

    assert (await station.ask("Heartbeat", {}, "d"))[0] == 3
    assert station.session.registration is RegistrationStatus.ACCEPTED


async def test_decision_during_the_boot_wins_over_its_answer() -> None:
    """The handler read the record before the operator changed it."""
    station = Station(is_accepted=False)

    async def reject(received: Received) -> None:
        station.session.decide(REJECTED)

    station.handlers.before = reject
    await station.ask("BootNotification", BOOT, "a")

    assert not station.session.is_accepted
    assert station.session.registration is REJECTED


@pytest.mark.parametrize(
    ("told", "decided", "registration"),
    [
        ("Accepted", RegistrationStatus.ACCEPTED, RegistrationStatus.ACCEPTED),
        ("Accepted", PENDING, PENDING),
        ("Pending", RegistrationStatus.ACCEPTED, PENDING),
        ("Pending", REJECTED, REJECTED),
        ("Rejected", PENDING, REJECTED),
    ],
)
async def test_stricter_of_what_was_told_and_decided_during_the_boot_counts(
    told: str, decided: RegistrationStatus, registration: RegistrationStatus
) -> None:
    """Above all, one that was told Accepted, and is, has an open gate."""
    station = Station(registration=PENDING, is_accepted=False)
    station.handlers.answers["BootNotification"] = {**ANSWERS["BootNotification"], "status": told}

    async def decide(received: Received) -> None:
        station.session.decide(decided)

    station.handlers.before = decide
    await station.ask("BootNotification", BOOT, "a")

    assert station.session.registration is registration
    assert station.session.is_accepted is (registration is RegistrationStatus.ACCEPTED)


async def test_rejected_one_stays_so_until_it_is_told_otherwise() -> None:
    """It must not answer, so a decision for Pending opens no way for commands (CS-BOOT-07)."""
    station = Station()
    station.handlers.answers["BootNotification"] = {
        **ANSWERS["BootNotification"],
        "status": "Rejected",
    }
    await station.ask("BootNotification", BOOT, "a")
    station.session.decide(PENDING)
    assert station.session.registration is REJECTED

    station.handlers.answers["BootNotification"]["status"] = "Pending"
    await station.ask("BootNotification", BOOT, "b")
    assert station.session.registration is PENDING


async def test_boot_sent_again_after_a_decision_gets_a_new_answer() -> None:
    """Even under the same id: the stored answer tells what is no longer so."""
    station = Station()
    station.handlers.answers["BootNotification"] = {
        **ANSWERS["BootNotification"],
        "status": "Pending",
    }
    assert (await station.ask("BootNotification", BOOT))[2]["status"] == "Pending"
    station.handlers.answers["BootNotification"]["status"] = "Accepted"
    station.session.decide(RegistrationStatus.ACCEPTED)

    assert (await station.ask("BootNotification", BOOT))[2]["status"] == "Accepted"


@pytest.mark.parametrize(
    ("action", "payload", "caused", "sent"),
    [
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}, "Heartbeat", {}),
        (
            "TriggerMessage",
            {"requestedMessage": "FirmwareStatusNotification"},
            "FirmwareStatusNotification",
            {"status": "Idle"},
        ),
        (
            "ExtendedTriggerMessage",
            {"requestedMessage": "FirmwareStatusNotification"},
            "SignedFirmwareStatusNotification",
            {"status": "Idle"},
        ),
        (
            "GetDiagnostics",
            {"location": "ftp://h/"},
            "DiagnosticsStatusNotification",
            {"status": "Uploading"},
        ),
    ],
)
async def test_what_we_asked_for_passes_while_pending(
    action: str, payload: dict[str, Any], caused: str, sent: dict[str, Any]
) -> None:
    """The exception for messages the CSMS itself triggered (CS-BOOT-04)."""
    station = Station(registration=PENDING, is_accepted=False)
    assert (await station.ask(caused, sent, "a"))[2] == "SecurityError"
    station.session.submit(command(action, payload))
    await station.wire.next()
    station.say('[3,"c1",{"status":"Accepted"}]')

    assert (await station.ask(caused, sent, "b"))[0] == 3
    assert (await station.ask("Authorize", {"idTag": "A"}, "c"))[2] == "SecurityError"


@pytest.mark.parametrize("is_accepted_first", [True, False])
async def test_what_we_asked_for_is_forgotten_with_acceptance(is_accepted_first: bool) -> None:
    """A trigger of an earlier time opens no gate that closed later."""
    station = Station(is_accepted=is_accepted_first)
    station.session.submit(command("TriggerMessage", {"requestedMessage": "Heartbeat"}))
    await station.wire.next()
    if not is_accepted_first:
        await station.ask("BootNotification", BOOT, "a")
    station.session.decide(PENDING)

    assert (await station.ask("Heartbeat", {}, "b"))[2] == "SecurityError"


# --- our own CALLs -------------------------------------------------------------------------------


async def test_command_is_sent_and_answered() -> None:
    """The CALL has four elements; the charge point's payload comes back as it is."""
    station = Station()
    reset = command()
    station.session.submit(reset)
    assert await station.wire.next() == [2, "c1", "Reset", {"type": "Soft"}]
    station.say('[3,"c1",{"status":"Rejected","vendor":"extra"}]')

    assert await reset.outcome == Answered({"status": "Rejected", "vendor": "extra"})


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('[4,"c1","NotSupported","no","x"]', Refused("NotSupported", "no", "x")),
        ('[4,"c1"]', Refused("", "", {})),
        ('[4,"c1","FormatViolation","",{"a":1}]', Refused("FormatViolation", "", {"a": 1})),
        ('[3,"c1",null]', Answered({})),
        ('[3,"c1"]', Answered({})),
        ('[3,"c1",[]]', Malformed("the payload of the answer is not an object")),
        ('[3,"c1","ok"]', Malformed("the payload of the answer is not an object")),
    ],
)
async def test_any_answer_ends_the_command(text: str, outcome: CommandOutcome) -> None:
    """CALLERROR with missing parts, odd payloads: each has its outcome; nothing is sent back."""
    station = Station()
    reset = command()
    station.session.submit(reset)
    await station.wire.next()
    station.say(text)

    assert await reset.outcome == outcome
    assert not station.wire.sent


async def test_one_command_is_open_at_a_time() -> None:
    """The next one leaves after the answer, in the order of submission (CS-RPC-05)."""
    station = Station()
    commands = [command(message_id=f"c{number}") for number in range(3)]
    for one in commands:
        assert station.session.submit(one)
    assert [frame[1] for frame in station.wire.sent] == ["c0"]
    station.say('[4,"c0","GenericError","",{}]')
    assert [frame[1] for frame in station.wire.sent] == ["c0", "c1"]
    station.say('[3,"c1",{}]')

    assert [frame[1] for frame in station.wire.sent] == ["c0", "c1", "c2"]


async def test_call_is_answered_while_a_command_is_open() -> None:
    """Messages cross; some hold their answer back until they have ours (CS-RPC-06)."""
    station = Station()
    reset = command()
    station.session.submit(reset)
    await station.wire.next()

    assert await station.ask("Heartbeat", {}, "x") == [3, "x", {"currentTime": TIME}]
    assert not reset.outcome.done()
    station.say('[3,"c1",{"status":"Accepted"}]')
    assert await reset.outcome == Answered({"status": "Accepted"})


async def test_answer_is_read_while_a_handler_is_at_work() -> None:
    """Reading never waits for a handler, even one that waits for this very answer."""
    station = Station()
    reset = command()

    async def ask_back(received: Received) -> None:
        station.session.submit(reset)
        await reset.outcome

    station.handlers.before = ask_back
    station.call("Heartbeat", {}, "x")
    assert (await station.wire.next())[1] == "c1"
    station.say('[3,"c1",{}]')

    assert (await station.wire.next())[:2] == [3, "x"]


async def test_same_id_in_both_directions_does_no_harm() -> None:
    """Ids belong to a direction; the charge point may use ours for its own CALL."""
    station = Station()
    reset = command(message_id="same")
    station.session.submit(reset)
    await station.wire.next()

    assert (await station.ask("Heartbeat", {}, "same"))[0] == 3
    assert not reset.outcome.done()


async def test_late_answer_is_discarded() -> None:
    """It is not matched to the next command, which goes out at the timeout (CS-RPC-07)."""
    station = Station()
    late, following = command(message_id="late", timeout_s=0), command(message_id="next")
    station.session.submit(late)
    station.session.submit(following)
    assert await late.outcome == TimedOut(0)
    assert [frame[1] for frame in station.wire.sent] == ["late", "next"]
    station.say('[3,"late",{"status":"Accepted"}]')

    assert not following.outcome.done()
    station.say('[3,"next",{"status":"Rejected"}]')
    assert await following.outcome == Answered({"status": "Rejected"})


async def test_timeout_counts_from_the_send() -> None:
    """Waiting for one's turn takes nothing from it."""
    station = Station()
    first, second = command(message_id="a"), command(message_id="b", timeout_s=0)
    station.session.submit(first)
    station.session.submit(second)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not second.outcome.done()
    station.say('[3,"a",{}]')

    assert await second.outcome == TimedOut(0)


async def test_second_answer_is_discarded() -> None:
    """Some charge points answer twice."""
    station = Station()
    reset = command()
    station.session.submit(reset)
    station.say('[3,"c1",{"status":"Accepted"}]')
    station.say('[3,"c1",{"status":"Rejected"}]')
    station.say('[4,"c1","GenericError","",{}]')

    assert await reset.outcome == Answered({"status": "Accepted"})


async def test_queue_is_bounded() -> None:
    """One open, three waiting, no more; those nobody waits for hold no place."""
    station = Station(max_commands=3)
    commands = [command(message_id=f"c{number}") for number in range(4)]
    assert all(station.session.submit(one) for one in commands)
    assert not station.session.submit(command(message_id="refused"))
    commands[2].outcome.cancel()
    assert station.session.submit(command(message_id="fits"))
    for number in range(2):
        station.say(f'[3,"c{number}",{{}}]')

    assert [frame[1] for frame in station.wire.sent] == ["c0", "c1", "c3"]


async def test_every_command_ends_with_the_connection() -> None:
    """The open one and the waiting ones, at once, and none is sent again (CS-WS-17)."""
    station = Station()
    commands = [command(message_id=f"c{number}") for number in range(3)]
    for one in commands:
        station.session.submit(one)
    station.session.end()

    assert [await one.outcome for one in commands] == [Disconnected()] * 3
    assert len(station.wire.sent) == 1
    after = command()
    assert station.session.submit(after)
    assert await after.outcome == Disconnected()


async def test_abandoned_command_stays_open_on_the_wire() -> None:
    """Its caller went away, but the charge point still owes the answer."""
    station = Station()
    abandoned, following = command(message_id="a"), command(message_id="b")
    station.session.submit(abandoned)
    station.session.submit(following)
    abandoned.outcome.cancel()
    assert [frame[1] for frame in station.wire.sent] == ["a"]
    station.say('[3,"a",{}]')

    assert [frame[1] for frame in station.wire.sent] == ["a", "b"]


async def test_closing_ends_the_session_first() -> None:
    """Nothing is sent on a connection that is being closed."""
    station = Station()
    station.session.close(1008, "gone")
    station.call("Heartbeat", {})
    await station.settled()

    assert station.wire.closed == (1008, "gone")
    assert not station.wire.sent


# --- logs ----------------------------------------------------------------------------------------


async def test_every_frame_is_logged_raw() -> None:
    """Both directions, with action and message id where they are known."""
    station = Station()
    station.say('[2, "h", "Heartbeat", {}]')
    await station.wire.next()
    station.say("garbage")
    station.session.submit(command())
    station.say('[3,"c1",{"status":"Accepted"}]')
    station.say('[3,"who",{}]')

    assert [
        (one.direction, one.text, one.action, one.message_id) for one in station.services.log
    ] == [
        ("received", '[2, "h", "Heartbeat", {}]', "Heartbeat", "h"),
        ("sent", f'[3,"h",{{"currentTime":"{TIME}"}}]', "Heartbeat", "h"),
        ("received", "garbage", None, None),
        ("sent", '[2,"c1","Reset",{"type":"Soft"}]', "Reset", "c1"),
        ("received", '[3,"c1",{"status":"Accepted"}]', "Reset", "c1"),
        ("received", '[3,"who",{}]', None, "who"),
    ]
    assert {one.identity for one in station.services.log} == {"CP1"}


async def test_complaints_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Ten are logged, then ever fewer; payloads and values never."""
    caplog.set_level(logging.INFO)
    station = Station()
    for _ in range(1000):
        station.say("secret garbage")

    assert len(caplog.records) == 10 + 6  # 16, 32, … 512
    assert "CP1" in caplog.text
    assert "secret" not in caplog.text


# --- whatever comes ------------------------------------------------------------------------------

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
_FRAMES = st.one_of(
    st.text(),
    st.lists(
        st.one_of(
            st.sampled_from(
                [2, 3, 4, 5, "2", 2.0, "Heartbeat", "Reset", "StartTransaction", START]
            ),
            _VALUES,
        ),
        max_size=6,
    ).map(json.dumps),
    st.tuples(
        st.just(2),
        st.sampled_from(["a", "b", 1]),
        st.sampled_from(["Heartbeat", "StartTransaction", "MeterValues", "Authorize", "Foo"]),
        _VALUES | st.just({}) | st.just(START),
    ).map(json.dumps),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_FRAMES, max_size=20))
def test_no_frame_ends_a_session(texts: list[str]) -> None:
    """After anything, a Heartbeat is answered, and every answer is a sound frame."""

    async def scenario() -> None:
        station = Station()
        open_command = command()
        station.session.submit(open_command)
        for text in texts:
            station.say(text)
            await station.session.room()
        await station.settled()
        assert (await station.wire.next())[0] == 2
        while station.wire.sent:
            answer = await station.wire.next()
            assert answer[0] in (3, 4)
            assert len(answer) == (3 if answer[0] == 3 else 5)
            assert type(answer[1]) in (str, int)
        assert await station.ask("Heartbeat", {}, "last") == [3, "last", {"currentTime": TIME}]

    logging.disable()
    try:
        asyncio.run(scenario())
    finally:
        logging.disable(logging.NOTSET)
