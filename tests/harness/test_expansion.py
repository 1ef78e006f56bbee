"""Steps as written to steps as run."""
# ruff: noqa: E501 -- a row of the table below is one fault and what is said about it

from __future__ import annotations

from textwrap import dedent

import pytest

from harness.loader import load_text
from harness.model import (
    AnyOrder,
    Connect,
    Disconnect,
    Do,
    EditionRange,
    ErrorAnswer,
    LaterAnswer,
    ModelAnswer,
    NoAnswer,
    OperatorStep,
    Receive,
    Respond,
    ResultAnswer,
    Send,
    SendRaw,
    Wait,
)
from tests.harness.scenario_texts import HEAD, scenario, states, wrong_step


def test_a_case_starts_connected_unless_it_says_otherwise() -> None:
    """The start state stands first, connecting included, with paths of its own."""
    loaded = scenario(
        "  - {send: Heartbeat, payload: {}}\n", head=HEAD.replace("start: none\n", "")
    )

    paths = [step.path for step in loaded.steps]
    assert paths == ["Connected.1", "Booted.1", "Booted.2.1", "Booted.2.2", "Booted.2.3", "1"]
    assert isinstance(loaded.steps[0], Connect)
    assert [step.bindings.get("connector") for step in loaded.steps[2:5]] == [0, 1, 2]
    assert [step.state for step in loaded.steps] == ["Connected", *["Booted"] * 4, ""]
    assert loaded.steps[1].position.file.endswith("booted.yaml")


def test_every_kind_of_step_is_read() -> None:
    """Each kind of step becomes its own shape."""
    loaded = scenario(
        dedent(
            """\
            - connect: {}
            - send: StartTransaction
              note: the driver starts
              payload: {connectorId: 1, idTag: $valid_id_tag, meterStart: 0, timestamp: $now}
              expect: {transactionId: {capture: transaction_id, greater_than: 0}}
              warn: {idTagInfo: {parentIdTag: {absent: true}}}
              budget: authorize
            - operator: Reset
              payload: {type: Hard}
            - operator: ClearCache
            - any_order:
                - receive: Reset
                  answer: none
                - receive: ClearCache
                  answer: {error: {code: NotSupported, description: no}, delay_s: 2}
            - operator: UnlockConnector
              payload: {connectorId: 1}
            - receive: UnlockConnector
              answer: {result: {status: Unlocked}, delay_s: 1.5}
            - receive: DataTransfer
              optional: true
            - send_raw: '[2,"1","Heartbeat",{}]'
              answer: error
              message_id: "1"
              codes: [FormationViolation]
            - do: plug_in
              arguments: {connector_id: $connector_id}
              calls:
                - StatusNotification: {payload: {status: Preparing}, expect: {}}
            - disconnect: drop
            - wait: 2
              editions: {from: "2025-06"}
            """
        )
        .replace("\n", "\n  ")
        .rstrip(" ")
        .replace("- connect", "  - connect", 1)
    )

    kinds = [type(step) for step in loaded.steps]
    assert kinds == [
        Connect,
        Send,
        OperatorStep,
        OperatorStep,
        AnyOrder,
        OperatorStep,
        Receive,
        Receive,
        SendRaw,
        Do,
        Disconnect,
        Wait,
    ]
    send = loaded.steps[1]
    assert isinstance(send, Send)
    assert (send.budget, send.note) == ("authorize", "the driver starts")
    assert send.expect is not None
    assert send.warn is not None
    either = loaded.steps[4]
    assert isinstance(either, AnyOrder)
    assert [step.path for step in either.steps] == ["5.1", "5.2"]
    answers = [step.answer for step in either.steps if isinstance(step, Receive)]
    assert answers == [NoAnswer(), ErrorAnswer("NotSupported", "no", {}, 2.0)]
    unlock, transfer = loaded.steps[6], loaded.steps[7]
    assert isinstance(unlock, Receive)
    assert isinstance(transfer, Receive)
    assert unlock.answer == ResultAnswer({"status": "Unlocked"}, 1.5)
    assert transfer.answer == ModelAnswer()
    assert transfer.optional
    assert loaded.steps[11].editions == EditionRange("2025-06", None)
    assert loaded.uses_model


