"""An FTP server that takes files and does nothing else (pyftpdlib, in a thread of its own).

Nobody can list, read, change or delete anything: a login may store one file, whose name goes to
the `Desk` as text and never to the file system. Everybody's root is one empty directory, in which
nothing is ever written. Files are taken byte for byte, whatever TYPE says.
"""

import errno
import logging
import os
import socket
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from csms.files.vault import FileTooLarge, Incoming

with warnings.catch_warnings():
    # Of asyncore, which Python 3.12 took out; the package brings its own from there on.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.exceptions import AuthenticationFailed, FilesystemError
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import DTPHandler, FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer as Listener

IDLE_S: Final = 60  # of a session, and of a transfer without progress
DRAIN_S: Final = 3600.0  # for a transfer that is under way when the server is no longer wanted
TURN_S: Final = 0.1  # how soon the thread notices that it shall end
DEAF_WITHIN_S: Final = 15.0  # the thread may be waiting for the desk
MAX_SESSIONS: Final = 64
MAX_SESSIONS_OF_ADDRESS: Final = 24  # else one takes them all, and nobody can send a log
FAILED_LOGIN_PAUSE_S: Final = 0.5  # passwords are random and long; this is for the log's sake

# What a client needs to log in and to store a file. No APPE, REST, STOU, RETR, LIST, SIZE …
_COMMANDS: Final = (
    *("USER", "PASS", "QUIT", "SYST", "FEAT", "OPTS", "HELP", "NOOP"),
    *("CDUP", "CWD", "PWD", "XCUP", "XCWD", "XPWD"),
    *("TYPE", "MODE", "STRU", "PASV", "EPSV", "PORT", "EPRT"),
    *("ALLO", "STOR", "ABOR"),
)

_logger: Final = logging.getLogger(__name__)


class Refused(Exception):
    """The file is not wanted; the message is for the client."""


