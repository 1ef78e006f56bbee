"""The `driver` section of a system-under-test file, of kind ``operator``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

DEADLINE_S: Final = 900.0  # generous: people have to find the screen first


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSpec:
    """A person presses the buttons.

    Attributes:
        deadline_s: how long for each of them.
    """

    deadline_s: float = DEADLINE_S

    @property
    def description(self) -> str:
        """What a report calls it."""
        return "a person"

    def secrets(self) -> Sequence[str]:
        """Return what must not be written anywhere: a person's mind is not read."""
        return ()
