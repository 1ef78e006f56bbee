"""Which part of a file a client asks for. Pure.

Spec: RFC 9110 §13, §14. One range is served; of several, the whole file is (§14.2 allows it). Our
only validator is a strong entity tag, so a date in If-Range never matches, and a resumed download
cannot be spliced from two files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

_RANGES: Final = re.compile(r"bytes=([0-9,\-\t ]+)", re.IGNORECASE)
_RANGE: Final = re.compile(r"(\d{0,19})-(\d{0,19})", re.ASCII)
_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')


class Refusal(Enum):
    """Why nothing is served."""

    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412
    NOT_SATISFIABLE = 416


@dataclass(frozen=True, slots=True)
class Part:
    """What is served: bytes `first` to before `end`; all of them if not `is_partial`."""

    first: int
    end: int
    is_partial: bool = False


def requested_part(
    headers: Mapping[str, str], *, etag: str, size_bytes: int, may_resume: bool = True
) -> Part | Refusal:
    """Return the part that a GET asks for.

    Args:
        headers: of the request, by lower-case name; several of one name joined by commas.
        etag: the file's strong entity tag, quoted.
        size_bytes: the file's.
        may_resume: whether a Range without If-Range is heeded; not, where the client may have the
            beginning of another file.
    """
    if_match = headers.get("if-match")
    if if_match is not None and not _matches(if_match, etag, weakly=False):
        return Refusal.PRECONDITION_FAILED
    if_none_match = headers.get("if-none-match")
    if if_none_match is not None and _matches(if_none_match, etag, weakly=True):
        return Refusal.NOT_MODIFIED
    whole = Part(0, size_bytes)
    if "range" not in headers:
        return whole
    if_range = headers.get("if-range")
    if if_range is None:
        if not may_resume and if_match is None:
            return whole
    elif if_range.strip() != etag:
        return whole
    return _part(headers["range"], size_bytes) or whole


def _part(text: str, size_bytes: int) -> Part | Refusal | None:
    """Read a Range header; None for one that is not heeded."""
    match = _RANGES.fullmatch(text.strip())
    if match is None:
        return None
    specs = [spec for one in match[1].split(",") if (spec := one.strip())]
    parsed = [_RANGE.fullmatch(spec) for spec in specs]
    if len(parsed) != 1 or parsed[0] is None:
        return None
    first, last = parsed[0][1], parsed[0][2]
    if not first:
        if not last:
            return None
        length = min(int(last), size_bytes)
        return Part(size_bytes - length, size_bytes, True) if length else Refusal.NOT_SATISFIABLE
    if last and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        return Refusal.NOT_SATISFIABLE
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    return Part(int(first), end, True)


def _matches(condition: str, etag: str, *, weakly: bool) -> bool:
    if condition.strip() == "*":
        return True
    return any(
        tag == etag or (weakly and tag.removeprefix("W/") == etag)
        for tag in _TAG.findall(condition)
    )
