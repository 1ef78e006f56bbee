"""What the runner makes of a Central System, right or bent in one way."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from pathlib import Path

import pytest

from harness import steps as performing
from harness.connections import StepFailed
from harness.results import CaseResult, ExchangeOutcome, Severity, Verdict
from simulator.trace import Direction, EventKind
from tests.faults import (
    AnswerBent,
    EveryAnswerBent,
    RequestBent,
    RequestTooEarly,
    Slow,
    Then,
    Unasked,
    another_action,
    call_error,
    nothing,
    with_field,
)
from tests.harness.small_runs import (
    BOOT,
    CHARGE,
    CONNECT,
    RESET,
    outcomes,
    rules,
    run_one,
)
from tests.miniatures import Bend, Incoming, Link, Miniature, Order


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe a driver that said no at once."""
    monkeypatch.setattr(performing, "_AFTER_REFUSAL_S", 0.05)


def sent_texts(case: CaseResult) -> list[str]:
    return [event.text for event in case.events if event.direction is Direction.SENT]


async def test_right_system_passes(tmp_path: Path) -> None:
    """Every step passes, every exchange is timed, the connection is closed in order."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, CHARGE + RESET)

    assert (case.verdict, rules(case)) == (Verdict.PASSED, [])
    assert set(outcomes(case)) == {"passed"}
    assert [one.outcome for one in case.exchanges] == [ExchangeOutcome.RESULT] * 3
    assert [one.action for one in case.csms_calls] == ["Reset"]
    assert case.events[-1].kind is EventKind.CLOSED
    assert case.events[-1].detail["code"] == 1000
    assert len(case.ping_round_trips_s) == 1
    assert case.settle_s >= 0.05


async def test_steps_name_their_frames(tmp_path: Path) -> None:
    """Each step knows the frames that belong to it: CALL and answer, whoever asked."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET)

    frames = {
        step.kind: [json.loads(case.events[index].text)[0] for index in step.events]
        for step in case.steps
        if step.kind in ("send", "receive")
    }
    assert frames == {"send": [2, 3], "receive": [2, 3]}


async def test_driver_is_reported_beside_the_frames(tmp_path: Path) -> None:
    """What the driver said is kept with its duration."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET)

    (report,) = case.driver_reports
    assert (report.action, report.outcome, report.step) == ("Reset", "done", "3")
    assert "Accepted" in report.summary
    assert report.duration_s is not None


@pytest.mark.parametrize(("strict", "verdict"), [(False, Verdict.PASSED), (True, Verdict.FAILED)])
async def test_unasked_call_warns_or_fails(
    tmp_path: Path, *, strict: bool, verdict: Verdict
) -> None:
    """A request nobody ordered is answered at once and told; strict runs fail by it."""
    async with Miniature(bend=Unasked(0, "GetConfiguration")) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET, strict=strict)

    assert (rules(case), case.verdict) == (["wire.unasked-call"], verdict)
    assert case.csms_calls[0].action == "GetConfiguration"
    assert case.csms_calls[0].answer_event is not None


async def test_unasked_call_while_settling_is_seen(tmp_path: Path) -> None:
    """An absence is observed: what comes after the last expected frame counts as well."""

    async def later(link: Link) -> None:
        asyncio.get_running_loop().call_later(
            0.02, lambda: background.append(asyncio.ensure_future(link.request("ClearCache", {})))
        )

    background: list[asyncio.Future[None]] = []
    async with Miniature(bend=Then(0, later)) as miniature:
        case = await run_one(tmp_path, miniature, BOOT)

    assert rules(case) == ["wire.unasked-call"]


async def test_request_that_never_came_fails_when_the_driver_had_success(tmp_path: Path) -> None:
    """The Central System said it acted, and did not."""
    async with Miniature(bend=RequestBent(0, nothing)) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET, action_timeout_s=0.1)

    found = ["request.missing", "driver.claims"]
    assert (rules(case), case.verdict) == (found, Verdict.FAILED)
    assert "Reset did not come within 0.1 s" in case.reason
    assert "The driver says that Reset succeeded" in case.findings[-1].message
    assert outcomes(case) == ["passed", "passed", "passed", "failed"]


async def test_request_the_driver_was_refused_is_inconclusive(tmp_path: Path) -> None:
    """Nobody acted, so nothing was observed; the driver's words say why."""
    async with Miniature() as miniature:
        case = await run_one(
            tmp_path, miniature, BOOT + RESET, command_path="/nobody/$action", action_timeout_s=9.0
        )

    assert (rules(case), case.verdict) == (["request.not-observed"], Verdict.INCONCLUSIVE)
    assert "nobody is not connected" in case.reason
    assert case.duration_s < 2


