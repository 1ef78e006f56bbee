"""Every check by its id: what it looks at, where the standard demands it, and how much it weighs.

`docs/reference/checks.md` is the same table for people; a test holds the two together. Rules of
single cases have ids of the form ``rule.<Action>.conf`` and ``rule.<Action>.req`` and are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.results import Finding, Severity

_LONGEST: Final = 600
_WARNING: Final = Severity.WARNING
_FAILURE: Final = Severity.FAILURE


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """One check.

    Attributes:
        strict: the severity in strict runs, where it differs.
    """

    what: str
    requirement: str
    severity: Severity = _FAILURE
    strict: Severity | None = None


CHECKS: Final[Mapping[str, CheckInfo]] = {
    # --- the text of a frame
    "json.unreadable": CheckInfo("The text of a frame is JSON.", "OCPP-J 1.6 §4.2"),
    "json.duplicate-key": CheckInfo(
        "No object has the same key twice; readers differ on which one counts.",
        "RFC 8259 §4; OCPP-J 1.6 §4.2",
    ),
    "json.not-a-number": CheckInfo(
        "Numbers are JSON numbers that can be represented: no NaN, no Infinity, no 1e999.",
        "RFC 8259 §6; OCPP-J 1.6 §4.2",
    ),
    "json.surrogate": CheckInfo(
        "Texts are Unicode: no half of a surrogate pair stands alone.", "RFC 8259 §8.2"
    ),
    "json.non-ascii": CheckInfo(
        "Only free text goes beyond ASCII (DataTransfer.data, error descriptions).",
        "OCPP-J 1.6 §4.1.2; CS-DATA-05",
        _WARNING,
    ),
    # --- the shape of a frame
    "frame.binary": CheckInfo("Messages are text, not binary.", "OCPP-J 1.6 §4.1.2"),
    "frame.not-array": CheckInfo("A message is a JSON array.", "OCPP-J 1.6 §4.2"),
    "frame.message-type": CheckInfo(
        "The first element is the number 2, 3 or 4.", "OCPP-J 1.6 §4.1.3"
    ),
    "frame.element-count": CheckInfo(
        "A CALL has 4 elements, a CALLRESULT 3, a CALLERROR 5.", "OCPP-J 1.6 §4.2.1-3"
    ),
    "frame.message-id": CheckInfo(
        "The message id is a text of 1 to 36 characters.", "OCPP-J 1.6 §4.1.4"
    ),
    "frame.action": CheckInfo("The action of a CALL is a text.", "OCPP-J 1.6 §4.2.1"),
    "error.shape": CheckInfo(
        "A CALLERROR has texts as code and description, and an object as details.",
        "OCPP-J 1.6 §4.2.3",
    ),
    "error.code": CheckInfo(
        "The code of a CALLERROR is one of the ten of 1.6.", "OCPP-J 1.6 §4.2.3, table 7"
    ),
    "error.code-spelling": CheckInfo(
        "FormationViolation and OccurenceConstraintViolation have their 1.6 spelling, not that of "
        "2.0.1. Receivers take both, so it only warns.",
        "OCPP-J errata 5.1, 5.2",
        _WARNING,
    ),
    # --- requests of the CSMS
    "call.unknown-action": CheckInfo(
        "The CSMS calls only actions that 1.6 or its security extension has.",
        "OCPP 1.6 §5; CS-RPC-11",
    ),
    "call.direction": CheckInfo(
        "The CSMS does not call actions that only charge points send.", "OCPP 1.6 §4, §5"
    ),
    "call.id-reused": CheckInfo(
        "The CSMS uses no message id twice on a connection.", "OCPP-J 1.6 §4.1.4; CS-RPC-04"
    ),
    "call.repeated": CheckInfo(
        "The CSMS does not send the same request again under the same id.",
        "OCPP-J 1.6 §4.1.4; OCPP-J errata 3.1",
        _WARNING,
    ),
    "call.overlap": CheckInfo(
        "The CSMS has one open CALL per connection; the next follows our answer.",
        "OCPP-J 1.6 §4.1.1; CS-RPC-05",
    ),
    "wire.unasked-call": CheckInfo(
        "The CSMS sends nothing the case did not make it send; it disturbs the official tool.",
        "official case document, general rules",
        _WARNING,
        _FAILURE,
    ),
    # --- answers of the CSMS
    "answer.missing": CheckInfo(
        "Every CALL is answered, within the limit and a third of it.", "OCPP-J 1.6 §4.1.1"
    ),
    "answer.late": CheckInfo(
        "The answer comes within the declared response timeout.", "declaration (PICS)"
    ),
    "answer.call-error": CheckInfo(
        "A proper CALL is answered by a CALLRESULT, not a CALLERROR.",
        "OCPP-J 1.6 §4.2.2-3; CS-RPC-12",
    ),
    "answer.wrong-id": CheckInfo(
        "An answer has the id of the CALL it answers, to the letter.", "OCPP-J 1.6 §4.1.4"
    ),
    "answer.twice": CheckInfo("A CALL is answered once.", "OCPP-J 1.6 §4.1.1"),
    "answer.unsolicited": CheckInfo(
        "Nothing is answered that was never asked on this connection.", "OCPP-J 1.6 §4.1.4"
    ),
    "answer.unobserved": CheckInfo(
        "An answer was owed, but the harness stopped looking before the limit.",
        "OCPP-J 1.6 §4.1.1",
        Severity.INCONCLUSIVE,
    ),
    "answer.unexpected": CheckInfo(
        "To a text on which no answer is owed, none comes.", "OCPP-J 1.6 §4.1.3; CS-RPC-02"
    ),
    "answer.error-owed": CheckInfo(
        "A faulty CALL is answered by a CALLERROR.", "OCPP-J 1.6 §4.2.3; CS-RPC-15"
    ),
    "answer.error-code": CheckInfo(
        "The CALLERROR has a code that fits the fault.", "OCPP-J 1.6 §4.2.3, table 7"
    ),
    "response.target": CheckInfo(
        "The answer comes within the target time of its budget.",
        "system-under-test file, budgets",
        _WARNING,
        _FAILURE,
    ),
    # --- payloads against the official schemas
    "schema.type": CheckInfo("Values have the JSON type of their field.", "OCPP-J 1.6 schemas"),
    "schema.required": CheckInfo("Required fields are there.", "OCPP-J 1.6 schemas"),
    "schema.additional-property": CheckInfo(
        "No field exists beyond the schema, at any depth.", "OCPP-J errata 3.2; CS-RPC-14"
    ),
    "schema.enum": CheckInfo("Enumerated values are spelled right.", "OCPP-J 1.6 schemas"),
    "schema.length": CheckInfo("Texts are not too long.", "OCPP-J 1.6 schemas"),
    "schema.item-count": CheckInfo("Lists have enough elements.", "OCPP-J 1.6 schemas"),
    "schema.multiple": CheckInfo("Limits have one decimal at most.", "OCPP-J 1.6 schemas"),
    "schema.uri": CheckInfo(
        "Locations are absolute URIs (in GetLog and SignedUpdateFirmware it only warns).",
        "OCPP 1.6 §6.25, §6.55",
    ),
    "schema.null-payload": CheckInfo(
        "An empty payload is {}, not null.", "OCPP-J 1.6 §4.2.1; CS-RPC-10", _WARNING
    ),
    "schema.unreadable": CheckInfo(
        "A payload can be checked at all: not nested beyond measure.", "OCPP-J 1.6 §4.2"
    ),
    "schema.other": CheckInfo("The payload satisfies its schema.", "OCPP-J 1.6 schemas"),
    "schema.connector-id": CheckInfo(
        "connectorId is not negative, and greater than 0 where one connector is meant.",
        "OCPP 1.6 §6.33, §6.53; CS-DATA-08",
    ),
    "schema.empty-id-tag": CheckInfo(
        "Id tags are not empty (an empty parentIdTag only warns).", "OCPP 1.6 §7.28"
    ),
    "schema.minimum": CheckInfo(
        "Counts, levels, durations and limits are not negative; a list version is at least 1.",
        "OCPP 1.6 §7.8, §7.13-14; errata v4.0 §3.52",
    ),
    "schema.integer-32-bit": CheckInfo(
        "Integers fit into 32 bit, as charge points store them.",
        "errata v4.0 §3.54; CS-START-04",
        _WARNING,
    ),
    "schema.integer-64-bit": CheckInfo("Integers fit into 64 bit.", "errata v4.0 §3.54"),
    # --- times
    "time.format": CheckInfo("Times are ISO 8601 date-times.", "OCPP 1.6 §3.15; RFC 3339 §5.6"),
    "time.no-zone": CheckInfo("Times say their zone.", "OCPP 1.6 §3.14; CS-DATA-02"),
    "time.not-utc": CheckInfo("Times are in UTC.", "OCPP 1.6 §3.14; CS-DATA-02"),
    "time.form": CheckInfo(
        "Times have the form every charge point reads: Z, and 0 or 3 digits of fraction.",
        "CS-DATA-02",
        _WARNING,
    ),
    "time.clock": CheckInfo(
        "currentTime is within 5 s of the present.", "OCPP 1.6 §4.2, §4.6; CS-HB-01", _WARNING
    ),
    # --- what payloads mean
    "id-tag.concurrent-tx": CheckInfo(
        "ConcurrentTx stands in StartTransaction.conf only.", "OCPP 1.6 §7.2; CS-AUTH-03"
    ),
    "id-tag.past-expiry": CheckInfo(
        "An accepted card has no expiryDate in the past.", "CS-AUTH-05", _WARNING
    ),
    "id-tag.unasked": CheckInfo(
        "StopTransaction.conf has idTagInfo only when the request named a card.",
        "OCPP 1.6 §6.50; CS-STOP-03",
        _WARNING,
    ),
    "boot.interval-negative": CheckInfo(
        "The interval of BootNotification.conf is not negative.", "OCPP 1.6 §4.2; CS-BOOT-02"
    ),
    "boot.interval-zero": CheckInfo(
        "An accepted charge point gets an interval above 0.",
        "OCPP 1.6 §4.2; CS-BOOT-02",
        _WARNING,
    ),
    "transaction.id-not-positive": CheckInfo(
        "transactionId is greater than 0.", "errata v4.0 §3.54; CS-START-04", _WARNING
    ),
    # --- the connection
    "handshake.subprotocol": CheckInfo(
        "The CSMS agrees to the subprotocol ocpp1.6.", "OCPP-J 1.6 §3.2; CS-WS-06"
    ),
    "handshake.refused": CheckInfo("The CSMS lets the charge point in.", "OCPP-J 1.6 §3"),
    "handshake.unreachable": CheckInfo(
        "The CSMS can be reached at all.", "OCPP-J 1.6 §3", Severity.INCONCLUSIVE
    ),
    "handshake.not-trusted": CheckInfo(
        "The certificate of the CSMS leads to a trust anchor, is valid, and names the server.",
        "security white paper ed. 3, A00.FR.501-511; CS-SEC-06",
    ),
    # --- connections that a case is about
    "connection.not-refused": CheckInfo(
        "A connection that has to be refused is refused: by an HTTP status other than 101, a TLS "
        "alert, the end of the connection or a reset before the answer.",
        "official case document",
    ),
    "connection.undecided": CheckInfo(
        "A connection is taken or refused in time, and in a way that tells which.",
        "official case document",
    ),
    "connection.unreachable": CheckInfo(
        "A connection that is to be refused finds a server that refuses it (where a closed port "
        "may do, it only warns).",
        "official case document",
        Severity.INCONCLUSIVE,
    ),
    "connection.status": CheckInfo(
        "A refusal has the HTTP status that belongs to it, where one does.",
        "OCPP-J 1.6 §3.1.1, §6.2; CS-WS-04",
    ),
    "connection.subprotocol": CheckInfo(
        "The CSMS agrees to the subprotocol the case names.", "OCPP-J 1.6 §3.2; CS-WS-06"
    ),
    "connection.password-encoding": CheckInfo(
        "The CSMS takes a new password in the form that the system-under-test file declares.",
        "security white paper ed. 3, A00.FR.202-205; system-under-test file",
    ),
    "connection.certificate": CheckInfo(
        "A certificate that the CSMS hands out is one that the charge point has the key of.",
        "security white paper ed. 3, A02; CS-SEC-08",
    ),
    # --- TLS of the CSMS
    "tls.suite": CheckInfo(
        "Each of the four mandatory cipher suites of TLS 1.2 can be negotiated alone.",
        "security white paper ed. 3, A00.FR.318, .422; CS-SEC-04",
    ),
    "tls.version": CheckInfo(
        "The CSMS speaks TLS 1.2 or newer.", "security white paper ed. 3, A00.FR.312-324; CS-SEC-04"
    ),
    "tls.version-1-3": CheckInfo("The CSMS speaks TLS 1.3, too.", "our own", _WARNING),
    "tls.weak": CheckInfo(
        "Versions and suites that protect nothing are refused.",
        "security white paper ed. 3, A00.FR.312-324; CS-SEC-04",
    ),
    "tls.certificate": CheckInfo(
        "The server shows an X.509 certificate.",
        "security white paper ed. 3, A00.FR.501-511; CS-SEC-06",
    ),
    "tls.key-size": CheckInfo(
        "Its key has 2048 bits (RSA, DSA) or 224 (elliptic curves) at least.",
        "security white paper ed. 3, A00.FR.501-511; CS-SEC-06",
    ),
    "tls.serial-number": CheckInfo(
        "It has a serial number.", "security white paper ed. 3, A00.FR.501-511"
    ),
    "tls.common-name": CheckInfo(
        "Its common name is the name of the server (with an address it cannot be checked and "
        "warns).",
        "security white paper ed. 3, A00.FR.501-511; CS-SEC-06",
    ),
    "close.during-case": CheckInfo(
        "The CSMS does not close the connection while the case runs.", "CS-WS-19"
    ),
    "close.abnormal": CheckInfo(
        "After the case the CSMS closes with 1000 or 1001, if at all.", "RFC 6455 §7.4; CS-WS-19"
    ),
    "close.lost": CheckInfo(
        "The CSMS never drops the connection without a closing handshake.", "RFC 6455 §7.1"
    ),
    "close.protocol-error": CheckInfo(
        "The CSMS keeps to the WebSocket protocol, so that we never have to end the connection.",
        "RFC 6455 §7.4.1",
    ),
    "ping.unanswered": CheckInfo("Pings are answered.", "RFC 6455 §5.5.2; CS-WS-14"),
    # --- requests a case makes the CSMS send
    "request.missing": CheckInfo(
        "The request the operator asked for comes.", "official case document"
    ),
    "request.not-observed": CheckInfo(
        "The operator, or the driver in its place, could make the CSMS act.",
        "official case document",
        Severity.INCONCLUSIVE,
    ),
    # --- a run as a whole
    "run.transaction-id-reused": CheckInfo(
        "A station never gets the same transactionId for two transactions.",
        "errata v4.0 §3.54; CS-START-04",
    ),
    "run.transaction-id-shared": CheckInfo(
        "Two stations never get the same transactionId.", "CS-START-04", _WARNING
    ),
    "run.message-id-reused": CheckInfo(
        "The CSMS repeats no message id over the connections of an identity.",
        "OCPP-J errata 3.1; CS-RPC-04",
        _WARNING,
    ),
    # --- the harness itself
    "harness.invalid-call": CheckInfo(
        "What the charge point sends is right itself; otherwise nothing can be held against the "
        "CSMS.",
        "OCPP-J 1.6 schemas",
        Severity.ERROR,
    ),
}

# What a run may find besides: nothing here is held against the frames of a CSMS.
SURROUNDINGS: Final[Mapping[str, CheckInfo]] = {
    "sut.died": CheckInfo("The program under test goes on running.", "system-under-test file"),
    "sut.limits": CheckInfo(
        "The limits of the system-under-test file leave room for the case.",
        "system-under-test file, limits",
        Severity.INCONCLUSIVE,
    ),
    "sut.silent": CheckInfo("The CSMS goes on answering.", "our own", _WARNING),
    "provisioning.id_tag": CheckInfo(
        "The CSMS knows the cards of the system-under-test file. Where it says Invalid of every "
        "card of a role that has to be accepted, in a fresh session too, and the run's own driver "
        "did not register them, cases that need them are inconclusive; one known card of the role "
        "makes them failures again.",
        "system-under-test file, id_tags",
        Severity.INCONCLUSIVE,
    ),
    "provisioning.identity": CheckInfo(
        "The CSMS lets the charge points of the system-under-test file in. One that the run's own "
        "driver did not register, and that gets HTTP 401 or 404 each time it asks, makes its cases "
        "inconclusive, but not those that are about connecting.",
        "system-under-test file, identities",
        Severity.INCONCLUSIVE,
    ),
    "declaration.not-kept": CheckInfo(
        "What is declared works: none of its cases fails.", "declaration (pics)", _WARNING
    ),
    "declaration.undeclared": CheckInfo("What works is declared.", "declaration (pics)", _WARNING),
    "declaration.waived": CheckInfo(
        "The declaration takes out no mandatory case.", "declaration (pics)", _WARNING
    ),
    "declaration.performance": CheckInfo(
        "What is measured is not above the declared performance.", "declaration (pics)", _WARNING
    ),
    "driver.claims": CheckInfo(
        "What the driver says that it made the CSMS send is sent.", "our own", _WARNING
    ),
    "driver.differs": CheckInfo(
        "What the driver was told agrees with the frames.", "our own", _WARNING
    ),
    "driver.callback": CheckInfo(
        "Callbacks come in time, once, and to the path of their command.", "our own", _WARNING
    ),
    "leftover.transaction": CheckInfo(
        "Transactions that a killed run left open can be ended.", "our own", _WARNING
    ),
    "cleanup.incomplete": CheckInfo(
        "What a case began can be ended after it.", "our own", _WARNING
    ),
    "harness.model": CheckInfo(
        "The charge point's model does what the scenario says it does.", "our own", Severity.ERROR
    ),
    "harness.variable": CheckInfo(
        "Every variable of a scenario has a value when it is used.", "our own", Severity.ERROR
    ),
    "harness.step": CheckInfo(
        "The simulated charge point can do what a step asks of it.", "our own", Severity.ERROR
    ),
    "harness.cannot-offer": CheckInfo(
        "The charge point could offer what the case needs; a server refused nothing otherwise.",
        "our own",
        Severity.ERROR,
    ),
    "sut.no-profile": CheckInfo(
        "The file has endpoints, identities, certificates and id tags for what it declares.",
        "system-under-test file",
        Severity.INCONCLUSIVE,
    ),
    "cleanup.credentials": CheckInfo(
        "What a case changed of a charge point's password or profile can be put back.",
        "our own",
        _WARNING,
    ),
    "harness.pool": CheckInfo(
        "The system-under-test file has the identities and cards a case needs.",
        "system-under-test file",
        Severity.ERROR,
    ),
    "harness.error": CheckInfo(
        "The harness runs a case without a fault of its own.", "our own", Severity.ERROR
    ),
    "harness.fault": CheckInfo(
        "The harness runs without a fault of its own.", "our own", Severity.ERROR
    ),
}


def finding(
    rule: str,
    message: str,
    *,
    expected: str = "",
    actual: str = "",
    event: int | None = None,
    strict: bool = False,
    severity: Severity | None = None,
    requirement: str = "",
) -> Finding:
    """Make a finding of a known check; severity and requirement are the table's by default."""
    info = CHECKS[rule]
    weight = severity or (info.strict if strict and info.strict else info.severity)
    return Finding(
        rule=rule,
        severity=weight,
        message=printable(_cut(message)),
        requirement=requirement or info.requirement,
        expected=printable(_cut(expected)),
        actual=printable(_cut(actual)),
        event=event,
    )


def _cut(text: str) -> str:
    """Keep words for people short; the frame itself is in the trace."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def printable(text: str) -> str:
    """Return a text that any encoder takes: halves of surrogate pairs as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
