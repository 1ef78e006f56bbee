"""What the stations say: endless scripts of OCPP CALLs, made with as little work as possible.

A script is a generator that yields the text of a CALL and is sent the text of its answer. No I/O.
"""

import itertools
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Script = Generator[bytes, bytes, None]

TRANSACTION_ID = re.compile(rb'"transactionId":\s*(\d+)')
MEASURANDS = (
    ("Energy.Active.Import.Register", "Wh", None),
    ("Power.Active.Import", "W", None),
    ("Current.Import", "A", "L1"),
    ("Current.Import", "A", "L2"),
    ("Current.Import", "A", "L3"),
    ("Voltage", "V", "L1-N"),
    ("Voltage", "V", "L2-N"),
    ("Voltage", "V", "L3-N"),
    ("SoC", "Percent", None),
)


def sampled_values() -> bytes:
    """Return nine samples as a three-phase charge point sends them, as JSON."""
    samples = []
    for number, (measurand, unit, phase) in enumerate(MEASURANDS):
        where = f',"phase":"{phase}"' if phase else ""
        samples.append(
            f'{{"value":"{100 + number}.5","context":"Sample.Periodic","format":"Raw",'
            f'"measurand":"{measurand}"{where},"location":"Outlet","unit":"{unit}"}}'
        )
    return ("[" + ",".join(samples) + "]").encode()


SAMPLES = sampled_values()


@dataclass(slots=True)
class Voice:
    """What one station needs to write its CALLs: its id tag, message ids, and a clock.

    Each time stamp is a millisecond later than the one before, so that no two messages are equal.
    """

    id_tag: str
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    at: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))
    transaction_id: int | None = None

    def call(self, action: bytes, payload: bytes) -> bytes:
        """Return a CALL with a fresh message id."""
        return b'[2,"%d","%b",%b]' % (next(self.ids), action, payload)

    def now(self) -> bytes:
        """Return the next time stamp."""
        self.at += timedelta(milliseconds=1)
        return f"{self.at:%Y-%m-%dT%H:%M:%S}.{self.at.microsecond // 1000:03}Z".encode()

    def boot(self) -> bytes:
        """Return a BootNotification."""
        return self.call(
            b"BootNotification",
            b'{"chargePointVendor":"Bench","chargePointModel":"Load","chargePointSerialNumber":"1",'
            b'"firmwareVersion":"1.0"}',
        )

    def heartbeat(self) -> bytes:
        """Return a Heartbeat."""
        return self.call(b"Heartbeat", b"{}")

    def authorize(self) -> bytes:
        """Return an Authorize of this station's id tag."""
        return self.call(b"Authorize", b'{"idTag":"%b"}' % self.id_tag.encode())

    def status(self, status: bytes) -> bytes:
        """Return a StatusNotification of connector 1."""
        return self.call(
            b"StatusNotification",
            b'{"connectorId":1,"errorCode":"NoError","status":"%b","timestamp":"%b"}'
            % (status, self.now()),
        )

    def start(self) -> bytes:
        """Return a StartTransaction on connector 1."""
        return self.call(
            b"StartTransaction",
            b'{"connectorId":1,"idTag":"%b","meterStart":0,"timestamp":"%b"}'
            % (self.id_tag.encode(), self.now()),
        )

    def meter_values(self, transaction_id: int) -> bytes:
        """Return MeterValues with nine samples within a transaction."""
        return self.call(
            b"MeterValues",
            b'{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%b","sampledValue":%b}]}'
            % (transaction_id, self.now(), SAMPLES),
        )

    def stop(self, transaction_id: int) -> bytes:
        """Return a StopTransaction."""
        return self.call(
            b"StopTransaction",
            b'{"transactionId":%d,"idTag":"%b","meterStop":5000,"timestamp":"%b","reason":"Local"}'
            % (transaction_id, self.id_tag.encode(), self.now()),
        )


def begin_transaction(voice: Voice) -> Generator[bytes, bytes, int]:
    """Start a transaction, after ending one that an interrupted script left open."""
    if voice.transaction_id is not None:
        yield from end_transaction(voice)
    answer = yield voice.start()
    found = TRANSACTION_ID.search(answer)
    if found is None or b'"Accepted"' not in answer:
        raise ValueError(f"no accepted transaction in {answer!r}")
    voice.transaction_id = int(found[1])
    return voice.transaction_id


def end_transaction(voice: Voice) -> Script:
    """Stop the open transaction."""
    assert voice.transaction_id is not None
    yield voice.stop(voice.transaction_id)
    voice.transaction_id = None


def heartbeats(voice: Voice) -> Script:
    """Send Heartbeats for ever."""
    while True:
        yield voice.heartbeat()


def authorizations(voice: Voice) -> Script:
    """Send Authorize for ever."""
    while True:
        answer = yield voice.authorize()
        if b'"Accepted"' not in answer:
            raise ValueError(f"id tag not accepted: {answer!r}")


def meter_values(voice: Voice) -> Script:
    """Start a transaction and send its MeterValues for ever."""
    transaction_id = yield from begin_transaction(voice)
    while True:
        yield voice.meter_values(transaction_id)


SESSION_LENGTH = 12


def sessions(voice: Voice) -> Script:
    """Run whole charging sessions, from boot to stop, for ever."""
    while True:
        yield voice.boot()
        yield voice.status(b"Available")
        yield voice.authorize()
        yield voice.status(b"Preparing")
        transaction_id = yield from begin_transaction(voice)
        yield voice.status(b"Charging")
        for _ in range(3):
            yield voice.meter_values(transaction_id)
        yield from end_transaction(voice)
        yield voice.status(b"Finishing")
        yield voice.status(b"Available")


WORKLOADS: dict[str, Callable[[Voice], Script]] = {
    "Heartbeat": heartbeats,
    "Authorize": authorizations,
    "MeterValues": meter_values,
    "Session": sessions,
}
