"""Numbers as the page writes them."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Context


def number(value: float) -> str:
    """A difference with three digits, a plain 0, or a word."""
    if math.isnan(value):
        return "not a number"
    if value == 0:
        return "0"
    return f"{value:.2e}" if math.isfinite(value) else "infinite"


def rounded_up(value: float) -> str:
    """The smallest tolerance that passes, with three digits that still pass; none if none does."""
    if not math.isfinite(value):
        return "none"
    text = number(value)
    if float(text) >= value:
        return text
    above = Context(prec=3, rounding=ROUND_CEILING).create_decimal_from_float(value)
    return number(float(above))


def percent(share: float) -> str:
    """A share in percent; 100 only if it is all."""
    text = f"{share:.1%}"
    return "99.9%" if text == "100.0%" and share < 1 else text


def file_size(count: int) -> str:
    """Bytes in the unit that fits, of powers of 1000."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def duration(seconds: float) -> str:
    """Seconds in the unit that fits, with three digits."""
    if seconds >= 1:
        return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
