"""Made-up names for a charge point and its drivers' cards, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

from faker import Faker


@dataclass(frozen=True, slots=True)
class Persona:
    """One charge point and the cards of those who come to it."""

    identity: str
    serial_number: str
    id_tags: tuple[str, ...]


def make_persona(seed: int, *, cards: int = 5) -> Persona:
    """Return the persona of a seed."""
    faker = Faker("en_US", use_weighting=False)
    faker.seed_instance(seed)
    city = faker.city().upper().replace(" ", "-")
    return Persona(
        identity=f"{city}-{faker.numerify('%###')}"[:20],
        serial_number=faker.bothify("??######", letters="ABCDEFGHJKLMNPRSTUVWXYZ"),
        id_tags=tuple(faker.hexify("^^^^^^^^", upper=True) for _ in range(cards)),
    )
