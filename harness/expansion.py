"""From steps as written to steps as run: states expanded, repetitions unrolled, payloads checked.

What a step is bound to (`with`, `for_each`, a state's parameters) travels with it, so that the
runner sees one flat list.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from harness import grammar, schemas
from harness.connection_reading import ConnectionReader, read_profiles
from harness.expressions import BadExpression, references, substitute
from harness.model import (
    ALL_EDITIONS,
    EDITIONS,
    Answer,
    AnyOrder,
    Disconnect,
    Do,
    EditionRange,
    ErrorAnswer,
    Fields,
    Json,
    LaterAnswer,
    ModelAnswer,
    ModelCall,
    NoAnswer,
    OperatorStep,
    Position,
    Receive,
    Respond,
    ResultAnswer,
    Send,
    SendRaw,
    Step,
    Wait,
)
from harness.patterns import PayloadReader
from harness.schemas import Kind
from harness.yaml_source import Parts, Problem, Source, did_you_mean
from simulator.inputs import INPUTS


@dataclass(frozen=True, slots=True)
class StateFile:
    """A reusable state as its file has it.

    Attributes:
        parameters: names a case may set, and their defaults.
        broken: steps of it that cannot be read.
    """

    name: str
    source: Source
    parameters: Mapping[str, Json]
    broken: frozenset[Parts] = frozenset()
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class Use:
    """One reference to a variable."""

    name: str
    position: Position


@dataclass(frozen=True, slots=True)
class Expanded:
    """Steps ready to run, and for each the variables it refers to."""

    steps: list[Step] = field(default_factory=list)
    uses: dict[str, list[Use]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where steps come from and what they inherit."""

    source: Source
    broken: frozenset[Parts]
    problems: list[Problem]
    state: str = ""
    prefix: str = ""
    bindings: Mapping[str, Json] = field(default_factory=dict)
    editions: EditionRange = ALL_EDITIONS
    security_profiles: tuple[int, ...] = ()
    within: tuple[str, ...] = ()


def read_editions(source: Source, parts: Parts, problems: list[Problem]) -> EditionRange:
    """Read a range of editions that the grammar found well-formed."""
    written = source.get(*parts)
    if not isinstance(written, dict):
        return ALL_EDITIONS
    first, last = written.get("from"), written.get("until")
    editions = EditionRange(
        first if isinstance(first, str) and first in EDITIONS else None,
        last if isinstance(last, str) and last in EDITIONS else None,
    )
    if editions.first and editions.last and editions.first > editions.last:
        message = f"no edition is from {editions.first} and until {editions.last}"
        problems.append(Problem(source.value_at(*parts), message, "swap them"))
    return editions


def uses_in(source: Source, parts: Parts, problems: list[Problem]) -> list[Use]:
    """Return every reference at or below `parts`; texts with a stray dollar become problems."""
    value = source.get(*parts)
    if isinstance(value, dict):
        return [use for key in value for use in uses_in(source, (*parts, key), problems)]
    if isinstance(value, list):
        indices = range(len(value))
        return [use for index in indices for use in uses_in(source, (*parts, index), problems)]
    try:
        at = source.value_at(*parts)
        return [Use(name, at) for name in references(value)]
    except BadExpression as error:
        problems.append(Problem(source.value_at(*parts), str(error)))
        return []


class _Shared(TypedDict):
    """What every step is made with."""

    position: Position
    note: str
    editions: EditionRange
    security_profiles: tuple[int, ...]
    state: str
    path: str
    bindings: Mapping[str, Json]


