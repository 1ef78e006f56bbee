"""Event lists written by hand, for tests of the judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

from harness.judge import JudgeContext, Judgement, Limit, StepRef, judge
from harness.model import SendRaw
from simulator.trace import Direction, Event, EventKind

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
BUDGETS = {
    "ocpp_response_timeout": Limit(limit_s=30, target_s=1),
    "authorize": Limit(limit_s=10, target_s=0.5),
}
BOOT = {"chargePointVendor": "a", "chargePointModel": "b"}
ACCEPTED = {"status": "Accepted", "currentTime": "2026-01-31T12:00:00.000Z", "interval": 300}


class Wire:
    """Builds the events of one charge point; every event is 0.1 s after the one before."""

    def __init__(self, identity: str = "PF1") -> None:
        self.events: list[Event] = []
        self.identity = identity
        self.connection = 1
        self.now_s = 0.0
        self.expected: set[int] = set()
        self.steps: dict[int, StepRef] = {}
        self.raws: dict[int, SendRaw] = {}
        self.wanted_closes: set[int] = set()

    def add(
        self,
        kind: EventKind,
        text: str = "",
        direction: Direction | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> Self:
        """Add one event as it is."""
        self.now_s = round(self.now_s + 0.1, 6)
        self.events.append(
            Event(
                kind=kind,
                identity=self.identity,
                connection=self.connection,
                at=START + timedelta(seconds=self.now_s),
                monotonic_s=1000 + self.now_s,
                direction=direction,
                text=text,
                detail=detail or {},
            )
        )
        return self

    def wait(self, seconds: float) -> Self:
        """Let time pass."""
        self.now_s += seconds
        return self

    def opened(self, subprotocol: str | None = "ocpp1.6") -> Self:
        return self.add(EventKind.OPENED, detail={"subprotocol": subprotocol, "status": 101})

    def closed(self, by: str, code: int | None = 1000, *, wanted: bool = False) -> Self:
        if wanted:
            self.wanted_closes.add(len(self.events))
        return self.add(EventKind.CLOSED, detail={"by": by, "code": code, "reason": ""})

    def next_connection(self) -> Self:
        self.connection += 1
        return self.opened()

    def sent(self, text: str) -> Self:
        return self.add(EventKind.FRAME, text, Direction.SENT)

    def received(self, text: str) -> Self:
        return self.add(EventKind.FRAME, text, Direction.RECEIVED)

    def call(self, message_id: str, action: str, payload: object = None) -> Self:
        """The charge point calls; the event's own number is its step."""
        index = len(self.events)
        self.steps[index] = StepRef(str(index))
        return self.sent(json.dumps([2, message_id, action, {} if payload is None else payload]))

    def result(self, message_id: object, payload: object = None) -> Self:
        """The CSMS answers."""
        return self.received(json.dumps([3, message_id, {} if payload is None else payload]))

    def error(self, message_id: str, code: str, description: object = "") -> Self:
        return self.received(json.dumps([4, message_id, code, description, {}]))

    def csms_call(
        self, message_id: object, action: str, payload: object = None, *, unasked: bool = False
    ) -> Self:
        index = len(self.events)
        if not unasked:
            self.expected.add(index)
        self.steps[index] = StepRef(str(index))
        body = {} if payload is None else payload
        return self.received(json.dumps([2, message_id, action, body]))

    def csms_answered(self, message_id: object, payload: object = None) -> Self:
        """The charge point answers a CALL of the CSMS."""
        return self.sent(json.dumps([3, message_id, {} if payload is None else payload]))

    def raw(self, text: str, step: SendRaw, *, kind: EventKind = EventKind.FRAME) -> Self:
        self.raws[len(self.events)] = step
        return self.add(kind, text, Direction.SENT)

    def context(self, *, ended_after_s: float = 0.5, **changes: object) -> JudgeContext:
        """Return a context that ends when nothing more came for a while."""
        values: dict[str, object] = {
            "budgets": BUDGETS,
            "ended_s": 1000 + self.now_s + ended_after_s,
            "completed_s": 1000 + self.now_s,
            "expected_calls": self.expected,
            "steps": self.steps,
            "raw": self.raws,
            "wanted_closes": self.wanted_closes,
            **changes,
        }
        return JudgeContext(**values)  # type: ignore[arg-type]  # tests name what they change

    def judge(self, *, ended_after_s: float = 0.5, **changes: object) -> Judgement:
        return judge(self.events, context=self.context(ended_after_s=ended_after_s, **changes))

    def rules(self, **changes: object) -> list[str]:
        """Return the rule ids of all findings."""
        return [one.rule for one in self.judge(**changes).findings]  # type: ignore[arg-type]


def booted() -> Wire:
    """A charge point that is connected and accepted."""
    return Wire().opened().call("b", "BootNotification", BOOT).result("b", ACCEPTED)
