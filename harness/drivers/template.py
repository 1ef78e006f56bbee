"""Request templates of the http driver: texts and bodies with `$name` places. Pure, no code.

`$name` and `${name}` stand for a value, `$payload.field` for one field of the OCPP payload, `$$`
for a dollar sign. A text that is one place only keeps the value's type; in a body, a place
whose field is absent takes its member or element away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from harness.model import Json

_PLACE: Final = re.compile(r"\$(?:\$|(\w+(?:\.\w+)*)|\{(\w+(?:\.\w+)*)\})")


class UnknownName(LookupError):
    """A template names a value that nobody gives."""


class Absent:
    """The value of what is not there: a payload field, a password."""


ABSENT: Final = Absent()


def names(template: Json) -> Iterator[str]:
    """Yield the first part of every name a template uses."""
    if isinstance(template, str):
        for match in _PLACE.finditer(template):
            name = match[1] or match[2]
            if name:
                yield name.partition(".")[0]
    elif isinstance(template, dict):
        for value in template.values():
            yield from names(value)
    elif isinstance(template, list):
        for value in template:
            yield from names(value)


def fill(template: Json, values: Mapping[str, Json | Absent]) -> Json:
    """Return `template` with every place filled; a template that is absent as a whole is None."""
    filled = _fill(template, values)
    return None if isinstance(filled, Absent) else filled


def fill_path(template: str, values: Mapping[str, Json | Absent]) -> str:
    """Return a path or query text with every value percent-encoded, slashes included."""
    return _PLACE.sub(lambda match: quote(_text_at(match, values), safe=""), template)


def fill_text(template: str, values: Mapping[str, Json | Absent]) -> str:
    """Return a text with every value put in as it is."""
    return _PLACE.sub(lambda match: _text_at(match, values), template)


def pick(value: Json, pointer: str) -> Json:
    """Return the value at a JSON pointer (RFC 6901), or None where nothing is."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _fill(template: Json, values: Mapping[str, Json | Absent]) -> Json | Absent:
    if isinstance(template, dict):
        filled = {key: _fill(value, values) for key, value in template.items()}
        return {key: value for key, value in filled.items() if not isinstance(value, Absent)}
    if isinstance(template, list):
        items = [_fill(value, values) for value in template]
        return [value for value in items if not isinstance(value, Absent)]
    if not isinstance(template, str):
        return template
    whole = _PLACE.fullmatch(template)
    if whole and whole[0] != "$$":
        return _value(whole[1] or whole[2], values)
    return fill_text(template, values)


def _value(name: str, values: Mapping[str, Json | Absent]) -> Json | Absent:
    first, *fields = name.split(".")
    if first not in values:
        raise UnknownName(name)
    value = values[first]
    for field in fields:
        if not isinstance(value, dict) or field not in value:
            return ABSENT
        value = value[field]
    return value


def _text_at(match: re.Match[str], values: Mapping[str, Json | Absent]) -> str:
    name = match[1] or match[2]
    if not name:
        return "$"
    value = _value(name, values)
    if isinstance(value, Absent):
        return ""
    return value if isinstance(value, str) else json.dumps(value)
