"""One reader of foreign bytes, and what must hold of each input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monoskope.errors import UsageError

CORPUS = Path(__file__).resolve().parents[2] / "tests" / "fuzz" / "corpus"
"""Inputs that are read in each run of the tests: a folder for each reader."""

MOST_INPUT = 16_384
"""Bytes of an input that the fuzzers make."""

MOST_S = 5
"""Seconds that one input may take."""

MOST_MB = 1_024
"""Megabytes that a process may take, the program included."""


class FindingError(AssertionError):
    """An input for which something did not hold."""


@dataclass(frozen=True)
class Reader:
    """A reader of foreign bytes.

    Each input must end in one of `errors` or in a value. Any other exception, too much time and too much memory are
    findings. What `again` writes of a value must be read as the same value and, if the reader is `exact`, be the input.

    Attributes:
        name: Its name, and that of its folder in the corpus.
        whose: Who makes the bytes.
        files: The files below `src/monoskope` that read them.
        read: Reads an input.
        errors: How it may refuse one.
        again: Writes a value, None where nothing is written.
        exact: Whether there is one way alone to write a value.
        seeds: Returns good inputs, which the fuzzers start from.
    """

    name: str
    whose: str
    files: tuple[str, ...]
    read: Callable[[bytes], Any]
    errors: tuple[type[Exception], ...] = (UsageError,)
    again: Callable[[Any], bytes] | None = None
    exact: bool = False
    seeds: Callable[[], Iterable[bytes]] = tuple

    def must(self) -> str:
        """Return what it must do, in words."""
        ends = " or ".join(sorted(error.__name__ for error in self.errors))
        refusal = f"{ends}, or a value" if ends else "a value"
        if self.again is None:
            return refusal
        return f"{refusal} that is written as {'exactly these bytes' if self.exact else 'bytes with the same meaning'}"

    def meets(self, content: bytes) -> bool:
        """Read an input, and return whether it was taken.

        Raises:
            FindingError: something did not hold.
            Exception: the reader ended in an error that is none of its own.
        """
        try:
            found = self.read(content)
        except self.errors:
            return False
        if self.again is not None:
            self._check_again(content, found)
        return True

    def _check_again(self, content: bytes, found: object) -> None:
        assert self.again is not None
        written = self.again(found)
        if self.exact and written != content:
            raise FindingError(f"{self.name}: written as {written!r}")
        try:
            second = self.read(written)
        except self.errors as error:
            raise FindingError(f"{self.name}: what was written, {written!r}, is refused: {error}") from error
        if second != found or self.again(second) != written:
            raise FindingError(f"{self.name}: what was written, {written!r}, means something else")

    def corpus(self) -> list[bytes]:
        """Return the inputs of its corpus, in the order of their names."""
        folder = CORPUS / self.name
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """Return a reader of bytes for one of texts. Bytes that are no UTF-8 become lone surrogates, as in `sys.argv`."""
    return lambda content: read(content.decode("utf-8", "surrogateescape"))