async def test_request_of_a_silent_driver_is_inconclusive(tmp_path: Path) -> None:
    """A driver that has not said anything yet proves nothing."""

    class Hanging(Bend):
        async def requests(self, link: Link, order: Order, frame: str) -> list[str | bytes]:
            await asyncio.Event().wait()
            return []

    async with Miniature(bend=Hanging()) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET, action_timeout_s=0.1)

    assert (rules(case), case.verdict) == (["request.not-observed"], Verdict.INCONCLUSIVE)
    assert [report.outcome for report in case.driver_reports] == ["pending"]


async def test_refusal_that_overtakes_the_frame_does_no_harm(tmp_path: Path) -> None:
    """The wire decides: a request that comes after the driver's refusal counts, and is told."""

    class Late(Bend):
        async def answered(self, link: Link, call: Incoming) -> None:
            if call.action == "Heartbeat":
                await asyncio.sleep(0.03)
                await link.request("Reset", {"type": "Soft"})

    steps = BOOT + "- operator: Reset\n  payload: {type: Soft}\n- send: Heartbeat\n"
    steps += "  payload: {}\n- receive: Reset\n"
    async with Miniature(bend=Late()) as miniature:
        case = await run_one(tmp_path, miniature, steps, command_path="/nobody/$action")

    assert (rules(case), case.verdict) == (["driver.differs"], Verdict.PASSED)


async def test_frame_before_its_operator_step_does_not_satisfy_it(tmp_path: Path) -> None:
    """A request that came too early is unasked, and the one ordered is missing."""
    bend = RequestTooEarly(0, Order(0, "", "Reset", {"type": "Soft"}))
    async with Miniature(bend=bend) as miniature:
        steps = BOOT + "- send: Heartbeat\n  payload: {}\n" + RESET
        case = await run_one(tmp_path, miniature, steps, action_timeout_s=0.1)

    assert sorted(rules(case)) == ["driver.claims", "request.missing", "wire.unasked-call"]


async def test_second_frame_of_an_action_is_unasked(tmp_path: Path) -> None:
    """One order, one request."""

    class Twice(Bend):
        async def requests(self, link: Link, order: Order, frame: str) -> list[str | bytes]:
            await link.request("Reset", {"type": "Soft"})
            return [frame]

    async with Miniature(bend=Twice()) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET)

    assert "wire.unasked-call" in rules(case)


async def test_other_action_that_came_instead_is_named(tmp_path: Path) -> None:
    """A wrong request is named where the right one is missed."""
    async with Miniature(bend=RequestBent(0, another_action)) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET, action_timeout_s=0.1)

    missing = next(one for one in case.findings if one.rule.startswith("request."))
    assert "It sent ClearCache instead." in missing.message


async def test_wrong_payload_of_a_request_fails_but_is_answered(tmp_path: Path) -> None:
    """The rule is broken, and the Central System still gets its answer."""
    bend = RequestBent(0, with_field(["type"], "Hard"))
    async with Miniature(bend=bend) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET)

    assert (rules(case), case.verdict) == (["rule.Reset.req"], Verdict.FAILED)
    assert case.csms_calls[0].answer_event is not None
    (finding,) = case.findings
    assert finding.event == case.csms_calls[0].received_event


async def test_scripted_answers_leave_as_written(tmp_path: Path) -> None:
    """A scenario's own answer takes the place of the model's."""
    steps = BOOT + RESET + "  answer: {status: Rejected}\n"
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert case.verdict is Verdict.PASSED
    assert json.loads(sent_texts(case)[-1])[2] == {"status": "Rejected"}