class Expander:
    """Expands the steps of one scenario, or of one state by itself."""

    def __init__(
        self,
        states: Mapping[str, StateFile],
        *,
        lists: Mapping[str, Json],
    ) -> None:
        """Take the states a `use` may name and the lists a `for_each` may walk."""
        self._states = states
        self._lists = lists
        self._counts: Counter[str] = Counter()
        self.expanded = Expanded()
        self.circles: list[Problem] = []  # kept apart: they show only deep inside

    def start(self, name: str, source: Source, at: Parts, problems: list[Problem]) -> None:
        """Expand the state a scenario starts from."""
        self._use(_Place(source, frozenset(), problems), at, name, {}, [])

    def scenario(self, source: Source, broken: set[Parts], problems: list[Problem]) -> None:
        """Expand the steps of a scenario file."""
        if isinstance(source.data, dict) and "steps" in source.data:  # else told already
            self._steps(_Place(source, frozenset(broken), problems), ("steps",))

    def state(self, state: StateFile, problems: list[Problem]) -> None:
        """Expand a state by itself, to see what is wrong with its file."""
        place = _Place(
            state.source,
            state.broken,
            problems,
            state=state.name,
            prefix=f"{state.name}.",
            bindings=state.parameters,
            within=(state.name,),
        )
        self._steps(place, ("steps",))
        problems += [one for one in self.circles if one not in problems]

    # --- lists of steps --------------------------------------------------------------------------

    def _steps(self, place: _Place, parts: Parts) -> None:
        written = place.source.get(*parts)
        for index, step in enumerate(written if isinstance(written, list) else []):
            here = (*parts, index)
            if here in place.broken or not isinstance(step, dict):
                continue
            kind = next(kind for kind in grammar.STEP_KINDS if kind in step)
            path = f"{place.prefix}{index + 1}"
            if kind == "use":
                self._use_step(place, here, step)
            elif "for_each" in step:
                self._repeat(place, here, path, kind)
            else:
                self._add(place, here, path, kind)

    def _add(self, place: _Place, parts: Parts, path: str, kind: str) -> None:
        step = self._step(place, parts, path, kind)
        self.expanded.steps.append(step)
        uses = [] if kind == "any_order" else uses_in(place.source, parts, place.problems)
        self.expanded.uses[path] = [use for use in uses if use.name not in place.bindings]

    def _repeat(self, place: _Place, parts: Parts, path: str, kind: str) -> None:
        """Unroll a `for_each`; the list must be known while loading."""
        repeated = place.source.get(*parts, "for_each")
        name, wanted = next(iter(repeated.items())) if isinstance(repeated, dict) else ("", [])
        values = substitute(wanted, place.bindings)
        if isinstance(values, str):
            values = self._lists.get(values.removeprefix("$"), None)
        if not isinstance(values, list):
            self._problem(
                place,
                (*parts, "for_each", name),
                f"{wanted} is no list that is known while loading",
                "a list, or " + ", ".join(f"${one}" for one in sorted(self._lists)),
            )
            return
        for count, value in enumerate(values, start=1):
            bindings = {**place.bindings, name: value}
            problems = place.problems if count == 1 else []
            inner = replace(place, bindings=bindings, problems=problems)
            self._add(inner, parts, f"{path}.{count}", kind)

    # --- states ----------------------------------------------------------------------------------

    def _use_step(self, place: _Place, parts: Parts, step: Mapping[str, Json]) -> None:
        given = step.get("with", {})
        bindings = {
            name: substitute(value, place.bindings)
            for name, value in (given if isinstance(given, dict) else {}).items()
        }
        uses = [
            use
            for use in uses_in(place.source, parts, place.problems)
            if use.name not in place.bindings
        ]
        first = len(self.expanded.steps)
        inner = self._narrowed(place, parts, step)
        self._use(inner, (*parts, "use"), str(step["use"]), bindings, uses)
        note = step.get("note")
        if isinstance(note, str) and len(self.expanded.steps) > first:
            self.expanded.steps[first] = replace(self.expanded.steps[first], note=note)

    def _narrowed(self, place: _Place, parts: Parts, step: Mapping[str, Json]) -> _Place:
        """Return the place with the editions and security profiles that a step leaves of them."""
        if "editions" in step:
            own = read_editions(place.source, (*parts, "editions"), place.problems)
            place = replace(place, editions=_both(place.editions, own))
        if "security_profiles" in step:
            profiles = read_profiles(place.source, (*parts, "security_profiles"))
            if place.security_profiles:
                profiles = tuple(one for one in profiles if one in place.security_profiles)
            if not profiles:
                message = "this never runs: the steps around it are for other profiles"
                self._problem(place, (*parts, "security_profiles"), message)
            place = replace(place, security_profiles=profiles)
        return place

    def _use(
        self,
        place: _Place,
        at: Parts,
        name: str,
        given: Mapping[str, Json],
        uses: Sequence[Use],
    ) -> None:
        state = self._states.get(name)
        if state is None:
            self._problem(place, at, f"there is no state {name}", did_you_mean(name, self._states))
            return
        if name in place.within:
            chain = " → ".join((*place.within, name))
            message = f"the state {name} uses itself: {chain}"
            self.circles.append(Problem(place.source.value_at(*at), message))
            return
        if not state.is_usable:
            self._problem(place, at, f"the state {name} has errors of its own", state.source.file)
            return
        for parameter in given:
            if parameter not in state.parameters:
                self._problem(
                    place,
                    (*at[:-1], "with", parameter),
                    f"the state {name} has no parameter {parameter}",
                    did_you_mean(parameter, state.parameters),
                    at_key=True,
                )
        self._counts[name] += 1
        label = name if self._counts[name] == 1 else f"{name}#{self._counts[name]}"
        first = len(self.expanded.steps)
        inner = _Place(
            state.source,
            state.broken,
            [],  # what is wrong with a state's file is said once, where states are loaded
            state=name,
            prefix=f"{label}.",
            bindings={**state.parameters, **given},
            editions=place.editions,
            security_profiles=place.security_profiles,
            within=(*place.within, name),
        )
        self._steps(inner, ("steps",))
        if len(self.expanded.steps) > first:
            self.expanded.uses[self.expanded.steps[first].path][:0] = uses

    # --- one step --------------------------------------------------------------------------------

    def _step(self, place: _Place, parts: Parts, path: str, kind: str) -> Step:
        source = place.source
        written = source.get(*parts)
        step = written if isinstance(written, dict) else {}
        narrowed = self._narrowed(place, parts, step)
        note = step.get("note", "")
        shared = _Shared(
            position=source.value_at(*parts),
            note=note if isinstance(note, str) else "",
            editions=narrowed.editions,
            security_profiles=narrowed.security_profiles,
            state=place.state,
            path=path,
            bindings=place.bindings,
        )
        match kind:
            case "send":
                return self._send(place, parts, step, shared)
            case "send_raw":
                return self._send_raw(place, parts, step, shared)
            case "do":
                return self._do(place, parts, step, shared)
            case "operator":
                return self._operator(place, parts, step, shared)
            case "receive":
                return self._receive(place, parts, step, shared)
            case "wait":
                return Wait(seconds=step["wait"], **shared)
            case "disconnect":
                return Disconnect(how=str(step["disconnect"]), **shared)
            case "connect":
                return ConnectionReader(source, place.problems, parts).connect(**shared)
            case "probe_tls":
                return ConnectionReader(source, place.problems, parts).probe(**shared)
            case "make":
                return ConnectionReader(source, place.problems, parts).make(**shared)
            case "respond":
                return self._respond(place, parts, step, shared)
            case "any_order":
                inner = Expander(self._states, lists=self._lists)
                inner._counts = self._counts
                inner._steps(replace(place, prefix=f"{path}."), (*parts, "any_order"))
                self.expanded.uses.update(inner.expanded.uses)
                self.circles += inner.circles
                return AnyOrder(steps=tuple(inner.expanded.steps), **shared)
            case _:
                raise AssertionError(f"no such kind of step: {kind}")

    def _send(self, place: _Place, parts: Parts, step: Mapping[str, Json], shared: _Shared) -> Send:
        action = self._action(place, parts, "send", schemas.CP_ACTIONS, "charge point")
        budget = step.get("budget", "ocpp_response_timeout")
        if budget not in grammar.BUDGETS:
            hint = did_you_mean(str(budget), grammar.BUDGETS)
            self._problem(place, (*parts, "budget"), f"there is no budget {budget}", hint)
        return Send(
            action=action,
            payload=self._payload(place, parts, "payload", action, Kind.CALL),
            expect=self._fields(place, parts, "expect", action, Kind.RESULT),
            warn=self._fields(place, parts, "warn", action, Kind.RESULT),
            budget=str(budget),
            message_id=str(step.get("message_id", "")),
            **shared,
        )

    def _send_raw(
        self, place: _Place, parts: Parts, step: Mapping[str, Json], shared: _Shared
    ) -> SendRaw:
        written = step["answer"]
        words = written if isinstance(written, list) else [written]
        answers = frozenset(str(word) for word in words)
        if answers == {"any"}:
            answers = frozenset({"result", "error"})
        codes = step.get("codes", [])
        message_id = step.get("message_id", "")
        others = step.get("answer_ids", [])
        if codes and "error" not in answers:
            named = ", ".join(str(word) for word in words)
            self._problem(place, (*parts, "codes"), f"codes have no meaning with answer: {named}")
        if not message_id and "none" not in answers:
            message = "which answer is meant cannot be told without its message_id"
            self._problem(place, parts, message, "message_id: the id in the text")
        if others and answers == {"none"}:
            self._problem(place, (*parts, "answer_ids"), "no answer may come, under any id")
        is_binary = step.get("binary") is True
        if is_binary and not _is_hexadecimal(str(step["send_raw"])):
            self._problem(place, (*parts, "send_raw"), "bytes are written in hexadecimal")
        return SendRaw(
            text=str(step["send_raw"]),
            answers=answers,
            message_id=str(message_id),
            codes=tuple(str(code) for code in codes) if isinstance(codes, list) else (),
            answer_ids=tuple(others) if isinstance(others, list) else (),
            is_binary=is_binary,
            **shared,
        )

    def _do(self, place: _Place, parts: Parts, step: Mapping[str, Json], shared: _Shared) -> Do:
        event = str(step["do"])
        arguments = step.get("arguments", {})
        if event in INPUTS:
            self._arguments(place, parts, event, arguments if isinstance(arguments, dict) else {})
        else:
            hint = did_you_mean(event, INPUTS)
            self._problem(place, (*parts, "do"), f"the charge point has no input {event}", hint)
        calls: list[ModelCall] = []
        written = step.get("calls", [])
        for index, call in enumerate(written if isinstance(written, list) else []):
            here = (*parts, "calls", index)
            action = next(iter(call)) if isinstance(call, dict) else ""
            if action not in schemas.CP_ACTIONS:
                hint = did_you_mean(action, schemas.CP_ACTIONS)
                message = f"a charge point sends no {action}"
                self._problem(place, (*here, action), message, hint, at_key=True)
                continue
            inner = (*here, action)
            calls.append(
                ModelCall(
                    action=action,
                    position=place.source.key_at(*inner),
                    payload=self._fields(place, inner, "payload", action, Kind.CALL),
                    expect=self._fields(place, inner, "expect", action, Kind.RESULT),
                    warn=self._fields(place, inner, "warn", action, Kind.RESULT),
                )
            )
        return Do(
            event=event,
            arguments=dict(arguments) if isinstance(arguments, dict) else {},
            calls=tuple(calls),
            **shared,
        )

    def _arguments(
        self, place: _Place, parts: Parts, event: str, arguments: Mapping[str, Json]
    ) -> None:
        """Check the names of an input's arguments; the charge point and the time are given."""
        known = {
            name: parameter
            for name, parameter in inspect.signature(INPUTS[event]).parameters.items()
            if name not in ("station", "now")
        }
        for name in arguments:
            if name not in known:
                here = (*parts, "arguments", name)
                hint = did_you_mean(name, known)
                self._problem(place, here, f"{event} has no argument {name}", hint, at_key=True)
        for name, parameter in known.items():
            if parameter.default is inspect.Parameter.empty and name not in arguments:
                self._problem(place, parts, f"{event} needs the argument {name}")

    def _operator(
        self, place: _Place, parts: Parts, _step: Mapping[str, Json], shared: _Shared
    ) -> OperatorStep:
        action = self._action(place, parts, "operator", schemas.CSMS_ACTIONS, "CSMS")
        return OperatorStep(
            action=action,
            payload=self._payload(place, parts, "payload", action, Kind.CALL),
            **shared,
        )

    def _receive(
        self, place: _Place, parts: Parts, step: Mapping[str, Json], shared: _Shared
    ) -> Receive:
        action = self._action(place, parts, "receive", schemas.CSMS_ACTIONS, "CSMS")
        return Receive(
            action=action,
            payload=self._fields(place, parts, "payload", action, Kind.CALL),
            warn=self._fields(place, parts, "warn", action, Kind.CALL),
            answer=self._answer(place, (*parts, "answer"), step.get("answer", "model"), action),
            optional=step.get("optional") is True,
            **shared,
        )

    def _respond(
        self, place: _Place, parts: Parts, step: Mapping[str, Json], shared: _Shared
    ) -> Respond:
        action = self._action(place, parts, "respond", schemas.CSMS_ACTIONS, "CSMS")
        answer = self._answer(place, (*parts, "answer"), step.get("answer", "model"), action)
        if isinstance(answer, NoAnswer | LaterAnswer):
            raise AssertionError("the grammar lets no such answer through")
        return Respond(action=action, answer=answer, **shared)

    def _answer(self, place: _Place, parts: Parts, written: Json, action: str) -> Answer:
        if not isinstance(written, dict):
            match written:
                case "none":
                    return NoAnswer()
                case "later":
                    return LaterAnswer()
                case _:
                    return ModelAnswer()
        delay_s = written.get("delay_s", 0)
        seconds = float(delay_s) if isinstance(delay_s, int | float) else 0.0
        error = written.get("error")
        if isinstance(error, dict):
            details = error.get("details", {})
            return ErrorAnswer(
                code=str(error["code"]),
                description=str(error.get("description", "")),
                details=dict(details) if isinstance(details, dict) else {},
                delay_s=seconds,
            )
        if "result" in written:
            parts = (*parts, "result")
        return ResultAnswer(self._read(place, parts, action, Kind.RESULT), seconds)

    # --- payloads --------------------------------------------------------------------------------

    def _action(
        self, place: _Place, parts: Parts, kind: str, known: frozenset[str], side: str
    ) -> str:
        action = str(place.source.get(*parts, kind))
        if action not in known:
            hint = did_you_mean(action, known)
            message = f"{action} is no request that a {side} sends"
            self._problem(place, (*parts, kind), message, hint)
            return ""
        return action

    def _payload(
        self, place: _Place, parts: Parts, key: str, action: str, kind: Kind
    ) -> dict[str, Json]:
        """Read a payload that may be left out where nothing is required in it."""
        step = place.source.get(*parts)
        if isinstance(step, dict) and key in step:
            return self._read(place, (*parts, key), action, kind)
        if action:
            reader = PayloadReader(place.source, place.problems)
            schema = schemas.schema_of(action, kind)
            return reader.absent_payload(parts, schema, what=f"{action}.{kind}")
        return {}

    def _read(self, place: _Place, parts: Parts, action: str, kind: Kind) -> dict[str, Json]:
        if not action:
            return {}
        schema = schemas.schema_of(action, kind)
        reader = PayloadReader(place.source, place.problems)
        return reader.payload(parts, schema, what=f"{action}.{kind}")

    def _fields(
        self, place: _Place, parts: Parts, key: str, action: str, kind: Kind
    ) -> Fields | None:
        step = place.source.get(*parts)
        if not action or not isinstance(step, dict) or key not in step:
            return None
        return PayloadReader(place.source, place.problems).fields(
            (*parts, key),
            schemas.schema_of(action, kind),
            what=f"{action}.{kind}",
            may_capture=key != "warn",
        )

    @staticmethod
    def _problem(
        place: _Place, parts: Parts, message: str, hint: str = "", *, at_key: bool = False
    ) -> None:
        at = (place.source.key_at if at_key else place.source.value_at)(*parts)
        place.problems.append(Problem(at, message, hint))


def _is_hexadecimal(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True


def _both(outer: EditionRange, inner: EditionRange) -> EditionRange:
    """Return the editions in both ranges."""
    firsts = [one for one in (outer.first, inner.first) if one]
    lasts = [one for one in (outer.last, inner.last) if one]
    return EditionRange(max(firsts, default=None), min(lasts, default=None))
