"""What every way of making a Central System act has in common.

A driver starts an action and tells what it was told. It never decides a verdict: the wire does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from harness.model import Json


@dataclass(frozen=True, slots=True)
class Credentials:
    """One charge point identity the run may use, and what it proves itself with.

    Attributes:
        password: for Basic auth.
        role: what it is for, where it is for something special; empty: for any case.
        serial_number, organization: subject of its certificates.
    """

    identity: str
    password: bytes | None = field(default=None, repr=False)
    security_profile: int = 0
    role: str = ""
    serial_number: str = ""
    organization: str = ""


class Outcome(StrEnum):
    """What became of a command, as far as the driver can tell."""

    DONE = "done"
    REFUSED = "refused"  # the Central System declined: offline, unknown, unsupported
    FAILED = "failed"  # the interface itself broke
    PENDING = "pending"  # nothing was said yet


@dataclass(frozen=True, slots=True)
class DriverOutcome:
    """What the driver was told.

    Attributes:
        summary: one line for people.
        answer: the charge point's own answer, where the interface hands it on.
    """

    outcome: Outcome
    summary: str
    answer: Json = None


class ProvisioningError(Exception):
    """The Central System would not register what the run needs; the message names the request."""


class Driver(Protocol):
    """Makes one Central System act."""

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Register the identities and id tags, or raise ProvisioningError."""

    async def restore(self, credentials: Credentials) -> bool:
        """Register an identity anew, after a case changed it; False where nothing can do so.

        Raises:
            ProvisioningError: the Central System would not.
        """

    async def command(
        self, identity: str, action: str, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Make the Central System send `action`; never raises for what the other side does."""

    async def close(self) -> None:
        """Give back what the driver holds."""


class NoDriver:
    """Nobody acts: cases with operator steps stay inconclusive."""

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Register nothing: whoever wrote the file says that all of it exists."""

    async def restore(self, credentials: Credentials) -> bool:
        """Register nothing."""
        return False

    async def command(
        self, identity: str, action: str, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Refuse, and say what to do about it."""
        return DriverOutcome(
            Outcome.REFUSED,
            f"no driver: nobody can make the Central System send {action}; "
            "add a `driver` to the system-under-test file",
        )

    async def close(self) -> None:
        """Hold nothing."""