async def test_scripted_error_and_silence(tmp_path: Path) -> None:
    """A CALLERROR leaves with its code; `none` leaves the Central System waiting."""
    error = BOOT + RESET + "  answer: {error: {code: NotSupported, description: no}}\n"
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, error)
        silent = await run_one(tmp_path, miniature, BOOT + RESET + "  answer: none\n")

    assert json.loads(sent_texts(case)[-1])[2:4] == ["NotSupported", "no"]
    assert silent.csms_calls[0].answer_event is None


async def test_model_answers_what_is_left_to_it(tmp_path: Path) -> None:
    """Without an answer of its own, the step leaves it to the simulated charge point."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET)

    assert case.csms_calls[0].answer_event is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bend", "rule", "outcome"),
    [
        (Slow(lambda: 0.46), "answer.late", ExchangeOutcome.RESULT),
        (EveryAnswerBent(nothing), "answer.missing", ExchangeOutcome.UNANSWERED),
    ],
    ids=["late", "never"],
)
async def test_late_and_never_are_different(
    tmp_path: Path, bend: Bend, rule: str, outcome: ExchangeOutcome
) -> None:
    """An answer within a third more than its limit is late; none at all is missing."""
    async with Miniature(bend=bend) as miniature:
        case = await run_one(tmp_path, miniature, BOOT, limit_s=0.4)

    assert (rules(case), case.verdict) == ([rule], Verdict.FAILED)
    assert [one.outcome for one in case.exchanges] == [outcome]


async def test_call_error_ends_the_steps(tmp_path: Path) -> None:
    """After a failed step the rest is not run, and says so."""
    async with Miniature(bend=AnswerBent(0, call_error)) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET)

    assert rules(case) == ["answer.call-error"]
    assert outcomes(case) == ["passed", "failed", "not_run", "not_run"]


async def test_failed_rule_names_step_and_line(tmp_path: Path) -> None:
    """A finding tells which step of which file expected what."""
    bend = AnswerBent(0, with_field(["status"], "Pending"))
    async with Miniature(bend=bend) as miniature:
        case = await run_one(tmp_path, miniature, BOOT)

    (finding,) = [one for one in case.findings if one.rule == "rule.BootNotification.conf"]
    assert (finding.step, finding.severity) == ("2", Severity.FAILURE)
    assert finding.position is not None
    assert finding.position.file.endswith("TC_900_CSMS.yaml")
    assert "Pending" in finding.actual


async def test_warn_does_not_fail(tmp_path: Path) -> None:
    """What stands under `warn` is told and changes nothing."""
    steps = BOOT + "  warn: {interval: {at_least: 100000}}\n"
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == (["rule.BootNotification.conf"], Verdict.PASSED)
    assert case.findings[0].severity is Severity.WARNING


async def test_connection_lost_in_the_middle(tmp_path: Path) -> None:
    """A Central System that hangs up fails the case; the steps after it are not run."""

    async def hang_up(link: Link) -> None:
        await link.socket.close(1001)

    async with Miniature(bend=Then(0, hang_up)) as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET)

    assert case.verdict is Verdict.FAILED
    assert any(rule.startswith("close.") for rule in rules(case))
    assert case.duration_s < 1


async def test_wanted_disconnects_are_no_finding(tmp_path: Path) -> None:
    """Drop, reconnect, close in order, reconnect: as the scenario wanted it."""
    steps = BOOT + "- disconnect: drop\n- connect: {}\n- disconnect: close\n" + CONNECT
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)
    assert [one.connection for one in case.events if one.kind is EventKind.OPENED] == [1, 2, 3]


async def test_own_timer_is_counted_apart(tmp_path: Path) -> None:
    """Time the charge point lets pass is not the Central System's."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, BOOT + "- wait: 0.03\n")

    assert case.verdict is Verdict.PASSED
    assert 0.03 <= case.own_timers_s < 0.2


