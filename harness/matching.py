"""Patterns against values: which expectation does not hold, where, and what was captured.

Pure. A pattern is what the loader made of `payload`, `expect` and `warn`; a value is parsed JSON.
Equality is strict: `true` is not 1, and where an integer is expected `1.0` is not 1 (where a
decimal is expected, either form of the number will do).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias, assert_never

import jsonschema_rs

from harness.certificates import Unreadable, describe, differences, read_chain, same_pem, verifies
from harness.checks import printable
from harness.expressions import BadExpression, resolve
from harness.model import Check, Fields, Items, Json, Operator, Pattern, Position, Value
from harness.results import Finding, Severity

_SHOWN_CHARACTERS: Final = 200
_SHORTEST_OFFSET_S: Final = 0.1  # a time closer to the present is the present
_ROUNDING_S: Final = 0.001  # a fraction of less than a millisecond gets lost in a time


class _Absent:
    """The value of a field that is not there."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One expectation that does not hold.

    Attributes:
        path: JSON path from the payload's root, such as ``$.idTagInfo.status``.
        operator: name of the operator; ``fields`` or ``items`` for a shape that is not there.
        position: where the expectation is written.
    """

    path: str
    operator: str
    expected: str
    actual: str
    position: Position


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What became of a pattern.

    Attributes:
        captures: values to remember, by variable name; filled even where something else mismatched.
        gathered: values to add to those of `all_different`, by name.
    """

    mismatches: tuple[Mismatch, ...]
    captures: dict[str, Json] = field(default_factory=dict)
    gathered: dict[str, Json] = field(default_factory=dict)

    @property
    def is_match(self) -> bool:
        """Whether every expectation held."""
        return not self.mismatches


def match(
    pattern: Pattern,
    value: object,
    *,
    variables: Mapping[str, Json],
    now: datetime,
    gathered: Mapping[str, Sequence[Json]] | None = None,
    asked: datetime | None = None,
) -> MatchResult:
    """Hold `value`, a whole payload, against `pattern`.

    Args:
        variables: what `$name` in the pattern stands for.
        now: the present, for `$now` and `approximately`.
        asked: when the payload was asked for; `approximately` counts from then until `now`.
        gathered: values seen so far under each name of `all_different`.

    Raises:
        UnknownVariable: the pattern refers to a variable that has no value.
        BadExpression: the tolerance of a time is too large to tell anything.
    """
    matching = _Matching(value, variables, now, gathered or {}, asked or now)
    matching.hold(pattern, value, "$")
    return MatchResult(tuple(matching.mismatches), matching.captures, matching.new_gathered)


def findings(
    result: MatchResult,
    *,
    rule: str,
    severity: Severity,
    requirement: str = "",
    step: str = "",
    position: Position | None = None,
    event: int | None = None,
) -> tuple[Finding, ...]:
    """Turn the mismatches of one payload into findings.

    Args:
        rule: such as ``rule.StartTransaction.conf``.
        position: where the step is written; each finding points at the expectation itself instead
            when the pattern knows its place.
    """
    return tuple(
        Finding(
            rule=rule,
            severity=severity,
            message=f"{mismatch.path} should be {mismatch.expected}, but is {mismatch.actual}.",
            requirement=requirement,
            expected=f"{mismatch.path}: {mismatch.expected}",
            actual=mismatch.actual,
            step=step,
            position=mismatch.position or position,
            event=event,
        )
        for mismatch in result.mismatches
    )


def is_equal(expected: object, actual: object) -> bool:
    """Compare two JSON values strictly; see the module's docstring."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, int):
        return isinstance(actual, int) and expected == actual
    if isinstance(expected, float):
        return isinstance(actual, int | float) and expected == actual
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            is_equal(member, actual[key]) for key, member in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(is_equal, expected, actual))
    return type(expected) is type(actual) and expected == actual


def is_equal_ignoring_case(expected: object, actual: object) -> bool:
    """Compare like `is_equal`, but texts by their letters only (CiString, IdToken: §7.15-19)."""
    if isinstance(expected, str) and isinstance(actual, str):
        return expected.casefold() == actual.casefold()
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(is_equal_ignoring_case, expected, actual))
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            is_equal_ignoring_case(member, actual[key]) for key, member in expected.items()
        )
    return is_equal(expected, actual)


def show(value: object) -> str:
    """Write a value for people, cut where it gets long."""
    if value is ABSENT:
        return "absent"
    text = printable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


@lru_cache(maxsize=256)
def compiled(expression: str) -> jsonschema_rs.Draft4Validator:
    """Compile a regular expression that has to match a whole text.

    The engine is Rust's `regex`, which runs in linear time and so cannot be stalled by any text; it
    knows no look-around and no back-references. `jsonschema_rs` is here already and exposes it.

    Raises:
        ValueError: the expression is none, or needs what the engine leaves out.
    """
    if len(expression) > MAX_EXPRESSION:
        raise ValueError(f"a regular expression may have {MAX_EXPRESSION} characters at most")
    try:
        # Alone first: "a)|(b" would otherwise escape from the anchors.
        _pattern(expression)
        return _pattern(f"^(?:{expression})$")
    except jsonschema_rs.ValidationError as error:
        raise ValueError(
            f"not a regular expression of the linear-time kind (no look-around, no "
            f"back-references): {expression}"
        ) from error


def _pattern(expression: str) -> jsonschema_rs.Draft4Validator:
    return jsonschema_rs.Draft4Validator(
        {"type": "string", "pattern": expression},
        pattern_options=jsonschema_rs.RegexOptions(size_limit=1_000_000),
    )


MAX_EXPRESSION: Final = 500


def parse_time(text: object) -> datetime | None:
    """Read an ISO 8601 time with an offset, or return None."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


