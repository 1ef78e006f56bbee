"""Pages of long lists: a bounded size and an opaque cursor to the next page."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

import orjson
from fastapi import Query

from csms.web.problems import invalid

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

Item = TypeVar("Item")
Key = TypeVar("Key", str, int)

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=2048, description="`next` of the page before; none for the first.")
]


def read_cursor(cursor: str | None, kind: type[Key]) -> Key | None:
    """Return the key after which the page starts, None for the first page.

    Raises:
        Problem: a text that is no cursor of such a list.
    """
    if cursor is None:
        return None
    try:
        key = orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, binascii.Error):
        key = None
    # bool is an int in Python; SQLite's integers have 64 bits.
    if (
        not isinstance(key, kind)
        or isinstance(key, bool)
        or (isinstance(key, int) and not 0 <= key < 2**63)
    ):
        raise invalid("cursor", "is not a cursor of this list; use `next` of the page before")
    return key


def cut(
    found: Sequence[Item], limit: int, key: Callable[[Item], str | int]
) -> tuple[Sequence[Item], str | None]:
    """Return the page and the cursor of the next, from up to `limit` + 1 items found."""
    if len(found) <= limit:
        return found, None
    page = found[:limit]
    return page, base64.urlsafe_b64encode(orjson.dumps(key(page[-1]))).decode("ascii")
