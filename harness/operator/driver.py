"""The driver that is a person. What the person can do alone, an inner driver does first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.drivers.driver import Credentials, Driver, DriverOutcome, Operation
from harness.model import Json

if TYPE_CHECKING:
    from harness.operator.desk import Desk


class OperatorDriver:
    """Asks a person for every command."""

    is_patient = True

    def __init__(self, desk: Desk, inner: Driver | None) -> None:
        """Prepare.

        Args:
            inner: registers identities and id tags; None: the person does.
        """
        self._desk = desk
        self._inner = inner

    def cannot(self, operation: Operation) -> str:
        """Rule out nothing: that is for the person to say."""
        if operation.is_command or self._inner is None:
            return ""
        return self._inner.cannot(operation)

    def remarks(self) -> Sequence[str]:
        """Return what the inner driver noticed."""
        return () if self._inner is None else self._inner.remarks()

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Have everything registered, and wait for it."""
        if self._inner is None:
            await self._desk.prepare(identities, id_tags)
        else:
            await self._inner.prepare(identities, id_tags)
            self._desk.prepared()

    async def restore(self, credentials: Credentials) -> bool:
        """Register an identity anew, where that needs nobody."""
        return False if self._inner is None else await self._inner.restore(credentials)

    async def command(
        self, identity: str, operation: Operation, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Ask the person, and wait."""
        return await self._desk.carry_out(identity, operation)

    async def close(self) -> None:
        """Give back what the inner driver holds."""
        if self._inner is not None:
            await self._inner.close()
