"""Secure Central Systems as others build them: what they do, and in which words it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from harness.engine import Engine, RunOptions
from harness.results import CaseResult, Verdict
from tests.acceptance.test_security_odd import CASES, Requests
from tests.acceptance.test_security_proofs import quick_keys, secure
from tests.faults import with_field
from tests.miniature_pki import (
    PSS,
    ServerTls,
    authority,
    charge_point_ca,
    key,
    key_pem,
    pem,
    written,
)
from tests.miniatures import Bend, Frames, Link, Order, utc_now
from tests.proofs import CALM_S, PATIENT_S, red
from tests.secure_miniature import SecureBend, SecureMiniature, Visit
from tests.secure_miniature import Verdict as Door
from tests.secure_proofs import PASSWORD, SecureBench

__all__ = ["quick_keys"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_keys")]


def words(result: CaseResult, rule: str) -> list[str]:
    """Return what the findings of a rule say."""
    return [one.message for one in result.findings if one.rule == rule]


# --- written by hand, without a library ---------------------------------------------

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


@dataclass
class HandMade:
    """A Central System of sockets alone, which accepts who has the password and boots it.

    Attributes:
        refusal: bytes for everybody else; the connection stays open after them.
    """

    refusal: bytes
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            names = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
            given = base64.b64decode(names.get("Authorization", "Basic ")[6:])
            if given.partition(b":")[2] != PASSWORD:
                writer.write(self.refusal)
                await self._over.wait()
            else:
                digest = hashlib.sha1(names["Sec-WebSocket-Key"].encode() + MAGIC).digest()  # noqa: S324
                writer.write(
                    b"HTTP/1.1 101 Come in\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n"
                    b"sec-websocket-protocol: ocpp1.6\r\nsec-websocket-accept: "
                    + base64.b64encode(digest)
                    + b"\r\n\r\n"
                )
                await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, size = await reader.readexactly(2)
            size &= 0x7F
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            mask = await reader.readexactly(4)
            data = bytes(
                byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size))
            )
            if first == 0x81:
                _, number, action, _ = json.loads(data)
                boot = {"status": "Accepted", "currentTime": utc_now(), "interval": 300}
                answer = boot if action == "BootNotification" else {}
                data = json.dumps([3, number, answer]).encode()
            length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2)
            writer.write(bytes([0x8A if first == 0x89 else first]) + length + data)
            if first == 0x88:
                return


@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.0 401 Unauthorized\r\nServer: BaseHTTP/0.6 Python/3\r\n\r\n<h1>no</h1>",
        b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno",
        b"HTTP/1.1 403\r\n\r\n",
    ],
    ids=["of HTTP/1.0", "of a page without an end", "without words"],
)
async def test_a_refusal_written_by_hand_is_one(tmp_path: Path, refusal: bytes) -> None:
    """TC_085: who sends a status has refused, whatever the rest of the answer is like."""
    async with secure() as miniature, HandMade(refusal) as url:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        access = replace(bench.sut.access, endpoints={1: url})
        bench.sut = replace(bench.sut, access=access)
        seen = await bench.run(CASES["TC_085_CSMS"], Bend())

    assert (seen.result.verdict, seen.result.findings) == (Verdict.PASSED, ())


# --- refusing too late --------------------------------------------------------------


@dataclass
class ShowsTheDoor(SecureBend):
    """Everybody is let in, and who should not be is sent away at once."""

    is_unwanted: bool = False

    async def admits(self, visit: Visit, verdict: Door) -> Door:
        self.is_unwanted = verdict is not None
        return None

    def chooses(self, visit: Visit, subprotocol: str | None) -> str | None:
        self.is_unwanted |= subprotocol is None
        return subprotocol or ""

    async def opened(self, link: Link) -> None:
        if self.is_unwanted:
            await link.socket.close(1008, "go away")


@pytest.mark.parametrize(
    ("case", "about"),
    [
        ("TC_085_CSMS", "without credentials"),
        ("TC_088_CSMS", "that offers ocpp0.1"),
        ("TC_083_CSMS", "on security profile 1"),
        ("BEYOND_CERTIFICATE_OF_ANOTHER", "with the client certificate of another charge point"),
    ],
)
async def test_to_close_after_the_upgrade_is_no_refusal(
    tmp_path: Path, case: str, about: str
) -> None:
    """The official cases want the handshake refused; the words say what came and what is wrong."""
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        seen = await bench.run(CASES[case], ShowsTheDoor())

    assert red(seen.result) == {"connection.not-refused"}
    (message,) = words(seen.result, "connection.not-refused")
    assert about in message
    assert "to close it afterwards is no refusal" in message


# --- certificates -------------------------------------------------------------------


@dataclass(frozen=True)
class Chained(ServerTls):
    """The server's certificates come from an intermediate authority, sent along or not."""

    is_sent: bool = True

    def context(self, client_roots: Sequence[x509.Certificate]) -> ssl.SSLContext:
        context = super().context(client_roots)
        middle = authority("Between")
        issued = authority().issue(middle.key.public_key(), middle.name, is_authority=True)
        for kind in self.keys:
            private = key(kind, "server")
            leaf = middle.issue(private.public_key(), self.name, hosts=self.hosts)
            chain = pem(leaf, issued) if self.is_sent else pem(leaf)
            context.load_cert_chain(written(f"chained-{kind}.pem", key_pem(private) + chain))
        return context


