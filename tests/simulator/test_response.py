"""What a handler gives back: content, and what follows it."""

from simulator.clock import Moment
from simulator.response import Response, status_response
from tests.simulator.rig import START


def test_status_is_the_whole_content() -> None:
    """Most answers are nothing else."""
    assert status_response("Accepted") == Response({"status": "Accepted"}, None)


def test_what_follows_is_kept_for_later() -> None:
    """It happens after the answer has left, not while it is made."""
    happened: list[Moment] = []

    response = status_response("Accepted", happened.append)

    assert not happened
    assert response.follow_up is not None
    response.follow_up(Moment(START, 1.0))
    assert happened == [Moment(START, 1.0)]
