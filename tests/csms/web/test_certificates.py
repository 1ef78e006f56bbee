"""Certificates over OCPP and HTTP: asked for, brought, used, revoked; roots on charge points."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from csms.app import CannotStart, CentralSystem, central_system
from csms.config import Settings
from csms.domain.certificates import HashAlgorithm
from csms.pki.certificates import hash_data, is_issued_by, read_chain
from tests.csms.conftest import client_of
from tests.csms.pki import material
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def station(shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str) -> Station:
    """A booted charge point."""
    station = shared_connect(identity)
    await shared_api.put(station.resource, json={})
    await station
    await station.boot()
    return station


async def _ask(station: Station, csr: str) -> str:
    frame = await station.call("SignCertificate", {"csr": csr})
    assert frame[0] == 3
    status: str = frame[2]["status"]
    return status


async def _sent(station: Station) -> str:
    action, payload = await asyncio.wait_for(station.commands.get(), 5)
    assert action == "CertificateSigned"
    assert payload.keys() == {"certificateChain"}
    chain: str = payload["certificateChain"]
    return chain


async def _listed(api: httpx.AsyncClient, station: Station) -> list[Any]:
    answer = await api.get(f"{station.resource}/certificates")
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


async def _settled(api: httpx.AsyncClient, station: Station, state: str) -> dict[str, Any]:
    """Wait until the newest certificate is in a state."""
    async with asyncio.timeout(5):
        while True:
            listed = await _listed(api, station)
            if listed and listed[0]["state"] == state:
                found: dict[str, Any] = listed[0]
                return found
            await station.call("Heartbeat", {})


async def _events(system: CentralSystem, api: httpx.AsyncClient, station: Station) -> list[Any]:
    await system.security_events.flush()
    answer = await api.get(f"{station.resource}/security-events")
    return [(one["type"], one["detail"]) for one in answer.json()["items"]]


@pytest.mark.parametrize(
    "key", [material.rsa_key(number=11), material.ec_key(999)], ids=["rsa", "ec"]
)
async def test_request_is_answered_then_the_certificate_follows(
    shared_api: httpx.AsyncClient, station: Station, identity: str, key: material.Key
) -> None:
    """TC_074: Accepted first, then leaf and issuer with LF line ends, for the key of the CSR."""
    assert await _ask(station, material.csr(key, common_name=identity)) == "Accepted"
    chain = await _sent(station)

    leaf, issuer = read_chain(chain)
    assert leaf.public_key() == key.public_key()
    assert is_issued_by(leaf, issuer)
    assert leaf.signature_algorithm_oid._name == "sha256WithRSAEncryption"
    assert "\r" not in chain
    shown = await _settled(shared_api, station, "Accepted")
    assert shown["commonName"] == identity
    assert shown["certificate"]["serial"] == f"{leaf.serial_number:x}"
    roots = (await shared_api.get("/certificate-authority/roots.pem")).text
    assert issuer in read_chain(roots)


def _fresh() -> material.Key:
    return material.ec_key(next(_numbers))


_numbers = iter(range(1000, 10_000))


async def test_answer_comes_before_the_command(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """On the wire, too: the charge point must know that it waits for something."""
    await _ask(station, material.csr(_fresh(), common_name=identity))
    await _sent(station)
    await _settled(shared_api, station, "Accepted")

    frames = (await shared_api.get(f"{station.resource}/messages")).json()["items"][::-1]

    asked = [json.loads(one["text"]) for one in frames if one["action"] == "SignCertificate"]
    assert [one[0] for one in asked] == [2, 3]
    order = [one["action"] for one in frames if one["direction"] == "sent"]
    assert order.index("SignCertificate") < order.index("CertificateSigned")


@pytest.mark.parametrize("serial", ["chargePointSerialNumber", "chargeBoxSerialNumber"])
async def test_serial_number_is_a_name(station: Station, identity: str, serial: str) -> None:
    """The whitepaper wants it as common name (CS-SEC-05)."""
    await station.call(
        "BootNotification",
        {"chargePointVendor": "V", "chargePointModel": "M", serial: f"S-{identity}"},
    )

    assert await _ask(station, material.csr(_fresh(), common_name=f"S-{identity}")) == "Accepted"


async def test_name_of_the_operator_is_a_name(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """For charge points that never tell their serial number."""
    await shared_api.patch(station.resource, json={"certificateName": f"N-{identity}"})

    assert await _ask(station, material.csr(_fresh(), common_name=f"N-{identity}")) == "Accepted"


@pytest.mark.parametrize("kind", ["name", "broken", "weak", "nonsense"])
async def test_bad_request_is_rejected_and_noted(
    shared_system: CentralSystem, shared_api: httpx.AsyncClient, station: Station, identity: str,
    kind: str,
) -> None:  # fmt: skip
    """Another name, a broken signature, RSA 1024, no CSR: Rejected, and a security event."""
    csr, reason = {
        "name": (material.csr(_fresh(), common_name="CP-other"), "not a name of this charge point"),
        "broken": (material.broken_csr(), "signature is broken"),
        "weak": (material.csr(material.rsa_key(1024), common_name=identity), "1024"),
        "nonsense": ("csr", "nothing else"),
    }[kind]

    assert await _ask(station, csr) == "Rejected"

    events = await _events(shared_system, shared_api, station)
    assert [one[0] for one in events] == ["RefusedCertificateRequest"]
    assert reason in events[0][1]
    assert await _listed(shared_api, station) == []
    assert station.commands.empty()


async def test_key_of_another_charge_point_is_rejected(
    shared_api: httpx.AsyncClient, shared_connect: Connect, station: Station, identity: str
) -> None:
    """A certificate for each charge point, and no shared keys (A00.FR.403)."""
    key = _fresh()
    await _ask(station, material.csr(key, common_name=identity))
    other = shared_connect(f"{identity}-twin")
    await shared_api.put(other.resource, json={})
    await other
    await other.boot()

    assert await _ask(other, material.csr(key, common_name=f"{identity}-twin")) == "Rejected"


async def test_identity_of_another_charge_point_is_no_serial_number(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """A serial number is what a charge point claims; it cannot claim to be another."""
    await shared_api.put(f"/charge-points/{identity}-victim", json={})
    await station.call(
        "BootNotification",
        {
            "chargePointVendor": "V",
            "chargePointModel": "M",
            "chargePointSerialNumber": f"{identity}-victim",
        },
    )

    assert await _ask(station, material.csr(_fresh(), common_name=f"{identity}-victim")) == (
        "Rejected"
    )


async def test_rejected_certificate_is_kept_as_such(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """TC_077: the charge point refuses it; nothing is sent again."""
    station.answer = lambda message_id, *_: [3, message_id, {"status": "Rejected"}]

    await _ask(station, material.csr(_fresh(), common_name=identity))
    await _sent(station)
    await _settled(shared_api, station, "Rejected")
    await station.call("Heartbeat", {})

    assert station.commands.empty()


async def test_silent_station_is_not_asked_twice(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """It got the certificate; a CALLERROR is an answer as well."""
    station.answer = lambda message_id, *_: [4, message_id, "InternalError", "", {}]

    await _ask(station, material.csr(_fresh(), common_name=identity))
    await _sent(station)
    shown = await _settled(shared_api, station, "Rejected")
    await station.call("Heartbeat", {})

    assert shown["detail"] == "CALLERROR InternalError"
    assert station.commands.empty()


async def test_repeated_request_is_one_certificate(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """The charge point asks again before it has answered: one record, one command."""
    station.answer = lambda *_: None
    csr = material.csr(_fresh(), common_name=identity)

    statuses = [await _ask(station, csr)]
    await _sent(station)
    statuses.append(await _ask(station, csr))
    await station.call("Heartbeat", {})

    assert statuses == ["Accepted", "Accepted"]
    assert station.commands.empty()
    assert [one["state"] for one in await _listed(shared_api, station)] == ["Sent"]


async def test_lost_connection_brings_it_again(
    shared_api: httpx.AsyncClient, shared_connect: Connect, station: Station, identity: str
) -> None:
    """The same certificate, after the first answered CALL of the next connection."""
    station.answer = lambda *_: None
    await _ask(station, material.csr(_fresh(), common_name=identity))
    first = await _sent(station)
    await station.close()
    again = shared_connect(identity)
    await again
    assert again.commands.empty()

    await again.call("Heartbeat", {})

    assert await _sent(again) == first
    shown = await _settled(shared_api, again, "Accepted")
    assert len(await _listed(shared_api, again)) == 1
    assert shown["detail"] == ""


async def test_chain_limit_leaves_the_leaf_alone(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """CertificateSignedMaxChainSize as a GetConfiguration told it."""
    station.answer = lambda message_id, *_: [
        3,
        message_id,
        {"configurationKey": [
            {"key": "CertificateSignedMaxChainSize", "readonly": True, "value": "2200"}
        ]},
    ]  # fmt: skip
    await shared_api.post(f"{station.resource}/commands/GetConfiguration", json={})
    await station.commands.get()
    station.answer = lambda message_id, *_: [3, message_id, {"status": "Accepted"}]

    await _ask(station, material.csr(_fresh(), common_name=identity))
    chain = await _sent(station)

    assert len(read_chain(chain)) == 1
    assert len(chain) <= 2200


async def test_impossible_chain_limit_is_told(
    shared_system: CentralSystem, shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """No certificate fits; nothing is sent, and the operator hears of it."""
    station.answer = lambda message_id, *_: [
        3,
        message_id,
        {"configurationKey": [
            {"key": "CertificateSignedMaxChainSize", "readonly": True, "value": "100"}
        ]},
    ]  # fmt: skip
    await shared_api.post(f"{station.resource}/commands/GetConfiguration", json={})
    await station.commands.get()

    await _ask(station, material.csr(_fresh(), common_name=identity))
    shown = await _settled(shared_api, station, "Failed")

    assert "CertificateSignedMaxChainSize" in shown["detail"]
    assert station.commands.empty()
    events = await _events(shared_system, shared_api, station)
    assert [one[0] for one in events] == ["CertificateSigningFailed"]


async def test_operator_can_have_a_request_signed(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """And bring it there himself: nothing is sent."""
    answer = await shared_api.post(
        f"{station.resource}/certificates",
        json={"csr": material.csr(_fresh(), common_name=identity)},
    )
    await station.call("Heartbeat", {})

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["origin"], made["state"]) == ("Api", "Signed")
    assert len(read_chain(made["chain"])) == 2
    assert station.commands.empty()
    shown = await shared_api.get(f"{station.resource}/certificates/{made['id']}")
    assert shown.json() == made


async def test_operator_gets_a_reason(shared_api: httpx.AsyncClient, station: Station) -> None:
    """For a request that cannot be signed."""
    answer = await shared_api.post(
        f"{station.resource}/certificates", json={"csr": material.broken_csr()}
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "csr"
    assert "signature is broken" in answer.json()["detail"]


async def test_foreign_certificate_by_command_is_followed(
    shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """Somebody else's authority; the table shows what the charge point holds."""
    leaf = material.certificate(material.name(identity), key=_fresh())
    payload = {"certificateChain": material.pem(leaf)}

    await shared_api.post(f"{station.resource}/commands/CertificateSigned", json=payload)

    listed = await _listed(shared_api, station)
    assert [(one["origin"], one["state"]) for one in listed] == [("Command", "Accepted")]
    assert listed[0]["certificate"]["subject"] == f"CN={identity},O=CPO"