async def test_refused_handshake_fails_the_connect_step(tmp_path: Path) -> None:
    """A handshake that is refused is a finding with the answer's status."""
    async with Miniature(refuse=HTTPStatus.FORBIDDEN) as miniature:
        case = await run_one(tmp_path, miniature, BOOT)

    assert case.verdict is Verdict.FAILED
    assert "403" in case.reason
    assert outcomes(case) == ["failed", "not_run"]


async def test_receive_in_any_order(tmp_path: Path) -> None:
    """Two requests are taken in whichever order they come, each answered before the next."""

    class OneAtATime(Bend):
        async def requests(self, link: Link, order: Order, frame: str) -> list[str | bytes]:
            before = list(link.pending.values())[: order.number]
            await asyncio.gather(*before)
            return [frame]

    steps = (
        BOOT
        + """\
- operator: Reset
  payload: {type: Soft}
- operator: ClearCache
  payload: {}
- any_order:
    - receive: ClearCache
    - receive: Reset
"""
    )
    async with Miniature(bend=OneAtATime()) as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)


async def test_request_may_cross_the_answer_of_its_cause(tmp_path: Path) -> None:
    """A request due after our CALL may come before that CALL's answer."""

    class Crossing(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            if call.action == "Heartbeat":
                await link.request("ClearCache", {})
            return [frame]

    steps = BOOT + "- send: Heartbeat\n  payload: {}\n- receive: ClearCache\n"
    steps += "  optional: true\n"
    async with Miniature(bend=Crossing()) as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)


async def test_optional_request_may_stay_away(tmp_path: Path) -> None:
    """An optional step is passed over when nothing more can tell that it will come."""
    steps = BOOT + "- receive: ClearCache\n  optional: true\n- send: Heartbeat\n  payload: {}\n"
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), set(outcomes(case))) == ([], {"passed"})


@pytest.mark.parametrize("end", ["", "- disconnect: drop\n", "- send: Heartbeat\n  payload: {}\n"])
async def test_open_transactions_are_stopped(tmp_path: Path, end: str) -> None:
    """Whatever a case left open is ended, over a new connection where need be."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, CHARGE + end)

    assert miniature.open_transactions == {}
    assert case.verdict is Verdict.PASSED
    statuses = [call.payload["status"] for call in miniature.calls if "status" in call.payload]
    assert statuses[-2:] == ["Finishing", "Available"]


async def test_open_transactions_are_stopped_after_a_failure(tmp_path: Path) -> None:
    """A failed case is cleaned up like any other."""
    steps = (
        CHARGE + "- send: DataTransfer\n  payload: {vendorId: x}\n  expect: {status: Accepted}\n"
    )
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert case.verdict is Verdict.FAILED
    assert miniature.open_transactions == {}


async def test_what_cannot_be_cleaned_up_warns(tmp_path: Path) -> None:
    """A clean-up the Central System refuses is a warning of that case."""
    bend = EveryAnswerBent(call_error, "StopTransaction")
    async with Miniature(bend=bend) as miniature:
        case = await run_one(tmp_path, miniature, CHARGE)

    assert (rules(case), case.verdict) == (["cleanup.incomplete"], Verdict.PASSED)
    assert "transaction 1 open" in case.findings[0].message


async def test_unknown_card_is_hinted_at(tmp_path: Path) -> None:
    """`Invalid` for one card that should be good asks whether it was provisioned."""
    steps = BOOT + (
        "- send: Authorize\n  payload: {idTag: $valid_id_tag}\n"
        "  expect: {idTagInfo: {status: Accepted}}\n"
    )

    def status(tag: str) -> dict[str, str]:
        return {"status": "Invalid" if tag == "CARD1" else "Accepted"}

    async with Miniature(accept_tag=status) as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert "Is id tag CARD1 (valid) provisioned" in case.reason


async def test_fault_of_the_scenario_is_an_error(tmp_path: Path) -> None:
    """What the harness got wrong is not held against the Central System."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, CONNECT + "\n- wait: $identity\n")

    assert (case.verdict, rules(case)) == (Verdict.ERROR, ["harness.step"])


