"""Connections to real servers: what TLS agreed on, and each way it may not come about."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from datetime import timedelta

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from simulator.errors import (
    CannotOffer,
    HandshakeRefused,
    LocalProtocolError,
    Phase,
    RefusalKind,
)
from simulator.tls import MANDATORY_SUITES, TlsOffer, TlsVersion
from simulator.tls_names import TLS_1_3_SUITES
from simulator.trace import Event, EventKind
from simulator.transport import Connection, Endpoint, TlsProbe, open_connection, probe_tls
from tests import miniature_pki as pki
from tests.simulator.tls_rig import (
    V2,
    V3,
    AlertingServer,
    alert,
    alerting_server,
    answering_hello,
    client_credentials,
    offer,
    server_context,
    tcp_server,
    tls_csms,
)

VERSIONS = pytest.mark.parametrize("version", [TlsVersion.TLS_1_2, TlsVersion.TLS_1_3])


class Line:
    """A charge point that tries to connect, and what was recorded of it."""

    def __init__(self, url: str, tls: TlsOffer | None = None, **options: object) -> None:
        self.endpoint = Endpoint(url, "CP1", tls=tls or offer(), **options)  # type: ignore[arg-type]
        self.events: list[Event] = []

    async def open(self, timeout_s: float = 5.0) -> Connection:
        """Connect."""
        return await open_connection(
            self.endpoint, number=1, record=self.events.append, timeout_s=timeout_s
        )

    async def refusal(self, timeout_s: float = 5.0) -> HandshakeRefused:
        """Return why it does not connect; the event must say the same."""
        with pytest.raises(HandshakeRefused) as caught:
            await self.open(timeout_s)
        refused, (event,) = caught.value, self.events
        assert event.kind is EventKind.REFUSED
        assert event.detail["reason"] == refused.reason == str(refused)
        assert event.detail["kind"] == refused.kind
        assert event.detail["phase"] == refused.phase
        assert event.detail["status"] == refused.status
        assert event.detail["alert"] == refused.alert
        return refused


async def probe(url: str, **changes: object) -> TlsProbe:
    """Make one handshake with an offer that trusts our root."""
    return await probe_tls(url, offer(**changes), timeout_s=5.0)


def ended(refused: HandshakeRefused) -> tuple[RefusalKind, Phase]:
    """Return how and when."""
    return refused.kind, refused.phase


# --- what is agreed on -----------------------------------------------------------------------


@pytest.mark.parametrize("suite", MANDATORY_SUITES)
async def test_each_mandatory_suite_alone(suite: str) -> None:
    """A handshake offers one suite alone, and gets the certificate that goes with it."""
    async with tls_csms() as url:
        result = await probe(url, suites=(suite,))

    assert result.refusal is None
    assert result.facts is not None
    assert (result.facts.version, result.facts.suite) == ("TLSv1.2", suite)
    assert result.facts.certificate.key_kind == ("EC" if "ECDSA" in suite else "RSA")


async def test_missing_suite_is_refused_by_the_server() -> None:
    """A server without an EC certificate refuses the suites that need one."""
    async with tls_csms(server_context(kinds=("RSA-2048",))) as url:
        refused = (await probe(url, suites=(MANDATORY_SUITES[0],))).refusal
        served = (await probe(url, suites=(MANDATORY_SUITES[2],))).facts

    assert refused is not None
    assert refused.kind in (RefusalKind.EOF, RefusalKind.RESET)
    assert refused.phase is Phase.TLS
    assert served is not None


@VERSIONS
async def test_highest_common_version_is_taken(version: TlsVersion) -> None:
    """An offer of both versions takes what the server has; the event tells what it was."""
    newest = V2 if version is TlsVersion.TLS_1_2 else V3
    async with tls_csms(server_context(newest=newest)) as url:
        line = Line(url)
        connection = await line.open()
        await connection.close()

    detail = line.events[0].detail
    tls = detail["tls"]
    assert isinstance(tls, dict)
    assert (detail["status"], detail["subprotocol"]) == (101, "ocpp1.6")
    assert tls["version"] == version
    assert tls["certificate"]["common_names"] == ["127.0.0.1"]
    assert tls["shows_certificate"] is False


async def test_tls_1_3_alone_and_not_there() -> None:
    """TLS 1.3 alone connects to who has it, and to nobody else."""
    async with tls_csms() as url:
        served = await probe(url, suites=TLS_1_3_SUITES)
    async with tls_csms(server_context(newest=V2)) as url:
        refused = await probe(url, min_version=TlsVersion.TLS_1_3)

    assert served.facts is not None
    assert served.facts.version == "TLSv1.3"
    assert refused.facts is None
    assert refused.refusal is not None
    assert refused.refusal.phase is Phase.TLS


async def test_what_is_too_weak_can_be_offered_nevertheless() -> None:
    """TLS 1.1 and suites that encrypt nothing really leave: who takes them is found out."""
    weak = server_context(oldest=ssl.TLSVersion.TLSv1_1, suites="ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    async with tls_csms(weak) as url:
        old = await probe(url, max_version=TlsVersion.TLS_1_1)
        null = await probe(url, suites=("TLS_RSA_WITH_NULL_SHA256",))

    assert old.facts is not None
    assert old.facts.version == "TLSv1.1"
    assert null.facts is not None
    assert null.facts.suite == "TLS_RSA_WITH_NULL_SHA256"


async def test_what_is_too_weak_is_refused_by_a_good_server() -> None:
    """A server that keeps to the rules refuses both, and it is its own refusal."""
    async with alerting_server(server_context()) as url:
        old = (await probe(url, max_version=TlsVersion.TLS_1_1)).refusal
        null = (await probe(url, suites=("TLS_RSA_WITH_NULL_SHA256",))).refusal

    assert old is not None
    assert (old.kind, old.alert) == (RefusalKind.ALERT, "protocol_version")
    assert null is not None
    assert (null.kind, null.alert) == (RefusalKind.ALERT, "handshake_failure")


@pytest.mark.parametrize(
    "changes",
    [
        {"suites": ("TLS_RSA_WITH_RC4_128_SHA",)},
        {"suites": ("TLS_AES_128_GCM_SHA256",)},
        {"suites": MANDATORY_SUITES, "max_version": TlsVersion.TLS_1_1},
        {"suites": (MANDATORY_SUITES[0],), "max_version": TlsVersion.TLS_1_3},
        {"min_version": TlsVersion.TLS_1_3, "max_version": TlsVersion.TLS_1_2},
        {"trust_anchors_pem": "none of mine"},
        {"server_name": "a" * 300},
    ],
    ids=str,
)
async def test_what_we_cannot_offer_reaches_nobody(changes: dict[str, object]) -> None:
    """Where our side cannot offer it, even who accepts everything is not asked."""
    visits = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(await reader.read())
        writer.close()

    async with tcp_server(accept) as url:
        line = Line(url, offer(**changes))
        with pytest.raises(CannotOffer):
            await line.open()
        with pytest.raises(CannotOffer):
            await probe(url, **changes)

    assert visits == []
    assert line.events == []


# --- client certificates ---------------------------------------------------------------------


@VERSIONS
async def test_client_certificate_is_shown_to_who_asks(version: TlsVersion) -> None:
    """A server that demands a certificate gets it, and the event says so."""
    seen: list[object] = []

    async def look(socket: ServerConnection) -> None:
        tls = socket.transport.get_extra_info("ssl_object")
        seen.append(tls.getpeercert()["subject"][0][0][1])

    context = server_context(clients=ssl.CERT_REQUIRED)
    async with tls_csms(context, look) as url:
        line = Line(url, offer(max_version=version, **client_credentials()))
        connection = await line.open()
        assert await connection.receive() is None

    assert seen == ["CP1"]
    tls = line.events[0].detail["tls"]
    assert isinstance(tls, dict)
    assert tls["shows_certificate"] is True


@VERSIONS
async def test_client_certificate_is_not_shown_to_who_does_not_ask(version: TlsVersion) -> None:
    """A server that asks for no certificate gets none, and the event says that too."""
    async with tls_csms() as url:
        result = await probe(url, max_version=version, **client_credentials())

    assert result.facts is not None
    assert result.facts.shows_certificate is False


async def test_missing_client_certificate_in_tls_1_2() -> None:
    """In TLS 1.2 the handshake itself fails."""
    context = server_context(clients=ssl.CERT_REQUIRED)
    async with tls_csms(context) as url:
        refused = await Line(url, offer(max_version=TlsVersion.TLS_1_2)).refusal()

    assert refused.kind in (RefusalKind.EOF, RefusalKind.RESET)
    assert refused.phase is Phase.TLS
    assert refused.reason.endswith("after it asked for a client certificate and got none")


async def test_missing_client_certificate_in_tls_1_3() -> None:
    """In TLS 1.3 the handshake is over before the server looks; the request gets no answer."""
    context = server_context(clients=ssl.CERT_REQUIRED)
    async with tls_csms(context) as url:
        line = Line(url, offer(min_version=TlsVersion.TLS_1_3))
        refused = await line.refusal()

    assert refused.kind in (RefusalKind.EOF, RefusalKind.RESET)
    assert refused.phase is Phase.HTTP
    assert line.events[0].detail["tls"] is not None


@pytest.mark.parametrize(
    ("version", "name"),
    [(TlsVersion.TLS_1_2, "handshake_failure"), (TlsVersion.TLS_1_3, "certificate_required")],
)
async def test_alert_about_a_missing_certificate(version: TlsVersion, name: str) -> None:
    """An alert is named and belongs to TLS, also where it comes after the handshake."""
    async with alerting_server(server_context(clients=ssl.CERT_REQUIRED)) as url:
        line = Line(url, offer(max_version=version))
        refused = await line.refusal()

    assert ended(refused) == (RefusalKind.ALERT, Phase.TLS)
    assert refused.alert == name
    assert line.events[0].detail["shows_certificate"] is False


@VERSIONS
async def test_alert_about_an_untrusted_client_certificate(version: TlsVersion) -> None:
    """A certificate that was shown and refused is an alert, and the event says it was shown."""
    credentials = client_credentials(authority="Stranger")
    async with alerting_server(server_context(clients=ssl.CERT_REQUIRED)) as url:
        line = Line(url, offer(max_version=version, **credentials))
        refused = await line.refusal()

    assert ended(refused) == (RefusalKind.ALERT, Phase.TLS)
    assert refused.alert == "unknown_ca"
    assert refused.reason.endswith("after it was shown the charge point's certificate")
    assert line.events[0].detail["shows_certificate"] is True


# --- servers that we do not trust ------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "ours", "words"),
    [
        ({"ends_in": -timedelta(hours=1)}, {}, "expired"),
        ({"begins_in": timedelta(hours=1)}, {}, "not yet valid"),
        ({"authority": "Stranger"}, {}, "issuer"),
        ({}, {"trust_anchors_pem": ""}, "self-signed"),
        ({}, {"trust_anchors_pem": None}, "self-signed"),
        ({"name": "other.example"}, {}, "for other.example, not for 127.0.0.1"),
        ({"name": "a", "hosts": ("b.example", "10.0.0.1")}, {}, "for a, b.example, 10.0.0.1, not"),
        ({}, {"server_name": "csms.example"}, "not for csms.example"),
    ],
    ids=lambda value: str(value)[:40],
)
@VERSIONS
async def test_untrusted_server_hears_nothing_of_us(
    server: dict[str, object], ours: dict[str, object], words: str, version: TlsVersion
) -> None:
    """A certificate that is not good ends it on our side, before any credential leaves."""
    visits: list[AlertingServer] = []
    context = server_context(clients=ssl.CERT_OPTIONAL, **server)
    async with alerting_server(context, visits=visits) as url:
        tls = offer(max_version=version, **client_credentials(), **ours)
        line = Line(url, tls, password=b"secret")
        refused = await line.refusal()
        (visit,) = visits
        await visit.is_over

    assert ended(refused) == (RefusalKind.NOT_TRUSTED, Phase.TLS)
    assert words in refused.reason
    assert visit.heard == b""
    if version is TlsVersion.TLS_1_3:
        assert visit.client_certificate is None
        assert line.events[0].detail["shows_certificate"] is False


async def test_our_alert_tells_the_server_what_is_wrong() -> None:
    """Who does not trust a server says so in TLS, as charge points do."""
    said: list[str] = []

    class Listener(AlertingServer):
        def failed(self, exc: ssl.SSLError) -> None:
            said.append(exc.reason)

    visits: list[AlertingServer] = []
    context = server_context(authority="Stranger")
    async with alerting_server(context, kind=Listener, visits=visits) as url:
        refused = await Line(url).refusal()
        await visits[0].is_over

    assert refused.kind is RefusalKind.NOT_TRUSTED
    assert said == ["TLSV1_ALERT_UNKNOWN_CA"]


@pytest.mark.parametrize(
    ("name", "hosts", "server_name"),
    [
        ("127.0.0.1", (), ""),
        ("Preflight CSMS", ("127.0.0.1",), ""),
        ("csms.example", (), "csms.example"),
        ("Preflight CSMS", ("*.example.org",), "csms.example.org"),
        ("csms.example", ("other.example",), "csms.example"),
    ],
)
async def test_common_name_and_alternative_names_are_both_good(
    name: str, hosts: tuple[str, ...], server_name: str
) -> None:
    """The white paper wants a common name, the world a subjectAltName: one of them is enough."""
    async with tls_csms(server_context(name=name, hosts=hosts)) as url:
        line = Line(url, offer(server_name=server_name))
        connection = await line.open()
        await connection.close()

    assert line.events[0].kind is EventKind.OPENED


async def test_issuer_that_is_no_root_can_be_trusted() -> None:
    """What is named as trust anchor is one, a server's own certificate too."""
    context = server_context(authority="Stranger", kinds=("EC",))
    async with tls_csms(context) as url:
        looked = await probe(url, checks_server=False)
        assert looked.facts is not None
        result = await probe(url, trust_anchors_pem=looked.facts.certificate.pem)

    assert result.refusal is None


