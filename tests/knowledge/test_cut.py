"""Cutting: a passage is as long as a person reads at a glance, and stands in its text verbatim."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.knowledge.cut import LONGEST, slices

PARTS = st.sampled_from(["word ", "A sentence. ", "\n", "\n\n", "x" * 300, "。", " "])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(PARTS, max_size=200))
def test_pieces_are_bounded_and_nothing_is_lost_but_blanks(parts: list[str]) -> None:
    """In their order, each as it is written."""
    text, rest = "".join(parts), "".join(parts)
    for piece in slices(text):
        assert 0 < len(piece) <= LONGEST
        before, found, rest = rest.partition(piece)
        assert (before.strip(), found) == ("", piece)
    assert rest.strip() == ""


@pytest.mark.parametrize("between", ["\n\n", "\n", ". ", " "])
def test_a_long_text_is_cut_where_a_reader_would(between: str) -> None:
    """Between paragraphs, else lines, sentences or words: never within one of them."""
    part = ("word word" if between != " " else "word") + "s" * 300
    pieces = list(slices(between.join([part] * 6)))
    assert len(pieces) > 1
    assert {p for piece in pieces for p in piece.removesuffix(".").split(between)} == {part}


def test_a_text_without_any_break_is_cut_all_the_same() -> None:
    """Where it is too long, with not a sign lost."""
    signs = "0123456789" * 300
    assert "".join(slices(signs)) == signs
    assert max(map(len, slices(signs))) == LONGEST