def test_a_state_takes_parameters_and_hands_them_on() -> None:
    """What a case gives a state reaches the states within, unresolved, and defaults fill in."""
    known = states(
        "{state: Outer, purpose: p, parameters: {tag: $valid_id_tag}, steps: ["
        "{use: Inner, with: {card: $tag}}, {send: Authorize, payload: {idTag: $tag}}]}",
        "{state: Inner, purpose: p, parameters: {card: x, connector: 1}, steps: ["
        "{send: Authorize, payload: {idTag: '${card}'}}]}",
    )

    loaded = scenario("  - {use: Outer, with: {tag: $expired_id_tag}, note: now}\n", states=known)

    assert [step.path for step in loaded.steps] == ["Inner.1", "Outer.2"]
    assert loaded.steps[0].bindings == {"card": "$expired_id_tag", "connector": 1}
    assert loaded.steps[1].bindings == {"tag": "$expired_id_tag"}
    assert loaded.steps[0].note == "now"


def test_a_state_used_twice_keeps_paths_unique() -> None:
    """The second use of a state is numbered."""
    loaded = scenario("  - use: Authorized\n  - use: Authorized\n")

    assert [step.path for step in loaded.steps] == ["Authorized.1", "Authorized#2.1"]


def test_steps_of_a_state_run_only_where_both_ranges_meet() -> None:
    """Editions of a `use` narrow those of the steps it stands for."""
    known = states(
        "{state: Old, purpose: p, steps: ["
        "{send: Heartbeat, payload: {}, editions: {until: '2025-06'}}]}"
    )

    loaded = scenario("  - {use: Old, editions: {from: '2025-02'}}\n", states=known)

    assert loaded.steps[0].editions == EditionRange("2025-02", "2025-06")


def test_repetitions_follow_the_number_of_connectors() -> None:
    """`for_each` walks the connectors the charge point has, or a list that is written out."""
    steps = (
        "  - {send: StatusNotification, for_each: {c: $other_connectors}, "
        "payload: {connectorId: $c, errorCode: NoError, status: Available}}\n"
        "  - {send: Heartbeat, for_each: {n: [1, 2]}, payload: {}}\n"
    )
    loaded = load_text(HEAD + "steps:\n" + steps, connectors=3, connector_id=2)

    assert [(step.path, dict(step.bindings)) for step in loaded.steps] == [
        ("1.1", {"c": 1}),
        ("1.2", {"c": 3}),
        ("2.1", {"n": 1}),
        ("2.2", {"n": 2}),
    ]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{send: Hartbeat, payload: {}}", "x.yaml:7:12: Hartbeat is no request that a charge point sends (did you mean Heartbeat?)"),
        ("{send: Reset, payload: {type: Hard}}", "x.yaml:7:12: Reset is no request that a charge point sends"),
        ("{receive: Heartbeat}", "x.yaml:7:15: Heartbeat is no request that a CSMS sends"),
        ("{send: Heartbeat, payload: {}, budget: authorise}", "x.yaml:7:44: there is no budget authorise (did you mean authorize?)"),
        ("{send: Authorize, payload: {idTag: 5 $}}", 'x.yaml:7:40: "5 $" holds a lone "$"'),
        ("{send: Heartbeat, payload: {}, for_each: {c: $conectors}}", "x.yaml:7:50: $conectors is no list that is known while loading"),
        ("{use: Chargin}", "x.yaml:7:11: there is no state Chargin (did you mean Charging?)"),
        ("{use: Charging, with: {tag: a}}", "x.yaml:7:28: the state Charging has no parameter tag (did you mean id_tag?)"),
        ("{do: plug, arguments: {}}", "x.yaml:7:10: the charge point has no input plug"),
        ("{do: plug_in, arguments: {connector: 1, connector_id: 1}}", "x.yaml:7:31: plug_in has no argument connector (did you mean connector_id?)"),
        ("{do: plug_in}", "x.yaml:7:5: plug_in needs the argument connector_id"),
        ("{do: plug_in, calls: [{StatusNotificatio: {}}]}", "x.yaml:7:28: a charge point sends no StatusNotificatio (did you mean StatusNotification?)"),
        ("{send_raw: '[', answer: any}", "x.yaml:7:5: which answer is meant cannot be told without its message_id"),
        ("{send_raw: '[', answer: none, message_id: a, codes: [GenericError]}", "x.yaml:7:57: codes have no meaning with answer: none"),
        ("{send_raw: '[', answer: [none, result], codes: [GenericError]}", "x.yaml:7:52: codes have no meaning with answer: none, result"),
        ("{send_raw: '[', answer: none, answer_ids: ['-1']}", "x.yaml:7:47: no answer may come, under any id"),
        ("{send_raw: 'xy', binary: true, answer: none}", "x.yaml:7:16: bytes are written in hexadecimal"),
    ],
)  # fmt: skip
def test_what_a_step_cannot_mean_is_said(step: str, said: str) -> None:
    """Actions, states, budgets and inputs that do not exist are named, with the likely one."""
    found = wrong_step(f"  - {step}\n")

    assert any(line.startswith(said) for line in found), found