async def test_installed_roots_are_trusted_besides() -> None:
    """Roots that were installed count beside the trust anchors."""
    stranger = pki.pem(pki.authority("Stranger").root)
    async with tls_csms(server_context(authority="Stranger")) as url:
        result = await probe(url, installed_roots_pem=(stranger,))
    async with tls_csms() as url:
        still = await probe(url, installed_roots_pem=(stranger,))

    assert result.refusal is None
    assert still.refusal is None


async def test_looking_without_trust_connects_to_nobody() -> None:
    """An offer that does not check the server is good for looking alone."""
    async with tls_csms(server_context(authority="Stranger", name="nobody")) as url:
        looked = await probe(url, checks_server=False)
        line = Line(url, offer(checks_server=False))
        with pytest.raises(LocalProtocolError):
            await line.open()

    assert looked.facts is not None
    assert looked.facts.certificate.common_names == ("nobody",)
    assert line.events == []


async def test_weak_key_of_a_server_is_not_trusted_but_can_be_looked_at() -> None:
    """A key of 1024 bits ends the connection on our side; who only looks finds out its length."""
    context = server_context(kinds=("RSA-1024",), suites="AES128-GCM-SHA256:@SECLEVEL=0")
    async with tls_csms(context) as url:
        refused = (await probe(url, max_version=TlsVersion.TLS_1_2)).refusal
        looked = await probe(url, max_version=TlsVersion.TLS_1_2, checks_server=False)

    assert refused is not None
    assert ended(refused) == (RefusalKind.NOT_TRUSTED, Phase.TLS)
    assert "key too weak" in refused.reason
    assert looked.facts is not None
    assert looked.facts.certificate.key_bits == 1024


