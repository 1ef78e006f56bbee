"""Made-up names are the same for the same seed, and fit OCPP's limits."""

from __future__ import annotations

import pytest

from simulator.persona import make_persona


def test_same_seed_same_names() -> None:
    """A run can be repeated."""
    assert make_persona(7) == make_persona(7)
    assert make_persona(7) != make_persona(8)


@pytest.mark.parametrize("seed", range(50))
def test_names_fit(seed: int) -> None:
    """Identity, serial number and cards keep within their lengths and are plain ASCII."""
    persona = make_persona(seed)

    assert 0 < len(persona.identity) <= 20
    assert 0 < len(persona.serial_number) <= 25
    assert len(set(persona.id_tags)) == 5
    for text in (persona.identity, persona.serial_number, *persona.id_tags):
        assert text.isascii()
        assert " " not in text
    assert all(len(tag) == 8 for tag in persona.id_tags)
