"""What the CSMS answers to charge points, on a real database."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema_rs
import ocpp
import pytest
import pytest_asyncio

from csms.domain.model import AuthorizationStatus, IdTag, RegistrationStatus
from csms.domain.triggers import Expectation
from csms.ocppj.errors import CallFailure, ErrorCode
from csms.ocppj.handlers import FILE_STATUSES, Handlers, HandlerSettings, Received
from csms.ocppj.trigger_watch import TriggerWatch
from csms.storage import charge_points, id_tags, meter_values, statuses, transactions
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, 34, 56, 789_012, tzinfo=UTC)
NOW_TEXT = "2026-01-31T12:34:56.789Z"
START = {"connectorId": 1, "idTag": "Tag", "meterStart": 0, "timestamp": "2026-01-31T11:00:00Z"}
STOP = {"meterStop": 500, "timestamp": "2026-01-31T11:30:00Z"}
READING = {"timestamp": "2026-01-31T11:10:00Z", "sampledValue": [{"value": "5"}]}

SCHEMAS = Path(ocpp.__file__).parent / "v16" / "schemas"
Status = AuthorizationStatus


class Station:
    """Sends CALLs of one charge point and holds each answer against the strict schema."""

    def __init__(self, store: Store, *, identity: str = "CP1", **settings: Any) -> None:
        self.store = store
        self.identity = identity
        self.handlers = Handlers(store, settings=HandlerSettings(**settings), now=lambda: NOW)
        self._ids = itertools.count()

    async def call(
        self, action: str, payload: dict[str, Any], *, quirks: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Return the answer's payload."""
        received = Received(
            identity=self.identity,
            action=action,
            message_id=str(next(self._ids)),
            payload=payload,
            text="",
            received_at=NOW,
            quirks=quirks,
        )
        answer = await self.handlers.handle(received)
        schema = (SCHEMAS / f"{action}Response.json").read_text(encoding="utf-8-sig")
        jsonschema_rs.validate(json.loads(schema), answer)
        return answer


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A database in which CP1 is accepted and Tag belongs to a group."""
    opened = Store.open(f"sqlite:///{tmp_path / 'csms.sqlite3'}")
    await opened.write(partial(charge_points.register, identity="CP1", at=NOW))
    await opened.write(partial(id_tags.put, tag=IdTag("Tag", parent_id_tag="Fleet")))
    yield opened
    await opened.close()


@pytest.fixture
def station(store: Store) -> Station:
    """The accepted charge point, at a CSMS with default settings."""
    return Station(store)


async def test_heartbeat_tells_the_time(station: Station) -> None:
    """In UTC with milliseconds, to the digit (CS-HB-01)."""
    assert await station.call("Heartbeat", {}) == {"currentTime": NOW_TEXT}


async def test_heartbeat_needs_no_database(store: Store) -> None:
    """A closed or stuck database keeps nobody from the time."""
    station = Station(store)
    await store.close()

    assert await station.call("Heartbeat", {}) == {"currentTime": NOW_TEXT}


@pytest.mark.parametrize(
    ("registration", "interval_s"),
    [
        (RegistrationStatus.ACCEPTED, 900),
        (RegistrationStatus.PENDING, 7),
        (RegistrationStatus.REJECTED, 7),
    ],
)
async def test_boot_is_answered_with_the_operators_decision(
    store: Store, registration: RegistrationStatus, interval_s: int
) -> None:
    """Status, time and the interval that goes with it (CS-BOOT-01, 02)."""
    station = Station(store, heartbeat_interval_s=900, boot_retry_interval_s=7)
    await store.write(
        partial(charge_points.change, identity="CP1", at=NOW, registration=registration)
    )

    answer = await station.call(
        "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}
    )

    assert answer == {
        "status": registration.value,
        "currentTime": NOW_TEXT,
        "interval": interval_s,
    }
    charge_point = await store.read(partial(charge_points.get, identity="CP1"))
    assert charge_point is not None
    assert charge_point.boot.charge_point_model == "M"
    assert charge_point.registration is registration


async def test_boot_of_a_charge_point_removed_meanwhile_is_rejected(store: Store) -> None:
    """The session that is still open learns that it is over."""
    station = Station(store, identity="gone")

    answer = await station.call(
        "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}
    )

    assert answer["status"] == "Rejected"


@pytest.mark.parametrize(
    ("tag", "info"),
    [
        (IdTag("T"), {"status": "Accepted"}),
        (IdTag("t", parent_id_tag="P"), {"status": "Accepted", "parentIdTag": "P"}),
        (
            IdTag("T", expires_at=NOW + timedelta(hours=1)),
            {"status": "Accepted", "expiryDate": "2026-01-31T13:34:56.789Z"},
        ),
        (
            IdTag("T", expires_at=NOW - timedelta(hours=1)),
            {"status": "Expired", "expiryDate": "2026-01-31T11:34:56.789Z"},
        ),
        (IdTag("T", Status.BLOCKED), {"status": "Blocked"}),
        (IdTag("T", Status.INVALID), {"status": "Invalid"}),
        (IdTag("Other"), {"status": "Invalid"}),
    ],
)
async def test_authorize_says_what_the_tag_may(
    station: Station, tag: IdTag, info: dict[str, Any]
) -> None:
    """Every status, the end and the group, in any case of the tag (CS-AUTH)."""
    await station.store.write(partial(id_tags.put, tag=tag))

    assert await station.call("Authorize", {"idTag": "T"}) == {"idTagInfo": info}


async def test_authorize_never_says_concurrent_tx(store: Store) -> None:
    """The driver must be able to stop with the same tag (CS-AUTH-03)."""
    station = Station(store, allow_concurrent_transactions=False)
    await station.call("StartTransaction", START)

    answer = await station.call("Authorize", {"idTag": "Tag"})
    refused = await station.call("StartTransaction", START | {"connectorId": 2})

    assert answer["idTagInfo"]["status"] == "Accepted"
    assert refused["idTagInfo"] == {"status": "ConcurrentTx", "parentIdTag": "Fleet"}
    assert refused["transactionId"] > 0


async def test_session_from_start_to_stop(station: Station) -> None:
    """Ids come back, the group is told, and everything is stored."""
    started = await station.call("StartTransaction", START, quirks=("quirk",))
    transaction_id = started["transactionId"]
    reading = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [READING]}
    assert await station.call("MeterValues", reading, quirks=("numeric",)) == {}
    stop = STOP | {"transactionId": transaction_id, "idTag": "TAG", "transactionData": [READING]}
    stopped = await station.call("StopTransaction", stop)

    assert started["idTagInfo"] == {"status": "Accepted", "parentIdTag": "Fleet"}
    assert stopped == {"idTagInfo": {"status": "Accepted", "parentIdTag": "Fleet"}}
    [transaction] = await station.store.read(transactions.page)
    assert (transaction.transaction_id, transaction.identity) == (transaction_id, "CP1")
    assert (transaction.meter_start_wh, transaction.meter_stop_wh) == (0, 500)
    assert transaction.transaction_data == [READING]
    assert transaction.flags == ("quirk",)
    [record] = await station.store.read(
        partial(meter_values.of_transaction, identity="CP1", transaction_id=transaction_id)
    )
    assert (record.meter_value, record.flags) == ([READING], ("numeric",))


async def test_start_of_a_stranger_is_refused_with_a_real_id(station: Station) -> None:
    """A refusal is a CALLRESULT with an id that can be stopped (CS-START-01)."""
    started = await station.call("StartTransaction", START | {"idTag": "stranger"})

    assert started["idTagInfo"] == {"status": "Invalid"}
    assert started["transactionId"] > 0


async def test_retried_start_is_answered_alike(station: Station) -> None:
    """One after the other and at once: one transaction (CS-START-05)."""
    first = await station.call("StartTransaction", START)
    again = await asyncio.gather(*(station.call("StartTransaction", START) for _ in range(5)))

    assert again == [first] * 5
    assert len(await station.store.read(transactions.page)) == 1


@pytest.mark.parametrize("transaction_id", [-1, 0, 999, 2**63 - 1])
async def test_stop_of_any_transaction_is_answered(station: Station, transaction_id: int) -> None:
    """Or the charge point's queue is blocked for ever (CS-STOP-02)."""
    stop = STOP | {"transactionId": transaction_id}

    assert await station.call("StopTransaction", stop) == {}
    assert await station.call("StopTransaction", stop | {"idTag": "?"}) == {
        "idTagInfo": {"status": "Invalid"}
    }
    assert len(await station.store.read(transactions.orphans)) == 2


