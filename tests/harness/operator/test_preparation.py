"""What a person is told to make before a run."""

from __future__ import annotations

from harness.drivers.driver import Credentials
from harness.operator.preparation import enough, password_text, preparation_of


def test_passwords_are_kept_apart_from_the_words() -> None:
    """What is printed by accident holds no password."""
    told = preparation_of([Credentials("PF1", b"secret", 1)], {"valid": ["A"], "blocked": []})
    assert told.stations[0].password == "secret"
    assert "secret" not in repr(told)
    assert [line.role for line in told.tags] == ["valid"]


def test_a_password_that_is_no_text_is_told_in_hexadecimal() -> None:
    """A person can type either."""
    assert password_text(b"\x00\xff") == "hexadecimal 00ff"
    assert password_text(None) == ""


def test_no_more_is_asked_for_than_a_run_needs() -> None:
    """Three charge points of each kind and two tags of each role are enough."""
    many = [Credentials(f"A{n}", security_profile=1) for n in range(9)]
    many += [Credentials(f"B{n}", security_profile=2) for n in range(2)]
    identities, tags = enough(many, {"valid": ("1", "2", "3")})
    assert [one.identity for one in identities] == ["A0", "A1", "A2", "B0", "B1"]
    assert tags == {"valid": ("1", "2")}
