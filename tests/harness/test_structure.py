"""The shape of files, in plain words."""
# ruff: noqa: E501 -- a row of the table below is one fault and what is said about it

from __future__ import annotations

import pytest

from tests.harness.scenario_texts import BOOT, HEAD, problems, wrong_step


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
        ("{note: a, oprator: Reset, payload: {}}", "x.yaml:7:15: oprator is no kind of step (did you mean operator?)"),
        ("{}", "x.yaml:7:5: this step is empty"),
        ("{send: Heartbeat, receive: Reset}", "x.yaml:7:23: a step does one thing, this one says send and receive"),
        ("{send: Heartbeat, payload: {}, expects: {}}", "x.yaml:7:36: a step of kind send has no key expects (did you mean expect?)"),
        ("{send: Heartbeat, payload: {}, for_each: {c: [1], d: [2]}}", "x.yaml:7:46: for_each has more keys than it may"),
        ("{receive: Reset, answer: mode}", "x.yaml:7:30: 'mode' is not known here (did you mean model?)"),
        ("{receive: Reset, answer: {error: {code: FormatViolation}}}", "x.yaml:7:45: 'FormatViolation' is not known here (did you mean FormationViolation?)"),
        ("{disconnect: cut}", "x.yaml:7:18: 'cut' is not known here (known: close, drop)"),
        ("{wait: soon}", "x.yaml:7:12: wait should be a value of the right type or $name"),
        ("{wait: -1}", "x.yaml:7:12: wait should be a value of the right type or $name"),
        ("{any_order: [{sned: a}]}", "x.yaml:7:19: sned is no kind of step"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_shape_of_a_step_is_said(step: str, said: str) -> None:
    """Wrong keys and values of a step have their place, and the right word where it can be guessed."""
    found = wrong_step(f"  - {step}\n")

    assert any(line.startswith(said) for line in found), found
