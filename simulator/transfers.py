"""Files over the network: firmware comes, diagnostics go; HTTP by httpx, FTP by ftplib.

Everything here blocks and runs in threads of its own; nothing holds more of a file in memory than
a piece. A download that was broken off goes on where it ended if the file is surely the same (RFC
9110 §13.1.5, §14.2), and counts only when its length is right and, where the server tells one (RFC
9530), its digest. What goes wrong comes back as words, without names and passwords.
"""

from __future__ import annotations

import base64
import ftplib
import hashlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import IO, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

import httpx

from simulator.outputs import Cause, Download, TransferEnd, Upload

PIECE_BYTES: Final = 65_536
STALL_S: Final = 30.0  # without a single byte

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)
_PLAIN: Final = {"Accept-Encoding": "identity"}


class _Failed(Exception):
    """A transfer failed; the message is for people."""

    def __init__(self, message: str, cause: Cause = Cause.OTHER) -> None:
        super().__init__(message)
        self.cause = cause


class Cancelled(Exception):
    """Nobody wants the transfer any more."""


class Partial:
    """A file as far as it came, in a temporary place; it goes with this object.

    Attributes:
        tag: what shows that the server's file is still the same; empty where nothing does.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - see `close`
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.tag = ""

    def write(self, piece: bytes) -> None:
        """Add what came."""
        self._file.write(piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)

    def begin(self, tag: str) -> None:
        """Forget what came: another file begins."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.tag = tag

    def sha256(self) -> bytes:
        """Return the digest of what came."""
        return self._digest.digest()

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def download(
    url: str, came: Partial, is_cancelled: Callable[[], bool], roots_pem: Sequence[str] = ()
) -> TransferEnd:
    """Fetch a file, going on where `came` ended if that can be.

    Args:
        roots_pem: certificates to trust an HTTPS server by, beside the usual ones.

    Raises:
        Cancelled: `is_cancelled` said so.
    """

    def take(piece: bytes) -> None:
        if is_cancelled():
            raise Cancelled
        came.write(piece)

    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            _download_http(url, came, take, roots_pem)
        elif parts.scheme == "ftp":
            _download_ftp(parts, came, take)
        else:
            raise _unsupported(parts)
    except _PROBLEMS as exc:
        return TransferEnd(problem=_words(exc), cause=_cause_of(exc), size_bytes=came.size_bytes)
    return TransferEnd(size_bytes=came.size_bytes, sha256=came.sha256().hex())


def upload(
    order: Upload, is_cancelled: Callable[[], bool], roots_pem: Sequence[str] = ()
) -> TransferEnd:
    """Send a file into a directory.

    An HTTP address that does not end with a slash is taken for the file's own. PUT is tried first,
    then POST, where the server does not do that.

    Args:
        roots_pem: certificates to trust an HTTPS server by, beside the usual ones.

    Raises:
        Cancelled: `is_cancelled` said so.
    """

    def content() -> Iterator[bytes]:
        for piece in order.content():
            if is_cancelled():
                raise Cancelled
            yield piece

    try:
        parts = urlsplit(order.directory)
        if parts.scheme in ("http", "https"):
            _upload_http(order, content, roots_pem)
        elif parts.scheme == "ftp":
            _upload_ftp(parts, order.file_name, content())
        else:
            raise _unsupported(parts)
    except _PROBLEMS as exc:
        return TransferEnd(problem=_words(exc), cause=_cause_of(exc))
    return TransferEnd(size_bytes=order.size_bytes)


# --- HTTP ----------------------------------------------------------------------------------------


def _client(roots_pem: Sequence[str]) -> httpx.Client:
    trust = httpx.create_ssl_context(trust_env=False)
    roots = "\n".join(roots_pem).strip()
    if roots:
        trust.load_verify_locations(cadata=roots)
    # Charge points know no proxies of this machine.
    return httpx.Client(follow_redirects=True, timeout=STALL_S, trust_env=False, verify=trust)


def _refused(response: httpx.Response) -> _Failed:
    causes: dict[int, Cause] = {
        httpx.codes.BAD_REQUEST: Cause.BAD_MESSAGE,
        httpx.codes.UNAUTHORIZED: Cause.DENIED,
        httpx.codes.FORBIDDEN: Cause.DENIED,
        httpx.codes.METHOD_NOT_ALLOWED: Cause.NOT_SUPPORTED,
        httpx.codes.NOT_IMPLEMENTED: Cause.NOT_SUPPORTED,
    }
    status = response.status_code
    message = f"the server answered {status} {response.reason_phrase}"
    return _Failed(message, causes.get(status, Cause.OTHER))