async def test_raw_text_gets_its_answer(tmp_path: Path) -> None:
    """Raw text is sent as written and what it is owed is awaited."""
    steps = CONNECT + (
        """\n- send_raw: '[2,"raw-1","Heartbeat",{}]'\n  answer: result\n  message_id: raw-1\n"""
    )
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)
    assert '[2,"raw-1","Heartbeat",{}]' in sent_texts(case)


async def test_raw_text_that_gets_no_answer_fails(tmp_path: Path) -> None:
    """An answer owed to raw text and not given is missing."""
    steps = CONNECT + (
        """\n- send_raw: '[2,"raw-1","Heartbeat",{}]'\n  answer: result\n  message_id: raw-1\n"""
    )
    async with Miniature(bend=EveryAnswerBent(nothing)) as miniature:
        case = await run_one(tmp_path, miniature, steps, limit_s=0.1)

    assert case.verdict is Verdict.FAILED
    assert "answer.missing" in rules(case)


async def test_configuration_reaches_the_charge_point(tmp_path: Path) -> None:
    """Keys a scenario sets are the ones the model reports."""
    steps = BOOT + (
        "- operator: GetConfiguration\n  payload: {key: [MeterValueSampleInterval]}\n"
        "- receive: GetConfiguration\n"
    )
    more = 'configuration: {MeterValueSampleInterval: "4711"}\n'
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps, more=more)

    assert case.verdict is Verdict.PASSED
    assert "4711" in sent_texts(case)[-1]


async def test_awaited_request_is_answered_before_its_turn(tmp_path: Path) -> None:
    """A Central System that answers nothing until its own request is answered gets on."""
    background: set[asyncio.Task[None]] = set()

    class Strict(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            if call.action != "Heartbeat":
                return [frame]
            background.add(asyncio.create_task(self.ask_first(link, frame)))
            return []

        async def ask_first(self, link: Link, frame: str) -> None:
            own = link.expect("own-1")
            await link.send(['[2, "own-1", "ClearCache", {}]'])
            await own
            await link.send([frame])

    steps = BOOT + "- send: Heartbeat\n  payload: {}\n- receive: ClearCache\n  optional: true\n"
    async with Miniature(bend=Strict()) as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)
    assert set(outcomes(case)) == {"passed"}


async def test_request_before_its_turn_is_judged_at_its_step(tmp_path: Path) -> None:
    """A wrong request that came early fails its own step, not the one under way."""

    class Early(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            if call.action == "Heartbeat":
                await link.request("Reset", {"type": "Hard"})
            return [frame]

    steps = BOOT + (
        "- send: Heartbeat\n  payload: {}\n"
        "- receive: Reset\n  optional: true\n  payload: {type: Soft}\n"
    )
    async with Miniature(bend=Early()) as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == (["rule.Reset.req"], Verdict.FAILED)
    assert outcomes(case) == ["passed", "passed", "passed", "failed"]


async def test_request_that_needs_a_later_value_waits_for_its_turn(tmp_path: Path) -> None:
    """What a request is held against may be known only after the CALL it crosses is answered."""

    class Crossing(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            if call.action == "Heartbeat":
                time = json.loads(frame)[2]["currentTime"]
                await link.request("DataTransfer", {"vendorId": "x", "data": time})
            return [frame]

    steps = BOOT + (
        "- send: Heartbeat\n  payload: {}\n  expect: {currentTime: {capture: time}}\n"
        "- receive: DataTransfer\n  optional: true\n  payload: {data: $time}\n"
    )
    async with Miniature(bend=Crossing()) as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)
    assert case.csms_calls[0].answer_event is not None


async def test_driver_that_tells_another_answer_is_told(tmp_path: Path) -> None:
    """The interface reports something else than what the charge point answered: a warning."""

    class Lying(Bend):
        async def requests(self, link: Link, order: Order, frame: str) -> list[str | bytes]:
            await link.send([frame])
            return []  # the miniature then reports Accepted whatever comes

    steps = BOOT + RESET + "  answer: {status: Rejected}\n"
    async with Miniature(bend=Lying()) as miniature:
        case = await run_one(tmp_path, miniature, steps)

    assert (rules(case), case.verdict) == (["driver.differs"], Verdict.PASSED)
    assert "'Rejected', but the driver was told 'Accepted'" in case.findings[0].message


async def test_fault_of_the_harness_keeps_the_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a step breaks off for a fault of ours, the frames so far are still there."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("harness.matching.match", broken)
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, BOOT)

    assert (case.verdict, rules(case)) == (Verdict.ERROR, ["harness.error"])
    assert "ZeroDivisionError: a fault" in case.reason
    assert [event.kind for event in case.events].count(EventKind.FRAME) == 2


