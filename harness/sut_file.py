"""Reads a system-under-test file: YAML with places, a closed shape, and errors that help.

Every problem carries the file and line and says what would have been right. What the values
mean is `harness.sut`'s business.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import jsonschema_rs
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness.model import Json, Position

Place = Sequence[str | int]

_MUST: Final = {
    r"^(wss?://|\$\{)": "must begin with ws:// or wss://",
    r"^(https?://|\$\{)": "must begin with http:// or https://",
    r"\{n(:0?[0-9]*d?)?\}": "must hold {n} or {n:04}, the place of the number",
    r"^[a-z][a-z0-9_]*$": "must be small letters, digits and _",
    ":": "must be host:port",
    "^/": "must be a JSON pointer, such as /status",
    "^(/|$)": "must be a JSON pointer, such as /status, or empty for the whole body",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file, and what would have been right."""

    position: Position
    message: str

    def __str__(self) -> str:
        return f"{self.position}: {self.message}"


class SutError(Exception):
    """The file cannot be used; one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SutFile:
    """A parsed file: plain data, and the place of every value in it."""

    def __init__(self, path: Path) -> None:
        """Read and check `path`, or raise SutError."""
        self.path = path
        self._root = self._parse()
        self.content = cast("dict[str, Json]", _plain(self._root))
        problems = [
            self.problem(place, message) for place, message in _schema_problems(self.content)
        ]
        if problems:
            raise SutError(problems)

    def position(self, place: Place) -> Position:
        """Return where the value at `place` stands; the deepest part that exists."""
        node: Any = self._root
        line, column = 0, 0
        for part in place:
            if isinstance(node, CommentedMap) and part in node:
                line, column = node.lc.key(part)
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line, column = node.lc.item(part)
            else:
                break
            node = node[part]
        return Position(str(self.path), line + 1, column + 1)

    def problem(self, place: Place, message: str) -> Problem:
        """Return a problem at `place`, named by its keys."""
        name = ".".join(str(part) for part in place)
        return Problem(self.position(place), f"{name}: {message}" if name else message)

    def error(self, place: Place, message: str) -> SutError:
        """Return an error for one problem at `place`."""
        return SutError([self.problem(place, message)])

    def _parse(self) -> CommentedMap:
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            message = f"cannot be read: {reason}; give the path of a system-under-test file"
            raise SutError([Problem(Position(str(self.path), 1), message)]) from error
        except UnicodeDecodeError as error:
            message = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
            raise SutError([Problem(Position(str(self.path), 1), message)]) from error
        try:
            root = YAML(typ="rt", pure=True).load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = " ".join(str(error.problem or error).split())
            if "found duplicate key" in what:
                what += "; keep one of the two"
            position = Position(str(self.path), line, column)
            raise SutError([Problem(position, f"is not valid YAML: {what}")]) from error
        except YAMLError as error:
            what = " ".join(str(error).split())
            position = Position(str(self.path), 1)
            raise SutError([Problem(position, f"is not valid YAML: {what}")]) from error
        if not isinstance(root, CommentedMap):
            message = "must be a mapping that begins with `name:` and `ocpp_url:`"
            raise SutError([Problem(Position(str(self.path), 1), message)])
        return root


def schema_path() -> Path:
    """Return where the files' JSON Schema is, in the source tree or an installed wheel."""
    return suts_directory() / "schema.json"


def suts_directory() -> Path:
    """Return the folder of the files that are shipped."""
    here = Path(__file__).resolve().parent
    installed = here / "suts"
    return installed if installed.is_dir() else here.parent / "suts"


@cache
def _schema() -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(schema_path().read_text(encoding="utf-8")))


def _schema_problems(content: Json) -> list[tuple[list[str | int], str]]:
    found: dict[tuple[tuple[str | int, ...], str], None] = {}
    for error in jsonschema_rs.validator_for(_schema()).iter_errors(content):
        place = list(error.instance_path)
        facts = error.kind.as_dict()
        for where, message in _explain(error, place, facts):
            found[tuple(where), message] = None
    return [(list(where), message) for where, message in found]


def _explain(
    error: jsonschema_rs.ValidationError, place: list[str | int], facts: dict[str, Any]
) -> list[tuple[list[str | int], str]]:
    """Turn one schema error into places and words, each with its remedy."""
    match error.kind.name:
        case "additionalProperties":
            known = sorted(_known_keys(error))
            return [
                ([*place, name], f"is not known here; {_nearest(name, known)}")
                for name in facts["unexpected"]
            ]
        case "required":
            return [(place, f"`{facts['property']}` is missing; add it")]
        case "enum":
            options = ", ".join(str(option) for option in facts["options"])
            return [(place, f"{error.instance!r} is not one of: {options}")]
        case "type":
            types = " or ".join(facts.get("types") or [facts.get("type", "")])
            return [(place, f"{error.instance!r} must be of type {types}")]
        case "pattern":
            rule = _MUST.get(facts["pattern"], f"must match {facts['pattern']}")
            return [(place, f"{error.instance!r} {rule}")]
        case "propertyNames":
            return [(place, f"a name in it is not usable: {error.message}")]
        case _:
            return [(place, error.message)]


def _known_keys(error: jsonschema_rs.ValidationError) -> list[str]:
    """Return the keys the schema knows at the place of an `additionalProperties` error."""
    node: Any = _schema()
    for part in list(error.schema_path)[:-1]:
        if isinstance(node, dict) and "$ref" in node:
            node = _schema()["$defs"][node["$ref"].rpartition("/")[2]]
        if part != "$ref":
            node = node[part]
    return list(node.get("properties", {}))


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known are: {', '.join(known)}"


def _plain(node: Any) -> Json:
    """Return ruamel's nodes as plain JSON data."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if node is None or isinstance(node, bool):
        return node
    for plain in (int, float, str):
        if isinstance(node, plain):
            return cast(Json, plain(node))
    return str(node)  # a date, say: the texts of this file have no other types