@pytest.mark.parametrize(
    "payload",
    [
        {"connectorId": 0, "meterValue": [READING]},
        {"connectorId": 1, "transactionId": -1, "meterValue": [READING]},
        {"connectorId": 1, "transactionId": 10**30, "meterValue": [READING]},
        {"connectorId": 10**30, "meterValue": []},
        {"connectorId": 1, "meterValue": None},
    ],
)
async def test_readings_are_always_acknowledged(station: Station, payload: dict[str, Any]) -> None:
    """And kept, with and without transaction (CS-METER-01, 05)."""
    assert await station.call("MeterValues", payload) == {}

    [record] = await station.store.read(partial(meter_values.page, identity="CP1"))
    assert record.meter_value == (payload["meterValue"] or [])


async def test_readings_sent_again_are_stored_once(station: Station) -> None:
    """A retry is acknowledged like the first (CS-METER-09)."""
    payload = {"connectorId": 1, "meterValue": [READING]}

    answers = [await station.call("MeterValues", payload) for _ in range(2)]

    assert answers == [{}, {}]
    assert len(await station.store.read(partial(meter_values.page, identity="CP1"))) == 1


@pytest.mark.parametrize("connector_id", [0, 1, 99])
async def test_status_is_acknowledged_and_kept(station: Station, connector_id: int) -> None:
    """Known connector or not (CS-STAT-01)."""
    payload = {"connectorId": connector_id, "errorCode": "NoError", "status": "Available"}

    assert await station.call("StatusNotification", payload, quirks=("q",)) == {}

    [state] = await station.store.read(partial(statuses.connector_states, identity="CP1"))
    assert (state.connector_id, state.status) == (connector_id, "Available")
    [record] = await station.store.read(partial(statuses.page, identity="CP1"))
    assert record.flags == ("q",)


