"""What must hold across the steps of a scenario."""
# ruff: noqa: E501 -- a row of the table below is one fault and what is said about it

from __future__ import annotations

import pytest

from tests.harness.scenario_texts import scenario, wrong_step


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{send: Authorize, payload: {idTag: $valid_idtag}}", "x.yaml:7:40: there is no variable $valid_idtag (did you mean valid_id_tag?)"),
        ("{receive: Reset}", "x.yaml:7:5: nobody asks the CSMS for this Reset (operator: Reset before it, or optional: true)"),
        ("{operator: Reset, payload: {type: Hard}}", "x.yaml:7:5: Reset is asked for, but no step receives it (receive: Reset after it)"),
        ("{use: Charging, with: {id_tag: $card}}", "x.yaml:7:36: there is no variable $card"),
        ("{respond: Reset}", "x.yaml:7:5: no Reset waits for this answer (receive: Reset with answer: later before it)"),
        ("{receive: Reset, optional: true, answer: later}", "x.yaml:7:5: Reset is to be answered later, but no step does (respond: Reset after it, or answer: none)"),
    ],
)  # fmt: skip
def test_what_does_not_follow_from_other_steps_is_said(step: str, said: str) -> None:
    """Variables nobody sets and requests nobody asks for, or awaits, are faults."""
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


def test_an_answer_comes_once_after_its_request() -> None:
    """Each request to be answered later has one step that does; a second has nothing to answer."""
    steps = (
        "  - {operator: ClearCache}\n"
        "  - {receive: ClearCache, answer: later}\n"
        "  - {respond: ClearCache, answer: {status: Accepted}}\n"
    )

    assert scenario(steps)
    assert wrong_step(f"{steps}  - {{respond: ClearCache}}\n")[0].startswith(
        "x.yaml:10:5: no ClearCache waits for this answer"
    )


def test_a_model_has_one_connection() -> None:
    """A second connection beside the first is for charge points that only do as told."""
    steps = "  - connect: {}\n  - {do: plug_in, arguments: {connector_id: 1}}\n"

    assert wrong_step(f"{steps}  - connect: {{beside: true}}\n") == [
        "x.yaml:9:5: a charge point whose model speaks by itself has one connection "
        "(disconnect first, or use no `do`)"
    ]
