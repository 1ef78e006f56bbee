"""What a running case waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.activity import waits_for
from harness.awaited import leaves
from harness.loader import library_directory, load_tree
from harness.model import AnyOrder, Do, Position, Receive, Step

STEPS = [
    step
    for scenario in load_tree([library_directory()]).scenarios
    for step in (*scenario.steps, *leaves(scenario.steps))
]


def first(kind: str) -> Step:
    return next(step for step in STEPS if type(step).__name__ == kind)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Send", "the answer to "),
        ("SendRaw", "the answer to a raw message"),
        ("Receive", " from the CSMS"),
        ("OperatorStep", "the driver to ask for "),
        ("Wait", "its own timer"),
        ("Connect", "its connection"),
        ("ProbeTls", "TLS handshakes"),
        ("Make", "itself"),
    ],
)
def test_every_kind_of_step_has_its_words(kind: str, words: str) -> None:
    """Who watches a run sees whether the CSMS, the driver or we are slow."""
    assert words in waits_for(first(kind))


def test_groups_and_what_the_model_does_are_told() -> None:
    """All that a group still takes, and the event the model makes something of."""
    at = Position("x.yaml", 1)
    group = AnyOrder(
        position=at,
        steps=(Receive(position=at, action="Reset"), Receive(position=at, action="ClearCache")),
    )

    assert waits_for(group) == "Reset, ClearCache from the CSMS"
    assert waits_for(replace(group, steps=())) == "several frames from the CSMS"
    doing = Do(position=at, event="plug_in", arguments={})
    assert waits_for(doing) == "the charge point: plug in"


def test_after_the_steps_a_case_is_watched() -> None:
    """The time in which nothing more may come."""
    assert waits_for(None) == "anything else that comes"