def _download_http(
    url: str, came: Partial, take: Callable[[bytes], None], roots_pem: Sequence[str]
) -> None:
    with _client(roots_pem) as client:
        if came.size_bytes and came.tag:
            headers = {
                **_PLAIN,
                "Range": f"bytes={came.size_bytes}-",
                "If-Range": came.tag,
            }
            with client.stream("GET", url, headers=headers) as response:
                if response.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                    _take_response(response, came, take)
                    return
        with client.stream("GET", url, headers=_PLAIN) as response:
            _take_response(response, came, take)


def _take_response(response: httpx.Response, came: Partial, take: Callable[[bytes], None]) -> None:
    """Take a body over: the rest, where the server heeded the range, else the whole file."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) != came.size_bytes:
            came.begin("")
            raise _Failed("the server sent another part than was asked for")
        expected = int(match[3])
        if response.headers.get("etag", came.tag) != came.tag:
            came.begin("")
            raise _Failed("the server sent a part of another file")
    elif response.status_code == httpx.codes.OK:
        tag = response.headers.get("etag", "")
        came.begin("" if tag.startswith("W/") else tag)
        length = response.headers.get("content-length", "")
        expected = int(length) if length.isdecimal() else -1
    else:
        raise _refused(response)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _Failed("the server encoded the file though nobody asked")
    digest = _told_digest(response)
    for piece in response.iter_raw(PIECE_BYTES):
        take(piece)
    if expected not in (-1, came.size_bytes):
        size_bytes = came.size_bytes
        came.begin("")
        raise _Failed(f"{size_bytes} bytes came instead of {expected}")
    if digest is not None and digest != came.sha256():
        came.begin("")
        raise _Failed("the file is not what its digest says")


def _told_digest(response: httpx.Response) -> bytes | None:
    """Return the SHA-256 of the whole file, where the server tells it (RFC 9530 or RFC 3230)."""
    patterns = {
        "repr-digest": r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/]+=*):",
        "digest": r"(?i:(?:^|[\s,])sha-256=)([A-Za-z0-9+/]+=*)",
    }
    for name, pattern in patterns.items():
        match = re.search(pattern, response.headers.get(name, ""))
        if match is not None:
            return base64.b64decode(match[1])
    return None


def _upload_http(
    order: Upload, content: Callable[[], Iterator[bytes]], roots_pem: Sequence[str]
) -> None:
    url = order.directory
    if urlsplit(url).path.endswith("/"):
        parts = urlsplit(url)
        url = parts._replace(path=parts.path + quote(order.file_name)).geturl()
    headers = {"Content-Length": str(order.size_bytes), "Content-Type": "application/octet-stream"}
    with _client(roots_pem) as client:
        for method in ("PUT", "POST"):
            response = client.request(method, url, content=content(), headers=headers)
            if response.status_code not in (
                httpx.codes.METHOD_NOT_ALLOWED,
                httpx.codes.NOT_IMPLEMENTED,
            ):
                break
    if not response.is_success:
        raise _refused(response)


# --- FTP -----------------------------------------------------------------------------------------


def _log_in(parts: SplitResult) -> ftplib.FTP:
    ftp = ftplib.FTP(timeout=STALL_S)  # noqa: S321 - what the CSMS asks for
    try:
        ftp.connect(parts.hostname or "", parts.port or ftplib.FTP_PORT)
        ftp.login(unquote(parts.username or ""), unquote(parts.password or ""))
        ftp.voidcmd("TYPE I")
    except BaseException:
        ftp.close()
        raise
    return ftp


def _download_ftp(parts: SplitResult, came: Partial, take: Callable[[bytes], None]) -> None:
    path = unquote(parts.path).removeprefix("/")
    with closing(_log_in(parts)) as ftp:
        size, tag = None, ""
        with suppress(ftplib.error_perm):  # neither is known to every server
            size = ftp.size(path)
            tag = f"{size} {ftp.voidcmd(f'MDTM {path}')}"
        if not tag or tag != came.tag:
            came.begin(tag)
        ftp.retrbinary(f"RETR {path}", take, PIECE_BYTES, rest=came.size_bytes or None)
        if size is not None and size != came.size_bytes:
            raise _Failed(f"{came.size_bytes} bytes came instead of {size}")
        _say_goodbye(ftp)


def _upload_ftp(parts: SplitResult, file_name: str, content: Iterator[bytes]) -> None:
    directory = unquote(parts.path).removeprefix("/")
    with closing(_log_in(parts)) as ftp:
        if directory:
            ftp.cwd(directory)
        ftp.storbinary(f"STOR {file_name}", _Pieces(content), PIECE_BYTES)
        _say_goodbye(ftp)


def _say_goodbye(ftp: ftplib.FTP) -> None:
    with suppress(*ftplib.all_errors):  # the file is there, whatever comes now
        ftp.quit()


class _Pieces:
    """Pieces, read like a file: one at a time, whatever size is asked for."""

    def __init__(self, content: Iterator[bytes]) -> None:
        self._content = content

    def read(self, _: int = PIECE_BYTES, /) -> bytes:
        """Return the next piece, nothing at the end."""
        return next(self._content, b"")


_PROBLEMS: Final[tuple[type[Exception], ...]] = (
    _Failed,
    *ftplib.all_errors,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    ValueError,
)


# FTP replies, RFC 959 §4.2.1, and what they say of an upload.
_FTP_CAUSES: Final = {
    "500": Cause.BAD_MESSAGE,
    "501": Cause.BAD_MESSAGE,
    "502": Cause.NOT_SUPPORTED,
    "504": Cause.NOT_SUPPORTED,
    "530": Cause.DENIED,
    "532": Cause.DENIED,
    "550": Cause.DENIED,
    "553": Cause.DENIED,
}


def _unsupported(parts: SplitResult) -> _Failed:
    scheme = parts.scheme or "an address without scheme"
    return _Failed(f"{scheme} is not supported", Cause.NOT_SUPPORTED)


def _cause_of(exc: Exception) -> Cause:
    if isinstance(exc, _Failed):
        return exc.cause
    if isinstance(exc, ftplib.error_perm):
        return _FTP_CAUSES.get(str(exc)[:3], Cause.OTHER)
    return Cause.OTHER


def _words(exc: Exception) -> str:
    if isinstance(exc, _Failed):
        return str(exc)
    return f"{type(exc).__name__}: {exc}".splitlines()[0][:200]


# --- threads -------------------------------------------------------------------------------------


class Transfers:
    """The transfers of one station, each in a thread.

    Nobody waits for the thread of a cancelled one; it ends with the next piece.

    Attributes:
        roots_pem: certificates to trust HTTPS servers by, beside the usual ones.
    """

    def __init__(self, report: Callable[[int, TransferEnd], None]) -> None:
        """Begin without transfers.

        Args:
            report: told how a transfer went, in its thread; not of cancelled ones.
        """
        self.roots_pem: Sequence[str] = ()
        self._report = report
        self._running: dict[int, threading.Event] = {}
        self._job = 0
        self._partial: Partial | None = None
        self._last_download: threading.Thread | None = None

    def start(self, order: Download | Upload) -> None:
        """Begin a transfer."""
        cancelled = threading.Event()
        work = (
            self._download(order, cancelled.is_set)
            if isinstance(order, Download)
            else partial(upload, order, cancelled.is_set, self.roots_pem)
        )

        def run() -> None:
            with suppress(Cancelled):
                end = work()
                if not cancelled.is_set():
                    self._report(order.number, end)
            self._running.pop(order.number, None)

        thread = threading.Thread(target=run, name=f"transfer {order.number}", daemon=True)
        self._running[order.number] = cancelled
        if isinstance(order, Download):
            self._last_download = thread
        thread.start()

    def cancel(self, number: int) -> None:
        """Break a transfer off."""
        cancelled = self._running.pop(number, None)
        if cancelled is not None:
            cancelled.set()

    def close(self) -> None:
        """Break everything off and forget what came."""
        for number in list(self._running):
            self.cancel(number)
        if self._partial is not None:
            self._partial.close()
        self._partial = None

    def _download(
        self, order: Download, is_cancelled: Callable[[], bool]
    ) -> Callable[[], TransferEnd]:
        if self._partial is None or order.job != self._job:
            if self._partial is not None:
                self._partial.close()
            self._partial = Partial()
            self._job = order.job
        came, before, roots_pem = self._partial, self._last_download, self.roots_pem

        def work() -> TransferEnd:
            if before is not None:
                before.join()  # a cancelled one may still write to the same file
            return download(order.url, came, is_cancelled, roots_pem)

        return work
