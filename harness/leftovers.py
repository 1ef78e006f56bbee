"""Transactions a run leaves open: told from the wire, kept in a journal until they are stopped.

A run that is killed cannot clean up. The next one against the same OCPP URL reads the journal and
stops first what the dead one began. The journal is a small file of JSON lines, appended to; what
a process that still lives noted is left alone.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeGuard

from simulator.frames import Call, CallResult, parse
from simulator.trace import Direction, Event, EventKind

_log = logging.getLogger(__name__)

# What could not be stopped for so long belongs to another life of that Central System.
_FORGET_AFTER: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A transaction the Central System still holds open."""

    identity: str
    transaction_id: int
    connector_id: int
    id_tag: str
    meter_start: int


class Ledger:
    """What one charge point has told the Central System and not taken back."""

    def __init__(self) -> None:
        self.open: dict[int, OpenTransaction] = {}
        self.statuses: dict[int, str] = {}  # last reported, by connector
        self._calls: dict[str, Call] = {}

    def note(self, event: Event) -> None:
        """Take one event of the wire into account."""
        if event.kind is not EventKind.FRAME:
            return
        frame = parse(event.text)
        if event.direction is Direction.SENT and isinstance(frame, Call):
            self._calls[frame.message_id] = frame
            if frame.action == "StatusNotification":
                connector_id = frame.payload.get("connectorId")
                if _is_integer(connector_id):
                    self.statuses[connector_id] = str(frame.payload.get("status"))
        elif event.direction is Direction.RECEIVED and isinstance(frame, CallResult):
            call = self._calls.pop(frame.message_id, None)
            if call is not None:
                self._answered(call, frame, event.identity)

    def _answered(self, call: Call, result: CallResult, identity: str) -> None:
        if call.action == "StartTransaction":
            transaction_id = result.payload.get("transactionId")
            # 0 and -1 are what a Central System says that made none.
            if _is_integer(transaction_id) and transaction_id > 0:
                self.open[transaction_id] = OpenTransaction(
                    identity=identity,
                    transaction_id=transaction_id,
                    connector_id=_integer(call.payload.get("connectorId"), 1),
                    id_tag=str(call.payload.get("idTag", "")),
                    meter_start=_integer(call.payload.get("meterStart"), 0),
                )
        elif call.action == "StopTransaction":
            self.open.pop(_integer(call.payload.get("transactionId"), -1), None)


class Journal:
    """The file that remembers open transactions over the death of a run."""

    def __init__(self, path: Path, ocpp_url: str) -> None:
        self._path = path
        self._url = ocpp_url
        self._noted: set[tuple[str, int]] = set()
        self._is_broken = False

    def sync(self, identity: str, open_now: Iterable[OpenTransaction]) -> None:
        """Write down what began or ended on an identity since the last call."""
        current = {(one.identity, one.transaction_id): one for one in open_now}
        known = {key for key in self._noted if key[0] == identity}
        for key in current.keys() - known:
            self._append({"open": asdict(current[key])})
        for key in known - current.keys():
            self._append({"stopped": {"identity": key[0], "transaction_id": key[1]}})
        self._noted = (self._noted - known) | current.keys()

    def leftovers(self) -> list[OpenTransaction]:
        """Return what dead runs against this URL left open, oldest first."""
        found: dict[tuple[str, int], OpenTransaction] = {}
        for entry in self._entries():
            if "open" in entry and not _is_running(entry):
                transaction = OpenTransaction(**entry["open"])
                found[transaction.identity, transaction.transaction_id] = transaction
            elif "stopped" in entry:
                stopped = entry["stopped"]
                found.pop((stopped["identity"], stopped["transaction_id"]), None)
        return list(found.values())

    def stopped(self, transaction: OpenTransaction) -> None:
        """Note that a leftover is no more."""
        key = {"identity": transaction.identity, "transaction_id": transaction.transaction_id}
        self._append({"stopped": key})

    def compact(self) -> None:
        """Remove the file when nothing in it is needed any more, ours or another run's."""
        balance: dict[tuple[str, str, int], bool] = {}
        for entry in self._entries(any_url=True):
            one = entry.get("open") or entry["stopped"]
            balance[entry["url"], one["identity"], one["transaction_id"]] = "open" in entry
        if not any(balance.values()):
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _entries(self, *, any_url: bool = False) -> list[dict[str, Any]]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        oldest_at = datetime.now(UTC) - _FORGET_AFTER
        entries = []
        for line in lines:
            # A run killed while it wrote leaves half a line; the others still count.
            try:
                entry = json.loads(line)
                is_recent = datetime.fromisoformat(entry["at"]) > oldest_at
                is_ours = any_url or entry["url"] == self._url
                if is_recent and is_ours and ("open" in entry or "stopped" in entry):
                    entries.append(entry)
            except (ValueError, TypeError, KeyError):
                continue
        return entries

    def _append(self, entry: dict[str, Any]) -> None:
        process = {"pid": os.getpid(), "born": _born(os.getpid())}
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": at, "url": self._url, **process, **entry}) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                # Whoever was killed while writing left half a line, which must not swallow this.
                if file.tell() > 0:
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else "\n" + line
                file.write(line.encode())
        except OSError as error:
            # A full disk must not end a run that goes well; it only could not be cleaned up after.
            if not self._is_broken:
                _log.warning("leftovers are not noted: %s: %s", self._path, error.strerror)
            self._is_broken = True


def _is_running(entry: dict[str, Any]) -> bool:
    """Say whether the process that wrote an entry still lives, and is the same one."""
    pid, born = entry.get("pid"), entry.get("born")
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return born is None or born == _born(pid)


def _born(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks: pids are used again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # no /proc here: the pid alone has to do
    return stat.rpartition(")")[2].split()[19]


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(value: Any, default: int) -> int:
    return value if _is_integer(value) else default
