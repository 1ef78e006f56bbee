"""Leases of identities and id tags: cases that run together never share one.

What was given back longest ago is given out first, so that a late frame of one case does not land
in the next.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Final, TypeVar

from harness.drivers.driver import Credentials
from harness.model import Check, Operator, Scenario, StepBase

# Tags at the same place of these lists belong together: two cards and their parent.
FAMILY: Final = ("valid", "valid_2", "parent")

_REFERENCE: Final = re.compile(r"\$\{?(\w+)")
_TAG_VARIABLE: Final = re.compile(r"(\w+?)_id_tag(_\d+)?(?:_other_case)?")

_T = TypeVar("_T")


class PoolError(Exception):
    """The file has not what a case needs; waiting would not help."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What one case may use.

    Attributes:
        id_tags: the case's own tag of every role it uses.
    """

    credentials: Credentials
    id_tags: Mapping[str, str] = field(default_factory=dict)


class Pools:
    """Hands out identities and id tags, and waits when all are taken."""

    def __init__(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        self._identities = list(identities)
        self._leased: list[Credentials] = []
        self._changed_ones: dict[str, Credentials] = {}
        self._retired: set[str] = set()
        self._id_tags = id_tags
        # Places of each role's list that are free, longest unused first. The family shares places.
        longest = max((len(id_tags.get(role, ())) for role in FAMILY), default=0)
        self._free: dict[str, list[int]] = {"family": list(range(longest))}
        for role, tags in id_tags.items():
            if role not in FAMILY:
                self._free[role] = list(range(len(tags)))
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def lease(
        self, roles: frozenset[str], *, profile: int | None = None, role: str = ""
    ) -> AsyncIterator[Lease]:
        """Wait for an identity and a tag of each role, all at once, and give them back after.

        Args:
            roles: of id tags.
            profile: security profile of the identity; None: any.
            role: of the identity.

        Raises:
            PoolError: the file lists no tag of a role, or no family that has all of them, or no
                such identity.
        """
        self._check(roles)
        async with self._changed:
            places: dict[str, int] | None = None
            while places is None:
                if not any(_fits(one, profile, role) for one in self._identities + self._leased):
                    raise PoolError(_no_identity(profile, role))
                free = [one for one in self._identities if _fits(one, profile, role)]
                places = self._places(roles) if free else None
                if places is None:
                    await self._changed.wait()
            # Taken together or not at all: two cases each holding a half would wait for ever.
            credentials = free[0]
            self._identities.remove(credentials)
            self._leased.append(credentials)
            for pool, place in places.items():
                self._free[pool].remove(place)
        try:
            tags = {role: self._id_tags[role][places[_pool(role)]] for role in roles}
            yield Lease(credentials, tags)
        finally:
            # No await before the lists are whole again: a cancelled case must not leak a lease.
            self._leased.remove(credentials)
            returned = self._changed_ones.pop(credentials.identity, credentials)
            if credentials.identity not in self._retired:
                self._identities.append(returned)
            for pool, place in places.items():
                self._free[pool].append(place)
            await asyncio.shield(self._tell())

    def change(self, credentials: Credentials) -> None:
        """Take note that a leased identity proves itself otherwise from now on."""
        self._changed_ones[credentials.identity] = credentials

    def retire(self, credentials: Credentials) -> bool:
        """Give a leased identity to no other case; False where there is none in its place."""
        profile, role = credentials.security_profile, credentials.role
        others = [
            one
            for one in self._identities + self._leased
            if one.identity not in self._retired | {credentials.identity}
            and _fits(one, profile, role)
        ]
        if others:
            self._retired.add(credentials.identity)
        return bool(others)

    def _check(self, roles: frozenset[str]) -> None:
        for role in sorted(roles):
            if not self._id_tags.get(role):
                raise PoolError(
                    f"the case uses ${variable_of(role)}, but the system-under-test file has no "
                    f"id tag of that role; add `id_tags: {{{role}: [...]}}`"
                )

    def _places(self, roles: frozenset[str]) -> dict[str, int] | None:
        """Return a free place in every pool needed, or None where one has none."""
        places: dict[str, int] = {}
        for pool in {_pool(role) for role in roles}:
            needed = [self._id_tags[role] for role in roles if _pool(role) == pool]
            usable = [at for at in self._free[pool] if all(at < len(tags) for tags in needed)]
            if not usable:
                return None
            places[pool] = usable[0]
        return places

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def roles_used(scenario: Scenario) -> frozenset[str]:
    """Return the roles whose tags a scenario needs, such as ``valid`` or ``blocked``.

    What it captures or sets itself under such a name is not taken from a pool.
    """
    return frozenset(
        match[1] + (match[2] or "")
        for name in names_used(scenario)
        if (match := _TAG_VARIABLE.fullmatch(name))
    )


def names_used(scenario: Scenario) -> frozenset[str]:
    """Return the variables a scenario refers to and does not set itself."""
    names, own = set[str](), set(scenario.variables)
    _gather([scenario.steps, scenario.variables, scenario.configuration], names, own)
    return frozenset(names - own)


def variable_of(role: str) -> str:
    """Return the variable that holds a role's tag: ``valid_2`` is ``valid_id_tag_2``."""
    name, _, number = role.rpartition("_")
    return f"{name}_id_tag_{number}" if number.isdecimal() and name else f"{role}_id_tag"


def _fits(credentials: Credentials, profile: int | None, role: str) -> bool:
    return credentials.role == role and profile in (None, credentials.security_profile)


def _no_identity(profile: int | None, role: str) -> str:
    wanted = " and ".join(
        ([f"security_profile {profile}"] if profile is not None else [])
        + ([f"role {role}"] if role else [])
    )
    return (
        f"no identity with {wanted or 'no role'} is left for this worker; list more under "
        "`identities`, or use fewer workers"
    )


def _pool(role: str) -> str:
    return "family" if role in FAMILY else role


def _gather(value: object, names: set[str], own: set[str]) -> None:
    """Collect the variables a value refers to, and those it sets."""
    if isinstance(value, str):
        names.update(_REFERENCE.findall(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            _gather(item, names, own)
    elif isinstance(value, list | tuple):
        for item in value:
            _gather(item, names, own)
    elif is_dataclass(value) and not isinstance(value, type):
        if isinstance(value, Check) and value.operator is Operator.CAPTURE:
            own.add(str(value.argument))
        if isinstance(value, StepBase):
            own.update(value.bindings)
        for member in fields(value):
            if member.name not in ("position", "note"):
                _gather(getattr(value, member.name), names, own)


def share(items: Sequence[_T], *, worker: int, workers: int) -> tuple[_T, ...]:
    """Return what this worker may use: every n-th, so that tags that belong together stay so."""
    return tuple(items[worker::workers])
