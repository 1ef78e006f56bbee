"""Local authorization lists: what a charge point holds, and the updates that bring it there.

Spec: OCPP 1.6 ed. 2 §3.5.2, §5.10, §5.15, §6.41, §7.1; errata v4.0 3.52 (CS-LAL). An update makes
something true only when it was accepted. One whose answer never came may have been applied or not,
so that the list is not known until a Full one is accepted or its version tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from csms.domain.authorization import authorize
from csms.domain.model import AuthorizationStatus, IdTag, IdTagInfo
from csms.domain.numbers import INT32_MAX
from csms.domain.times import format_time, parse_time


class UpdateType(StrEnum):
    """Whether an update replaces the list or changes it (§7.43)."""

    FULL = "Full"
    DIFFERENTIAL = "Differential"


class UpdateStatus(StrEnum):
    """How an update ended; the station's own words (§7.44) and ours."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_SUPPORTED = "NotSupported"
    VERSION_MISMATCH = "VersionMismatch"
    REQUESTED = "Requested"  # under way
    REFUSED = "Refused"  # by a CALLERROR
    UNKNOWN = "Unknown"  # no answer, or none that can be understood
    NOT_APPLIED = "NotApplied"  # was Unknown, until the charge point told its version


ANSWERS: Final = frozenset(
    {
        UpdateStatus.ACCEPTED,
        UpdateStatus.FAILED,
        UpdateStatus.NOT_SUPPORTED,
        UpdateStatus.VERSION_MISMATCH,
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag of a list; without `info` it leaves the list (Differential only)."""

    id_tag: str
    info: IdTagInfo | None


@dataclass(frozen=True, slots=True)
class Update:
    """One SendLocalList.req."""

    version: int
    update_type: UpdateType
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class LocalListUpdate:
    """What became of an update.

    Attributes:
        entry_count: tags it carried.
        settled_at: when its end was known; None before.
    """

    record_id: int
    identity: str
    version: int
    update_type: UpdateType
    entry_count: int
    status: UpdateStatus
    requested_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class LocalList:
    """What is known of a charge point's list.

    Attributes:
        version: of the newest accepted update; None before the first.
        is_known: the entries are what the charge point holds. Otherwise they are what is known to
            have been accepted.
        is_ours: a Full update was accepted, or the list was empty: nobody else's tags are on it.
        is_complete: no list in several updates is left half sent.
        entry_count: tags on the list, as far as accepted.
        accepted_at: when it accepted an update the last time.
        reported_version: its last answer to GetLocalListVersion; 0 is empty, -1 not supported,
            and some charge points never say anything else.
        unconfirmed: the update whose end is not known.
        highest_version: the highest that was sent, so that none is used twice.
    """

    identity: str
    version: int | None = None
    is_known: bool = False
    is_ours: bool = False
    is_complete: bool = True
    entry_count: int = 0
    accepted_at: datetime | None = None
    reported_version: int | None = None
    reported_at: datetime | None = None
    unconfirmed: LocalListUpdate | None = None
    highest_version: int = 0

    @property
    def needs_full(self) -> bool:
        """Whether only a Full update makes known again what the charge point holds.

        A list that was never ours needs none: what is on it is not for us to wipe unasked.
        """
        is_touched = self.is_ours or self.unconfirmed is not None
        return is_touched and not (self.is_known and self.is_complete)

    @property
    def last_version(self) -> int:
        """The highest version heard of; the next update's is higher."""
        return max(self.highest_version, self.version or 0, self.reported_version or 0)


def read_update(payload: Mapping[str, Any]) -> Update:
    """Read a SendLocalList.req that is fit to be sent."""
    return Update(
        version=payload["listVersion"],
        update_type=UpdateType(payload["updateType"]),
        entries=tuple(
            Entry(one["idTag"], _read_info(one.get("idTagInfo")))
            for one in payload.get("localAuthorizationList", ())
        ),
    )


def write_update(update: Update) -> dict[str, Any]:
    """Return the SendLocalList.req of an update; an empty Full one empties the list."""
    return {
        "listVersion": update.version,
        "updateType": update.update_type.value,
        "localAuthorizationList": write_entries(update.entries),
    }


def write_entries(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return entries as OCPP has them."""
    return [
        {"idTag": entry.id_tag}
        if entry.info is None
        else {"idTag": entry.id_tag, "idTagInfo": _write_info(entry.info)}
        for entry in entries
    ]


def read_entries(written: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    """Read what `write_entries` wrote."""
    return tuple(Entry(one["idTag"], _read_info(one.get("idTagInfo"))) for one in written)


def read_status(payload: Mapping[str, Any]) -> UpdateStatus:
    """Return what a SendLocalList.conf says; Unknown for a word that is none of the standard's."""
    status = payload.get("status")
    if isinstance(status, str) and status in ANSWERS:
        return UpdateStatus(status)
    return UpdateStatus.UNKNOWN


def entry_of(tag: IdTag, *, at: datetime) -> Entry:
    """Return a tag as a list has it: with what an Authorize would answer now."""
    info = authorize(tag, at=at)
    if info.expires_at is not None:  # as it will be sent, so that lists can be compared
        milliseconds = info.expires_at.microsecond // 1000
        info = replace(info, expires_at=info.expires_at.replace(microsecond=milliseconds * 1000))
    return Entry(tag.id_tag, info)


def difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[Entry]:
    """Return what a Differential update must carry to make one list of another."""
    gone = [Entry(entry.id_tag, None) for key, entry in before.items() if key not in after]
    new = [entry for key, entry in after.items() if before.get(key) != entry]
    return gone + new


def plan(
    entries: Sequence[Entry],
    update_type: UpdateType,
    *,
    after_version: int,
    max_length: int | None,
) -> list[Update]:
    """Return the updates that bring these entries to a charge point.

    Only the first is Full; the versions rise by one (CS-LAL-05).

    Args:
        entries: each tag once.
        update_type: of the first.
        after_version: the highest version used so far.
        max_length: the entries one update may have; None where nothing was declared.

    Raises:
        ValueError: the versions would not fit into 32 bit.
    """
    size = max_length or max(len(entries), 1)
    portions = [tuple(entries[start : start + size]) for start in range(0, len(entries), size)]
    first_version = max(after_version, 0) + 1
    if first_version + len(portions) > INT32_MAX:
        if update_type is UpdateType.DIFFERENTIAL:
            raise ValueError("no higher list version is left; send a full list")
        first_version = 1  # a Full update is compared with nothing
    return [
        Update(
            first_version + number,
            update_type if number == 0 else UpdateType.DIFFERENTIAL,
            portion,
        )
        for number, portion in enumerate(portions or [()])
    ]


def _read_info(info: Mapping[str, Any] | None) -> IdTagInfo | None:
    if info is None:
        return None
    expires = parse_time(info.get("expiryDate"))
    return IdTagInfo(
        AuthorizationStatus(info["status"]),
        None if expires is None else expires.at,
        info.get("parentIdTag"),
    )


def _write_info(info: IdTagInfo) -> dict[str, str]:
    written = {"status": info.status.value}
    if info.expires_at is not None:
        written["expiryDate"] = format_time(info.expires_at)
    if info.parent_id_tag is not None:
        written["parentIdTag"] = info.parent_id_tag
    return written
