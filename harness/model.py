"""What a scenario is: the shapes the loader makes, the runner walks and the report prints.

Frozen data only. Nothing here reads files, waits or judges. The YAML grammar these shapes come from
is described in `docs/reference/scenarios.md` and enforced by `scenarios/schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

# JSON as it is written in a scenario. Strings may hold `$name` references, resolved when used.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

# Editions of the official case list whose field rules are known, oldest first.
EDITIONS: Final = ("2024-04", "2025-02", "2025-06", "2025-09", "2025-11")
NEWEST_EDITION: Final = EDITIONS[-1]


class Profile(StrEnum):
    """The functionalities a certificate lists, in its order, by the standard's names."""

    CORE = "Core"
    FIRMWARE_MANAGEMENT = "FirmwareManagement"
    SMART_CHARGING = "SmartCharging"
    RESERVATION = "Reservation"
    LOCAL_AUTH_LIST_MANAGEMENT = "LocalAuthListManagement"
    REMOTE_TRIGGER = "RemoteTrigger"
    SECURITY = "Security"


class Requirement(StrEnum):
    """How sure we are that certification demands a case."""

    MANDATORY = "mandatory"
    CONDITIONAL = "conditional"  # when the declaration names the profile or feature
    UNCONFIRMED = "unconfirmed"  # the case exists, no source says whether it is demanded
    ADDITIONAL = "additional"  # ours: certification does not demand it


class CaseSet(StrEnum):
    """Where a case comes from. Only official cases count for the certificate."""

    OFFICIAL = "official"
    BEYOND = "beyond"  # real needs seen in the field
    ROBUSTNESS = "robustness"  # hostile and malformed frames


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, counted from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class EditionRange:
    """The editions something applies to, both ends included; None is open."""

    first: str | None = None
    last: str | None = None

    def includes(self, edition: str) -> bool:
        """Say whether `edition` lies in the range."""
        index = EDITIONS.index(edition)
        after_first = self.first is None or EDITIONS.index(self.first) <= index
        before_last = self.last is None or index <= EDITIONS.index(self.last)
        return after_first and before_last


ALL_EDITIONS: Final = EditionRange()


# --- patterns: what a payload must look like -------------------------------------------------


class Operator(StrEnum):
    """The closed set of matcher names that may stand in a pattern."""

    EQUALS = "equals"
    EQUALS_IGNORING_CASE = "equals_ignoring_case"  # CiString and IdToken: case carries no meaning
    NOT_EQUALS = "not_equals"
    ONE_OF = "one_of"
    PRESENT = "present"
    ABSENT = "absent"
    EMPTY_OR_ABSENT = "empty_or_absent"
    ABSENT_OR = "absent_or"  # absent, or matching the pattern given
    PRESENT_IF = "present_if"
    ABSENT_IF = "absent_if"
    GREATER_THAN = "greater_than"
    AT_LEAST = "at_least"
    APPROXIMATELY = "approximately"  # {time: <time>, tolerance_s: <number>}
    MATCHES = "matches"  # regular expression, whole value
    EACH = "each"  # every element of a list
    FIRST = "first"  # the first element of a list, which must be there
    ONLY_CONTAINS = "only_contains"  # a list with exactly this one element
    INCLUDES_ALL = "includes_all"
    ALL_DIFFERENT = "all_different"  # across: values gathered under this name all differ
    EQUALS_OR_ABSENT_IF_3 = "equals_or_absent_if_3"  # numberPhases: absent means three
    DECODED_LENGTH_BETWEEN = "decoded_length_between"  # hexadecimal text: [least, most] bytes
    VALID_PEM = "valid_pem"  # one certificate or more, and nothing else
    PEM_EQUALS = "pem_equals"  # the same PEM text, whatever its line ends
    LEAF_CERTIFICATE = "leaf_certificate"  # facts about the first certificate of a chain
    INVALID_SIGNATURE = "invalid_signature"  # {certificate: <PEM>, content: <base64>}
    CAPTURE = "capture"  # remember the value under this name


