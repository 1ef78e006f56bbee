"""Profile 3 from end to end: a certificate of our authority opens one door, until it is revoked."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from csms.app import CentralSystem, central_system
from csms.config import Settings
from csms.pki.key_files import write_key
from tests.csms.conftest import client_of
from tests.csms.pki import material


@pytest.fixture
async def secure(settings: Settings) -> AsyncIterator[CentralSystem]:
    """A Central System with a TLS listener."""
    settings = replace(settings, tls_port=0, certificate_signature="SHA256withECDSA")
    async with central_system(settings) as running:
        yield running


@pytest.fixture
async def api(secure: CentralSystem) -> AsyncIterator[httpx.AsyncClient]:
    """Its API."""
    async with client_of(secure) as client:
        yield client


class Owner:
    """A charge point's key and certificate."""

    def __init__(self, api: httpx.AsyncClient, directory: Path, number: int) -> None:
        self._api = api
        self._directory = directory
        self._key = material.ec_key(2000 + number)
        self.record_id = 0

    async def certify(self, identity: str) -> ssl.SSLContext:
        """Register, have a certificate signed, and return what to connect with."""
        await self._api.put(f"/charge-points/{identity}", json={"securityProfile": 3})
        answer = await self._api.post(
            f"/charge-points/{identity}/certificates",
            json={"csr": material.csr(self._key, common_name=identity)},
        )
        assert answer.status_code == 201, answer.text
        self.record_id = answer.json()["id"]
        (self._directory / f"{identity}.pem").write_text(answer.json()["chain"])
        write_key(self._directory / f"{identity}.key", self._key)
        roots = (await self._api.get("/certificate-authority/roots.pem")).text
        context = ssl.create_default_context(cadata=roots)
        context.load_cert_chain(
            self._directory / f"{identity}.pem", self._directory / f"{identity}.key"
        )
        return context


async def _connect(
    system: CentralSystem, identity: str, context: ssl.SSLContext
) -> ClientConnection:
    assert system.tls_url is not None
    return await connect(
        f"{system.tls_url}/{identity}",
        ssl=context,
        server_hostname="localhost",
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        proxy=None,
        compression=None,
    )


async def test_certificate_opens_its_own_door_until_revoked(
    secure: CentralSystem, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    """In use; not another's; the live connection ends with the revocation, and none follows."""
    owner = Owner(api, tmp_path, 1)
    context = await owner.certify("CP1")
    await Owner(api, tmp_path, 2).certify("CP2")
    url = f"/charge-points/CP1/certificates/{owner.record_id}"

    connection = await _connect(secure, "CP1", context)
    used = (await api.get(url)).json()
    with pytest.raises(InvalidStatus) as of_another:
        await _connect(secure, "CP2", context)
    revoked = await api.post(f"{url}/revocation", json={"reason": "stolen"})
    with pytest.raises(ConnectionClosed) as closed:
        await connection.recv()
    with pytest.raises(InvalidStatus) as refused:
        await _connect(secure, "CP1", context)

    await secure.security_events.flush()
    events = (await api.get("/security-events")).json()["items"]
    assert used["state"] == "InUse"
    assert of_another.value.response.status_code == 403
    assert revoked.json()["state"] == "Revoked"
    assert closed.value.rcvd is not None
    assert "revoked" in closed.value.rcvd.reason
    assert refused.value.response.status_code == 403
    assert {(one["chargePoint"], one["type"]) for one in events} >= {
        ("CP2", "InvalidChargePointCertificate"),
        ("CP1", "CertificateRevoked"),
        ("CP1", "InvalidChargePointCertificate"),
    }


async def test_revoking_an_unused_certificate_disturbs_nobody(
    secure: CentralSystem, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    """The charge point connected with another one."""
    owner, spare = Owner(api, tmp_path, 3), Owner(api, tmp_path, 4)
    await spare.certify("CP1")
    context = await owner.certify("CP1")
    connection = await _connect(secure, "CP1", context)

    await api.post(f"/charge-points/CP1/certificates/{spare.record_id}/revocation", json={})

    await connection.send('[2,"1","Heartbeat",{}]')
    assert str(await connection.recv()).startswith("[")
    await connection.close()
