"""The sentences that the client says while an operation is under way: they stand in its answer, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


def note(sentence: str) -> None:
    """Note a sentence for the operation that is under way in this context, if one gathers them."""
    sentences = _heard.get()
    if sentences is not None and sentence not in sentences:
        sentences.append(sentence)


def gathers() -> bool:
    """Whether an operation is under way in this context that gathers them: else nobody would read what is said."""
    return _heard.get() is not None


@contextmanager
def gathered() -> Iterator[list[str]]:
    """Gather what is said until the end of the block, also in tasks that are begun in it."""
    sentences: list[str] = []
    token = _heard.set(sentences)
    try:
        yield sentences
    finally:
        _heard.reset(token)
