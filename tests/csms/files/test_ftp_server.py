"""The FTP server takes one file and does nothing else; tried with a real client."""

import ftplib
import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from csms.files.ftp_server import FtpServer, FtpSettings, Refused
from csms.files.vault import Incoming, Vault

USER, PASSWORD = "job", "secret"
LIMIT_BYTES = 300_000


class DeskOfOne:
    """Takes one file of one user."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.files: dict[str, bytes] = {}
        self.failed: list[tuple[str, str]] = []
        self.can_store = True
        self.ended = threading.Semaphore(0)
        self.asked = threading.Event()
        self._names: dict[str, str] = {}

    def may_log_in(self, user: str, password: str) -> bool:
        self.asked.set()
        return (user, password) == (USER, PASSWORD)

    def begin(self, user: str, name: str) -> Incoming:
        if self.files:
            raise Refused("The file is here already")
        if not self.can_store:
            raise OSError("disk full")
        incoming = self._vault.receive(limit_bytes=LIMIT_BYTES)
        self._names[incoming.stored_as] = name
        return incoming

    def end(self, incoming: Incoming, *, is_whole: bool, detail: str) -> bool:
        name = self._names[incoming.stored_as]
        stored = incoming.keep()
        if is_whole:
            self.files[name] = self._vault.path(stored.stored_as).read_bytes()
        else:
            self.failed.append((name, detail))
        self.ended.release()
        return is_whole


@pytest.fixture
def desk(tmp_path: Path) -> DeskOfOne:
    """Where the server asks."""
    vault = Vault(tmp_path / "files")
    vault.open()
    return DeskOfOne(vault)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory everybody sees; it must stay empty."""
    path = tmp_path / "empty"
    path.mkdir()
    return path


@pytest.fixture
def server(desk: DeskOfOne, root: Path) -> Iterator[FtpServer]:
    """A listening server."""
    made = FtpServer(FtpSettings(host="127.0.0.1", port=0), desk, root=root)
    made.start()
    yield made
    made.stop()
    made.join(5)
    assert not made.is_running
    assert list(root.iterdir()) == []


@pytest.fixture
def ftp(server: FtpServer) -> Iterator[ftplib.FTP]:
    """A client that is logged in."""
    with ftplib.FTP(timeout=5) as client:  # noqa: S321
        client.connect("127.0.0.1", server.port)
        client.login(USER, PASSWORD)
        yield client


def _store(ftp: ftplib.FTP, name: str, content: bytes = b"x") -> str:
    return ftp.storbinary(f"STOR {name}", io.BytesIO(content))


@pytest.mark.parametrize("is_passive", [True, False])
def test_a_file_is_taken(ftp: ftplib.FTP, desk: DeskOfOne, is_passive: bool) -> None:
    """Over a passive or an active data connection."""
    ftp.set_pasv(is_passive)
    content = bytes(range(256)) * 1000

    assert _store(ftp, "log.bin", content).startswith("226")

    assert desk.files == {"log.bin": content}


def test_bytes_stay_what_they_are_in_text_mode(ftp: ftplib.FTP, desk: DeskOfOne) -> None:
    """A charge point that forgot TYPE I loses nothing."""
    assert ftp.storlines("STOR log.txt", io.BytesIO(b"a\r\nb\r\n")).startswith("226")

    assert desk.files == {"log.txt": b"a\r\nb\r\n"}


@pytest.mark.parametrize("name", ["/log.bin", "./log.bin", "log ä.bin", "-rf", "a;b|c"])
def test_any_plain_name_will_do(ftp: ftplib.FTP, desk: DeskOfOne, name: str) -> None:
    """Names are text to us."""
    ftp.encoding = "utf-8"

    _store(ftp, name)

    assert list(desk.files) == [name.rpartition("/")[2]]


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../log.bin",
        "../../etc/passwd",
        "a/../../log.bin",
        "..\\log.bin",
        "/etc/passwd",
        "/",
        ".",
        "folder/log.bin",
        "//etc/passwd",
    ],
)
def test_nothing_is_stored_outside(ftp: ftplib.FTP, desk: DeskOfOne, name: str) -> None:
    """No way leads out of the root or into a directory."""
    with pytest.raises(ftplib.error_perm, match="550"):
        _store(ftp, name)

    assert desk.files == {}
    assert desk.failed == []


