"""Stand-ins for what a session stands on: a wire that records, handlers a test can hold back."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from csms.domain.model import LoggedMessage, RegistrationStatus
from csms.ocppj.handlers import Received
from csms.ocppj.session import Session

AT = datetime(2026, 1, 31, 12, 34, 56, 789_000, tzinfo=UTC)
TIME = "2026-01-31T12:34:56.789Z"
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}

ANSWERS: dict[str, dict[str, Any]] = {
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "BootNotification": {"status": "Accepted", "currentTime": TIME, "interval": 300},
    "DataTransfer": {"status": "UnknownVendorId"},
    "DiagnosticsStatusNotification": {},
    "FirmwareStatusNotification": {},
    "Heartbeat": {"currentTime": TIME},
    "MeterValues": {},
    "SignedFirmwareStatusNotification": {},
    "StartTransaction": {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
    "StatusNotification": {},
    "StopTransaction": {},
}


class FakeHandlers:
    """Answers from a table; `answers` may hold exceptions, `gate` holds every answer back."""

    def __init__(self) -> None:
        self.known = frozenset(ANSWERS)
        self.answers: dict[str, Any] = dict(ANSWERS)
        self.handled: list[Received] = []
        self.gate: asyncio.Event | None = None
        self.before: Callable[[Received], Any] | None = None

    async def handle(self, received: Received) -> dict[str, Any]:
        self.handled.append(received)
        if self.before is not None:
            await self.before(received)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers[received.action]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer) if isinstance(answer, dict) else answer


class FakeWire:
    """Keeps what was sent; `next` waits for the next message."""

    def __init__(self) -> None:
        self.sent: deque[Any] = deque()
        self.closed: tuple[int, str] | None = None
        self._arrived = asyncio.Event()

    def push(self, data: bytes) -> None:
        self.sent.append(json.loads(data))
        self._arrived.set()

    def begin_close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    async def next(self) -> Any:
        while not self.sent:
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), 5)
        return self.sent.popleft()


@dataclass
class FakeServices:
    """What sessions share, in memory."""

    handlers: FakeHandlers = field(default_factory=FakeHandlers)
    log: list[LoggedMessage] = field(default_factory=list)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    quarantine_error: Exception | None = None
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.now: Callable[[], datetime] = lambda: AT
        self.log_message: Callable[[LoggedMessage], None] = self.log.append

    async def quarantine(self, **entry: Any) -> None:
        if self.quarantine_error is not None:
            raise self.quarantine_error
        self.quarantined.append(entry)

    def keep(self, task: "asyncio.Task[None]") -> None:
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Station:
    """A session with its fakes, as the charge point at the other end sees it."""

    def __init__(
        self,
        *,
        registration: RegistrationStatus = RegistrationStatus.ACCEPTED,
        is_accepted: bool = True,
        max_commands: int = 3,
        identity: str = "CP1",
    ) -> None:
        self.wire = FakeWire()
        self.services = FakeServices()
        self.handlers = self.services.handlers
        self.session = Session(
            identity,
            wire=self.wire,
            services=self.services,
            registration=registration,
            is_accepted=is_accepted,
            max_commands=max_commands,
        )

    def say(self, text: str) -> None:
        """Send a raw text."""
        self.session.receive(text)

    def call(self, action: str, payload: Any, message_id: object = "1") -> None:
        """Send a CALL."""
        self.say(json.dumps([2, message_id, action, payload]))

    async def ask(self, action: str, payload: Any, message_id: object = "1") -> Any:
        """Send a CALL and return the answer."""
        self.call(action, payload, message_id)
        return await self.wire.next()

    async def settled(self) -> None:
        """Wait until every CALL that lined up was carried out."""
        while self.services.tasks:
            await asyncio.gather(*self.services.tasks)