class Desk(Protocol):
    """Who decides about logins and files; called in the server's thread."""

    def may_log_in(self, user: str, password: str) -> bool:
        """Tell whether user and password are right."""

    def begin(self, user: str, name: str) -> Incoming:
        """Return where the file goes.

        Raises:
            Refused: it is not wanted.
            OSError: it cannot be stored.
        """

    def end(self, incoming: Incoming, *, is_whole: bool, detail: str) -> bool:
        """Take note that a transfer ended; tell whether the file is safely stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FtpSettings:
    """Where the FTP server listens.

    Attributes:
        port: 0 for any.
        passive_ports: for data connections; None for any.
        announced_address: told to clients instead of our own, where a router is in between.
    """

    host: str
    port: int
    passive_ports: Sequence[int] | None = None
    announced_address: str | None = None


class FtpServer:
    """Listens from `start` to `drain` or `stop`."""

    def __init__(self, settings: FtpSettings, desk: Desk, *, root: Path) -> None:
        """Prepare a server; `root` is an empty directory."""
        self._settings = settings
        self._handler = _handler_class(settings, desk, root)
        self._loop: Any = None
        self._listener: Any = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._deaf = threading.Event()
        self._stopping = threading.Event()
        self.port = 0

    def start(self) -> None:
        """Listen; return when connections are taken.

        Raises:
            OSError: the address cannot be used.
        """
        self._loop = IOLoop.factory()
        try:
            self._listener = Listener(
                (self._settings.host, self._settings.port), self._handler, ioloop=self._loop
            )
        except OSError:
            self._loop.close()
            raise
        self._listener.max_cons = MAX_SESSIONS
        self._listener.max_cons_per_ip = MAX_SESSIONS_OF_ADDRESS
        self.port = self._listener.address[1]
        self._thread = threading.Thread(target=self._serve, name="ftp", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Take no more connections, and end when those that are open ended.

        The port is free when this returns.
        """
        self._ending.set()
        self._deaf.wait(DEAF_WITHIN_S)

    def stop(self) -> None:
        """End now; what is under way is cut off."""
        self._stopping.set()
        self._ending.set()

    @property
    def is_running(self) -> bool:
        """Whether a session may still be open."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until it ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _serve(self) -> None:
        try:
            while not self._ending.is_set():
                self._loop.loop(TURN_S, blocking=False)
            self._listener.close()
            self._deaf.set()
            turns = int(DRAIN_S / TURN_S)
            while self._has_sessions() and turns and not self._stopping.is_set():
                if not self._loop.socket_map:  # then it does not wait
                    self._stopping.wait(TURN_S)
                self._loop.loop(TURN_S, blocking=False)
                turns -= 1
        except Exception:
            _logger.exception("the FTP server failed")
        finally:
            self._loop.close()
            self._deaf.set()

    def _has_sessions(self) -> bool:
        # One whose login failed is out of the map until it is told so.
        return bool(self._loop.socket_map) or any(
            not task.cancelled for task in self._loop.sched._tasks
        )


class _Authorizer:
    """Asks the desk; whoever is in may enter the root directory and store."""

    def __init__(self, desk: Desk, root: Path) -> None:
        self._desk = desk
        self._root = str(root)

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        if not self._desk.may_log_in(username, password):
            raise AuthenticationFailed("Authentication failed.")

    def get_home_dir(self, username: str) -> str:
        return self._root

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in "ew"

    def get_msg_login(self, username: str) -> str:
        return "Store one file."

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        pass

    def terminate_impersonation(self, username: str) -> None:
        pass


class _Upload:
    """What pyftpdlib takes for an open file."""

    def __init__(self, name: str, incoming: Incoming, desk: Desk) -> None:
        self.name = name
        self.closed = False
        self.detail = "the connection ended in the middle"
        self._incoming = incoming
        self._desk = desk

    def write(self, data: bytes) -> None:
        self._incoming.write(data)

    def settle(self, *, is_whole: bool) -> bool:
        """Tell the desk, once, how it ended."""
        if self.closed:
            return False
        self.closed = True
        detail = "" if is_whole else self.detail
        return self._desk.end(self._incoming, is_whole=is_whole, detail=detail)

    def close(self) -> None:
        self.settle(is_whole=False)


class _EmptyRoot(AbstractedFS):  # type: ignore[misc]  # untyped package
    """A file system of one directory in which files can be created, if the desk wants them."""

    def ftp2fs(self, ftppath: str) -> str:
        if ".." in ftppath.replace("\\", "/").split("/"):
            return os.path.dirname(str(self.root))  # outside the root: refused by the handler
        path: str = super().ftp2fs(ftppath)
        return path

    def chdir(self, path: str) -> None:
        # Not os.chdir: that would be the working directory of the whole program.
        if os.path.normpath(path) != os.path.normpath(self.root):
            raise FilesystemError("No such directory")
        self.cwd = "/"

    def open(self, filename: str, mode: str) -> _Upload:
        name = os.path.relpath(filename, self.root)
        if mode != "wb" or name == os.curdir or os.sep in name or not name.isprintable():
            raise FilesystemError("Only a new file in / can be stored")
        handler = self.cmd_channel
        try:
            return _Upload(name, handler.desk.begin(handler.username, name), handler.desk)
        except Refused as refusal:
            raise FilesystemError(str(refusal)) from None
        except OSError as error:
            _logger.error("nothing can be stored: %s", error)
            raise FilesystemError("Nothing can be stored now") from None


class _Data(DTPHandler):  # type: ignore[misc]  # untyped package
    """A data connection that carries a file to us."""

    timeout = IDLE_S

    def enable_receiving(self, type: str, cmd: str) -> None:
        super().enable_receiving("i", cmd)  # a log is kept as it is, line ends and all

    def handle_read(self) -> None:
        try:
            super().handle_read()
        except OSError as error:
            cause = error.__cause__ or error
            self._fail(cause)

    handle_read_event = handle_read

    def _fail(self, cause: BaseException) -> None:
        if isinstance(cause, FileTooLarge):
            reply = "552 The file is too large."
        else:
            reply = "451 The file could not be stored."
        if self.file_obj is not None:
            self.file_obj.detail = str(cause)
        self._resp = (reply, _logger.info)
        self.close()

    def close(self) -> None:
        # 226 says that the file is stored for good, so it must be before that is said. The end of
        # a data connection looks the same whether the client finished or died; if it died, the
        # control connection ended as well.
        upload = self.file_obj
        if not self._closed and isinstance(upload, _Upload) and not upload.closed:
            ended_well = self.transfer_finished and self._resp and self._resp[0][:3] == "226"
            is_whole = bool(ended_well) and not _is_gone(self.cmd_channel.socket)
            if not upload.settle(is_whole=is_whole) and ended_well:
                self._resp = ("451 The file could not be stored.", _logger.info)
        super().close()


class _Control(FTPHandler):  # type: ignore[misc]  # untyped package
    """A session."""

    banner = "ready"
    timeout = IDLE_S
    auth_failed_timeout = FAILED_LOGIN_PAUSE_S
    use_sendfile = False
    abstracted_fs = _EmptyRoot
    dtp_handler = _Data
    proto_cmds = {  # noqa: RUF012  # declared so by the package
        name: dict(FTPHandler.proto_cmds[name]) for name in _COMMANDS
    }
    desk: Desk
    _in_dtp_queue: tuple[_Upload, str] | None

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        if cmd not in self.proto_cmds and cmd[-4:] == "STAT":  # the package takes it for known
            self.respond('500 Command "STAT" not understood.')
        else:
            super().pre_process_command(line, cmd, arg)

    def ftp_STOR(self, file: str, mode: str = "w") -> Any:
        self._give_up_pending()
        if self.data_channel is not None and self.data_channel.file_obj is not None:
            self.respond("450 A file is being stored already.")
            return None
        return super().ftp_STOR(file, mode)

    def ftp_ABOR(self, line: str) -> None:
        self._give_up_pending()
        super().ftp_ABOR(line)

    def _make_epasv(self, extmode: bool = False) -> None:
        self._give_up_pending()  # else the next data connection would be its
        super()._make_epasv(extmode)

    def _make_eport(self, ip: str, port: int) -> None:
        self._give_up_pending()
        super()._make_eport(ip, port)

    def flush_account(self) -> None:
        self._give_up_pending()
        super().flush_account()

    def _give_up_pending(self) -> None:
        """End a file whose data connection never came."""
        if self._in_dtp_queue is not None:
            self._in_dtp_queue[0].close()
            self._in_dtp_queue = None


def _handler_class(settings: FtpSettings, desk: Desk, root: Path) -> type[_Control]:
    # The package wants a class, and everything about a server in its attributes.
    class Handler(_Control):
        authorizer = _Authorizer(desk, root)
        masquerade_address = settings.announced_address
        passive_ports = settings.passive_ports

    Handler.desk = desk
    return Handler


def _is_gone(control: socket.socket) -> bool:
    """Tell whether the peer closed the control connection; nothing is read from it."""
    try:
        return control.recv(1, socket.MSG_PEEK) == b""  # the socket does not block
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno not in (errno.EINTR,)
