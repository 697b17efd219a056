"""The workload: the same four phases, texts and sizes for every case.

Gather 2 KB of evidence, propose an action in an envelope of about 2 KB, ask one person, act once.
Everything follows from the run's name, so that each case handles the same bytes.
"""

from __future__ import annotations

import base64
import random
from typing import Any

LETTER = 2_048
"""Bytes of the evidence that one run reads."""
TEXT = 1_200
REASON = 500
NOTE = 300

OPENING = "The customer asks us to publish the corrected notice."
"""The sentence that every letter begins with, and that the proposal quotes."""


def filler(seed: str, size: int) -> str:
    """`size` characters that do not compress away, the same for the same seed."""
    raw = random.Random(seed).randbytes(size * 3 // 4 + 3)  # noqa: S311 — no secret
    return base64.b64encode(raw).decode()[:size]


def letter(name: str) -> str:
    """The evidence of one run."""
    return f"{OPENING} {filler(f'letter {name}', LETTER)}"[:LETTER]


def arguments(name: str) -> dict[str, Any]:
    """What the proposed action is to be called with."""
    return {"notice": name, "shelf": "public/notices", "text": filler(f"text {name}", TEXT)}


def proposal(name: str) -> dict[str, Any]:
    """The decision envelope that proposes the action."""
    return {
        "step": "publish",
        "status": "proposed",
        "confidence": 0.9,
        "evidence": [{"source": f"letter-{name}", "quote": OPENING}],
        "proposed_action": {
            "type": "publish_notice",
            "target_id": name,
            "arguments": arguments(name),
        },
        "reason": filler(f"reason {name}", REASON),
    }


def summary(name: str) -> dict[str, Any]:
    """What the bare graph's first node makes of the evidence."""
    return {"sources": [f"letter-{name}"], "letters": 1, "note": filler(f"note {name}", NOTE)}