@pytest.mark.parametrize(
    "command",
    [
        "LIST",
        "NLST",
        "MLSD",
        "MLST /",
        "STAT",
        "STAT /",
        "XSTAT",
        "RETR log.bin",
        "SIZE log.bin",
        "MDTM log.bin",
        "MFMT 20260101000000 log.bin",
        "DELE log.bin",
        "RNFR log.bin",
        "RNTO other.bin",
        "MKD folder",
        "RMD folder",
        "APPE log.bin",
        "STOU",
        "REST 1",
        "REIN",
        "SITE CHMOD 777 log.bin",
        "CWD ..",
        "CWD /etc",
        "CWD folder",
        "CDUP",
    ],
)
def test_nothing_else_is_possible(ftp: ftplib.FTP, desk: DeskOfOne, command: str) -> None:
    """Upload only."""
    _store(ftp, "log.bin")

    with pytest.raises(ftplib.error_perm, match=r"^5\d\d"):
        ftp.sendcmd(command)

    assert list(desk.files) == ["log.bin"]


def test_what_simple_clients_do_first_works(ftp: ftplib.FTP) -> None:
    """Some enter the root before they store."""
    assert ftp.sendcmd("CWD /").startswith("250")
    assert ftp.pwd() == "/"
    assert ftp.sendcmd("TYPE I").startswith("200")
    assert ftp.sendcmd("SYST").startswith("215")
    assert ftp.sendcmd("NOOP").startswith("200")


@pytest.mark.parametrize("name", ["log.bin", "other.bin"])
def test_nothing_is_overwritten(ftp: ftplib.FTP, desk: DeskOfOne, name: str) -> None:
    """Neither under the same name nor by a second file."""
    _store(ftp, "log.bin", b"first")

    with pytest.raises(ftplib.error_perm, match="550 The file is here already"):
        _store(ftp, name, b"second")

    assert desk.files == {"log.bin": b"first"}


@pytest.mark.slow  # a refused login waits
@pytest.mark.parametrize(
    ("user", "password"),
    [(USER, "wrong"), ("other", PASSWORD), ("anonymous", ""), (USER, ""), (USER, PASSWORD + " ")],
)
def test_nobody_else_comes_in(server: FtpServer, user: str, password: str) -> None:
    """And without a login nothing can be stored."""
    with ftplib.FTP(timeout=5) as ftp:  # noqa: S321
        ftp.connect("127.0.0.1", server.port)
        with pytest.raises(ftplib.error_perm, match="530"):
            ftp.login(user, password)
        with pytest.raises(ftplib.error_perm, match="530"):
            ftp.sendcmd("PASV")


def test_a_file_that_is_too_large_is_cut_off(ftp: ftplib.FTP, desk: DeskOfOne) -> None:
    """And a smaller one may follow."""
    with pytest.raises((ftplib.error_perm, OSError)):
        _store(ftp, "large.bin", bytes(LIMIT_BYTES + 1))
    assert desk.ended.acquire(timeout=5)
    assert desk.failed == [("large.bin", f"more than {LIMIT_BYTES} bytes")]


def test_the_largest_file_allowed_is_taken(ftp: ftplib.FTP, desk: DeskOfOne) -> None:
    """The limit is the last size that fits."""
    _store(ftp, "large.bin", bytes(LIMIT_BYTES))

    assert len(desk.files["large.bin"]) == LIMIT_BYTES


def test_a_broken_transfer_is_told_from_a_whole_one(
    ftp: ftplib.FTP, desk: DeskOfOne, server: FtpServer
) -> None:
    """A client that dies closes its data connection as one does that is finished."""
    data = ftp.transfercmd("STOR log.bin")
    data.sendall(b"half")
    ftp.close()  # what happens first when a program is killed
    data.close()

    assert desk.ended.acquire(timeout=5)
    assert desk.files == {}
    assert desk.failed == [("log.bin", "the connection ended in the middle")]
    with ftplib.FTP(timeout=5) as again:  # noqa: S321
        again.connect("127.0.0.1", server.port)
        again.login(USER, PASSWORD)
        assert _store(again, "log.bin", b"whole").startswith("226")


def test_an_aborted_transfer_is_not_whole(ftp: ftplib.FTP, desk: DeskOfOne) -> None:
    """ABOR ends it, and a new one may follow."""
    data = ftp.transfercmd("STOR log.bin")
    data.sendall(b"half")
    ftp.putcmd("ABOR")
    assert desk.ended.acquire(timeout=5)
    data.close()
    if ftp.getmultiline()[:3] == "426":  # else ABOR was read before the first byte
        assert ftp.voidresp().startswith("226")

    assert desk.files == {}
    assert [name for name, _ in desk.failed] == ["log.bin"]


