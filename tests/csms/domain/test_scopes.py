"""Scopes include each other."""

from itertools import product

from csms.domain.scopes import Scope


def test_each_scope_includes_those_before_it() -> None:
    """Whoever manages also operates, whoever operates also reads."""
    includes = {(one.value, two.value) for one, two in product(Scope, Scope) if one.includes(two)}

    assert includes == {
        *(("manage", "manage"), ("manage", "operate"), ("manage", "read")),
        *(("operate", "operate"), ("operate", "read")),
        ("read", "read"),
    }
