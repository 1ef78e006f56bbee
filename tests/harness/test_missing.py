"""What is said where a request that a step awaits does not come."""

from __future__ import annotations

import pytest

from harness.drivers.driver import DriverOutcome, Outcome
from harness.missing import Missing, missing
from harness.results import Severity

DONE = DriverOutcome(Outcome.DONE, "200 OK")


def said(
    outcome: DriverOutcome | None, *, instead: str = "", is_person: bool = False
) -> list[Missing]:
    found = missing("Reset", outcome, waited_s=5.0, instead=instead, is_person=is_person)
    return list(found)


def test_what_nobody_refused_is_missing() -> None:
    """With the time that was waited, and what came instead."""
    assert said(None, instead=" It sent Heartbeat instead.") == [
        Missing(
            "request.missing",
            Severity.FAILURE,
            "Reset did not come within 5 s. It sent Heartbeat instead.",
        )
    ]


def test_a_driver_that_claims_success_is_named() -> None:
    """The frames decide; that the driver said otherwise is worth a warning."""
    failure, warning = said(DONE)

    assert (failure.rule, failure.severity) == ("request.missing", Severity.FAILURE)
    assert failure.message.endswith("The driver had reported: 200 OK")
    assert (warning.rule, warning.severity) == ("driver.claims", Severity.WARNING)


def test_a_person_who_pressed_is_believed() -> None:
    """Nobody is accused of a false claim, and no limit counts."""
    [failure] = said(DriverOutcome(Outcome.DONE, "pressed"), is_person=True)

    assert failure == Missing("request.missing", Severity.FAILURE, "Reset did not come: pressed.")


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.DONE])
@pytest.mark.parametrize(("is_person", "who"), [(False, "driver"), (True, "operator")])
def test_what_was_not_ordered_proves_nothing(outcome: Outcome, is_person: bool, who: str) -> None:
    """It is inconclusive, and the words tell whose doing it was."""
    [finding] = said(DriverOutcome(outcome, "no way"), is_person=is_person)

    assert finding.rule == "request.not-observed"
    assert finding.severity is Severity.INCONCLUSIVE
    assert f"the {who} " in finding.message
    assert finding.message.endswith(": no way.")
