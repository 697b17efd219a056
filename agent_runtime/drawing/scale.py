"""Scales: where a chart's axis ends, and at which round numbers it is marked."""

from __future__ import annotations

import math
from dataclasses import dataclass

MARKS = 4
"""Marks above zero, about."""


_NOTHING = 1e-9
"""Below it there is nothing to see."""


@dataclass(frozen=True)
class Scale:
    """From 0 to `top`; `marks` are round numbers, both ends among them."""

    top: float
    marks: tuple[float, ...]


def scale_of(most: float) -> Scale:
    """A scale that holds `most`, in steps of 1, 2 or 5 of a power of ten, and whole where it
    may be: half a person has never decided anything."""
    if most < _NOTHING:
        return Scale(1.0, (0.0, 1.0))
    rough = most / MARKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    if most >= 1:
        step = max(1.0, step)
    count = math.ceil(most / step - 1e-9)
    return Scale(step * count, tuple(step * i for i in range(count + 1)))