@pytest.mark.parametrize("is_sent", [True, False])
async def test_an_intermediate_authority_is_sent_along(tmp_path: Path, *, is_sent: bool) -> None:
    """TC_086: with it the certificate leads to the root, without it to nobody."""
    async with secure(Chained(is_sent=is_sent)) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        seen = await bench.run(CASES["TC_086_CSMS"], Bend())

    assert red(seen.result) == (set() if is_sent else {"handshake.not-trusted"})


@pytest.mark.parametrize("name", ["csms.example", "another.example"])
async def test_the_name_is_the_one_the_file_gives(tmp_path: Path, name: str) -> None:
    """TC_086 behind an address that is not the server's name: `server_name` says which is."""
    async with secure(ServerTls(name=name, hosts=["csms.example"])) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        access = replace(bench.sut.access, server_name="csms.example")
        bench.sut = replace(bench.sut, access=access)
        seen = await bench.run(CASES["TC_086_CSMS"], Bend())

    is_right = name == "csms.example"
    assert {one.rule for one in seen.result.findings} == (
        set() if is_right else {"tls.common-name"}
    )
    assert seen.result.verdict is (Verdict.PASSED if is_right else Verdict.FAILED)


@pytest.mark.parametrize(
    ("roots", "profile", "about"),
    [
        ([], 3, "after it was shown the charge point's certificate"),
        (None, 2, "after it asked for a client certificate and got none"),
    ],
)
async def test_words_tell_what_the_server_missed(
    tmp_path: Path, roots: list[x509.Certificate] | None, profile: int, about: str
) -> None:
    """A handshake that ends on a client certificate is not told as a matter of suites alone."""
    tls = ServerTls(is_client_demanded=True)
    known = secure().client_roots if roots is None else roots
    case = CASES["TC_086_CSMS"]
    choice = next(one for one in case.security_profiles if one.start == profile)
    async with SecureMiniature(tls=tls, client_roots=known) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        seen = await bench.run(case, Bend(), choice=choice)

    assert seen.result.verdict is Verdict.FAILED
    told = words(seen.result, "tls.suite")
    assert len(told) == 4
    assert all(about in one for one in told)


