"""What a bearer token of the HTTP API is good for."""

from enum import StrEnum


class Scope(StrEnum):
    """What its holder may do; each includes those before it."""

    READ = "read"
    OPERATE = "operate"
    MANAGE = "manage"

    def includes(self, other: "Scope") -> bool:
        """Tell whether whoever has this one may do what wants the other."""
        order = list(Scope)
        return order.index(self) >= order.index(other)