class _Held(NamedTuple):
    """What one operator says: whether it holds, and what it wanted."""

    holds: bool
    expected: str


class _Matching:
    """One walk through a pattern; collects as it goes."""

    def __init__(
        self,
        root: object,
        variables: Mapping[str, Json],
        now: datetime,
        gathered: Mapping[str, Sequence[Json]],
        asked: datetime,
    ) -> None:
        self._root = root
        self._variables = variables
        self._now = now
        self._gathered = gathered
        self._asked = asked
        self.mismatches: list[Mismatch] = []
        self.captures: dict[str, Json] = {}
        self.new_gathered: dict[str, Json] = {}

    def hold(self, pattern: Pattern, value: object, path: str) -> None:
        """Hold one value, or its absence, against one pattern."""
        match pattern:
            case Value():
                for check in pattern.checks:
                    self._check(check, value, path)
            case Fields():
                # A missing object is judged field by field: they may be expected to be absent.
                if value is not ABSENT and not isinstance(value, dict):
                    self._miss(path, "fields", "an object", value, pattern.position)
                    return
                members = value if isinstance(value, dict) else {}
                for name, inner in pattern.fields.items():
                    self.hold(inner, members.get(name, ABSENT), f"{path}.{name}")
            case Items():
                wanted = f"a list of {len(pattern.items)}"
                if not isinstance(value, list) or len(value) != len(pattern.items):
                    self._miss(path, "items", wanted, value, pattern.position)
                    return
                for index, (inner, member) in enumerate(zip(pattern.items, value, strict=True)):
                    self.hold(inner, member, f"{path}[{index}]")
            case _:
                assert_never(pattern)

    def _miss(
        self, path: str, operator: str, expected: str, value: object, position: Position
    ) -> None:
        self.mismatches.append(Mismatch(path, operator, expected, show(value), position))

    def _inner(self, pattern: Pattern, value: object, path: str) -> list[Mismatch]:
        """Hold a value against a pattern inside an operator; keep captures only if it matches."""
        inner = _Matching(self._root, self._variables, self._now, self._gathered, self._asked)
        inner.hold(pattern, value, path)
        if not inner.mismatches:
            self.captures.update(inner.captures)
            self.new_gathered.update(inner.new_gathered)
        return inner.mismatches

    def _check(self, check: Check, value: object, path: str) -> None:
        if check.pattern is not None:
            self._check_pattern(check, check.pattern, value, path)
            return
        argument = resolve(check.argument, self._variables, now=self._now, milliseconds=True)
        if check.operator is Operator.CAPTURE:
            if value is ABSENT:
                self._miss(path, "capture", "present", value, check.position)
            elif isinstance(argument, str):
                self.captures[argument] = _json(value)
            return
        if check.operator is Operator.LEAF_CERTIFICATE:
            wanted = argument if isinstance(argument, dict) else {}
            for what, expected, actual in differences(wanted, value):
                place = f"{path} ({what})"
                words = expected + _source(check.argument, what.replace(" ", "_"))
                self.mismatches.append(
                    Mismatch(place, "leaf_certificate", words, actual, check.position)
                )
            return
        if check.operator in _EQUALITIES:
            self._compare(check, argument, value, path)
            return
        if check.operator in _CONDITIONAL:
            held = self._conditional(check.operator, argument, value)
        elif check.operator is Operator.ALL_DIFFERENT:
            held = self._all_different(str(argument), value)
        elif check.operator is Operator.APPROXIMATELY:
            held = self._approximately(check.argument, argument, value)
        else:
            held = _SIMPLE[check.operator](argument, value)
        if not held.holds:
            self._miss(path, check.operator.value, held.expected, value, check.position)

    def _compare(self, check: Check, expected: object, value: object, path: str) -> None:
        """Compare objects member by member: of two long ones nobody sees where they differ."""
        if isinstance(expected, dict) and isinstance(value, dict):
            for name in {**expected, **value}:
                inner, other = expected.get(name, ABSENT), value.get(name, ABSENT)
                self._compare(check, inner, other, f"{path}.{name}")
        elif not _EQUALITIES[check.operator](expected, value):
            words = show(expected)
            if check.operator is Operator.EQUALS_IGNORING_CASE and expected is not ABSENT:
                words += ", in any case of letters"
            self._miss(path, check.operator.value, words, value, check.position)

    def _check_pattern(self, check: Check, pattern: Pattern, value: object, path: str) -> None:
        """The operators whose argument is itself a pattern."""
        if check.operator is Operator.ABSENT_OR:
            if value is ABSENT:
                return
            self.mismatches += [
                Mismatch(
                    miss.path,
                    check.operator.value,
                    f"absent, or {miss.expected}",
                    miss.actual,
                    miss.position,
                )
                for miss in self._inner(pattern, value, path)
            ]
            return
        if not isinstance(value, list):
            self._miss(path, check.operator.value, "a list", value, check.position)
            return
        if check.operator is Operator.ONLY_CONTAINS and len(value) != 1:
            self._miss(path, check.operator.value, "a list of exactly one", value, check.position)
            return
        if check.operator is Operator.FIRST and not value:
            self._miss(path, check.operator.value, "a list of at least one", value, check.position)
            return
        for index, member in enumerate(value[:1] if check.operator is Operator.FIRST else value):
            self.mismatches += self._inner(pattern, member, f"{path}[{index}]")

    def _conditional(self, operator: Operator, argument: Json, value: object) -> _Held:
        conditions = argument if isinstance(argument, dict) else {}
        applies = all(
            any(
                is_equal(choice, look_up(self._root, path))
                for choice in (wanted if isinstance(wanted, list) else [wanted])
            )
            for path, wanted in conditions.items()
        )
        when = " and ".join(f"{path} is {show(wanted)}" for path, wanted in conditions.items())
        if operator is Operator.PRESENT_IF:
            return _Held(not applies or value is not ABSENT, f"present, because {when}")
        return _Held(not applies or value is ABSENT, f"absent, because {when}")

    def _approximately(self, written: Json, argument: Json, value: object) -> _Held:
        """A time relative to the present is one relative to any moment since it was asked for."""
        wanted = argument if isinstance(argument, dict) else {}
        earlier = resolve(written, self._variables, now=self._asked, milliseconds=True)
        first = parse_time(earlier.get("time")) if isinstance(earlier, dict) else None
        last, at = parse_time(wanted.get("time")), parse_time(value)
        tolerance_s = _number(wanted.get("tolerance_s"))
        if first is None or last is None or tolerance_s is None:
            raise BadExpression(f"{argument!r} is no time and tolerance")
        offset_s = abs((last - self._now).total_seconds())
        if offset_s >= _SHORTEST_OFFSET_S and tolerance_s > offset_s / 3 + _ROUNDING_S:
            message = f"a tolerance of {tolerance_s:g} s is more than a third of {offset_s:g} s"
            raise BadExpression(message)
        tolerance = timedelta(seconds=tolerance_s)
        holds = at is not None and first - tolerance <= at <= last + tolerance
        return _Held(holds, f"{wanted.get('time')}, {tolerance_s:g} s more or less")

    def _all_different(self, name: str, value: object) -> _Held:
        seen = self._gathered.get(name, ())
        if value is ABSENT:
            return _Held(holds=False, expected="present")
        self.new_gathered[name] = _json(value)
        listed = ", ".join(show(earlier) for earlier in seen)
        return _Held(
            not any(is_equal(earlier, value) for earlier in seen), f"different from {listed}"
        )


