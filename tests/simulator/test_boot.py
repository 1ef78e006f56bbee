"""Registration moves along its table and nowhere else."""

from __future__ import annotations

from itertools import product

import pytest

from simulator.boot import TRANSITIONS, BootEvent, Registration
from simulator.errors import LocalProtocolError
from simulator.moves import advance


@pytest.mark.parametrize(("state", "event"), sorted(TRANSITIONS, key=str))
def test_legal_moves(state: Registration, event: BootEvent) -> None:
    """Every pair of the table leads where it says."""
    assert advance(TRANSITIONS, state, event) is TRANSITIONS[state, event]


def test_every_other_pair_is_refused() -> None:
    """A pair that is not in the table is an error, all of them."""
    others = set(product(Registration, BootEvent)) - set(TRANSITIONS)

    assert len(others) > 30
    for state, event in others:
        with pytest.raises(LocalProtocolError, match=state.name):
            advance(TRANSITIONS, state, event)


def test_only_an_answer_leads_to_acceptance() -> None:
    """Nothing but an accepting answer to a sent boot makes a charge point accepted (§4.2)."""
    ways = {move for move, after in TRANSITIONS.items() if after is Registration.ACCEPTED}

    assert ways == {(Registration.BOOTING, BootEvent.ACCEPTED_RECEIVED)}
