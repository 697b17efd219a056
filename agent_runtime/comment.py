"""Comments: what people tell each other about a question. They change nothing about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

CommentText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)
]

MAX_COMMENTS = 200
"""Of one question at most: a discussion belongs elsewhere."""


class Comment(BaseModel):
    """One remark; it is never changed. Comments raise no version: a word of a colleague must not
    turn away an answer that is on its way."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    approval_id: str
    author: str
    text: CommentText
    at: datetime
