"""Who may charge: local list before cache before CSMS. Spec: OCPP 1.6 ed. 2 §3.5, §4.1.

Pure rules and the two stores they look into. idTags are case-insensitive (§7.28).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Final, Protocol

from simulator.clock import parse_time
from simulator.keys import Configuration

CACHE_CAPACITY: Final = 1000


class AuthorizationStatus(StrEnum):
    """§7.2."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"


@dataclass(frozen=True, slots=True)
class IdTagInfo:
    """What is known of an idTag, §7.27."""

    status: AuthorizationStatus
    parent_id_tag: str | None = None
    expires_at: datetime | None = None

    def seen_at(self, at: datetime) -> IdTagInfo:
        """Return the information as it stands at `at`: an entry past its date is Expired."""
        is_over = self.expires_at is not None and at >= self.expires_at
        if self.status is AuthorizationStatus.ACCEPTED and is_over:
            return replace(self, status=AuthorizationStatus.EXPIRED)
        return self

    @property
    def is_accepted(self) -> bool:
        """Whether it allows to charge."""
        return self.status is AuthorizationStatus.ACCEPTED


def read_id_tag_info(payload: Mapping[str, object]) -> IdTagInfo | None:
    """Read `idTagInfo` of an answer; None where there is none that can be used."""
    info = payload.get("idTagInfo")
    if not isinstance(info, dict):
        return None
    try:
        status = AuthorizationStatus(str(info.get("status")))
    except ValueError:
        return None
    parent = info.get("parentIdTag")
    return IdTagInfo(
        status, parent if isinstance(parent, str) else None, parse_time(info.get("expiryDate"))
    )


class IdTagStore:
    """The authorization cache: idTags and what is known of them."""

    def __init__(self, capacity: int = CACHE_CAPACITY) -> None:
        self._capacity = capacity
        self._entries: dict[str, IdTagInfo] = {}  # in the order of their last change

    def __contains__(self, id_tag: str) -> bool:
        return id_tag.casefold() in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, id_tag: str, at: datetime) -> IdTagInfo | None:
        """Return what is known at `at`, None where nothing is."""
        info = self._entries.get(id_tag.casefold())
        return None if info is None else info.seen_at(at)

    def put(self, id_tag: str, info: IdTagInfo, at: datetime) -> None:
        """Remember; when full, not valid entries go first, then the oldest (§3.5.1)."""
        self._entries.pop(id_tag.casefold(), None)
        if len(self._entries) >= self._capacity:
            invalid = (
                name for name, entry in self._entries.items() if not entry.seen_at(at).is_accepted
            )
            del self._entries[next(invalid, next(iter(self._entries)))]
        self._entries[id_tag.casefold()] = info

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


class KnownTags(Protocol):
    """Something that knows idTags."""

    def find(self, id_tag: str, at: datetime) -> IdTagInfo | None:
        """Return what is known at `at`, None where nothing is."""


class Decision(Enum):
    """What to do with somebody who presents an idTag to start."""

    START = auto()
    ASK = auto()  # Authorize.req
    REFUSE = auto()


def decide(
    id_tag: str,
    *,
    is_online: bool,
    at: datetime,
    keys: Configuration,
    local_list: KnownTags,
    cache: KnownTags,
) -> tuple[Decision, IdTagInfo | None]:
    """Decide on an idTag that wants to start; also return what is known of it locally.

    Spec: OCPP 1.6 ed. 2 §3.5.2-3.5.4.
    """
    listed = local_list.find(id_tag, at) if keys.boolean("LocalAuthListEnabled") else None
    cached = cache.find(id_tag, at) if keys.boolean("AuthorizationCacheEnabled") else None
    known = listed or cached
    is_known_good = known is not None and known.is_accepted
    if is_online:
        may_skip = is_known_good and keys.boolean("LocalPreAuthorize")
        return (Decision.START if may_skip else Decision.ASK), known
    if known is not None:
        may_start = is_known_good and keys.boolean("LocalAuthorizeOffline")
        return (Decision.START if may_start else Decision.REFUSE), known
    may_start = keys.boolean("AllowOfflineTxForUnknownId")
    return (Decision.START if may_start else Decision.REFUSE), None


def is_same_tag(one: str, other: str) -> bool:
    """Whether two idTags are the same."""
    return one.casefold() == other.casefold()


def is_same_group(one: str | None, other: str | None) -> bool:
    """Whether two parentIdTags name the same group; no parent is no group (§3.10)."""
    return one is not None and other is not None and one.casefold() == other.casefold()