# --- servers that do not want us -------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "name"),
    [
        (b"", RefusalKind.EOF, ""),
        (alert(40), RefusalKind.ALERT, "handshake_failure"),
        (alert(70), RefusalKind.ALERT, "protocol_version"),
        (alert(112, level=1) + alert(71), RefusalKind.ALERT, "insufficient_security"),
        (alert(112, level=1), RefusalKind.EOF, ""),
        (alert(120), RefusalKind.ALERT, "no_application_protocol"),
        (alert(99), RefusalKind.ALERT, "99"),
        (alert(0, level=1), RefusalKind.ALERT, "close_notify"),
        (alert(40)[:4], RefusalKind.EOF, ""),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", RefusalKind.NOT_TLS, ""),
        (b"no", RefusalKind.NOT_TLS, ""),
        (b"\x16\x02\x00\x00\x00", RefusalKind.NOT_TLS, ""),
        (bytes([22, 3, 3, 0, 4, 14, 0, 0, 0]), RefusalKind.NOT_TLS, ""),
    ],
)
async def test_answers_to_a_client_hello(answer: bytes, kind: RefusalKind, name: str) -> None:
    """Each answer that is no handshake is told from the others, alerts by their names."""
    async with tcp_server(answering_hello(answer)) as url:
        refused = await Line(url).refusal()

    assert ended(refused) == (kind, Phase.TLS)
    assert refused.alert == name


