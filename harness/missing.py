"""What is said where a request that a step awaits does not come. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.commands import WORDS
from harness.drivers.driver import DriverOutcome, Outcome
from harness.results import Severity


@dataclass(frozen=True, slots=True)
class Missing:
    """A finding about it."""

    rule: str
    severity: Severity
    message: str


def missing(
    action: str,
    outcome: DriverOutcome | None,
    *,
    waited_s: float,
    instead: str,
    is_person: bool,
) -> Iterator[Missing]:
    """Yield the findings: a failure where the request was ordered, else inconclusive.

    Args:
        outcome: what the driver told of the order, if there was one and it told.
        instead: sentences on what happened instead, with a space before each.
        is_person: whether a person gave the order; who pressed is believed.
    """
    if outcome is not None and outcome.outcome is not Outcome.DONE:
        said = f": {outcome.summary}" if outcome.summary else ""
        who = "operator" if is_person else "driver"
        message = f"{action} was not observed, and the {who} {WORDS[outcome.outcome]}{said}."
        yield Missing("request.not-observed", Severity.INCONCLUSIVE, message + instead)
        return
    if outcome is not None and is_person:
        message = f"{action} did not come: {outcome.summary}.{instead}"
    else:
        said = f" The driver had reported: {outcome.summary}" if outcome else ""
        message = f"{action} did not come within {waited_s:g} s.{instead}{said}"
    yield Missing("request.missing", Severity.FAILURE, message)
    if outcome is not None and not is_person:
        message = (
            f"The driver says that {action} succeeded, but no such request came: {outcome.summary}"
        )
        yield Missing("driver.claims", Severity.WARNING, message)
