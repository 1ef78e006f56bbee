"""Scenario files: what they become, and what is said about those that are wrong."""
# ruff: noqa: E501 -- a row of the tables below is one fault and what is said about it

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness import grammar
from harness.loader import States, library_directory, load_file, load_text, load_tree
from harness.model import (
    AnyOrder,
    Connect,
    Disconnect,
    Do,
    EditionRange,
    ErrorAnswer,
    ModelAnswer,
    NoAnswer,
    Operator,
    OperatorStep,
    Profile,
    Receive,
    Requirement,
    ResultAnswer,
    Scenario,
    Send,
    SendRaw,
    Wait,
)
from harness.yaml_source import Problem, ScenarioError, parse

HEAD = """\
id: X_1
title: A case
profile: Core
requirement: mandatory
start: none
"""
BOOT = "  - {send: BootNotification, payload: {chargePointVendor: a, chargePointModel: b}}\n"


def scenario(steps: str, *, head: str = HEAD, states: States | None = None) -> Scenario:
    return load_text(head + "steps:\n" + steps, file="x.yaml", states=states)


def problems(text: str, *, states: States | None = None) -> list[str]:
    """Return what is said about a text that must not load, one line each."""
    with pytest.raises(ScenarioError) as caught:
        load_text(text, file="x.yaml", states=states)
    return [str(problem) for problem in caught.value.problems]


def wrong_step(steps: str, *, head: str = HEAD, states: States | None = None) -> list[str]:
    """Like `problems`, for the steps of an otherwise good scenario; these begin in line 7."""
    return problems(head + "steps:\n" + steps, states=states)


def states(*texts: str) -> States:
    return States.of(parse(dedent(text), file=f"s{n}.yaml") for n, text in enumerate(texts))


# --- good files ----------------------------------------------------------------------------------


def test_a_scenario_has_what_its_file_says() -> None:
    """Every key of the head ends up in the scenario, with its place."""
    loaded = load_text(
        dedent(
            """\
            id: X_2
            title: Two words
            profile: Reservation
            requirement: conditional
            condition: reservation is declared
            section: "3.1"
            purpose: To see.
            editions: {from: "2024-04", until: "2025-06"}
            start: none
            configuration: {ConnectionTimeOut: "${connection_timeout_s}"}
            variables: {answer: 42}
            steps:
              - wait: $connection_timeout_s
            """
        ),
        file="x.yaml",
    )

    assert (loaded.id, loaded.title) == ("X_2", "Two words")
    assert loaded.profile is Profile.RESERVATION
    assert loaded.requirement is Requirement.CONDITIONAL
    assert (loaded.condition, loaded.section) == ("reservation is declared", "3.1")
    assert loaded.editions == EditionRange("2024-04", "2025-06")
    assert loaded.configuration == {"ConnectionTimeOut": "${connection_timeout_s}"}
    assert loaded.variables == {"answer": 42}
    assert (loaded.position.file, loaded.position.line) == ("x.yaml", 1)
    assert loaded.steps == (
        Wait(seconds="$connection_timeout_s", position=loaded.steps[0].position, path="1"),
    )


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


