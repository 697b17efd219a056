"""Comments: what people tell each other about a question."""

from __future__ import annotations

import sqlite3

import pytest

from agent_runtime.comment import MAX_COMMENTS
from agent_runtime.errors import Conflict, InvalidInput, NotFound
from tests.office import Office


async def test_comments_are_kept_in_order_with_author_and_time(asking: Office) -> None:
    """On an open question and on a closed one; the history names them without their words."""
    asked, desk = await asking.parked(), asking.runtime.desk
    await desk.comment(asked.id, asking.person("lena"), "  Is that the second one?  ")
    await asking.answer(asked, "luis")
    await desk.comment(asked.id, asking.person("carl"), "It is.")
    found = asking.runtime.store.read("default").comments.find(asked.id)
    assert [(one.author, one.text, one.at) for one in found] == [
        ("lena", "Is that the second one?", asking.clock.now()),
        ("carl", "It is.", asking.clock.now()),
    ]
    told = asking.record(asked.run_id).bodies("approval.commented")
    assert [body["comment"] for body in told] == [one.id for one in found]
    assert "second" not in str(told)


async def test_a_comment_turns_no_answer_away(asking: Office) -> None:
    """It changes nothing about the question: the version that was seen is still the present one."""
    asked = await asking.parked()
    await asking.runtime.desk.comment(asked.id, asking.person("carl"), "Fine with me.")
    assert (await asking.answer(asked, "lena", version=asked.version)).status == "approved"


@pytest.mark.parametrize("text", ["", "   ", "x" * 4_001])
async def test_a_comment_says_something_and_not_too_much(asking: Office, text: str) -> None:
    """Empty or endless, it is refused."""
    asked = await asking.parked()
    with pytest.raises(InvalidInput, match="text"):
        await asking.runtime.desk.comment(asked.id, asking.person("lena"), text)


async def test_a_question_has_a_bounded_number_of_comments(asking: Office) -> None:
    """A discussion belongs elsewhere."""
    asked, desk = await asking.parked(), asking.runtime.desk
    for _ in range(MAX_COMMENTS):
        await desk.comment(asked.id, asking.person("lena"), "And?")
    with pytest.raises(Conflict, match=f"has {MAX_COMMENTS} comments"):
        await desk.comment(asked.id, asking.person("lena"), "And?")


async def test_a_comment_never_changes(asking: Office) -> None:
    """The file itself refuses it."""
    asked = await asking.parked()
    await asking.runtime.desk.comment(asked.id, asking.person("lena"), "Yes.")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        await asking.runtime.store.write(
            "default",
            lambda s: s.comments._connection.execute("UPDATE comments SET text = 'No.'"),
        )


async def test_another_tenants_question_cannot_be_commented_on(asking: Office) -> None:
    """For a stranger it is not there."""
    asked = await asking.parked()
    stranger = asking.person("lena").model_copy(update={"tenant": "other"})
    with pytest.raises(NotFound):
        await asking.runtime.desk.comment(asked.id, stranger, "Hello?")
    assert asking.runtime.store.read("other").comments.find(asked.id) == []