def test_states_that_use_themselves_are_refused() -> None:
    """A circle of states is named, wherever it is entered."""
    known = states(
        "{state: Egg, purpose: p, steps: [{use: Hen}]}",
        "{state: Hen, purpose: p, steps: [{use: Egg}]}",
    )

    assert any("uses itself: Egg → Hen → Egg" in str(one) for one in known.problems)
    assert "has errors of its own" in wrong_step("  - use: Egg\n", states=known)[0]


def test_a_bad_state_is_reported_once_and_hides_nothing() -> None:
    """Only the cases that use a broken state suffer from it."""
    known = states(
        "{state: Bad, purpose: p, steps: [{send: Hartbeat}]}",
        "{state: Good, purpose: p, steps: [{send: Heartbeat, payload: {}}]}",
        "{state: Good, purpose: p, steps: [{connect: {}}]}",
    )

    said = [str(problem) for problem in known.problems]
    assert len(said) == 2
    assert "Hartbeat is no request" in said[1]
    assert "s2.yaml:1:9: the state Good exists already (in s1.yaml)" in said[0]
    assert len(scenario("  - use: Good\n", states=known).steps) == 1


def test_raw_texts_say_all_that_may_come_back() -> None:
    """One word or several, ids of any type, and bytes."""
    steps = (
        "  - {send_raw: '[', answer: any, message_id: a}\n"
        "  - {send_raw: 00ff, binary: true, answer: [none, error], answer_ids: [-1, null]}\n"
    )
    first, second = scenario(steps).steps

    assert isinstance(first, SendRaw)
    assert isinstance(second, SendRaw)
    assert first.answers == {"result", "error"}
    assert not first.is_binary
    assert second.answers == {"none", "error"}
    assert (second.answer_ids, second.is_binary) == ((-1, None), True)


def test_steps_of_a_second_connection_and_a_late_answer() -> None:
    """`beside`, `later`, `respond` and a message id reach the steps."""
    steps = (
        "  - connect: {beside: true}\n"
        "  - {operator: ClearCache}\n"
        "  - {receive: ClearCache, answer: later}\n"
        "  - {send: Heartbeat, message_id: '1'}\n"
        "  - {respond: ClearCache, answer: {error: {code: GenericError}}}\n"
    )
    connect, _, receive, heartbeat, respond = scenario(steps).steps

    assert isinstance(connect, Connect)
    assert connect.beside
    assert isinstance(receive, Receive)
    assert receive.answer == LaterAnswer()
    assert isinstance(heartbeat, Send)
    assert heartbeat.message_id == "1"
    assert isinstance(respond, Respond)
    assert respond.answer == ErrorAnswer("GenericError")
