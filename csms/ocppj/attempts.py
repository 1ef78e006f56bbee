"""Failed attempts at the door, counted and slowed, so that guessing is hopeless and costs little.

Three buckets of failures, each refilled with time: of an identity from one address, of an identity
from anywhere, of an address. Two rules keep honest charge points in: who shows again just what it
proved before passes whatever others do; and of the last two buckets, which others can empty, only
those feel anything who failed themselves. So no identity and no address is ever locked as a whole.
"""

import hmac
import math
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, TypeAlias, TypeVar

MAX_REMEMBERED: Final = 20_000  # of each kind; some hundred bytes each

_Pair: TypeAlias = tuple[str, str, int]  # identity, network, how often it was forgiven
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures at once, and how many seconds until another one."""

    burst: int
    refill_s: float


OF_PAIR: Final = Limit(5, 20.0)
OF_IDENTITY: Final = Limit(20, 10.0)
OF_ADDRESS: Final = Limit(100, 1.0)


class Buckets:
    """One bucket for each key that failed lately; the longest untouched are forgotten."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._levels

    def __len__(self) -> int:
        return len(self._levels)

    def fill(self, key: Hashable, now_s: float) -> None:
        """Count one."""
        self._levels[key] = (min(self._level(key, now_s) + 1, self._limit.burst), now_s)
        _bound(self._levels, key)

    def forget(self, key: Hashable) -> None:
        """Count none."""
        self._levels.pop(key, None)

    def wait_s(self, key: Hashable, now_s: float, *, beside: int = 0) -> float:
        """Return how long it takes until there is room for one beside some others."""
        too_many = self._level(key, now_s) + beside - (self._limit.burst - 1)
        return max(0.0, too_many) * self._limit.refill_s

    def _level(self, key: Hashable, now_s: float) -> float:
        level, at_s = self._levels.get(key, (0.0, now_s))
        level -= (now_s - at_s) / self._limit.refill_s
        if level <= 0:
            self._levels.pop(key, None)
            return 0.0
        return level


class Attempts:
    """What became of attempts to come in.

    Begin each with `begin`; where that lets it be checked, end it with `failed`, `admitted` or
    `abandoned`.
    """

    def __init__(self, *, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._of_pair = Buckets(OF_PAIR)
        self._of_identity = Buckets(OF_IDENTITY)
        self._of_address = Buckets(OF_ADDRESS)
        self._under_way: dict[tuple[str, str], Counter[bytes]] = {}
        self._forgiven: OrderedDict[str, int] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._proven: OrderedDict[str, bytes] = OrderedDict()

    def begin(self, identity: str, address: str, shown: bytes) -> int:
        """Return for how many seconds an attempt is refused, unseen; 0 where it is to be checked.

        Args:
            identity: who somebody claims to be.
            address: where from.
            shown: the credentials, right or wrong.
        """
        pair, digest = self._pair(identity, address), self._digest(identity, shown)
        wait_s = 0 if self._is_proven(identity, digest) else self._wait_s(pair, digest)
        if wait_s == 0:
            self._under_way.setdefault(pair[:2], Counter())[digest] += 1
        return wait_s

    def failed(self, identity: str, address: str, shown: bytes) -> None:
        """Count what was refused."""
        digest, now_s = self._digest(identity, shown), self._now_s()
        pair = self._end(identity, address, digest)
        self._of_pair.fill(pair, now_s)
        self._of_identity.fill(identity, now_s)
        self._of_address.fill(pair[1], now_s)
        if self._is_proven(identity, digest):  # it was right once
            del self._proven[identity]

    def admitted(self, identity: str, address: str, shown: bytes, *, is_proof: bool) -> None:
        """Remember what let somebody in, as a digest under a key that only this process has.

        Args:
            is_proof: False where nothing had to be right; then failures stay counted.
        """
        digest = self._digest(identity, shown)
        pair = self._end(identity, address, digest)
        if is_proof:
            self._of_pair.forget(pair)
        self._proven[identity] = digest
        _bound(self._proven, identity)

    def abandoned(self, identity: str, address: str, shown: bytes) -> None:
        """Take back what could not be checked."""
        self._end(identity, address, self._digest(identity, shown))

    def forgive(self, identity: str) -> None:
        """Count no failure of an identity any more: what is right for it has changed."""
        if identity in self._of_identity:
            self._of_identity.forget(identity)
            self._forgiven[identity] = self._forgiven.get(identity, 0) + 1
            _bound(self._forgiven, identity)

    def _wait_s(self, pair: _Pair, digest: bytes) -> int:
        now_s = self._now_s()
        others = len(self._under_way.get(pair[:2], {}).keys() - {digest})  # other guesses
        wait_s = self._of_pair.wait_s(pair, now_s, beside=others)
        if pair in self._of_pair:
            wait_s = max(
                wait_s,
                self._of_identity.wait_s(pair[0], now_s),
                self._of_address.wait_s(pair[1], now_s),
            )
        return math.ceil(wait_s)

    def _pair(self, identity: str, address: str) -> _Pair:
        return identity, _network(address), self._forgiven.get(identity, 0)

    def _end(self, identity: str, address: str, digest: bytes) -> _Pair:
        pair = self._pair(identity, address)
        under_way = self._under_way[pair[:2]]
        under_way[digest] -= 1
        if under_way[digest] == 0:
            del under_way[digest]
        if not under_way:
            del self._under_way[pair[:2]]
        return pair

    def _is_proven(self, identity: str, digest: bytes) -> bool:
        proven = self._proven.get(identity)
        return proven is not None and hmac.compare_digest(proven, digest)

    def _digest(self, identity: str, shown: bytes) -> bytes:
        return hmac.digest(self._secret, identity.encode() + b"\0" + shown, sha256)


def _bound(remembered: OrderedDict[_Key, Any], newest: _Key) -> None:
    remembered.move_to_end(newest)
    if len(remembered) > MAX_REMEMBERED:
        remembered.popitem(last=False)


def _network(address: str) -> str:
    """Return what one customer holds: an IPv4 address, the first half of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return parsed.exploded[:19]
    return str(parsed)