_EQUALITIES: Final[Mapping[Operator, Callable[[object, object], bool]]] = {
    Operator.EQUALS: is_equal,
    Operator.EQUALS_IGNORING_CASE: is_equal_ignoring_case,
}
_CONDITIONAL: Final = frozenset({Operator.PRESENT_IF, Operator.ABSENT_IF})


def look_up(root: object, path: str) -> object:
    """Return the value at a dotted path, such as `list.0.id`, or ABSENT."""
    value = root
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def _source(argument: Json, name: str) -> str:
    """Name the variable that a member of an argument came from: people may have to set it."""
    written = argument.get(name) if isinstance(argument, dict) else None
    is_variable = isinstance(written, str) and written.startswith("$")
    return f" ({written})" if is_variable else ""


def _json(value: object) -> Json:
    """Call a value that came out of a JSON parser what it is."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    raise TypeError(f"not JSON: {value!r}")


# --- the simple operators: argument and value in, verdict and expectation out --------------------

_Simple: TypeAlias = Callable[[Json, object], _Held]


def _number(value: object) -> float | int | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _one_of(argument: Json, value: object) -> _Held:
    choices = argument if isinstance(argument, list) else [argument]
    listed = ", ".join(show(choice) for choice in choices)
    return _Held(any(is_equal(choice, value) for choice in choices), f"one of {listed}")


def _greater_than(argument: Json, value: object) -> _Held:
    bound, number = _number(argument), _number(value)
    holds = bound is not None and number is not None and number > bound
    return _Held(holds, f"greater than {show(argument)}")


def _at_least(argument: Json, value: object) -> _Held:
    bound, number = _number(argument), _number(value)
    holds = bound is not None and number is not None and number >= bound
    return _Held(holds, f"at least {show(argument)}")


def _matches(argument: Json, value: object) -> _Held:
    holds = isinstance(value, str) and compiled(str(argument)).is_valid(value)
    return _Held(holds, f"text of the form {argument}")


def _includes_all(argument: Json, value: object) -> _Held:
    wanted = argument if isinstance(argument, list) else [argument]
    members = value if isinstance(value, list) else []
    missing = [one for one in wanted if not any(is_equal(one, member) for member in members)]
    return _Held(not missing and isinstance(value, list), f"a list that has {show(missing)} too")


def _equals_or_absent_if_3(argument: Json, value: object) -> _Held:
    if is_equal(argument, 3):
        return _Held(value is ABSENT or is_equal(3, value), "3, or absent (which means 3)")
    return _Held(is_equal(argument, value), show(argument))


def _decoded_length_between(argument: Json, value: object) -> _Held:
    least, most = argument if isinstance(argument, list) and len(argument) == 2 else (0, 0)
    length = -1
    if isinstance(value, str) and set(value) <= set("0123456789abcdefABCDEF"):
        length = len(value) // 2 if len(value) % 2 == 0 else -1
    low, high = _number(least) or 0, _number(most) or 0
    return _Held(low <= length <= high, f"hexadecimal text for {low} to {high} bytes")


def _valid_pem(_argument: Json, value: object) -> _Held:
    expected = "one or more X.509 certificates in PEM form"
    try:
        read_chain(value)
    except Unreadable as error:
        return _Held(holds=False, expected=f"{expected} (there is {error})")
    return _Held(holds=True, expected=expected)


def _pem_equals(argument: Json, value: object) -> _Held:
    if same_pem(argument, value):
        return _Held(holds=True, expected="")
    wanted, found = describe(argument), describe(value)
    if wanted == found:
        found = "it, but with its lines broken elsewhere"
    return _Held(holds=False, expected=f"the text of {wanted} (there is {found})")


def _invalid_signature(argument: Json, value: object) -> _Held:
    is_text = isinstance(value, str)  # an empty one is no right signature, either
    if isinstance(argument, dict):
        try:
            is_right = verifies(
                value, certificate=argument.get("certificate"), content=argument.get("content")
            )
        except Unreadable as error:
            raise BadExpression(f"the signature cannot be checked: {error}") from error
    else:
        is_right = is_equal(argument, value)
    return _Held(is_text and not is_right, "a signature that is not right")


_SIMPLE: Final[Mapping[Operator, _Simple]] = {
    Operator.NOT_EQUALS: lambda argument, value: _Held(
        value is not ABSENT and not is_equal(argument, value), f"anything but {show(argument)}"
    ),
    Operator.ONE_OF: _one_of,
    Operator.PRESENT: lambda _argument, value: _Held(value is not ABSENT, "present"),
    Operator.ABSENT: lambda _argument, value: _Held(value is ABSENT, "absent"),
    Operator.EMPTY_OR_ABSENT: lambda _argument, value: _Held(
        value is ABSENT or value == [], "an empty list, or absent"
    ),
    Operator.GREATER_THAN: _greater_than,
    Operator.AT_LEAST: _at_least,
    Operator.MATCHES: _matches,
    Operator.INCLUDES_ALL: _includes_all,
    Operator.EQUALS_OR_ABSENT_IF_3: _equals_or_absent_if_3,
    Operator.DECODED_LENGTH_BETWEEN: _decoded_length_between,
    Operator.VALID_PEM: _valid_pem,
    Operator.PEM_EQUALS: _pem_equals,
    Operator.INVALID_SIGNATURE: _invalid_signature,
}