@dataclass(frozen=True, slots=True)
class Check:
    """One operator with its argument.

    `pattern` is the argument as a pattern, for the operators whose argument is one: `absent_or`,
    `each`, `first` and `only_contains`.
    """

    operator: Operator
    argument: Json
    position: Position
    pattern: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A single value held against all of its checks."""

    checks: tuple[Check, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Fields:
    """An object whose named fields must match; fields that are not named are free."""

    fields: Mapping[str, Pattern]
    position: Position


@dataclass(frozen=True, slots=True)
class Items:
    """A list that must match element by element, and in length."""

    items: tuple[Pattern, ...]
    position: Position


Pattern: TypeAlias = Value | Fields | Items


# --- answers the charge point gives ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """Whatever the simulated charge point itself would answer."""


@dataclass(frozen=True, slots=True)
class ResultAnswer:
    """A CALLRESULT with this payload."""

    payload: dict[str, Json]
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """A CALLERROR."""

    code: str
    description: str = ""
    details: dict[str, Json] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Silence, on purpose."""


@dataclass(frozen=True, slots=True)
class LaterAnswer:
    """A `Respond` step answers, after what stands in between."""


Answer: TypeAlias = ModelAnswer | ResultAnswer | ErrorAnswer | NoAnswer | LaterAnswer