def test_a_store_without_data_connection_is_given_up(ftp: ftplib.FTP, desk: DeskOfOne) -> None:
    """The next STOR takes its place."""
    ftp.sendcmd("PASV")
    assert ftp.sendcmd("STOR first.bin").startswith("150")

    assert _store(ftp, "second.bin").startswith("226")

    assert list(desk.files) == ["second.bin"]
    assert [name for name, _ in desk.failed] == ["first.bin"]


def test_what_cannot_be_stored_is_not_confirmed(ftp: ftplib.FTP, desk: DeskOfOne) -> None:
    """A full disk is no 226."""
    desk.can_store = False

    with pytest.raises(ftplib.error_perm, match="550 Nothing can be stored now"):
        _store(ftp, "log.bin")


def test_no_connection_is_made_to_anybody_else(ftp: ftplib.FTP) -> None:
    """The server is no tool to reach other machines (RFC 2577)."""
    with pytest.raises(ftplib.error_perm, match="501"):
        ftp.sendport("127.0.0.2", 5000)
    with pytest.raises(ftplib.error_perm, match="501"):
        ftp.sendport("127.0.0.1", 22)


def test_passive_ports_and_address_are_settings(desk: DeskOfOne, root: Path) -> None:
    """For whoever sits behind a router."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    settings = FtpSettings(
        host="127.0.0.1",
        port=0,
        passive_ports=range(free, free + 1),
        announced_address="192.0.2.7",
    )
    server = FtpServer(settings, desk, root=root)
    server.start()
    try:
        with ftplib.FTP(timeout=5) as ftp:  # noqa: S321
            ftp.connect("127.0.0.1", server.port)
            ftp.login(USER, PASSWORD)
            reply = ftp.sendcmd("PASV")
    finally:
        server.stop()
        server.join(5)

    assert f"(192,0,2,7,{free // 256},{free % 256})" in reply


def test_draining_lets_a_transfer_end_and_nobody_in(
    server: FtpServer, ftp: ftplib.FTP, desk: DeskOfOne
) -> None:
    """The port is free at once; who is in may finish."""
    data = ftp.transfercmd("STOR log.bin")
    data.sendall(b"half")

    server.drain()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    data.sendall(b" and half")
    data.close()
    assert ftp.voidresp().startswith("226")
    assert desk.files == {"log.bin": b"half and half"}
    ftp.quit()
    server.join(5)
    assert not server.is_running


@pytest.mark.slow
def test_failed_login_is_answered_while_draining(server: FtpServer, desk: DeskOfOne) -> None:
    """The last one to come is not left waiting."""
    with ftplib.FTP(timeout=5) as client:  # noqa: S321
        client.connect("127.0.0.1", server.port)
        client.sendcmd(f"USER {USER}")
        client.putcmd("PASS wrong")
        assert desk.asked.wait(5)
        server.drain()

        with pytest.raises(ftplib.error_perm, match="530"):
            client.voidresp()
        client.quit()
    server.join(5)
    assert not server.is_running


def test_a_taken_port_is_told(server: FtpServer, desk: DeskOfOne, root: Path) -> None:
    """With the operating system's reason."""
    second = FtpServer(FtpSettings(host="127.0.0.1", port=server.port), desk, root=root)

    with pytest.raises(OSError, match="in use"):
        second.start()


def test_one_address_does_not_take_all_sessions(
    desk: DeskOfOne, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stranger keeps every log out."""
    monkeypatch.setattr("csms.files.ftp_server.MAX_SESSIONS_OF_ADDRESS", 1)
    root = tmp_path / "of one"
    root.mkdir()
    server = FtpServer(FtpSettings(host="127.0.0.1", port=0), desk, root=root)
    server.start()
    try:
        with ftplib.FTP() as first, ftplib.FTP() as second:  # noqa: S321  # that is what it is
            first.connect("127.0.0.1", server.port, timeout=5)
            with pytest.raises(ftplib.Error, match="421"):
                second.connect("127.0.0.1", server.port, timeout=5)
            assert first.login(USER, PASSWORD).startswith("230")
    finally:
        server.stop()
        server.join(5)