# --- files that are wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.yaml:1:1: is empty"),
        ("a: 1\na: 2\n", 'x.yaml:2:1: the key "a" stands here twice (first in line 1)'),
        ("a: [1\n", "x.yaml:2:1: is not YAML"),
        ("a: &x 1\nb: *x\n", "x.yaml:1:4: anchors and aliases are not part of the language"),
        ("a: !!python/name:os.system x\n", "x.yaml:1:4: the tag"),
        ("- a\n", "x.yaml:1:1: the file should be of type object"),
        (
            "state: X\npurpose: p\nsteps: [{connect: {}}]\n",
            "x.yaml:1:1: is a state, not a scenario",
        ),
        ("%YAML 1.1\n---\na: yes\n", "x.yaml:1:1: YAML directives are not part of the language"),
        ('a: "\\ud800"\n', "x.yaml:1:4: half a surrogate pair is no character"),
        ("a: 012\n", "x.yaml:1:4: 012 is no value of JSON (put it in quotes if it is text)"),
    ],
)
def test_what_is_no_scenario_file_is_refused(text: str, said: str) -> None:
    """Text that is no YAML, or says more than JSON can, is refused with its place."""
    assert any(line.startswith(said) for line in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("profile: Core", "profile: Kore"), "x.yaml:3:10: 'Kore' is not known here (did you mean Core?)"),
        (("title: A case\n", ""), "x.yaml:1:1: a scenario needs the key title"),
        (("title: A case", "title: 5"), "x.yaml:2:8: title should be of type string (put it in quotes)"),
        (("title:", "tittle:"), "x.yaml:2:1: a scenario has no key tittle (did you mean title?)"),
        (("id: X_1", "id: X 1"), "x.yaml:1:5: 'X 1' is no name that fits here"),
        (("start: none", "start: Conected"), "x.yaml:5:8: there is no state Conected (did you mean Connected?)"),
        (("start: none", "editions: {from: '2024-05'}"), "x.yaml:5:18: '2024-05' is not known here (did you mean 2024-04?)"),
        (("start: none", "editions: {from: '2025-06', until: '2025-02'}"), "x.yaml:5:11: no edition is from 2025-06 and until 2025-02 (swap them)"),
        (("start: none", "variables: {A: 1}"), "x.yaml:5:13: 'A' is no name that fits here"),
        (("start: none", "configuration: {A: 1}"), "x.yaml:5:20: A should be of type string (put it in quotes)"),
        (("start: none", "configuration: {A: $tag}"), "x.yaml:5:20: there is no variable $tag before the case starts"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_head_is_said(change: tuple[str, str], said: str) -> None:
    """Each fault in the head has its line, column, and where it can be guessed the right word."""
    found = problems((HEAD + "steps:\n" + BOOT).replace(*change))

    assert any(line.startswith(said) for line in found), found


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{sned: Heartbeat}", "x.yaml:7:6: sned is no kind of step (did you mean send?)"),
        ("{}", "x.yaml:7:5: this step is empty"),
        ("{send: Heartbeat, receive: Reset}", "x.yaml:7:23: a step does one thing, this one says send and receive"),
        ("{send: Heartbeat, payload: {}, expects: {}}", "x.yaml:7:36: a step of kind send has no key expects (did you mean expect?)"),
        ("{send: Hartbeat, payload: {}}", "x.yaml:7:12: Hartbeat is no request that a charge point sends (did you mean Heartbeat?)"),
        ("{send: Reset, payload: {type: Hard}}", "x.yaml:7:12: Reset is no request that a charge point sends"),
        ("{receive: Heartbeat}", "x.yaml:7:15: Heartbeat is no request that a CSMS sends"),
        ("{send: Authorize}", "x.yaml:7:5: Authorize.req needs a payload with idTag"),
        ("{send: Authorize, payload: {}}", "x.yaml:7:32: Authorize.req needs the field idTag"),
        ("{send: Authorize, payload: {idtag: a, idTag: b}}", "x.yaml:7:33: Authorize.req has no field idtag here (did you mean idTag?)"),
        ("{send: Authorize, payload: {idTag: 5}}", "x.yaml:7:40: 5 should be of type string (put it in quotes)"),
        ("{send: Authorize, payload: {idTag: aaaaaaaaaaaaaaaaaaaaa}}", "x.yaml:7:40: is longer than the 20 characters of this field"),
        ("{send: StatusNotification, payload: {connectorId: 1, errorCode: NoErr, status: Available}}", "x.yaml:7:69: 'NoErr' is no value of this field (did you mean NoError?)"),
        ("{send: StartTransaction, payload: {connectorId: 1, idTag: a, meterStart: 0, timestamp: now}}", "x.yaml:7:92: 'now' is no date-time (such as $now-60s)"),
        ("{send: MeterValues, payload: {connectorId: 1, meterValue: []}}", "x.yaml:7:63: MeterValues.req needs at least 1 here"),
        ("{send: MeterValues, payload: {connectorId: 1, meterValue: [{timestamp: $now, sampledValue: [{valu: a, value: b}]}]}}", "x.yaml:7:98: MeterValues.req has no field valu here (did you mean value?)"),
        ("{send: Heartbeat, payload: {}, budget: authorise}", "x.yaml:7:44: there is no budget authorise (did you mean authorize?)"),
        ("{send: Heartbeat, payload: {}, expect: {currentTim: {present: true}}}", "x.yaml:7:45: Heartbeat.conf has no field currentTim here (did you mean currentTime?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: Acepted}}}", "x.yaml:7:73: 'Acepted' is no value of this field (did you mean Accepted?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {equals: {}, status: Accepted}}}", "x.yaml:7:77: the operator equals and the field status cannot stand together"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: {one_of: Accepted}}}}", "x.yaml:7:82: a list of values stands here"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: {one_of: [Accepted, Inval]}}}}", "x.yaml:7:93: 'Inval' is no value of this field (did you mean Invalid?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: {present: yes}}}}", "x.yaml:7:83: present: true is the only way to say it"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {absent: true, equals: a}}}}", "x.yaml:7:78: absent cannot hold together with another operator"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: null}}}", "x.yaml:7:73: null is never right in OCPP"),
        ("{send: Authorize, payload: {idTag: a}, expect: {present: true}}", "x.yaml:7:52: here stand the fields of the payload"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: Accepted}}", "x.yaml:7:64: 'Accepted' should be of type object"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: [a]}}", "x.yaml:7:64: this field is of type object, not array"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {matches: '(?=a)'}}}}", "x.yaml:7:88: not a regular expression of the linear-time kind"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {expiryDate: {approximately: $now}}}}", "x.yaml:7:93: a time and its tolerance stand here"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {absent_if: {idTagInf.status: Accepted}}}}}", "x.yaml:7:91: Authorize.conf has no field idTagInf here (did you mean idTagInfo?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {capture: Card}}}}", "x.yaml:7:88: 'Card' is no name"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {capture: identity}}}}", "x.yaml:7:88: $identity is given and cannot be captured"),
        ("{send: Authorize, payload: {idTag: a}, warn: {idTagInfo: {parentIdTag: {capture: card}}}}", "x.yaml:7:77: nothing can be captured under warn"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {decoded_length_between: [5, 3]}}}}", "x.yaml:7:103: two lengths in bytes stand here"),
        ("{send: StartTransaction, payload: {connectorId: 1, idTag: a, meterStart: 0, timestamp: $now}, expect: {transactionId: {at_least: many}}}", "x.yaml:7:134: a number stands here"),
        ("{send: Authorize, payload: {idTag: $valid_idtag}}", "x.yaml:7:40: there is no variable $valid_idtag (did you mean valid_id_tag?)"),
        ("{send: Authorize, payload: {idTag: 5 $}}", 'x.yaml:7:40: "5 $" holds a lone "$"'),
        ("{send: Heartbeat, payload: {}, for_each: {c: $conectors}}", "x.yaml:7:50: $conectors is no list that is known while loading"),
        ("{send: Heartbeat, payload: {}, for_each: {c: [1], d: [2]}}", "x.yaml:7:46: for_each has more keys than it may"),
        ("{receive: Reset}", "x.yaml:7:5: nobody asks the CSMS for this Reset (operator: Reset before it, or optional: true)"),
        ("{operator: Reset, payload: {type: Hard}}", "x.yaml:7:5: Reset is asked for, but no step receives it (receive: Reset after it)"),
        ("{receive: Reset, answer: {status: Done}}", "x.yaml:7:39: 'Done' is no value of this field"),
        ("{receive: Reset, answer: mode}", "x.yaml:7:30: 'mode' is not known here (did you mean model?)"),
        ("{receive: Reset, answer: {error: {code: FormatViolation}}}", "x.yaml:7:45: 'FormatViolation' is not known here (did you mean FormationViolation?)"),
        ("{disconnect: cut}", "x.yaml:7:18: 'cut' is not known here (known: close, drop)"),
        ("{wait: soon}", "x.yaml:7:12: wait should be a value of the right type or $name"),
        ("{wait: -1}", "x.yaml:7:12: wait should be a value of the right type or $name"),
        ("{use: Chargin}", "x.yaml:7:11: there is no state Chargin (did you mean Charging?)"),
        ("{use: Charging, with: {tag: a}}", "x.yaml:7:28: the state Charging has no parameter tag (did you mean id_tag?)"),
        ("{use: Charging, with: {id_tag: $card}}", "x.yaml:7:36: there is no variable $card"),
        ("{do: plug, arguments: {}}", "x.yaml:7:10: the charge point has no input plug"),
        ("{do: plug_in, arguments: {connector: 1, connector_id: 1}}", "x.yaml:7:31: plug_in has no argument connector (did you mean connector_id?)"),
        ("{do: plug_in}", "x.yaml:7:5: plug_in needs the argument connector_id"),
        ("{do: plug_in, calls: [{StatusNotificatio: {}}]}", "x.yaml:7:28: a charge point sends no StatusNotificatio (did you mean StatusNotification?)"),
        ("{send_raw: '[', answer: none}", "x.yaml:7:5: which answer is meant cannot be told without its message_id"),
        ("{send_raw: '[', answer: none, message_id: a, codes: [GenericError]}", "x.yaml:7:57: codes have no meaning with answer: none"),
        ("{any_order: [{sned: a}]}", "x.yaml:7:19: sned is no kind of step"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step_is_said(step: str, said: str) -> None:
    """Each fault of a step has its line, column, and where it can be guessed the right word."""
    found = wrong_step(f"  - {step}\n")

    assert any(line.startswith(said) for line in found), found


def test_a_variable_cannot_be_used_before_it_is_captured() -> None:
    """Order counts: the step that captures must come first."""
    steps = (
        "  - {send: StopTransaction, payload: "
        "{transactionId: $transaction_id, meterStop: 1, timestamp: $now}}\n"
        "  - use: Charging\n"
    )

    assert wrong_step(steps) == [
        "x.yaml:7:54: $transaction_id is used before it is captured",
    ]


def test_a_capture_counts_only_in_the_editions_of_its_step() -> None:
    """What an edition never captures is unset there, even if another edition captures it."""
    steps = (
        "  - {send: Authorize, editions: {until: '2025-02'}, payload: {idTag: a}, "
        "expect: {idTagInfo: {parentIdTag: {capture: card}}}}\n"
        "  - {send: Authorize, payload: {idTag: $card}}\n"
    )

    assert wrong_step(steps) == [
        "x.yaml:8:40: there is no variable $card " + wrong_step(steps)[0].partition("$card ")[2]
    ]


def test_requests_are_counted_per_edition() -> None:
    """Two receive steps of different editions share one operator step."""
    steps = (
        "  - {operator: Reset, payload: {type: Hard}}\n"
        "  - {receive: Reset, editions: {until: '2024-04'}}\n"
        "  - {receive: Reset, editions: {from: '2025-02'}}\n"
    )

    assert len(scenario(steps).steps) == 3
    assert len(wrong_step(steps.replace("2025-02", "2024-04"))) == 1


def test_a_request_that_answers_the_charge_point_needs_no_operator() -> None:
    """CertificateSigned follows from SignCertificate."""
    loaded = scenario(
        "  - {send: SignCertificate, payload: {csr: x}}\n  - receive: CertificateSigned\n"
    )

    assert len(loaded.steps) == 2


def test_everything_wrong_in_a_file_is_said_at_once() -> None:
    """One look shows all faults, in the order of lines."""
    found = wrong_step(
        "  - {sned: Heartbeat}\n"
        "  - {send: Authorize, payload: {idTag: 5, x: 1}}\n"
        "  - {use: Nowhere}\n",
        head=HEAD.replace("title: A case", "title: 5"),
    )

    lines = [int(one.split(":")[1]) for one in found]
    assert lines == sorted(lines)
    assert {2, 7, 8, 9} == set(lines)
    assert len(found) == 5


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


# --- any file at all ------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *grammar.STEP_KINDS,
        *(operator.value for operator in Operator),
        *("payload", "expect", "warn", "answer", "for_each", "with", "editions", "calls"),
        *("error", "result", "status", "idTagInfo", "x", "state", "id", "$now", "$", "connectorId"),
    ]
)
# --- trees ---------------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@given(st.data())
def test_no_file_breaks_the_loader(data: st.DataObject) -> None:
    """Whatever stands where in a file, it is loaded or its faults are said with their place."""
    names = ["TC_001_CSMS", "TC_010_CSMS", "TC_040_2_CSMS", "TC_064_CSMS"]
    path = library_directory() / "core" / f"{data.draw(st.sampled_from(names))}.yaml"
    written = YAML(typ="safe").load(path)
    for _ in range(data.draw(st.integers(1, 3))):
        written = changed(written, data)

    for said in faults(json.dumps(written, ensure_ascii=False)):
        assert said.position.line >= 1
        assert said.message


