"""Embeddings that need no model: hashed letter groups, so that words written alike are near."""

from __future__ import annotations

import hashlib
import math
import re

SIZES = (3, 4, 5)
"""Letters in a group."""


def embedding(text: str, dimensions: int = 384) -> list[float]:
    """A unit vector; the same for the same text everywhere. For tests and benchmarks: it knows
    how words are written and nothing of what they mean."""
    found = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        whole = f"<{word}>"
        for size in SIZES:
            for at in range(max(1, len(whole) - size + 1)):
                named = hashlib.blake2b(whole[at : at + size].encode(), digest_size=8).digest()
                number = int.from_bytes(named)
                found[number % dimensions] += 1.0 if number >> 63 else -1.0
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]
