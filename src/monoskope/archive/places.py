"""Where an archive goes to or comes from: a file, `-` for standard output or input, or `s3://bucket/key`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from monoskope.archive.files import FileSource, FileTarget, StandardOutput
from monoskope.archive.streams import Reader, Writer


class Target(Writer, Protocol):
    """A place that is written to. Its methods block."""

    def begin(self) -> None:
        """Prepare it."""

    def finish(self) -> None:
        """Make what was written visible, whole."""

    def discard(self) -> None:
        """Leave nothing of what was written."""


class Source(Reader, Protocol):
    """A place that is read from. Its methods block."""

    def begin(self) -> None:
        """Open it."""

    def close(self) -> None:
        """Close it."""


@asynccontextmanager
async def written(place: str, *, endpoint_url: str = "") -> AsyncIterator[Target]:
    """Let the block write to a new place. After it the whole is there; if it raises, nothing is.

    Args:
        place: A file, `-`, or `s3://bucket/key`.
        endpoint_url: Where an S3-compatible store is, "" for AWS.

    Raises:
        AlreadyExistsError: there is something of that name.
        Error: the place cannot be written to; the message says why.
    """
    target = _target(place, endpoint_url)
    try:
        await asyncio.to_thread(target.begin)
        yield target
        await asyncio.to_thread(target.finish)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(target.discard))
        raise


@asynccontextmanager
async def read(place: str, *, endpoint_url: str = "") -> AsyncIterator[Source]:
    """Let the block read from a place, as `written` takes it. Raises `Error`."""
    source = _source(place, endpoint_url)
    try:
        await asyncio.to_thread(source.begin)
        yield source
    finally:
        await asyncio.shield(asyncio.to_thread(source.close))


def _target(place: str, endpoint_url: str) -> Target:
    if place == "-":
        return StandardOutput()
    if place.startswith("s3://"):
        from monoskope.archive import s3  # noqa: PLC0415 - slow to load, and an extra

        return s3.S3Target(s3.parse_place(place, endpoint_url))
    return FileTarget(Path(place))


def _source(place: str, endpoint_url: str) -> Source:
    if place == "-":
        return FileSource(None)
    if place.startswith("s3://"):
        from monoskope.archive import s3  # noqa: PLC0415 - slow to load, and an extra

        return s3.S3Source(s3.parse_place(place, endpoint_url))
    return FileSource(Path(place))