DRIVEN = (
    BOOT
    + """\
- send: StatusNotification
  for_each: {c: $all_connectors}
  payload: {connectorId: $c, errorCode: NoError, status: Available}
- do: plug_in
  arguments: {connector_id: 1}
  calls:
    - StatusNotification: {payload: {connectorId: 1, status: Preparing}}
- do: present_tag
  arguments: {id_tag: $valid_id_tag, connector_id: 1}
  calls:
    - Authorize: {expect: {idTagInfo: {status: Accepted}}}
    - StartTransaction:
        payload: {idTag: $valid_id_tag}
        expect: {transactionId: {capture: transaction_id}}
    - StatusNotification: {payload: {status: Charging}}
"""
)


async def test_model_speaks_when_it_is_driven(tmp_path: Path) -> None:
    """What happens to the charge point makes its model send what the scenario lists."""
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, DRIVEN)

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)
    assert miniature.open_transactions == {}
    frames = [[case.events[i].direction for i in step.events] for step in case.steps[-2:]]
    assert [len(one) for one in frames] == [2, 6]


async def test_answer_to_the_model_is_judged(tmp_path: Path) -> None:
    """A rule on the answer to a CALL of the model fails the step that drove it."""
    bend = EveryAnswerBent(with_field(["idTagInfo", "status"], "Blocked"), "Authorize")
    async with Miniature(bend=bend) as miniature:
        case = await run_one(tmp_path, miniature, DRIVEN)

    assert "rule.Authorize.conf" in rules(case)
    assert outcomes(case)[-1] == "failed"


async def test_model_that_does_something_else_is_our_own_fault(tmp_path: Path) -> None:
    """A scenario and a model that disagree are an error of the harness."""
    steps = DRIVEN.replace("status: Preparing", "status: Charging")
    missing = DRIVEN.replace("    - Authorize", "    - Heartbeat: {}\n    - Authorize")
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)
        other = await run_one(tmp_path, miniature, missing, action_timeout_s=0.1)

    assert (case.verdict, rules(case)) == (Verdict.ERROR, ["harness.model"])
    assert (other.verdict, rules(other)) == (Verdict.ERROR, ["harness.model"])
    assert "was to send Heartbeat" in other.reason


async def test_case_that_breaks_off_unexplained_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the steps early, a case without a finding for it has not passed."""

    async def give_up(*_: object) -> None:
        raise StepFailed

    monkeypatch.setattr(performing.Steps, "_wait", give_up)
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, BOOT + "- wait: 0\n")

    assert (case.verdict, rules(case)) == (Verdict.ERROR, ["harness.error"])


async def test_answer_stays_on_the_connection_of_its_request(tmp_path: Path) -> None:
    """A request that came before the connection was cut is not answered on the next one."""
    steps = BOOT + (
        "- operator: DataTransfer\n  payload: {vendorId: x, data: later}\n"
        "- wait: 0.2\n"
        "- disconnect: drop\n"
        "- connect: {}\n"
        "- send: Heartbeat\n  payload: {}\n  expect: {currentTime: {capture: time}}\n"
        "- receive: DataTransfer\n  payload: {data: {not_equals: $time}}\n"
    )
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, steps)

    received = case.events[case.csms_calls[0].received_event]
    assert received.connection == 1
    assert case.csms_calls[0].answer_event is None
    assert not any("DataTransfer" in rule or rule.startswith("harness") for rule in rules(case))
