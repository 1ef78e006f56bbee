"""The local authorization list: changed by SendLocalList alone, as a whole or not at all.

Spec: OCPP 1.6 ed. 2 §3.5.2, §5.15 with errata 3.52. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from simulator.authorization import AuthorizationStatus, IdTagInfo

EMPTY_VERSION: Final = 0
NO_LIST_VERSION: Final = -1  # what GetLocalListVersion answers where there is no list


class UpdateStatus(StrEnum):
    """§7.45."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_SUPPORTED = "NotSupported"
    VERSION_MISMATCH = "VersionMismatch"


class LocalList:
    """idTags the CSMS put on the list, and its version; both survive restarts.

    Attributes:
        version: 0 while the list is empty.
    """

    def __init__(self) -> None:
        self.version = EMPTY_VERSION
        self._entries: dict[str, IdTagInfo] = {}

    def __contains__(self, id_tag: str) -> bool:
        return id_tag.casefold() in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, id_tag: str, at: datetime) -> IdTagInfo | None:
        """Return what the list says of an idTag at `at`, None where it does not have it."""
        info = self._entries.get(id_tag.casefold())
        return None if info is None else info.seen_at(at)

    def update(
        self,
        update_type: str,
        version: int,
        entries: Sequence[Mapping[str, Any]],
        *,
        max_sent: int,
        max_length: int,
    ) -> UpdateStatus:
        """Take an update over, or change nothing.

        A list that becomes empty has version 0 from then on, whatever the update's was. Version 0
        is no version, but stations have to be lenient with it where it comes with no entries.

        Args:
            entries: as `simulator.payloads` reads them.
            max_sent: SendLocalListMaxLength.
            max_length: LocalAuthListMaxLength.
        """
        is_full = update_type == "Full"
        if not is_full and version <= self.version:
            return UpdateStatus.VERSION_MISMATCH
        names = [entry["id_tag"].casefold() for entry in entries]
        is_incomplete = is_full and any("id_tag_info" not in entry for entry in entries)
        has_version = version > EMPTY_VERSION or (version == EMPTY_VERSION and not entries)
        if len(entries) > max_sent or len(set(names)) < len(names):
            return UpdateStatus.FAILED
        if is_incomplete or not has_version:
            return UpdateStatus.FAILED
        changed = {} if is_full else dict(self._entries)
        for name, entry in zip(names, entries, strict=True):
            if "id_tag_info" in entry:
                changed[name] = _info(entry["id_tag_info"])
            else:
                changed.pop(name, None)
        if len(changed) > max_length:
            return UpdateStatus.FAILED
        self._entries = changed
        self.version = version if changed else EMPTY_VERSION
        return UpdateStatus.ACCEPTED


def is_conflict(listed: IdTagInfo | None, told: IdTagInfo | None) -> bool:
    """Whether the CSMS says something else of an idTag than its own list.

    ConcurrentTx is about the moment, not about the idTag.
    """
    if listed is None or told is None or told.status is AuthorizationStatus.CONCURRENT_TX:
        return False
    return listed.status is not told.status


def _info(fields: Mapping[str, Any]) -> IdTagInfo:
    return IdTagInfo(
        AuthorizationStatus(fields["status"]),
        fields.get("parent_id_tag"),
        fields.get("expiry_date"),
    )
