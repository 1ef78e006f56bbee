"""Reading numbers tolerantly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.numbers import decimal_number, whole_number

HUGE = pytest.param(10**4000, id="huge")  # too long to be shown


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.50", "12.50"),
        (" +12.5 ", "12.5"),
        ("-3", "-3"),
        ("1.25e3", "1250"),
        ("1E-3", "0.001"),
        (".5", "0.5"),
        ("5.", "5"),
        (7, "7"),
        (0.1, "0.1"),
        (1e22, "1e22"),
    ],
)
def test_readable_numbers(value: object, number: str) -> None:
    """Text and JSON numbers in every usual notation are read exactly."""
    assert decimal_number(value) == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "abc",
        "NaN",
        "Infinity",
        "1_000",
        "1,5",
        "0x10",
        "1e999999",
        "1e400",
        "9" * 50,
        "१२",
        float("nan"),
        float("inf"),
        HUGE,
        True,
        None,
        [1],
    ],
)
def test_what_is_no_number_is_none(value: object) -> None:
    """Nothing is guessed, and nothing huge is computed."""
    assert decimal_number(value) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        ("6", 6),
        (5.4, 5),
        (5.5, 6),
        (-5.5, -5),
        ("1e3", 1000),
        (-1, -1),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_whole_numbers_are_rounded(value: object, number: int) -> None:
    """Fractions go to the nearest integer."""
    assert whole_number(value) == number


@pytest.mark.parametrize("value", [2**63, -(2**63), 1e30, HUGE, True, None, "x", {}])
def test_integers_that_do_not_fit_are_none(value: object) -> None:
    """What no database column holds is no number here."""
    assert whole_number(value) is None


def test_whole_number_has_a_settable_range() -> None:
    """A narrower range is kept on both sides."""
    assert whole_number(2**31 - 1, maximum=2**31 - 1) == 2**31 - 1
    assert whole_number(2**31, maximum=2**31 - 1) is None
    assert whole_number(-(2**31), maximum=2**31 - 1) is None


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
    )
)
def test_decimals_survive_the_way_through_text(number: Decimal) -> None:
    """What a meter writes as decimal text is read back exactly."""
    assert decimal_number(f" {number} ") == number


@given(st.text(alphabet="0123456789.eE+- ", max_size=60))
def test_reading_never_raises(text: str) -> None:
    """Whatever comes is a finite number or none."""
    number = decimal_number(text)

    assert number is None or number.is_finite()
    assert whole_number(text) is None or number is not None
