"""Signed firmware: kept with its signature, ordered, fetched, followed by its request."""

import base64
import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from csms.app import CentralSystem
from csms.config import Settings
from csms.storage import firmware
from csms.storage.store import Store
from tests.csms.pki.material import certificate, ec_key, name, pem, rsa_key
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = b"firmware" * 5000
NOW = datetime.now(UTC)
WHOLE = (
    *("DownloadScheduled", "Downloading", "DownloadPaused", "Downloading", "Downloaded"),
    *("SignatureVerified", "InstallScheduled", "InstallRebooting", "Installing", "Installed"),
)


def _signature(content: bytes = CONTENT) -> dict[str, str]:
    raw = rsa_key().sign(content, padding.PKCS1v15(), hashes.SHA256())
    signer = certificate(
        name("Firmware"),
        key=rsa_key(),
        begin=NOW - timedelta(days=1),
        until=NOW + timedelta(days=1),
    )
    return {"signature": base64.b64encode(raw).decode(), "signingCertificate": pem(signer)}


async def _offer(api: httpx.AsyncClient, file: str, **signature: str) -> dict[str, str]:
    """Put a file and its signature into the repository; return the signature."""
    await api.put(f"/firmware/{file}", params={"version": "2.0"}, content=CONTENT)
    signed = _signature() | signature
    answer = await api.put(f"/firmware/{file}/signature", json=signed)
    assert answer.status_code == 200, answer.text
    return signed


async def _booted(api: httpx.AsyncClient, connect: Connect, identity: str) -> Station:
    station = connect(identity)
    await api.put(station.resource, json={})
    await station
    await station.boot()
    return station