def faults(text: str) -> tuple[Problem, ...]:
    try:
        load_text(text, file="x.yaml")
    except ScenarioError as error:
        return error.problems
    return ()


def changed(value: Any, data: st.DataObject) -> Any:
    """Return a value with one of its parts replaced, removed or added."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 5)) == 0:
            return {name: member for name, member in value.items() if name != key}
        if data.draw(st.integers(0, 5)) == 0:
            return {**value, data.draw(WORDS): data.draw(JSON)}
        return {**value, key: changed(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 5)):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], changed(value[index], data), *value[index + 1 :]]
    return data.draw(JSON)


def test_bad_files_of_a_tree_never_hide_the_good_ones(tmp_path: Path) -> None:
    """Everything readable is loaded, everything else is reported, each file on its own."""
    good = HEAD + "steps:\n" + BOOT
    write(tmp_path, "a/good.yaml", good)
    write(tmp_path, "a/bad.yaml", good.replace("Core", "Kore").replace("X_1", "X_2"))
    write(tmp_path, "b/broken.yml", "a: [")
    write(tmp_path, "b/twin.yaml", good)
    write(tmp_path, ".hidden/x.yaml", "a: [")
    write(tmp_path, "notes.txt", "a: [")

    result = load_tree([tmp_path, tmp_path / "a" / "good.yaml", tmp_path / "none"])

    assert [one.id for one in result.scenarios] == ["X_1"]
    said = "\n".join(str(problem) for problem in result.problems)
    assert len(result.problems) == 4
    assert "none:1:1: does not exist" in said
    assert "bad.yaml:3:10: 'Kore'" in said
    assert "broken.yml:1:" in said
    assert "twin.yaml:1:5: the id X_1 is taken (by " in said


def test_a_tree_may_bring_states_of_its_own(tmp_path: Path) -> None:
    """A folder named states is read as states and may be used beside the shipped ones."""
    write(
        tmp_path,
        "states/mine.yaml",
        "{state: Mine, purpose: p, steps: [{send: Heartbeat, payload: {}}]}",
    )
    write(tmp_path, "cases/x.yaml", HEAD + "steps:\n  - use: Mine\n  - use: Authorized\n")

    whole = load_tree([tmp_path])
    beside = load_tree([tmp_path / "cases"])

    assert whole.problems == ()
    assert [step.path for step in whole.scenarios[0].steps] == ["Mine.1", "Authorized.1"]
    assert beside.problems == ()


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A folder, a missing file and other encodings are said, not raised as they are."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"id: x\ntitle: caf\xe9\n")

    for path, said in ((tmp_path / "no.yaml", "cannot be read"), (latin, "is not UTF-8 text")):
        with pytest.raises(ScenarioError, match=said):
            load_file(path)


def test_the_shipped_library_is_found() -> None:
    """The folder of shipped scenarios exists and holds states."""
    assert (library_directory() / "states" / "connected.yaml").is_file()