async def test_http_in_answer_to_a_client_hello_is_quoted() -> None:
    """A plain server behind a wss address is the operator's mistake: he reads what it said."""
    async with tcp_server(answering_hello(b"HTTP/1.1 400 Bad Request\r\nX: y\r\n\r\n")) as url:
        refused = await Line(url).refusal()

    assert "no TLS" in refused.reason
    assert "HTTP/1.1 400 Bad Request'" in refused.reason


async def test_reset_in_the_handshake() -> None:
    """A reset is told from a connection that was closed in order."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        # Closing without lingering is what makes a kernel reset.
        tcp = writer.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with tcp_server(reset) as url:
        refused = await Line(url).refusal()

    assert ended(refused) == (RefusalKind.RESET, Phase.TLS)


@pytest.mark.slow
async def test_silence_at_each_step() -> None:
    """A timeout says how far it got."""
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.transport.abort()

    async with tcp_server(silent) as url:
        in_tls = await Line(url).refusal(timeout_s=0.05)
        in_http = await Line(url.replace("wss", "ws")).refusal(timeout_s=0.05)
        over.set()
    over.clear()
    async with tcp_server(silent, ssl=server_context()) as url:
        behind_tls = await Line(url).refusal(timeout_s=0.3)
        over.set()

    assert ended(in_tls) == (RefusalKind.TIMEOUT, Phase.TLS)
    assert ended(in_http) == (RefusalKind.TIMEOUT, Phase.HTTP)
    assert ended(behind_tls) == (RefusalKind.TIMEOUT, Phase.HTTP)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_closed_port_is_told_from_no_way_there(host: str) -> None:
    """Nobody listening is one thing, nobody there another."""

    async def nobody(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with tcp_server(nobody) as url:
        port = url.rpartition(":")[2].partition("/")[0]
    closed = await Line(f"wss://{host}:{port}/").refusal()
    unknown = await Line("wss://nobody.invalid/").refusal()
    strange = await Line("https://127.0.0.1/").refusal()

    assert ended(closed) == (RefusalKind.CLOSED_PORT, Phase.TCP)
    assert ended(unknown) == (RefusalKind.UNREACHABLE, Phase.TCP)
    assert ended(strange) == (RefusalKind.UNREACHABLE, Phase.TCP)
    assert "not a WebSocket address" in strange.reason


async def test_http_refusal_over_tls() -> None:
    """An HTTP answer over TLS has its status, and the event what TLS agreed on."""

    def refuse(socket: ServerConnection, _: Request) -> Response:
        return socket.respond(401, "no\n")

    async with tls_csms(process_request=refuse) as url:
        line = Line(url)
        refused = await line.refusal()

    assert ended(refused) == (RefusalKind.HTTP, Phase.HTTP)
    assert refused.status == 401
    tls = line.events[0].detail["tls"]
    assert isinstance(tls, dict)
    assert tls["version"] == "TLSv1.3"


async def test_answers_behind_tls_that_are_no_http() -> None:
    """Silence, nonsense and a useless 101 behind TLS are told apart."""

    def answering(data: bytes) -> Callable[..., object]:
        async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            writer.close()

        return serve_one

    found = []
    for data in (b"", b"220 mail.example ESMTP\r\n\r\n", b"HTTP/1.1 101 Yes\r\n\r\n"):
        async with tcp_server(answering(data), ssl=server_context()) as url:  # type: ignore[arg-type]
            refused = await Line(url).refusal()
            found.append((*ended(refused), refused.status))

    assert found == [
        (RefusalKind.EOF, Phase.HTTP, None),
        (RefusalKind.NOT_HTTP, Phase.HTTP, None),
        (RefusalKind.HTTP, Phase.HTTP, 101),
    ]


# What servers, proxies and hand-written code answer to somebody they do not want.
ODD_REFUSALS: dict[str, tuple[list[bytes], bool]] = {
    "of HTTP/1.0": ([b"HTTP/1.0 401 Unauthorized\r\nConnection: close\r\n\r\nno"], True),
    "without a reason": ([b"HTTP/1.1 401\r\nContent-Length: 0\r\n\r\n"], True),
    "without the end of the body": ([b"HTTP/1.1 401 Unauthorized\r\n\r\n"], False),
    "with half of the body": (
        [b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\n\r\nno"],
        False,
    ),
    "with an endless body": (
        [b"HTTP/1.1 401 Unauthorized\r\n\r\n" + b"no " * 500_000],
        True,
    ),
    "in a foreign coding": (
        [b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
        True,
    ),
    "with odd headers": ([b"HTTP/1.1 401 Unauthorized\r\nWho are you?\r\n\r\n"], True),
    "piece by piece": ([b"HTTP/1.1 4", b"01 Unauthor", b"ized\r\n", b"\r\n"], True),
}


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("way", ODD_REFUSALS)
async def test_a_status_is_a_refusal_whatever_follows_it(way: str, *, secure: bool) -> None:
    """Who said 401 has refused: neither its HTTP nor its page has to be to our liking."""
    pieces, closes = ODD_REFUSALS[way]
    is_over = asyncio.Event()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        if not closes:
            await is_over.wait()
        writer.close()

    context = server_context() if secure else None
    async with tcp_server(serve_one, ssl=context) as url:
        address = url if secure else url.replace("wss:", "ws:")
        refused = await Line(address).refusal(timeout_s=2.0)
        is_over.set()

    assert (ended(refused), refused.status) == ((RefusalKind.HTTP, Phase.HTTP), 401)
    assert refused.reason.startswith("the server answered HTTP 401")


# --- what is said over TLS -------------------------------------------------------------------


@VERSIONS
async def test_any_bytes_are_a_password(version: TlsVersion) -> None:
    """Colons and bytes that are no text reach the server as they are."""
    seen: list[str] = []

    def look(_: ServerConnection, request: Request) -> None:
        seen.append(request.headers["Authorization"])

    async with tls_csms(process_request=look) as url:
        line = Line(url, offer(max_version=version), password=b":\x00\xff:\xc3(")
        connection = await line.open()
        await connection.close()

    assert seen == ["Basic Q1AxOjoA/zrDKA=="]


@VERSIONS
async def test_large_messages_go_both_ways(version: TlsVersion) -> None:
    """Messages larger than any buffer arrive whole."""

    async def echo(socket: ServerConnection) -> None:
        async for text in socket:
            await socket.send(text)

    text = "x" * 3_000_000
    async with tls_csms(handler=echo, max_size=None) as url:
        line = Line(url, offer(max_version=version))
        connection = await line.open()
        sending = [asyncio.create_task(connection.send(text)) for _ in range(3)]
        received = [await connection.receive() for _ in range(3)]
        await asyncio.gather(*sending)
        await connection.close()

    assert [message and message[0] == text for message in received] == [True] * 3


async def test_each_end_of_a_connection_is_told() -> None:
    """Who closed is known over TLS as it is without."""

    async def close(socket: ServerConnection) -> None:
        await socket.close(1001, "restart")

    async def cut(socket: ServerConnection) -> None:
        socket.transport.abort()

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()

    found = []
    for handler in (close, cut):
        async with tls_csms(handler=handler) as url:
            line = Line(url)
            connection = await line.open()
            assert await connection.receive() is None
            found.append((line.events[-1].detail["by"], line.events[-1].detail["code"]))
    async with tls_csms(handler=wait) as url:
        line = Line(url)
        connection = await line.open()
        connection.drop()
        assert await connection.receive() is None
        found.append((line.events[-1].detail["by"], line.events[-1].detail["code"]))

    assert found == [("csms", 1001), ("lost", 1006), ("dropped", 1006)]


async def test_answer_in_several_records_is_one_answer() -> None:
    """An answer in several records arrives whole."""

    class Hasty(AlertingServer):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if b"\r\n\r\n" in self.heard:
                self.heard = b""
                self.say(b"HTTP/1.1 403 Forbid")
                self.say(b"den\r\nContent-Length: 0\r\n\r\n")

    async with alerting_server(server_context(newest=V2), kind=Hasty) as url:
        refused = await Line(url).refusal()

    assert refused.status == 403


def test_secrets_are_not_shown() -> None:
    """Neither password nor private key stand in what is printed of an endpoint."""
    credentials = client_credentials()
    endpoint = Endpoint("wss://csms.example", "CP1", b"secret", tls=offer(**credentials))

    assert "secret" not in repr(endpoint)
    assert "PRIVATE KEY" not in repr(endpoint)