@pytest.mark.parametrize("connector_id", [-1, 2**31])
async def test_status_of_no_connector_is_refused(station: Station, connector_id: int) -> None:
    """A bad connectorId has its own code."""
    payload = {"connectorId": connector_id, "errorCode": "NoError", "status": "Available"}

    with pytest.raises(CallFailure) as refused:
        await station.call("StatusNotification", payload)

    assert refused.value.code is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


async def test_unknown_vendor_gets_no_data(station: Station) -> None:
    """A status and nothing else (CS-DT-01)."""
    payload = {"vendorId": "org.example", "messageId": "m", "data": "d"}

    assert await station.call("DataTransfer", payload) == {"status": "UnknownVendorId"}


@pytest.mark.parametrize(
    "action",
    sorted(FILE_STATUSES),
)
async def test_notifications_are_acknowledged(station: Station, action: str) -> None:
    """In any state, with any content, whether or not the profile is offered (CS-FW-02)."""
    assert await station.call(action, {"status": "Idle"}) == {}


async def test_known_actions_are_all_a_charge_point_begins(station: Station) -> None:
    """Core, notifications and the security extension."""
    assert station.handlers.known == FILE_STATUSES.keys() | {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "Heartbeat",
        "MeterValues",
        "SecurityEventNotification",
        "SignCertificate",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    }


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("StartTransaction", START),
        ("StopTransaction", STOP | {"transactionId": 1}),
        ("MeterValues", {"connectorId": 1, "meterValue": [READING]}),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}),
    ],
)
async def test_what_cannot_be_stored_is_not_acknowledged(
    station: Station, action: str, payload: dict[str, Any]
) -> None:
    """InternalError makes the charge point send again; then it is stored."""
    await station.store.write(lambda c: c.exec_driver_sql("PRAGMA query_only=ON"))

    with pytest.raises(CallFailure) as refused:
        await station.call(action, payload)

    assert refused.value.code is ErrorCode.INTERNAL_ERROR
    assert "sqlite" not in refused.value.description.lower()
    await station.call(action, payload)


async def test_triggered_message_is_answered_although_it_cannot_be_noted(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """What follows a trigger is a courtesy to the operator; the charge point gets its answer."""
    watch = TriggerWatch()
    watch.expect("CP1", Expectation(1, "Heartbeat", None, until=NOW, is_accepted=True))
    station = Station(store)
    station.handlers = Handlers(store, settings=HandlerSettings(), now=lambda: NOW, triggers=watch)
    await store.close()

    assert await station.call("Heartbeat", {}) == {"currentTime": NOW_TEXT}
    assert "was not noted" in caplog.text


class _Authority:
    """Takes requests as it is told, and notes in which order it is asked."""

    def __init__(self, *, takes: bool) -> None:
        self.takes = takes
        self.asked: list[str] = []

    async def request(self, identity: str, csr: str) -> bool:
        self.asked.append(f"{identity} wants {csr}")
        return self.takes

    def answered(self, identity: str) -> None:
        self.asked.append(f"{identity} is answered")


@pytest.mark.parametrize(("takes", "status"), [(True, "Accepted"), (False, "Rejected")])
async def test_certificate_request_is_answered_at_once(
    store: Store, takes: bool, status: str
) -> None:
    """What follows comes after the answer; other messages give the occasion, too (CS-SEC-08)."""
    authority = _Authority(takes=takes)
    handlers = Handlers(store, settings=HandlerSettings(), now=lambda: NOW, certificates=authority)
    received = Received("CP1", "SignCertificate", "1", {"csr": "text"}, "", NOW)
    beat = Received("CP1", "Heartbeat", "2", {}, "", NOW)

    assert await handlers.handle(received) == {"status": status}
    await handlers.handle(beat)
    assert authority.asked == ["CP1 wants text", "CP1 is answered", "CP1 is answered"]


async def test_without_authority_requests_are_rejected(station: Station) -> None:
    """A CSMS that signs nothing says so."""
    assert await station.call("SignCertificate", {"csr": "text"}) == {"status": "Rejected"}
