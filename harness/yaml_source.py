"""YAML files as plain JSON data plus the place of every value in the file.

YAML 1.2 as `ruamel.yaml` reads it, narrowed to what JSON can say: no anchors, no aliases, no merge
keys, no tags of one's own, no repeated keys. Everything that is wrong becomes a `Problem` with
file, line and column.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from harness.model import Json, Position

Parts: TypeAlias = "tuple[str | int, ...]"

_TAG: Final = "tag:yaml.org,2002:"
_TAGS: Final = frozenset(
    _TAG + name for name in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp")
)
_MAX_BYTES: Final = 1_000_000
_MAX_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file.

    Attributes:
        message: what is wrong.
        hint: what would have been right, where that can be said.
    """

    position: Position
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.position.file}:{self.position.line}:{self.position.column}"
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ScenarioError(Exception):
    """One or more files could not be used.

    Attributes:
        problems: everything that is wrong, in the order of files and lines.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Source:
    """One file as data, with the places of its values and keys."""

    file: str
    data: Json
    values: dict[Parts, Position] = field(default_factory=dict)
    keys: dict[Parts, Position] = field(default_factory=dict)

    def value_at(self, *parts: str | int) -> Position:
        """Return where a value is written, or the nearest one around it."""
        while parts not in self.values and parts:
            parts = parts[:-1]
        return self.values.get(parts, Position(self.file, 1))

    def key_at(self, *parts: str | int) -> Position:
        """Return where a key is written, or the value around it."""
        return self.keys.get(parts) or self.value_at(*parts)

    def get(self, *parts: str | int) -> Json:
        """Return the data at `parts`; they must exist."""
        value: Json = self.data
        for part in parts:
            if isinstance(value, list) and isinstance(part, int):
                value = value[part]
                continue
            if not isinstance(value, dict) or not isinstance(part, str):
                raise KeyError(parts)
            value = value[part]
        return value


def shown_path(path: Path) -> str:
    """Return a path as people would type it from where they are."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read(path: Path) -> Source:
    """Read one file.

    Raises:
        ScenarioError: it cannot be read, is no YAML, or says more than JSON can.
    """
    file = shown_path(path)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        words = f"cannot be read: {error.strerror or error}"
        raise ScenarioError([Problem(Position(file, 1), words)]) from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problem = Problem(Position(file, line), "is not UTF-8 text", "save the file as UTF-8")
        raise ScenarioError([problem]) from error
    return parse(text, file=file)


def parse(text: str, *, file: str) -> Source:
    """Read the text of one file; see `read`."""
    if len(text) > _MAX_BYTES:
        raise ScenarioError([Problem(Position(file, 1), "is larger than 1 MB")])
    if text.startswith("%"):
        at = Position(file, 1)
        raise ScenarioError([Problem(at, "YAML directives are not part of the language")])
    try:
        node = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = f"is not YAML: {error.problem or error.context}"
        raise ScenarioError([Problem(Position(file, line, column), message)]) from error
    except (YAMLError, RecursionError, ValueError) as error:
        raise ScenarioError([Problem(Position(file, 1), f"is not YAML: {error}")]) from error
    if node is None:
        raise ScenarioError([Problem(Position(file, 1), "is empty", "a scenario is a mapping")])
    reader = _Reader(file)
    data = reader.read(node, ())
    if reader.problems:
        raise ScenarioError(reader.problems)
    return Source(file, data, reader.values, reader.keys)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint with the likeliest word meant, or with all of them."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if not close:
        folded = [one for one in words if one.casefold() == word.casefold()]
        close = folded[:1]
    if close:
        return f"did you mean {close[0]}?"
    return "known: " + ", ".join(words) if words else ""


def _refuse(constant: str) -> float:
    raise ValueError(constant)


class _Reader:
    """Turns one tree of nodes into data and remembers where everything stood."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._seen: set[int] = set()
        self.problems: list[Problem] = []
        self.values: dict[Parts, Position] = {}
        self.keys: dict[Parts, Position] = {}

    def read(self, node: Node, parts: Parts) -> Json:
        at = self._at(node)
        self.values[parts] = at
        if node.anchor is not None or id(node) in self._seen:
            self._problem(at, "anchors and aliases are not part of the language", "use a state")
            return None
        self._seen.add(id(node))
        if len(parts) > _MAX_DEPTH:
            self._problem(at, "is nested too deeply")
            return None
        if node.tag not in _TAGS:
            self._problem(at, f"the tag {node.tag} is not part of the language")
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, parts)
        if isinstance(node, SequenceNode):
            return [self.read(member, (*parts, index)) for index, member in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, at)
        raise AssertionError(f"unknown node: {node!r}")

    def _mapping(self, node: MappingNode, parts: Parts) -> dict[str, Json]:
        data: dict[str, Json] = {}
        for key_node, value_node in node.value:
            at = self._at(key_node)
            if not isinstance(key_node, ScalarNode):
                self._problem(at, "a key must be a plain word")
                continue
            key = str(key_node.value)
            if not key.isprintable():
                self._problem(at, "a key must be a plain word")
                continue
            if key == "<<":
                self._problem(at, "merge keys are not part of the language", "use a state")
                continue
            if key in data:
                first = self.keys[(*parts, key)].line
                self._problem(at, f'the key "{key}" stands here twice', f"first in line {first}")
                continue
            self.keys[(*parts, key)] = at
            data[key] = self.read(value_node, (*parts, key))
        return data

    def _scalar(self, node: ScalarNode, at: Position) -> Json:
        text = str(node.value)
        if not text.isprintable() and any("\ud800" <= one <= "\udfff" for one in text):
            self._problem(at, "half a surrogate pair is no character", "write it as it is")
            return None
        if text == "" and node.style is None:
            self._problem(at, "a value is missing here")
            return None
        tag = str(node.tag).removeprefix(_TAG)
        if tag in ("str", "timestamp"):
            return text
        # Only what JSON has: YAML's `012`, `1_000`, `.inf` and `~` read differently elsewhere.
        try:
            value: Json = json.loads(text, parse_constant=_refuse)
        except ValueError:
            value = text
        if isinstance(value, str):
            self._problem(at, f"{text} is no value of JSON", "put it in quotes if it is text")
            return None
        return value

    def _at(self, node: Node) -> Position:
        return Position(self._file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _problem(self, at: Position, message: str, hint: str = "") -> None:
        self.problems.append(Problem(at, message, hint))
