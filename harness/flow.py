"""What must hold across the steps of a scenario, for every edition it runs in.

Variables are set before they are used, nothing is awaited that nobody asked for, and nothing is
asked for that nobody awaits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.expansion import Use
from harness.expressions import STANDARD_VARIABLES
from harness.model import (
    EDITIONS,
    AnyOrder,
    Connect,
    Do,
    Fields,
    Items,
    LaterAnswer,
    Make,
    Operator,
    OperatorStep,
    Pattern,
    Position,
    Receive,
    Respond,
    Scenario,
    Send,
    Step,
    Value,
)
from harness.yaml_source import Problem, did_you_mean

# What a CSMS sends because the charge point sent something, without an operator.
CAUSED_BY: Mapping[str, str] = {"CertificateSigned": "SignCertificate"}


def check(scenario: Scenario, uses: Mapping[str, Sequence[Use]]) -> list[Problem]:
    """Return what is wrong across steps; the same problem in several editions once."""
    problems: dict[tuple[Position, str], Problem] = {}
    for edition in EDITIONS:
        if not scenario.editions.includes(edition):
            continue
        of_edition = [step for step in scenario.steps if step.editions.includes(edition)]
        for profile in _profiles(scenario):
            steps = [step for step in of_edition if runs_on(step, profile)]
            found = [*_variables(scenario, steps, uses), *_requests(steps)]
            found += [*_responses(steps), *_connections(scenario, steps)]
            for problem in found:
                problems.setdefault((problem.position, problem.message), problem)
    return [*problems.values(), *_never(scenario)]


def runs_on(step: Step, profile: int) -> bool:
    """Say whether a step runs where the case runs on this security profile."""
    return not step.security_profiles or profile in step.security_profiles


def _profiles(scenario: Scenario) -> list[int]:
    return [choice.start for choice in scenario.security_profiles] or [0, 1, 2, 3]


def _never(scenario: Scenario) -> Iterator[Problem]:
    """Steps for security profiles that the case never runs on."""
    profiles = _profiles(scenario)
    for step in _flat(scenario.steps):
        if not any(runs_on(step, profile) for profile in profiles):
            message = "this never runs: the case is not for these security profiles"
            yield Problem(step.position, message, f"the case: {', '.join(map(str, profiles))}")


def captured(pattern: Pattern | None) -> Iterator[str]:
    """Yield the variables a pattern sets."""
    match pattern:
        case Fields():
            for inner in pattern.fields.values():
                yield from captured(inner)
        case Items():
            for inner in pattern.items:
                yield from captured(inner)
        case Value():
            for check_ in pattern.checks:
                if check_.operator is Operator.CAPTURE:
                    yield str(check_.argument)
                yield from captured(check_.pattern)
        case None:
            return


def _captures(step: Step) -> Iterator[str]:
    match step:
        case Send():
            yield from captured(step.expect)
        case Receive():
            yield from captured(step.payload)
        case Do():
            for call in step.calls:
                yield from captured(call.payload)
                yield from captured(call.expect)
        case Make():
            yield step.name
        case AnyOrder():
            for inner in step.steps:
                yield from _captures(inner)
        case _:
            return


def _flat(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, AnyOrder):
            yield from _flat(step.steps)


def _variables(
    scenario: Scenario, steps: Sequence[Step], uses: Mapping[str, Sequence[Use]]
) -> Iterator[Problem]:
    known = set(STANDARD_VARIABLES) | set(scenario.variables)
    later = {name for step in steps for name in _captures(step)}
    for step in steps:
        inner = list(_flat([step]))
        for one in inner:
            for use in uses.get(one.path, ()):
                if use.name in known:
                    continue
                if use.name in later:
                    message = f"${use.name} is used before it is captured"
                    yield Problem(use.position, message)
                else:
                    hint = did_you_mean(use.name, known | later)
                    yield Problem(use.position, f"there is no variable ${use.name}", hint)
        known.update(_captures(step))


def _requests(steps: Sequence[Step]) -> Iterator[Problem]:
    asked: Counter[str] = Counter()
    places: dict[str, Position] = {}
    for step in _flat(steps):
        match step:
            case OperatorStep():
                asked[step.action] += 1
                places[step.action] = step.position
            case Send():
                for action, cause in CAUSED_BY.items():
                    asked[action] += 0 if step.action != cause else 1
            case Receive() if step.action:
                if asked[step.action] > 0:
                    asked[step.action] -= 1
                elif not step.optional:
                    message = f"nobody asks the CSMS for this {step.action}"
                    hint = f"operator: {step.action} before it, or optional: true"
                    yield Problem(step.position, message, hint)
            case _:
                pass
    for action, count in asked.items():
        if count > 0 and action in places:
            message = f"{action} is asked for, but no step receives it"
            yield Problem(places[action], message, f"receive: {action} after it")


def _connections(scenario: Scenario, steps: Sequence[Step]) -> Iterator[Problem]:
    for step in _flat(steps):
        if isinstance(step, Connect) and step.beside and scenario.uses_model:
            message = "a charge point whose model speaks by itself has one connection"
            yield Problem(step.position, message, "disconnect first, or use no `do`")


def _responses(steps: Sequence[Step]) -> Iterator[Problem]:
    """What was received with `answer: later` is answered later, and nothing else is."""
    waiting: list[Receive] = []
    for step in _flat(steps):
        if isinstance(step, Receive) and isinstance(step.answer, LaterAnswer):
            waiting.append(step)
        elif isinstance(step, Respond) and step.action:
            received = next((one for one in waiting if one.action == step.action), None)
            if received is None:
                message = f"no {step.action} waits for this answer"
                hint = f"receive: {step.action} with answer: later before it"
                yield Problem(step.position, message, hint)
            else:
                waiting.remove(received)
    for step in waiting:
        message = f"{step.action} is to be answered later, but no step does"
        yield Problem(step.position, message, f"respond: {step.action} after it, or answer: none")
