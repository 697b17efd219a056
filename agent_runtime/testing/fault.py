"""What providers do wrong, as replies for a `Script`: each function makes one."""

from __future__ import annotations

from dataclasses import replace

from agent_runtime.testing.chat import FOREVER, ChatReply


def rate_limited(retry_after: str | None = None) -> ChatReply:
    """429; `retry_after` as the header would have it, seconds or a date."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return ChatReply(status=429, error="Too many requests.", headers=headers)


def server_error(status: int = 500) -> ChatReply:
    """A failure on the provider's side."""
    return ChatReply(status=status, error="Something broke.")


def hanging() -> ChatReply:
    """No byte ever comes."""
    return ChatReply("{}", delay=FOREVER)


def slow(reply: ChatReply, seconds: float) -> ChatReply:
    """The first byte comes late."""
    return replace(reply, delay=seconds)


def cut_off(reply: ChatReply) -> ChatReply:
    """The connection ends in the middle of the body."""
    return replace(reply, cut=True)


def unfinished(reply: ChatReply) -> ChatReply:
    """Nothing says that the answer has ended, though the connection ends in order."""
    return replace(reply, finish="")


def truncated(reply: ChatReply) -> ChatReply:
    """The answer's JSON ends in its middle, because it was longer than allowed."""
    return replace(reply, content=reply.content[: len(reply.content) // 2], finish="length")


def fenced(reply: ChatReply) -> ChatReply:
    """The answer stands in a code fence."""
    return replace(reply, content=f"```json\n{reply.content}\n```")


def talkative(reply: ChatReply) -> ChatReply:
    """Prose stands before and after the answer."""
    return replace(reply, content=f"Sure! Here it is: {reply.content} Anything else?")


def filtered() -> ChatReply:
    """The provider's content filter withheld the answer."""
    return ChatReply(finish="content_filter")


def refusing() -> ChatReply:
    """The model says that it will not."""
    return ChatReply(refusal="I can't help with that.")


def too_long() -> ChatReply:
    """The request does not fit the model's context."""
    words = "This model's maximum context length is 8 tokens."
    return ChatReply(status=400, error=words, code="context_length_exceeded")


def unknown_model() -> ChatReply:
    """There is no model of that name."""
    return ChatReply(status=404, error="The model does not exist.", code="model_not_found")


def wrong_key() -> ChatReply:
    """The key is none."""
    return ChatReply(status=401, error="Incorrect API key provided.")


def out_of_quota() -> ChatReply:
    """429 that no waiting helps against."""
    words = "You exceeded your current quota, please check your plan."
    return ChatReply(status=429, error=words, code="insufficient_quota")


def formless() -> ChatReply:
    """The provider knows no JSON Schema mode."""
    return ChatReply(status=400, error="Unknown parameter: 'response_format'.")


def without_usage(reply: ChatReply) -> ChatReply:
    """Nothing is told of tokens."""
    return replace(reply, tells_usage=False)


def misnamed(reply: ChatReply) -> ChatReply:
    """Another model's name stands in the answer."""
    return replace(reply, model="another-model")
