"""What a running case waits for, in words for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import (
    AnyOrder,
    Connect,
    Do,
    OperatorStep,
    ProbeTls,
    Receive,
    Send,
    SendRaw,
    Step,
    Wait,
)


@dataclass(frozen=True, slots=True)
class Activity:
    """A case that runs, what it waits for now, and since how many seconds."""

    case_id: str
    waits_for: str
    for_s: float


def waits_for(step: Step | None) -> str:
    """Return what a step waits for; without one the case is watched to its end."""
    match step:
        case None:
            return "anything else that comes"
        case Send() | SendRaw():
            name = step.action if isinstance(step, Send) else "a raw message"
            return f"the answer to {name}"
        case Receive():
            return f"{step.action} from the CSMS"
        case OperatorStep():
            return f"the driver to ask for {step.action}"
        case Do():
            return f"the charge point: {step.event.replace('_', ' ')}"
        case Wait():
            return "its own timer"
        case Connect():
            return "its connection"
        case ProbeTls():
            return "TLS handshakes"
        case AnyOrder():
            names = [one.action for one in step.steps if isinstance(one, Receive)]
            return f"{', '.join(dict.fromkeys(names)) or 'several frames'} from the CSMS"
        case _:
            return "itself"
