"""Reading numbers the way charge points write them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1

MAX_DIGITS: Final = 40  # longer or larger numbers measure nothing and cost time

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def decimal_number(value: object) -> Decimal | None:
    """Read a decimal number from a JSON number or text; None where it is none.

    Takes an exponent, a leading ``+`` and surrounding spaces (CS-METER-07).
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DIGITS:  # JSON integers can be thousands of digits long
            return None
        return Decimal(value)
    text = value.strip() if isinstance(value, str) else repr(value)
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if -MAX_DIGITS < number.adjusted() < MAX_DIGITS else None


def whole_number(value: object, *, maximum: int = INT64_MAX) -> int | None:
    """Read an integer from a JSON number or numeric text; None where none fits.

    Fractions are rounded to the nearest, halves up: some meters send them (§9 of the charge
    point behaviours).

    Args:
        value: what came.
        maximum: largest absolute value taken.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        decimal = decimal_number(value)
        if decimal is None:
            return None
        number = math.floor(decimal + Decimal("0.5"))
    return number if -maximum <= number <= maximum else None