async def _order(api: httpx.AsyncClient, station: Station, file: str, **body: Any) -> Any:
    answer = await api.post(
        f"{station.resource}/signed-firmware-updates", json={"firmware": file, **body}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def _shown(api: httpx.AsyncClient, station: Station, job: dict[str, Any]) -> Any:
    return (await api.get(f"{station.resource}/signed-firmware-updates/{job['id']}")).json()


async def _report(station: Station, request_id: int | None, *statuses: str) -> None:
    for status in statuses:
        payload = {"status": status} | ({} if request_id is None else {"requestId": request_id})
        frame = await station.call("SignedFirmwareStatusNotification", payload)
        assert (frame[0], frame[2]) == (3, {})


async def test_signed_update_is_followed_from_the_order_to_the_boot(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """What is kept with the file goes to the station, and every status is shown."""
    signed = await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    job = await _order(
        shared_api,
        station,
        identity,
        retrieveDate="2026-03-01T12:00:00+01:00",
        installDate="2026-03-01T15:00:00Z",
        retries=3,
        retryInterval=60,
    )
    action, payload = await station.commands.get()
    request_id = payload["requestId"]
    async with httpx.AsyncClient(trust_env=False) as client:
        fetched = await client.get(payload["firmware"]["location"])
    await _report(station, request_id, *WHOLE)
    await station.boot()

    assert action == "SignedUpdateFirmware"
    assert {name: payload[name] for name in ("retries", "retryInterval")} == {
        "retries": 3,
        "retryInterval": 60,
    }
    assert payload["firmware"] == {
        "location": payload["firmware"]["location"],
        "retrieveDateTime": "2026-03-01T11:00:00.000Z",
        "installDateTime": "2026-03-01T15:00:00.000Z",
        **signed,
    }
    assert fetched.content == CONTENT
    found = await _shown(shared_api, station, job)
    assert found["requestId"] == job["requestId"] == request_id
    assert [one["status"] for one in found["statuses"]] == list(WHOLE)
    assert (found["state"], found["command"], found["answer"]) == (
        "Installed",
        "Answered",
        {"status": "Accepted"},
    )
    assert found["firmware"]["name"] == identity
    assert found["bootedAt"] is not None
    (transfer,) = found["transfers"]
    assert (transfer["isWhole"], transfer["size"]) == (True, len(CONTENT))


@pytest.mark.parametrize(
    "end",
    ["DownloadFailed", "InvalidSignature", "InstallVerificationFailed", "InstallationFailed"],
)
async def test_failed_update_shows_how_it_failed(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str, end: str
) -> None:
    """Idle afterwards changes nothing."""
    await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    job = await _order(shared_api, station, identity)
    await _report(station, job["requestId"], "Downloading", end, "Idle")

    found = await _shown(shared_api, station, job)

    assert (found["state"], found["status"]) == (end, end)
    assert len(found["statuses"]) == 3


async def test_reports_find_their_request(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A later job changes nothing about it; without or with a foreign id they are nobody's."""
    await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    first = await _order(shared_api, station, identity)
    second = await _order(shared_api, station, identity)
    await _report(station, first["requestId"], "Downloading")
    await _report(station, None, "Downloaded", "Idle")
    unused = next(
        number
        for number in itertools.count(1)
        if number not in (first["requestId"], second["requestId"])
    )
    await _report(station, unused, "Installed")

    states = [(await _shown(shared_api, station, job))["state"] for job in (first, second)]
    kept = (await shared_api.get(f"{station.resource}/file-statuses")).json()["items"]

    assert states == ["Downloading", "Answered"]
    assert [(one["status"], one["jobId"], one["requestId"]) for one in kept] == [
        ("Installed", None, unused),
        ("Idle", None, None),
        ("Downloaded", None, None),
        ("Downloading", first["id"], first["requestId"]),
    ]
    assert kept[2]["flags"] == ["requestId: missing"]
    assert {one["kind"] for one in kept} == {"signedFirmware"}


@pytest.mark.parametrize("status", ["Rejected", "InvalidCertificate", "RevokedCertificate"])
async def test_refusal_ends_the_job(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str, status: str
) -> None:
    """The answer to the order says so, and the location is closed."""
    await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    station.answer = lambda message_id, *_: [3, message_id, {"status": status}]
    job = await _order(shared_api, station, identity)
    _, payload = await station.commands.get()
    async with httpx.AsyncClient(trust_env=False) as client:
        fetched = await client.get(payload["firmware"]["location"])

    assert (job["state"], job["command"]) == (status, "Refused")
    assert fetched.status_code == 404


async def test_canceling_order_takes_the_place_of_the_one_before(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Whose location is closed then (L01.FR.26)."""
    await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    first = await _order(shared_api, station, identity)
    _, payload = await station.commands.get()
    await _report(station, first["requestId"], "Downloading")
    station.answer = lambda message_id, *_: [3, message_id, {"status": "AcceptedCanceled"}]
    second = await _order(shared_api, station, identity)
    async with httpx.AsyncClient(trust_env=False) as client:
        fetched = await client.get(payload["firmware"]["location"])

    canceled = await _shown(shared_api, station, first)
    assert (canceled["state"], canceled["status"]) == ("Canceled", "Downloading")
    assert canceled["canceledBy"] == second["id"]
    assert canceled["canceledAt"] is not None
    assert (second["state"], second["canceledAt"]) == ("Answered", None)
    assert fetched.status_code == 404


async def test_raw_command_with_a_wrong_signature_is_sent_and_is_a_job(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """How a station refuses it has to be tried (081)."""
    station = await _booted(shared_api, shared_connect, identity)
    order = {
        "requestId": 5,
        "firmware": {
            "location": "https://user:pw@firmware.example/a?sig=secret",
            "retrieveDateTime": "2026-03-01T12:00:00.000Z",
            "signature": "d3Jvbmc=",
            "signingCertificate": pem(certificate(name("Firmware"))),
        },
    }
    answer = await shared_api.post(f"{station.resource}/commands/SignedUpdateFirmware", json=order)
    await _report(station, 5, "Downloading", "Downloaded", "InvalidSignature")

    assert answer.json() == {"status": "Accepted"}
    assert (await station.commands.get())[1] == order
    (found,) = (await shared_api.get(f"{station.resource}/signed-firmware-updates")).json()["items"]
    assert (found["state"], found["requestId"]) == ("InvalidSignature", 5)
    assert found["firmware"] is None
    assert found["location"] == "https://user:***@firmware.example/a?***"
    assert found["order"]["firmware"]["location"] == found["location"]
    assert found["order"]["firmware"]["signature"] == "d3Jvbmc="


async def test_order_of_an_unsigned_file_is_refused(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A charge point would have nothing to check."""
    station = await _booted(shared_api, shared_connect, identity)
    resource = f"{station.resource}/signed-firmware-updates"
    await shared_api.put(f"/firmware/{identity}", params={"version": "1"}, content=CONTENT)

    unsigned = await shared_api.post(resource, json={"firmware": identity})
    unknown = await shared_api.post(resource, json={"firmware": "nothing"})

    assert (unsigned.status_code, unsigned.json()["type"]) == (
        409,
        "urn:ocpp-csms:problem:unsigned-firmware",
    )
    assert (unknown.status_code, unknown.json()["type"]) == (
        404,
        "urn:ocpp-csms:problem:unknown-firmware",
    )
    assert (await shared_api.get(resource)).json()["items"] == []


async def test_signature_is_shown_until_the_file_is_replaced(
    shared_api: httpx.AsyncClient, identity: str
) -> None:
    """It would not fit the new one."""
    signed = await _offer(shared_api, identity)
    before = (await shared_api.get(f"/firmware/{identity}")).json()
    await shared_api.put(f"/firmware/{identity}", params={"version": "3"}, content=b"other")
    after = (await shared_api.get(f"/firmware/{identity}")).json()

    names = ("signature", "signingCertificate", "signatureAlgorithm")
    assert [before[name] for name in names] == [*signed.values(), "SHA256withRSA"]
    assert [after[name] for name in names] == [None, None, None]


async def test_signature_can_be_withdrawn(shared_api: httpx.AsyncClient, identity: str) -> None:
    """The file stays."""
    await _offer(shared_api, identity)

    assert (await shared_api.delete(f"/firmware/{identity}/signature")).status_code == 204

    found = (await shared_api.get(f"/firmware/{identity}")).json()
    assert (found["signature"], found["size"]) == (None, len(CONTENT))
    assert (await shared_api.delete("/firmware/nothing/signature")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (_signature(b"another file"), "signature"),
        ({"signature": "?"}, "signature"),
        ({"signingCertificate": pem(certificate(name("Other")))}, "signature"),
        (
            {"signingCertificate": pem(certificate(name("Old"), until=NOW - timedelta(hours=1)))},
            "signingCertificate",
        ),
        ({"signingCertificate": "none"}, "signingCertificate"),
        ({"signingCertificate": None}, "signingCertificate"),
        ({"more": 1}, "more"),
    ],
)
async def test_wrong_signature_is_refused_by_field(
    shared_api: httpx.AsyncClient, identity: str, changes: dict[str, Any], field: str
) -> None:
    """And nothing is kept (A00.FR.706)."""
    await shared_api.put(f"/firmware/{identity}", params={"version": "1"}, content=CONTENT)

    answer = await shared_api.put(f"/firmware/{identity}/signature", json=_signature() | changes)

    assert answer.status_code == 422, answer.text
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert (await shared_api.get(f"/firmware/{identity}")).json()["signature"] is None


async def test_an_ec_key_signs_as_well(shared_api: httpx.AsyncClient, identity: str) -> None:
    """ECDSA over P-256."""
    raw = ec_key().sign(CONTENT, ec.ECDSA(hashes.SHA256()))
    signer = certificate(name("Firmware"), until=NOW + timedelta(days=1))
    await _offer(
        shared_api,
        identity,
        signature=base64.b64encode(raw).decode(),
        signingCertificate=pem(signer),
    )

    found = (await shared_api.get(f"/firmware/{identity}")).json()
    assert found["signatureAlgorithm"] == "SHA256withECDSA"


async def test_kinds_of_updates_are_listed_apart(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """And one is not found below the other."""
    await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    job = await _order(shared_api, station, identity)

    plain = await shared_api.get(f"{station.resource}/firmware-updates")
    other = await shared_api.get(f"{station.resource}/firmware-updates/{job['id']}")

    assert plain.json()["items"] == []
    assert other.status_code == 404


@pytest.mark.slow
@pytest.mark.asyncio
async def test_order_with_an_expired_certificate_is_refused(
    settings: Settings, system: CentralSystem, api: httpx.AsyncClient
) -> None:
    """It was good when it was kept; a charge point would refuse it now."""
    await api.put("/charge-points/CP1", json={})
    signed = await _offer(api, "a.bin")
    expired = certificate(
        name("Firmware"),
        key=rsa_key(),
        begin=NOW - timedelta(days=2),
        until=NOW - timedelta(days=1),
    )
    store = Store.open(settings.database)
    file = await store.read(partial(firmware.get, name="a.bin"))
    assert file is not None
    await store.write(
        partial(
            firmware.sign,
            file=file,
            signature=signed["signature"],
            signing_certificate=pem(expired),
            signature_algorithm="SHA256withRSA",
        )
    )
    await store.close()

    answer = await api.post(
        "/charge-points/CP1/signed-firmware-updates", json={"firmware": "a.bin"}
    )

    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:ocpp-csms:problem:bad-signature",
    )
    assert answer.json()["detail"].startswith("signingCertificate: is expired")
