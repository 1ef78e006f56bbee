"""What a handler gets: one validated CALL of a charge point."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """A CALL that passed registration gate, duplicate check and validation.

    Attributes:
        payload: with the types the standard wants; times are still text, of any kind.
        text: the raw frame.
        quirks: what validation let pass, to be kept with the record.
    """

    identity: str
    action: str
    message_id: str
    payload: dict[str, Any]
    text: str
    received_at: datetime
    quirks: tuple[str, ...]
