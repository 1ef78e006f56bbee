"""The doors of the miniature are right; what is proven by bending them rests on that."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.miniature_pki import SUITES, ServerTls, authority, csr, key, key_pem, pem, written
from tests.secure_miniature import Ending, SecureBend, SecureMiniature, Station, Verdict, Visit

PASSWORD = b"\xff:\x00 sixteen bytes"
CLIENTS = authority("Clients")


@pytest.fixture
async def miniature() -> AsyncIterator[SecureMiniature]:
    """Return a miniature that knows one charge point of each profile."""
    stations = {
        "CP0": Station(),
        "CP1": Station(profile=1, password=PASSWORD),
        "CP2": Station(profile=2, password=PASSWORD),
        "CP3": Station(profile=3, names=frozenset({"SN-1"})),
    }
    async with SecureMiniature(stations=stations, client_roots=[CLIENTS.root]) as one:
        yield one


def client_tls(identity: str | None = None, suite: str | None = None) -> ssl.SSLContext:
    """Return what a charge point offers, with a certificate where it has an identity."""
    context = ssl.create_default_context(cadata=pem(authority().root))
    if suite is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite)
    if identity is not None:
        private = key("EC", "client")
        certificate = CLIENTS.issue(private.public_key(), identity)
        context.load_cert_chain(written("client.pem", key_pem(private) + pem(certificate)))
    return context


def opened(url: str, identity: str, password: bytes | None = None, **options: Any) -> connect:
    """Return a connection to be awaited."""
    headers = {}
    if password is not None:
        token = b64encode(identity.encode() + b":" + password).decode()
        headers["Authorization"] = f"Basic {token}"
    settings: dict[str, Any] = {"subprotocols": ["ocpp1.6"], "proxy": None, **options}
    return connect(f"{url}/{identity}", additional_headers=headers, **settings)


async def test_each_profile_is_let_in_by_its_own_door(miniature: SecureMiniature) -> None:
    """Nothing, a password, a password over TLS, a certificate."""
    tls, own = client_tls(), client_tls("CP3")
    async with (
        opened(miniature.url, "CP0"),
        opened(miniature.url, "CP1", PASSWORD),
        opened(miniature.tls_url, "CP2", PASSWORD, ssl=tls),
        opened(miniature.tls_url, "CP3", ssl=own),
    ):
        assert [one.profile for one in miniature.visits] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("identity", "password", "status"),
    [
        ("CP1", None, 401),
        ("CP1", b"wrong", 401),
        ("CP0", PASSWORD, 403),
        ("CP3", PASSWORD, 403),
        ("CP9", None, 404),
    ],
)
async def test_others_are_refused(
    miniature: SecureMiniature, identity: str, password: bytes | None, status: int
) -> None:
    """Wrong credentials, another profile, nobody."""
    with pytest.raises(InvalidStatus) as refused:
        await opened(miniature.url, identity, password)

    assert refused.value.response.status_code == status


async def test_a_certificate_is_good_for_its_own_identity_only(miniature: SecureMiniature) -> None:
    """CP3 with a certificate of CP4 stays outside."""
    with pytest.raises(InvalidStatus) as refused:
        await opened(miniature.tls_url, "CP3", ssl=client_tls("CP4"))

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("suite", SUITES.values())
async def test_each_suite_is_spoken(miniature: SecureMiniature, suite: str) -> None:
    """The four suites of the security paper, each on its own."""
    tls = client_tls(suite=suite)
    async with opened(miniature.tls_url, "CP2", PASSWORD, ssl=tls) as socket:
        assert socket.transport.get_extra_info("cipher")[0] == suite


async def test_one_certificate_speaks_two_suites() -> None:
    """Without an EC certificate there is no ECDHE_ECDSA."""
    stations = {"CP2": Station(profile=2, password=PASSWORD)}
    async with SecureMiniature(stations=stations, tls=ServerTls(keys=["RSA-2048"])) as miniature:
        async with opened(
            miniature.tls_url, "CP2", PASSWORD, ssl=client_tls(suite="AES128-GCM-SHA256")
        ):
            pass
        with pytest.raises((ConnectionResetError, ssl.SSLError)):  # asyncio sends no alert
            await opened(
                miniature.tls_url,
                "CP2",
                PASSWORD,
                ssl=client_tls(suite="ECDHE-ECDSA-AES128-GCM-SHA256"),
            )


@pytest.mark.parametrize(("offered", "chosen"), [(["ocpp0.1"], None), (["ocpp0.1", "ocpp1.6"], "")])
async def test_the_subprotocol_is_negotiated(
    miniature: SecureMiniature, offered: list[str], chosen: str | None
) -> None:
    """What it does not know is refused, what it knows is chosen."""
    connecting = opened(miniature.url, "CP0", subprotocols=offered)
    if chosen is None:
        with pytest.raises(InvalidStatus):
            await connecting
    else:
        async with connecting as socket:
            assert socket.subprotocol == "ocpp1.6"


class Ends(SecureBend):
    """Every handshake ends without an answer."""

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        return Ending.EOF if visit.number else Ending.RESET


@pytest.mark.parametrize("is_tls", [False, True])
async def test_a_bend_may_end_a_handshake(miniature: SecureMiniature, is_tls: bool) -> None:
    """By a reset, or by an end of the stream."""
    miniature.bend = Ends()
    url, options = (miniature.url, {}) if not is_tls else (miniature.tls_url, {"ssl": client_tls()})
    for _ in range(2):
        with pytest.raises((InvalidMessage, ConnectionResetError)):
            await opened(url, "CP2", PASSWORD, **options)


async def test_an_accepted_key_and_profile_have_their_effect(miniature: SecureMiniature) -> None:
    """A new password works, the old one does not; a higher profile shuts the lower one out."""
    async with opened(miniature.url, "CP1", PASSWORD) as socket:
        order = {"key": "AuthorizationKey", "value": b"another password".hex()}
        await ordered(miniature, socket, "ChangeConfiguration", order)
        order = {"key": "SecurityProfile", "value": "2"}
        await ordered(miniature, socket, "ChangeConfiguration", order)
    async with opened(miniature.url, "CP1", b"another password"):
        pass
    async with opened(miniature.tls_url, "CP1", b"another password", ssl=client_tls()):
        pass
    with pytest.raises(InvalidStatus):
        await opened(miniature.url, "CP1", b"another password")


async def ordered(
    miniature: SecureMiniature, socket: ClientConnection, action: str, payload: dict[str, Any]
) -> None:
    """Give an order and have it accepted."""
    order = asyncio.ensure_future(miniature.command("CP1", action, payload))
    frame = json.loads(await socket.recv())
    assert frame[2:] == [action, payload]
    await socket.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
    await order


async def test_a_request_for_a_certificate_is_signed(miniature: SecureMiniature) -> None:
    """The certificate follows the answer, and opens the door."""
    private = key("EC", "SN-1")
    csr_pem = csr("SN-1")
    async with opened(miniature.tls_url, "CP3", ssl=client_tls("CP3")) as socket:
        await socket.send(json.dumps([2, "1", "SignCertificate", {"csr": csr_pem}]))
        assert json.loads(await socket.recv()) == [3, "1", {"status": "Accepted"}]
        signed = json.loads(await socket.recv())
        assert signed[2] == "CertificateSigned"
        await socket.send(json.dumps([3, signed[1], {"status": "Accepted"}]))
    context = client_tls()
    chain = signed[3]["certificateChain"]
    context.load_cert_chain(written("new.pem", key_pem(private) + chain))
    async with opened(miniature.tls_url, "CP3", ssl=context):
        assert miniature.visits[-1].profile == 3
