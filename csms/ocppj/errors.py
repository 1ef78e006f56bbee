"""What a CALL of a charge point can fail with, in the spelling of OCPP-J 1.6.

Nothing here decides which code belongs to which fault: that is `validation`, `session` and the
handlers.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The error codes of OCPP-J 1.6 §4.2.3, table 7.

    Two spellings are odd and stay so (OCPP-J errata 5.1, 5.2): `FormationViolation` and
    `OccurenceConstraintViolation`. Codes of later versions are never sent.
    """

    NOT_IMPLEMENTED = "NotImplemented"  # the action is not known at all
    NOT_SUPPORTED = "NotSupported"  # the action is known, but not done here
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"  # the payload is incomplete
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"  # the structure is wrong
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


class CallFailure(Exception):
    """A CALL cannot be carried out; the charge point gets a CALLERROR.

    Attributes:
        code: what goes on the wire.
        description: one short sentence for the charge point's log; no internals.
    """

    def __init__(self, code: ErrorCode, description: str = "") -> None:
        super().__init__(f"{code}: {description}" if description else code.value)
        self.code = code
        self.description = description