# --- steps -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBase:
    """What every step has.

    Attributes:
        position: where the step is written; for a step of a reusable state, in the state's file.
        note: what happens in the world just before, for people ("driver connects the cable").
        editions: the step runs only in these editions of the case list.
        security_profiles: the step runs only where the case runs on one of these; empty: on all.
        state: name of the reusable state the step came from, empty for the case's own steps.
        path: where the step stands in its case once states are expanded and repetitions unrolled,
            such as ``4`` or ``Charging.3``; counted from 1 and unique within the case.
        bindings: variables set for this step alone, by `for_each` or by `with` of a used state.
    """

    position: Position
    note: str = ""
    editions: EditionRange = ALL_EDITIONS
    security_profiles: tuple[int, ...] = ()
    state: str = ""
    path: str = ""
    bindings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(StepBase):
    """The charge point sends this CALL, whatever its model thinks, and is owed an answer.

    `expect` are rules on the CALLRESULT's payload, `warn` are those that only warn. `budget` names
    the response budget of the system-under-test file the answer is held against. Without a
    `message_id` a new one is made.
    """

    action: str
    payload: dict[str, Json]
    expect: Fields | None = None
    warn: Fields | None = None
    budget: str = "ocpp_response_timeout"
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRaw(StepBase):
    """The charge point sends this text, or these bytes, as they stand.

    `answers` are the acceptable ones: ``none`` (nothing comes back for `message_id`), ``result``,
    ``error``; `codes` lists the acceptable error codes. `answer_ids` are ids, of whatever type,
    that an answer may have besides `message_id`: some Central Systems answer what has no usable id.
    """

    text: str
    answers: frozenset[str]
    message_id: str = ""
    codes: tuple[str, ...] = ()
    answer_ids: tuple[Json, ...] = ()
    is_binary: bool = False  # `text` is hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A CALL the model is expected to make in a `do` step, with rules on its answer."""

    action: str
    position: Position
    payload: Fields | None = None
    expect: Fields | None = None
    warn: Fields | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Do(StepBase):
    """Something happens to the charge point, and its model decides what to send.

    `event` is one of the simulator's inputs (``plug_in``, ``present_tag`` …) with its arguments.
    The step ends when every call listed was made, in this order, and answered.
    """

    event: str
    arguments: dict[str, Json]
    calls: tuple[ModelCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorStep(StepBase):
    """The driver makes the CSMS send a request; the step starts it and goes on."""

    action: str
    payload: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive(StepBase):
    """The CSMS's CALL is awaited, judged and answered.

    With `optional` the step is passed over when another awaited frame comes first.
    """

    action: str
    payload: Fields | None = None
    warn: Fields | None = None
    answer: Answer = ModelAnswer()
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond(StepBase):
    """The CSMS's CALL that a `Receive` step left open is answered."""

    action: str
    answer: ModelAnswer | ResultAnswer | ErrorAnswer = ModelAnswer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(StepBase):
    """Time the charge point itself lets pass, such as ConnectionTimeOut."""

    seconds: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(StepBase):
    """The connection ends: in order (``close``) or without a word (``drop``)."""

    how: str = "close"


@dataclass(frozen=True, slots=True)
class TlsChoice:
    """What a charge point offers in TLS: exactly these; an empty list leaves the usual ones.

    Attributes:
        versions: such as ``1.2``.
        suites: by IANA name; those of TLS 1.3 are not chosen one by one.
    """

    versions: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a connection has to be refused.

    Attributes:
        statuses: what an HTTP refusal may say; empty: anything. One in TLS has none.
        natural: other statuses warn; empty: none does.
        takes_unreachable: a port on which nothing listens counts, with a warning.
    """

    statuses: tuple[int, ...] = ()
    natural: tuple[int, ...] = ()
    takes_unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(StepBase):
    """A new connection is opened, and accepted or refused as it has to be.

    What is left open is as it was in the last connection that was accepted: a charge point that
    changed its profile or password keeps it.

    Attributes:
        beside: the one before is still open: the charge point has lost it and does not know what
            becomes of it. All further steps use the new one, where it is accepted.
        profile: security profile whose endpoint and proof are used: a number or a reference.
        identity: another identity in path and user name; a text, references in it.
        credentials: ``own``, ``none`` or ``wrong``; empty: what the profile has.
        password: hexadecimal text of a key, written into Basic as the file's encoding says.
        certificate: ``own``, ``none``, ``expired``, ``untrusted``, ``other_identity``, or a
            reference to a chain; empty: what the profile has.
        subprotocols: what is offered; None: what OCPP 1.6 demands.
        agreed: the subprotocol that must be agreed to; empty: what every connection must.
        refused: the connection must not come about.
    """

    beside: bool = False
    profile: Json = None
    identity: str = ""
    credentials: str = ""
    password: str = ""
    certificate: str = ""
    subprotocols: tuple[str, ...] | None = None
    tls: TlsChoice | None = None
    agreed: str = ""
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Make(StepBase):
    """The charge point works out a value, which is kept as a variable.

    Attributes:
        thing: what is made, such as ``csr``; see `harness.making`.
        name: the variable.
    """

    thing: str
    name: str
    arguments: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTls(StepBase):
    """TLS handshakes without a WebSocket, to see what the server can do.

    Attributes:
        profile, certificate: as in `Connect`.
        suites: each must be negotiable alone, in TLS 1.2.
        version: the least that the server may choose.
        looks_at_certificate: the server's certificate is judged, too.
        refused: none of these versions and suites may be negotiable; nothing else is looked at.
    """

    profile: Json = None
    certificate: str = ""
    suites: tuple[str, ...] = ()
    version: str = "1.2"
    looks_at_certificate: bool = True
    refused: TlsChoice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOrder(StepBase):
    """Steps whose frames may come in any order: `Receive` in the order of arrival."""

    steps: tuple[Step, ...]


Step: TypeAlias = (
    Send
    | SendRaw
    | Do
    | OperatorStep
    | Receive
    | Respond
    | Wait
    | Disconnect
    | Connect
    | Make
    | ProbeTls
    | AnyOrder
)


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """A security profile that a case can run on; with `target` it ends on that one."""

    start: int
    target: int | None = None

    @property
    def all(self) -> tuple[int, ...]:
        """Every profile that the case uses."""
        return (self.start,) if self.target is None else (self.start, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One case, states expanded, ready to run.

    Attributes:
        id: the official id, or our own for cases beyond the official list.
        section: section of the official case document; of cases beyond it, what demands it.
        reason: why a case beyond the official list is there: what was seen in the field.
        configuration: configuration keys the simulated charge point starts with.
        variables: defaults the case brings itself, by name.
        security_profiles: what the case can run on, best first; empty: whatever there is.
        with_profile: another profile that must be declared, too.
        role: the role of the identity it needs, of those in the system-under-test file.
        steps: everything between connecting and cleaning up, in order.
    """

    id: str
    title: str
    profile: Profile
    requirement: Requirement
    position: Position
    purpose: str = ""
    condition: str = ""
    section: str = ""
    case_set: CaseSet = CaseSet.OFFICIAL
    reason: str = ""
    editions: EditionRange = ALL_EDITIONS
    configuration: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    security_profiles: tuple[ProfileChoice, ...] = ()
    with_profile: Profile | None = None
    role: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def source(self) -> str:
        """What demands the case, for people: the official document by default."""
        if self.case_set is CaseSet.OFFICIAL:
            return f"§{self.section}" if self.section else ""
        return self.section

    @property
    def uses_model(self) -> bool:
        """Whether the charge point's model may speak on its own (some step is a `do`)."""
        return any(isinstance(step, Do) for step in self.steps)
