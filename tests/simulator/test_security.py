"""The security extension of a charge point as a whole: its options, and what waits."""

from typing import Any

import pytest

from simulator.errors import LocalProtocolError
from simulator.security import Security
from tests.simulator.rig import Rig


def security_of(rig: Rig) -> Security:
    """The part under test."""
    return rig.charge_point.security


@pytest.mark.parametrize("option", ["central_system_roots", "manufacturer_roots"])
def test_root_that_cannot_be_read_is_told_at_once(option: str) -> None:
    """Not when a certificate is checked against it, hours later."""
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    options: dict[str, Any] = {option: [broken]}

    with pytest.raises(LocalProtocolError):
        Rig(boots=True, **options)


def test_unknown_password_encoding_is_told_at_once() -> None:
    """A charge point that sends its key in no known way could not be judged."""
    with pytest.raises(ValueError, match="base64"):
        Rig(password_encoding="base64")


@pytest.mark.parametrize(("is_only", "answer"), [(True, "NotSupported"), (False, {})])
def test_unsigned_firmware_is_taken_unless_forbidden(is_only: bool, answer: object) -> None:
    """The standard lets it refuse (L01); many do not."""
    rig = Rig(signed_firmware_only=is_only)
    rig.dialogue()

    order = {"location": "http://csms.example/f.bin", "retrieveDate": "2026-01-31T12:00:00Z"}

    assert rig.ask("UpdateFirmware", order) == answer


def test_events_wait_for_somebody_to_tell_them_to() -> None:
    """Told once it is accepted, and once only."""
    rig = Rig(pushes=["TamperDetectionActivated"])
    rig.drop()
    rig.dialogue()
    security_of(rig).events.note("TamperDetectionActivated", rig.now)
    security_of(rig).pump(rig.now)
    assert rig.dialogue() == []

    rig.connect()
    rig.advance(60.0)

    told = [one for one in rig.dialogue() if one.startswith("Event ")]
    assert len(told) == 1
