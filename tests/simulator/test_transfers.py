"""Transfers over real HTTP and FTP servers on the loopback: whole, broken off, resumed, refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from simulator.charge_point import ChargePoint
from simulator.client import Endpoint, Station
from simulator.outputs import Cause, Download, TransferEnd, Upload
from simulator.transfers import PIECE_BYTES, Cancelled, Partial, Transfers, download, upload
from tests.simulator import pki

with warnings.catch_warnings():
    # Of asyncore, which Python 3.12 took out; the package brings its own from there on.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

IMAGE = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(IMAGE).hexdigest()
NEVER = lambda: False  # noqa: E731 - a download that nobody breaks off


class Site:
    """What the HTTP server serves, how it misbehaves, and what it was asked and sent."""

    def __init__(self) -> None:
        self.url = ""
        self.body = IMAGE
        self.size_bytes = 0  # of a body made up on the way, instead of `body`
        self.headers = {"ETag": '"one"'}
        self.cut_after = -1
        self.status = 0
        self.methods: tuple[str, ...] = ("PUT", "POST")
        self.asked: list[dict[str, str]] = []
        self.files: dict[str, bytes] = {}
        self.received_bytes = 0
        self.keeps = True


class Handler(BaseHTTPRequestHandler):
    """Serves one file with ranges, and takes files."""

    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Serve the file, or the rest of it, or only the beginning of that."""
        site = self.site
        site.asked.append({name.lower(): value for name, value in self.headers.items()})
        if site.status:
            self._answer(site.status)
            return
        size = site.size_bytes or len(site.body)
        first = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        is_same = self.headers.get("If-Range") == site.headers.get("ETag")
        if wanted is not None and is_same:
            first = int(wanted[1])
        if first >= size:
            self._answer(416)
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - first))
        for name, value in site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if site.size_bytes:
            for _ in range(site.size_bytes // PIECE_BYTES):
                self.wfile.write(bytes(PIECE_BYTES))
        elif site.cut_after >= 0:
            self.wfile.write(site.body[first:][: site.cut_after])
            self.close_connection = True
        else:
            self.wfile.write(site.body[first:])

    def do_PUT(self) -> None:
        """Take a file."""
        site = self.site
        left = int(self.headers["Content-Length"])
        pieces = []
        while left and (piece := self.rfile.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            site.received_bytes += len(piece)
            if site.keeps:
                pieces.append(piece)
        if left:
            self.close_connection = True  # it broke off in the middle
            return
        if self.command not in site.methods:
            self._answer(405)
            return
        site.files[f"{self.command} {self.path}"] = b"".join(pieces)
        self._answer(site.status or 201)

    def do_POST(self) -> None:
        """Take a file."""
        self.do_PUT()

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(ThreadingHTTPServer):
    """Says nothing of clients that break off."""

    def handle_error(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    """An HTTP server."""
    site = Site()
    handler = type("HandlerOfSite", (Handler,), {"site": site})
    with Server(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@contextmanager
def ftp_server(root: Path) -> Iterator[int]:
    """An FTP server for the user ``us er`` with the password ``p@ss``; its port."""
    authorizer = DummyAuthorizer()
    authorizer.add_user("us er", "p@ss", str(root), perm="elradfmw")
    handler = type(
        "HandlerOfTest", (FTPHandler,), {"authorizer": authorizer, "auth_failed_timeout": 0}
    )
    loop = IOLoop.factory()
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=loop)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            loop.loop(timeout=0.01, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.address[1]
    over.set()
    thread.join()


@pytest.fixture
def came() -> Iterator[Partial]:
    """A file of which nothing came yet."""
    partial = Partial()
    yield partial
    partial.close()


def fetch(url: str, came: Partial) -> TransferEnd:
    """Download."""
    return download(url, came, NEVER)


def order(directory: str, size_bytes: int = 5, piece: bytes = b"hello") -> Upload:
    """Return an upload of a file of equal pieces."""
    return Upload(1, directory, "a b.log", size_bytes, lambda: iter([piece] * (size_bytes // 5)))


def send(directory: str) -> TransferEnd:
    """Upload a small file."""
    return upload(order(directory), NEVER)


# --- download by HTTP ------------------------------------------------------------------------


def test_whole_file(site: Site, came: Partial) -> None:
    """Length and digest of what came are told."""
    end = fetch(f"{site.url}/f.bin", came)
    assert end == TransferEnd(size_bytes=len(IMAGE), sha256=SHA256)
    assert site.asked[0]["accept-encoding"] == "identity"


def test_broken_download_goes_on_where_it_ended(site: Site, came: Partial) -> None:
    """The second attempt asks for the rest only, and the whole is right."""
    site.cut_after = 100_000
    first = fetch(f"{site.url}/f.bin", came)
    assert first.problem
    assert 0 < came.size_bytes <= 100_000
    site.cut_after = -1
    left = came.size_bytes
    assert fetch(f"{site.url}/f.bin", came).sha256 == SHA256
    assert site.asked[1]["range"] == f"bytes={left}-"
    assert site.asked[1]["if-range"] == '"one"'


def test_replaced_file_is_not_spliced(site: Site, came: Partial) -> None:
    """Another file by the same name is fetched from its beginning."""
    site.cut_after = 100_000
    fetch(f"{site.url}/f.bin", came)
    site.cut_after = -1
    site.body, site.headers = IMAGE[::-1], {"ETag": '"two"'}
    end = fetch(f"{site.url}/f.bin", came)
    assert end.sha256 == hashlib.sha256(IMAGE[::-1]).hexdigest()


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"one"'}])
def test_without_strong_tag_nothing_is_resumed(
    site: Site, came: Partial, headers: dict[str, str]
) -> None:
    """Where nothing shows that the file is the same, it is fetched anew."""
    site.headers = headers
    site.cut_after = 100_000
    fetch(f"{site.url}/f.bin", came)
    site.cut_after = -1
    assert fetch(f"{site.url}/f.bin", came).sha256 == SHA256
    assert "range" not in site.asked[1]


def test_range_that_cannot_be_satisfied(site: Site, came: Partial) -> None:
    """416: what came is thrown away, and the file fetched whole."""
    fetch(f"{site.url}/f.bin", came)
    site.body = IMAGE[:1000]
    assert fetch(f"{site.url}/f.bin", came).sha256 == hashlib.sha256(IMAGE[:1000]).hexdigest()
    assert len(site.asked) == 3


@pytest.mark.parametrize("name", ["Repr-Digest", "Digest"])
def test_digest_of_the_server_is_held_against_what_came(
    site: Site, came: Partial, name: str
) -> None:
    """The right one passes; a wrong one fails, and nothing of it is used again."""
    value = base64.b64encode(bytes.fromhex(SHA256)).decode()
    form = {"Repr-Digest": "md5=:AAAA:, sha-256=:{}:", "Digest": "md5=AAAA,SHA-256={}"}[name]
    site.headers = {"ETag": '"one"', name: form.format(value)}
    assert not fetch(f"{site.url}/f.bin", came).problem
    site.headers[name] = form.format(base64.b64encode(bytes(32)).decode())
    came.begin("")
    assert "digest" in fetch(f"{site.url}/f.bin", came).problem
    assert came.size_bytes == 0


@pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (500, "500"), (204, "204")])
def test_refused_download(site: Site, came: Partial, status: int, words: str) -> None:
    """Any status but 200 and 206 is a failure."""
    site.status = status
    assert words in fetch(f"{site.url}/f.bin", came).problem


@pytest.mark.parametrize("is_trusted", [True, False])
def test_https_by_a_root_of_its_own(
    site: Site, came: Partial, tmp_path: Path, is_trusted: bool
) -> None:
    """A server with a certificate of an installed root is trusted, and nobody else's."""
    root = pki.make_root()
    key = pki.ec_key()
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = root.issue(key.public_key(), pki.name("localhost"), extensions=(names,))
    (tmp_path / "chain.pem").write_text(pki.pem(certificate))
    (tmp_path / "key.pem").write_text(pki.key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    handler = type("TlsHandler", (Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        roots = (root.pem,) if is_trusted else ()
        end = download(f"https://127.0.0.1:{server.server_port}/f.bin", came, NEVER, roots)
        server.shutdown()
        thread.join()
    assert end.sha256 == (SHA256 if is_trusted else "")
    assert ("CERTIFICATE_VERIFY_FAILED" in end.problem) is not is_trusted


def test_encoded_file_is_no_firmware(site: Site, came: Partial) -> None:
    """A server that compresses although nobody asked is not believed."""
    site.headers["Content-Encoding"] = "gzip"
    assert "encoded" in fetch(f"{site.url}/f.bin", came).problem


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/f", "gopher://h/f", "f.bin", "http://[::1/f", "ftp://127.0.0.1:1/f"]
)
def test_unreachable_and_unknown(came: Partial, url: str) -> None:
    """What cannot be fetched at all is a failure with words, no exception."""
    end = fetch(url, came)
    assert end.problem
    assert not end.sha256


def test_cancelled_download(site: Site, came: Partial) -> None:
    """A download nobody wants any more ends with the next piece."""
    with pytest.raises(Cancelled):
        download(f"{site.url}/f.bin", came, lambda: True)
    assert came.size_bytes == 0


# --- upload by HTTP --------------------------------------------------------------------------


def test_upload_into_a_directory(site: Site) -> None:
    """An address with a slash at its end is a directory: the name is added."""
    assert send(f"{site.url}/logs/") == TransferEnd(size_bytes=5)
    assert site.files == {"PUT /logs/a%20b.log": b"hello"}


def test_upload_to_an_address_of_its_own(site: Site) -> None:
    """An address without it is the file's own, whatever follows a question mark."""
    assert not send(f"{site.url}/logs/up?job=1/").problem
    assert site.files == {"PUT /logs/up?job=1/": b"hello"}


def test_upload_where_only_post_is_done(site: Site) -> None:
    """405 to PUT: POST, with the same bytes."""
    site.methods = ("POST",)
    assert not send(f"{site.url}/logs/").problem
    assert site.files == {"POST /logs/a%20b.log": b"hello"}


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, Cause.BAD_MESSAGE),
        (401, Cause.DENIED),
        (403, Cause.DENIED),
        (405, Cause.NOT_SUPPORTED),
        (409, Cause.OTHER),
        (413, Cause.OTHER),
        (500, Cause.OTHER),
        (501, Cause.NOT_SUPPORTED),
        (599, Cause.OTHER),
    ],
)
def test_refused_upload(site: Site, status: int, cause: Cause) -> None:
    """Any other answer but success is a failure, and some of them say more."""
    site.status = status
    end = send(f"{site.url}/logs/")
    assert str(status) in end.problem
    assert end.cause is cause


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "ftp://127.0.0.1:1/", "sftp://h/", ""])
def test_upload_to_nowhere(url: str) -> None:
    """What cannot be sent at all is a failure with words, no exception."""
    end = send(url)
    assert end.problem
    is_known = url.startswith(("http:", "ftp:"))
    assert end.cause is (Cause.OTHER if is_known else Cause.NOT_SUPPORTED)


def test_cancelled_upload(site: Site) -> None:
    """An upload nobody wants any more ends with the next piece."""
    with pytest.raises(Cancelled):
        upload(order(f"{site.url}/logs/"), lambda: True)
    assert site.files == {}


# --- FTP -------------------------------------------------------------------------------------


def test_ftp_upload(tmp_path: Path) -> None:
    """Stored in the directory of the address, by the user and password it names."""
    (tmp_path / "in here").mkdir()
    with ftp_server(tmp_path) as port:
        end = send(f"ftp://us%20er:p%40ss@127.0.0.1:{port}/in%20here/")
    assert end == TransferEnd(size_bytes=5)
    assert (tmp_path / "in here" / "a b.log").read_bytes() == b"hello"


@pytest.mark.parametrize("place", ["us%20er:wrong@{}/", "{}/", "us%20er:p%40ss@{}/nowhere/"])
def test_ftp_upload_that_is_refused(tmp_path: Path, place: str) -> None:
    """A wrong password, none, or a directory that is not there: a failure without the password."""
    with ftp_server(tmp_path) as port:
        end = send("ftp://" + place.format(f"127.0.0.1:{port}"))
    problem = end.problem
    assert problem
    assert end.cause is Cause.DENIED
    assert "p@ss" not in problem
    assert "wrong" not in problem
    assert list(tmp_path.iterdir()) == []


def test_ftp_download_resumes(tmp_path: Path, came: Partial) -> None:
    """What came of the same file is not fetched again; of another one everything is."""
    (tmp_path / "f.bin").write_bytes(IMAGE)
    with ftp_server(tmp_path) as port:
        url = f"ftp://us%20er:p%40ss@127.0.0.1:{port}/f.bin"
        stop_after = iter([False, True])
        with pytest.raises(Cancelled):
            download(url, came, lambda: next(stop_after))
        assert 0 < came.size_bytes < len(IMAGE)
        assert fetch(url, came) == TransferEnd(size_bytes=len(IMAGE), sha256=SHA256)
        (tmp_path / "f.bin").write_bytes(b"other")
        assert fetch(url, came).sha256 == hashlib.sha256(b"other").hexdigest()
        assert fetch(url.replace("f.bin", "no.bin"), came).problem


# --- threads ---------------------------------------------------------------------------------


class Reports:
    """What `Transfers` reported, waited for."""

    def __init__(self) -> None:
        self.ends: dict[int, TransferEnd] = {}
        self._came = threading.Condition()

    def take(self, number: int, end: TransferEnd) -> None:
        """Take a report."""
        with self._came:
            self.ends[number] = end
            self._came.notify_all()

    def wait(self, number: int) -> TransferEnd:
        """Return a report once it is there."""
        with self._came:
            assert self._came.wait_for(lambda: number in self.ends, timeout=20)
            return self.ends[number]


def test_attempts_of_a_job_share_what_came(site: Site) -> None:
    """The second attempt of a job resumes; another job begins anew."""
    reports = Reports()
    transfers = Transfers(reports.take)
    site.cut_after = 100_000
    transfers.start(Download(1, 1, f"{site.url}/f.bin"))
    assert reports.wait(1).problem
    site.cut_after = -1
    transfers.start(Download(2, 1, f"{site.url}/f.bin"))
    assert reports.wait(2).sha256 == SHA256
    transfers.start(Download(3, 2, f"{site.url}/f.bin"))
    assert reports.wait(3).sha256 == SHA256
    transfers.close()

    assert ["range" in asked for asked in site.asked] == [False, True, False]


def test_cancelled_transfer_reports_nothing(site: Site) -> None:
    """Nobody hears of it any more; the next one of its job goes on after it."""
    reports, held = Reports(), threading.Event()
    transfers = Transfers(reports.take)

    def content() -> Iterator[bytes]:
        held.wait(10)
        yield b"hello"

    transfers.start(Upload(1, f"{site.url}/logs/", "x", 5, content))
    transfers.cancel(1)
    held.set()
    transfers.start(order(f"{site.url}/logs/"))
    transfers.start(Download(2, 1, f"{site.url}/f.bin"))
    assert reports.wait(2).sha256 == SHA256
    assert reports.wait(1) == TransferEnd(size_bytes=5)
    transfers.close()
    assert "PUT /logs/x" not in site.files


@pytest.mark.slow
def test_memory_stays_small(site: Site, came: Partial) -> None:
    """100 MB down and 100 MB up grow this process, server included, by less than 32 MiB."""
    size_bytes = 100 * 1_048_576 // PIECE_BYTES * PIECE_BYTES
    site.size_bytes, site.keeps = size_bytes, False
    process, piece = psutil.Process(), bytes(PIECE_BYTES)
    most = [0]

    def look() -> bool:
        most[0] = max(most[0], process.memory_info().rss)
        return False

    def content() -> Iterator[bytes]:
        return (piece for _ in range(size_bytes // PIECE_BYTES))

    before = process.memory_info().rss
    end = download(f"{site.url}/f.bin", came, look)
    assert (end.problem, end.size_bytes) == ("", size_bytes)
    expected = hashlib.sha256()
    for _ in range(size_bytes // PIECE_BYTES):
        expected.update(piece)
    assert end.sha256 == expected.hexdigest()
    assert not upload(Upload(1, f"{site.url}/", "x", size_bytes, content), look).problem

    assert site.received_bytes == size_bytes
    assert most[0] - before < 32 * 1_048_576


# --- a station -------------------------------------------------------------------------------


class Csms:
    """A CSMS that accepts everything, asks what it is told to, and notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.boots: list[dict[str, Any]] = []
        self.sockets: list[ServerConnection] = []
        self._changed = asyncio.Event()

    async def handle(self, socket: ServerConnection) -> None:
        """Answer a connection."""
        self.sockets.append(socket)
        async for text in socket:
            kind, message_id, *rest = json.loads(text)
            if kind != 2:
                continue
            action, payload = rest
            answer: dict[str, Any] = {}
            if action == "BootNotification":
                self.boots.append(payload)
                now = "2026-01-31T12:00:00Z"
                answer = {"status": "Accepted", "currentTime": now, "interval": 300}
            await socket.send(json.dumps([3, message_id, answer]))
            if action.endswith("sStatusNotification") or action.startswith("Firmware"):
                self.heard.append(payload["status"])
                self._changed.set()

    async def ask(self, action: str, **payload: object) -> None:
        """Send a CALL on the newest connection."""
        await self.sockets[-1].send(json.dumps([2, action, action, payload]))

    async def wait_for(self, *statuses: str) -> None:
        """Wait until exactly these were told."""
        async with asyncio.timeout(20):
            while len(self.heard) < len(statuses):
                self._changed.clear()
                await self._changed.wait()
        assert self.heard == list(statuses)
        self.heard.clear()


@pytest.mark.slow
async def test_station_really_updates_and_sends(site: Site) -> None:
    """UpdateFirmware and GetDiagnostics on real sockets, each with a first attempt that fails."""
    csms = Csms()
    charge_point = ChargePoint("CP1", diagnostics_bytes=200_000, install_s=0.0)
    async with serve(
        csms.handle, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], close_timeout=0.05
    ) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        station = Station(charge_point, Endpoint(url, "CP1"), record=lambda _: None, is_active=True)
        await station.apply("power_on")
        await station.connect()
        await station.wait_until_idle()
        site.cut_after = 100_000
        more = {"retries": 1, "retryInterval": 1}
        past = "2026-01-01T00:00:00Z"
        await csms.ask(
            "UpdateFirmware", location=f"{site.url}/cp-2.1.bin", retrieveDate=past, **more
        )
        await csms.wait_for("Downloading", "DownloadFailed")
        site.cut_after = -1
        await csms.wait_for("Downloading", "Downloaded", "Installing")
        await station.wait_closed()
        await station.connect()
        await csms.wait_for("Installed")
        assert csms.boots[-1]["firmwareVersion"] == "2.1"
        assert ["range" in asked for asked in site.asked] == [False, True]

        site.status = 500
        await csms.ask("GetDiagnostics", location=f"{site.url}/logs/", retries=1, retryInterval=1)
        await csms.wait_for("Uploading", "UploadFailed")
        site.status = 0
        await csms.wait_for("Uploading", "Uploaded")
        (body,) = (body for body in site.files.values() if len(body) == 200_000)
        assert body.startswith(b"Preflight Simulator CP1")
        await station.shut_down()


async def test_shut_down_does_not_wait_for_transfers(site: Site) -> None:
    """A station that is shut down leaves its transfers alone and hears of none."""
    csms = Csms()
    async with serve(
        csms.handle, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], close_timeout=0.05
    ) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        station = Station(
            ChargePoint("CP1"), Endpoint(url, "CP1"), record=lambda _: None, is_active=True
        )
        await station.apply("power_on")
        await station.connect()
        await station.wait_until_idle()
        silent = await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        past = "2026-01-01T00:00:00Z"
        await csms.ask("UpdateFirmware", location=f"http://127.0.0.1:{port}/f", retrieveDate=past)
        await csms.wait_for("Downloading")
        async with asyncio.timeout(5):
            await station.shut_down()
        silent.close()
    assert csms.heard == []