@dataclass
class Signs(SecureBend):
    """Certificates are signed by another authority, or in another form."""

    kind: str = "RSA-2048"
    is_pss: bool = False

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        if order.action != "CertificateSigned":
            return [frame]
        leaf = x509.load_pem_x509_certificate(json.loads(frame)[3]["certificateChain"].encode())
        signer = authority(charge_point_ca().name, self.kind)
        ours = signer.issue(
            leaf.public_key(),
            f"SN-{link.identity}",
            rsa_padding=PSS if self.is_pss else None,
            signing_hash=hashes.SHA256(),
            serial=leaf.serial_number,
        )
        return with_field(("certificateChain",), pem(ours))(frame)


@pytest.mark.parametrize(
    ("bend", "name"),
    [(Signs("EC"), "SHA256withECDSA"), (Signs(is_pss=True), "SHA256withRSA-PSS")],
)
@pytest.mark.parametrize("is_told", [True, False])
async def test_how_certificates_are_signed_is_what_the_file_says(
    tmp_path: Path, bend: Signs, name: str, *, is_told: bool
) -> None:
    """TC_074: another form than SHA256withRSA has to be declared; the words say where."""
    roots = [*secure().client_roots, authority(charge_point_ca().name, "EC").root]
    async with SecureMiniature(tls=ServerTls(), client_roots=roots) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=PATIENT_S)
        if is_told:
            variables = {**bench.sut.variables, "certificate_signature": name}
            bench.sut = replace(bench.sut, variables=variables)
        seen = await bench.run(CASES["TC_074_CSMS"], bend)

    if is_told:
        assert (seen.result.verdict, seen.result.findings) == (Verdict.PASSED, ())
        return
    (found,) = seen.result.findings
    assert "SHA256withRSA ($certificate_signature)" in found.message
    assert name in found.message


# --- firmware of the vendor's own ---------------------------------------------------


@pytest.mark.parametrize("signature", ["c2lnbmF0dXJlIG9mIHRoZWlycw==", "bm9uZQ==", ""])
async def test_what_is_wrong_is_what_the_file_does_not_call_right(
    tmp_path: Path, signature: str
) -> None:
    """TC_081: a file may name a signature of a firmware that it does not hand over."""
    theirs = "c2lnbmF0dXJlIG9mIHRoZWlycw=="
    edit = with_field(["firmware", "signature"], signature)
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        variables: dict[str, Any] = {**bench.sut.variables, "firmware_signature": theirs}
        bench.sut = replace(bench.sut, variables=variables)
        seen = await bench.run(CASES["TC_081_CSMS"], Requests("SignedUpdateFirmware", edit))

    assert red(seen.result) == ({"rule.SignedUpdateFirmware.req"} if signature == theirs else set())


# --- interrupted in the midst -------------------------------------------------------


@dataclass
class Interrupts(SecureBend):
    """Somebody ends the run right after the charge point took a new value."""

    engine: Engine | None = None
    is_ordered: bool = False

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        self.is_ordered = order.action == "ChangeConfiguration"
        return [frame]

    async def replied(self, link: Link, frame: list[Any]) -> None:
        if self.is_ordered and self.engine is not None:
            self.engine.stop("interrupted")


@pytest.mark.parametrize("case", ["TC_073_CSMS", "TC_083_CSMS"])
async def test_who_interrupts_leaves_no_new_credentials_behind(tmp_path: Path, case: str) -> None:
    """What the file says of a charge point holds again for the next run."""
    bend = Interrupts()
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        scenario = CASES[case]
        leased = bench._leased(scenario, scenario.security_profiles[0], f"STOPPED-{case}")
        miniature.bends[leased.identity] = bend
        sut = replace(bench.sut, identities=(leased, *bench.sut.identities))
        async with Engine(sut, RunOptions(run_dir=tmp_path)) as engine:
            bend.engine = engine
            result = await engine.run_case(scenario)
        station = miniature.stations[leased.identity]

    assert result.verdict is Verdict.NOT_RUN
    assert (station.profile, station.target, station.password) == (1, None, PASSWORD)
    assert bend.is_ordered
