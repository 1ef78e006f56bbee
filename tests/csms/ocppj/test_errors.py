"""The error codes, letter by letter."""

from csms.ocppj.errors import CallFailure, ErrorCode


def test_codes_are_spelled_as_in_1_6() -> None:
    """The two odd spellings stay; nothing of later versions is there (OCPP-J errata 5.1, 5.2)."""
    assert {code.value for code in ErrorCode} == {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    }


def test_failure_says_what_and_why() -> None:
    """Code and description make the text that logs and the quarantine show."""
    failure = CallFailure(ErrorCode.PROTOCOL_ERROR, "idTag is missing")

    assert (failure.code, failure.description) == (ErrorCode.PROTOCOL_ERROR, "idTag is missing")
    assert str(failure) == "ProtocolError: idTag is missing"
    assert str(CallFailure(ErrorCode.GENERIC_ERROR)) == "GenericError"
