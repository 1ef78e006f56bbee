"""The table of the conversation with a person."""

from __future__ import annotations

import pytest

from harness.operator.table import KEYS, TABLE, Act, Phase, Sign, choices, follow


def test_every_phase_is_reached_and_left() -> None:
    """No phase is a dead end but the last, and none is out of reach."""
    reached = {target for (source, _), target in TABLE.items() if source is not target}
    assert reached == set(Phase) - {Phase.STARTING}
    left = {source for (source, _), target in TABLE.items() if source is not target}
    assert left == set(Phase) - {Phase.ENDED}


@pytest.mark.parametrize("phase", [Phase.ASKED, Phase.WRONG, Phase.PRESSED])
def test_a_person_can_always_pass_over_or_stop(phase: Phase) -> None:
    """Whatever is asked: it goes on by itself, may be skipped, ruled out, or left for later."""
    assert {Act.SKIP, Act.CANNOT, Act.STOP} <= set(choices(phase))
    assert follow(phase, Sign.CAME) is Phase.RUNNING
    assert follow(phase, Sign.WITHDRAWN) is Phase.RUNNING


def test_a_wrong_frame_may_be_tried_again_or_insisted_on() -> None:
    """A system that cannot send it right must be able to fail."""
    assert follow(Phase.ASKED, Sign.MISPRESS) is Phase.WRONG
    assert follow(Phase.WRONG, Act.AGAIN) is Phase.ASKED
    assert follow(Phase.WRONG, Act.THIS_IS_IT) is Phase.RUNNING


def test_every_act_has_a_key_of_its_own() -> None:
    """The keyboard alone is enough."""
    keys = [key for key, _ in KEYS.values()]
    assert set(KEYS) == set(Act)
    assert len(set(keys)) == len(keys)


def test_nothing_can_be_said_that_has_no_meaning() -> None:
    """While a case runs by itself, only stopping is offered."""
    assert choices(Phase.RUNNING) == (Act.STOP,)
    assert choices(Phase.ENDED) == ()
