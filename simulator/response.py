"""The content of an answer, and what follows it. Handlers of requests give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from simulator.clock import Moment

Request: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """Content of a CALLRESULT and what follows it."""

    payload: dict[str, object]
    follow_up: Callable[[Moment], object] | None = None


def status_response(status: str, follow_up: Callable[[Moment], object] | None = None) -> Response:
    """Return an answer that is a status and nothing else."""
    return Response({"status": status}, follow_up)