async def test_nonsense_by_command_is_sent_as_it_is(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """A tester may want to see it refused; nothing is written down."""
    payload = {"certificateChain": "no certificate"}

    answer = await shared_api.post(f"{station.resource}/commands/CertificateSigned", json=payload)

    assert answer.json() == {"status": "Accepted"}
    assert await station.commands.get() == ("CertificateSigned", payload)
    assert await _listed(shared_api, station) == []


async def test_revocation_is_for_good(
    shared_system: CentralSystem, shared_api: httpx.AsyncClient, station: Station, identity: str
) -> None:
    """With a reason and a security event; twice is once."""
    key = _fresh()
    await _ask(station, material.csr(key, common_name=identity))
    await _sent(station)
    record = (await _settled(shared_api, station, "Accepted"))["id"]
    url = f"{station.resource}/certificates/{record}/revocation"

    first = await shared_api.post(url, json={"reason": "stolen"})
    second = await shared_api.post(url, json={"reason": "again"})

    assert first.status_code == 200
    assert first.json() == second.json()
    assert (first.json()["state"], first.json()["detail"]) == ("Revoked", "stolen")
    assert await _ask(station, material.csr(key, common_name=identity)) == "Rejected"
    events = await _events(shared_system, shared_api, station)
    assert ("CertificateRevoked", f"certificate {record}: stolen") in events


async def test_unknown_records_are_404(shared_api: httpx.AsyncClient, station: Station) -> None:
    """Numbers that are none of this charge point's."""
    base = station.resource
    answers = [
        await shared_api.get(f"{base}/certificates/999999"),
        await shared_api.post(f"{base}/certificates/999999/revocation", json={}),
        await shared_api.get(f"{base}/installed-certificates/999999"),
        await shared_api.delete(f"{base}/installed-certificates/999999"),
        await shared_api.get("/charge-points/nobody/certificates"),
        await shared_api.post("/charge-points/nobody/certificates", json={"csr": "x"}),
        await shared_api.get("/charge-points/nobody/installed-certificates"),
    ]

    assert {one.status_code for one in answers} == {404}


# --- roots on charge points ---------------------------------------------------------------------


class Store:
    """The certificates a charge point holds, as it reports them."""

    def __init__(self, station: Station, algorithm: HashAlgorithm) -> None:
        self._station = station
        self._algorithm = algorithm
        self.held: dict[str, list[dict[str, str]]] = {}
        station.answer = self.answer

    def answer(self, message_id: str, action: str, payload: dict[str, Any]) -> list[Any]:
        """Carry a command out."""
        kind = payload.get("certificateType", "")
        result: dict[str, Any] = {"status": "Accepted"}
        if action == "InstallCertificate":
            root = read_chain(payload["certificate"])[0]
            data = hash_data(root, root, self._algorithm)
            self.held.setdefault(kind, []).append(
                {
                    "hashAlgorithm": data.algorithm.value,
                    "issuerNameHash": data.issuer_name_hash.upper(),
                    "issuerKeyHash": data.issuer_key_hash,
                    "serialNumber": data.serial_number,
                }
            )
        elif action == "GetInstalledCertificateIds":
            result = (
                {"status": "Accepted", "certificateHashData": self.held[kind]}
                if self.held.get(kind)
                else {"status": "NotFound"}
            )
        elif action == "DeleteCertificate":
            found = [held for held in self.held.values() if payload["certificateHashData"] in held]
            if not found:
                result = {"status": "NotFound"}
            for held in found:
                held.remove(payload["certificateHashData"])
        return [3, message_id, result]


async def _install(
    api: httpx.AsyncClient, station: Station, pem: str, kind: str = "CentralSystemRootCertificate"
) -> dict[str, Any]:
    answer = await api.post(
        f"{station.resource}/installed-certificates",
        json={"certificateType": kind, "certificate": pem},
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.parametrize("algorithm", HashAlgorithm)
async def test_root_is_installed_reported_and_deleted(
    shared_api: httpx.AsyncClient, station: Station, algorithm: HashAlgorithm
) -> None:
    """TC_075 and TC_076: by the hash data that the charge point reported, to the letter."""
    store = Store(station, algorithm)
    root = material.pem(material.root("Root 2"))

    made = await _install(shared_api, station, root.replace("\n", "\r\n"))
    assert (await station.commands.get())[1]["certificate"] == root
    reported = await shared_api.post(f"{station.resource}/installed-certificates/report", json={})
    shown = reported.json()["items"]
    deleted = await shared_api.delete(f"{station.resource}/installed-certificates/{made['id']}")

    assert made["state"] == "Installed"
    assert made["certificate"]["subject"] == "CN=Root 2,O=CPO"
    assert [one["id"] for one in shown] == [made["id"]]
    assert shown[0]["reported"]["hashAlgorithm"] == algorithm.value
    assert (deleted.json()["state"], deleted.json()["deletion"]) == ("Gone", "Accepted")
    assert store.held == {"CentralSystemRootCertificate": []}


async def test_unreported_root_is_deleted_by_what_we_compute(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Nobody listed before; SHA-256 is what every charge point knows."""
    station.answer = lambda message_id, *_: [3, message_id, {"status": "Accepted"}]
    root = material.root("Root")
    made = await _install(shared_api, station, material.pem(root))
    await station.commands.get()

    await shared_api.delete(f"{station.resource}/installed-certificates/{made['id']}")

    data = hash_data(root, root, HashAlgorithm.SHA256)
    assert await station.commands.get() == (
        "DeleteCertificate",
        {
            "certificateHashData": {
                "hashAlgorithm": "SHA256",
                "issuerNameHash": data.issuer_name_hash,
                "issuerKeyHash": data.issuer_key_hash,
                "serialNumber": data.serial_number,
            }
        },
    )


async def test_root_that_is_in_use_stays(shared_api: httpx.AsyncClient, station: Station) -> None:
    """Failed leaves it where it is."""
    made = await _install(shared_api, station, material.pem(material.root()))
    station.answer = lambda message_id, *_: [3, message_id, {"status": "Failed"}]

    deleted = await shared_api.delete(f"{station.resource}/installed-certificates/{made['id']}")

    assert (deleted.json()["state"], deleted.json()["deletion"]) == ("Installed", "Failed")


@pytest.mark.parametrize("status", ["Rejected", "Failed"])
async def test_refused_root_is_kept_as_such(
    shared_api: httpx.AsyncClient, station: Station, status: str
) -> None:
    """The store is full, or the root is not wanted."""
    station.answer = lambda message_id, *_: [3, message_id, {"status": status}]

    made = await _install(shared_api, station, material.pem(material.root()))

    assert made["state"] == status


async def test_unknown_root_is_shown_and_can_be_deleted(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Installed by somebody else; only its hash data is known."""
    store = Store(station, HashAlgorithm.SHA512)
    factory = hash_data(material.root("Factory"), material.root("Factory"), HashAlgorithm.SHA512)
    store.held["ManufacturerRootCertificate"] = [
        {
            "hashAlgorithm": "SHA512",
            "issuerNameHash": factory.issuer_name_hash,
            "issuerKeyHash": factory.issuer_key_hash,
            "serialNumber": "00AB",
        }
    ]

    reported = await shared_api.post(
        f"{station.resource}/installed-certificates/report",
        json={"certificateType": "ManufacturerRootCertificate"},
    )
    (shown,) = reported.json()["items"]
    await shared_api.delete(f"{station.resource}/installed-certificates/{shown['id']}")

    assert (shown["certificate"], shown["pem"]) == (None, None)
    assert shown["reported"]["serialNumber"] == "00AB"
    assert store.held == {"ManufacturerRootCertificate": []}


async def test_root_not_reported_any_more_is_gone(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Of the type that was asked for; the other is another list."""
    store = Store(station, HashAlgorithm.SHA256)
    for kind in ("CentralSystemRootCertificate", "ManufacturerRootCertificate"):
        await _install(shared_api, station, material.pem(material.root()), kind)
    store.held.clear()

    reported = await shared_api.post(
        f"{station.resource}/installed-certificates/report",
        json={"certificateType": "CentralSystemRootCertificate"},
    )

    states = {one["certificateType"]: one["state"] for one in reported.json()["items"]}
    assert states == {
        "CentralSystemRootCertificate": "Gone",
        "ManufacturerRootCertificate": "Installed",
    }


@pytest.mark.parametrize(
    "certificate", ["", "nonsense", material.pem(material.root()) * 2, material.csr()],
    ids=["empty", "nonsense", "two", "csr"],
)  # fmt: skip
async def test_what_is_no_root_is_not_installed(
    shared_api: httpx.AsyncClient, station: Station, certificate: str
) -> None:
    """422 before anything is sent."""
    answer = await shared_api.post(
        f"{station.resource}/installed-certificates",
        json={"certificateType": "ManufacturerRootCertificate", "certificate": certificate},
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "certificate"
    assert station.commands.empty()


async def test_raw_commands_are_followed(shared_api: httpx.AsyncClient, station: Station) -> None:
    """Whoever commands; also with a certificate that is none."""
    url = f"{station.resource}/commands"
    kind = {"certificateType": "CentralSystemRootCertificate"}
    station.answer = lambda message_id, *_: [3, message_id, {"status": "Rejected"}]
    await shared_api.post(f"{url}/InstallCertificate", json={**kind, "certificate": "none"})
    store = Store(station, HashAlgorithm.SHA256)
    root = material.pem(material.root())
    await shared_api.post(f"{url}/InstallCertificate", json={**kind, "certificate": root})
    await shared_api.post(f"{url}/GetInstalledCertificateIds", json=kind)
    (held,) = store.held["CentralSystemRootCertificate"]
    await shared_api.post(f"{url}/DeleteCertificate", json={"certificateHashData": held})

    listed = (await shared_api.get(f"{station.resource}/installed-certificates")).json()["items"]

    assert [(one["state"], one["deletion"]) for one in listed] == [
        ("Gone", "Accepted"),
        ("Rejected", None),
    ]


# --- alone --------------------------------------------------------------------------------------


@pytest.fixture
def authority_settings(settings: Settings) -> Settings:
    """An organisation, and EC keys, which take no time."""
    return replace(settings, cpo_name="CPO", certificate_signature="SHA256withECDSA")


@pytest_asyncio.fixture
async def signing(authority_settings: Settings) -> AsyncIterator[CentralSystem]:
    """A Central System that holds requests to its organisation."""
    async with central_system(authority_settings) as running:
        yield running


@pytest.mark.asyncio(loop_scope="function")
async def test_organisation_is_checked_where_one_is_set(signing: CentralSystem) -> None:
    """CpoName (CS-SEC-09)."""
    station = Station(f"{signing.ocpp_url}/", "CP1", password=None)
    async with client_of(signing) as api:
        await api.put("/charge-points/CP1", json={})
        await station
        await station.boot()

        refused = await _ask(station, material.csr(_fresh(), organisation="Other"))
        taken = await _ask(station, material.csr(_fresh()))
        leaf = read_chain(await _sent(station))[0]
        await station.close()

    assert (refused, taken) == ("Rejected", "Accepted")
    assert leaf.signature_algorithm_oid._name == "ecdsa-with-SHA256"


@pytest.mark.asyncio(loop_scope="function")
async def test_restart_between_answer_and_command(authority_settings: Settings) -> None:
    """Accepted is a promise that the next run keeps (CS-SEC-08)."""
    async with central_system(authority_settings) as first, client_of(first) as api:
        await api.put("/charge-points/CP1", json={})
        station = Station(f"{first.ocpp_url}/", "CP1", password=None)
        await station
        await station.boot()
        # What happens when the program is killed right after the answer.
        signing = first.ocpp.handlers._certificates  # type: ignore[attr-defined]
        signing._commanding = None
        assert await _ask(station, material.csr(_fresh())) == "Accepted"
        await station.close()

    async with central_system(authority_settings) as second, client_of(second) as api:
        again = Station(f"{second.ocpp_url}/", "CP1", password=None)
        await again
        await again.call("Heartbeat", {})
        chain = await _sent(again)
        shown = await _settled(api, again, "Accepted")
        await again.close()

    assert len(read_chain(chain)) == 2
    assert shown["origin"] == "SignCertificate"


@pytest.mark.asyncio(loop_scope="function")
async def test_any_name_where_the_operator_says_so(authority_settings: Settings) -> None:
    """The official tool tells no names; another's identity stays another's."""
    async with (
        central_system(replace(authority_settings, csr_names="any")) as system,
        client_of(system) as api,
    ):
        for identity in ("CP1", "CP2"):
            await api.put(f"/charge-points/{identity}", json={})
        station = Station(f"{system.ocpp_url}/", "CP1", password=None)
        await station
        await station.boot()

        taken = await _ask(station, material.csr(_fresh(), common_name="X", organisation="Y"))
        refused = await _ask(station, material.csr(_fresh(), common_name="CP2"))
        await station.close()

    assert (taken, refused) == ("Accepted", "Rejected")


@pytest.mark.asyncio(loop_scope="function")
async def test_authority_that_cannot_sign_is_told(
    signing: CentralSystem, authority_settings: Settings
) -> None:
    """Rejected at once, a security event, and a clear answer to an operator."""
    station = Station(f"{signing.ocpp_url}/", "CP1", password=None)
    async with client_of(signing) as api:
        await api.put("/charge-points/CP1", json={})
        directory = authority_settings.database.removeprefix("sqlite:///") + ".ca"
        os.mkdir(directory, 0o755)
        await station
        await station.boot()

        status = await _ask(station, material.csr(_fresh()))
        answer = await api.post("/charge-points/CP1/certificates", json={"csr": material.csr()})
        events = await _events(signing, api, station)
        await station.close()

    assert status == "Rejected"
    assert answer.status_code == 503
    assert "chmod 700" in answer.json()["detail"]
    assert [one[0] for one in events] == ["CertificateSigningFailed"]


@pytest.mark.asyncio(loop_scope="function")
async def test_keys_that_others_can_read_stop_the_start(settings: Settings) -> None:
    """Before anybody can come in; the message says what to do."""
    directory = settings.database.removeprefix("sqlite:///") + ".ca"
    os.mkdir(directory, 0o755)

    with pytest.raises(CannotStart, match="chmod 700"):
        async with central_system(settings):
            pass


async def test_certificate_asked_for_without_proof_is_marked(
    shared_api: httpx.AsyncClient, shared_connect: Connect, station: Station, identity: str
) -> None:
    """Anybody can say to be a charge point of profile 0; one with a password proves it."""
    await _ask(station, material.csr(_fresh(), common_name=identity))
    await _sent(station)
    keyed = shared_connect(f"{identity}-keyed", password=bytes(range(20)))
    await shared_api.put(keyed.resource, json={"authorizationKey": bytes(range(20)).hex()})
    await keyed
    await keyed.boot()
    await _ask(keyed, material.csr(_fresh(), common_name=f"{identity}-keyed"))
    await _sent(keyed)

    assert [one["isProven"] for one in await _listed(shared_api, station)] == [False]
    assert [one["isProven"] for one in await _listed(shared_api, keyed)] == [True]
