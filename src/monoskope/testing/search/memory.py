"""Look through the memory of another process, through /proc: all but the files that it loaded. Linux alone.

The search needs the right to trace the process: the same user and a dumpable process, or root. Where the kernel lets
only ancestors trace (Yama), search from the process that started it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from monoskope.testing.search import CHUNK, Result, Wanted, look

_LINE = re.compile(r"(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<mode>\S{4}) \S+ \S+ \d+\s*(?P<name>.*)")
_KERNELS_OWN = ("[vvar", "[vsyscall]")
_UNTOUCHED = bytes(CHUNK)
_FEW_ZEROS = bytes(4096)


def look_in_memory(pid: int, wanted: Sequence[Wanted], *, place: str = "") -> Result:
    """Look through the memory of the process `pid`.

    Where it cannot be read the result is "not searched" with the reason. Bytes that are gone or cannot be read while
    the search runs are counted in `unread`.

    Raises:
        ValueError: `pid` is this process, which holds what it looks for.
    """
    return _look(pid, wanted, place=place, through=iter)


def _look(
    pid: int, wanted: Sequence[Wanted], *, place: str, through: Callable[[Iterator[bytes]], Iterator[bytes]]
) -> Result:
    if pid == os.getpid():
        raise ValueError("a process cannot search itself: it holds what it looks for")
    name = place or f"memory of process {pid}"
    if not Path("/proc/self/maps").exists():
        return Result(name, reason="this system has no /proc to read memory through")
    try:
        reader = _Reader(pid)
    except OSError as error:
        return Result(name, reason=f"the system does not allow it: {error.strerror}")
    with reader:
        result = look(name, through(reader.chunks()), wanted)
        if reader.failure or not reader.size:
            return Result(name, reason=reader.failure or "the process has no memory that can be read")
        return Result(name, reader.size, result.hits, unread=reader.unread)


@dataclass(frozen=True, slots=True)
class Passage:
    """One find, with the bytes around it. Its `repr` does not show them."""

    name: str
    """Of the wanted value."""
    form: str
    text: bytes = field(repr=False)


def passages_in_memory(pid: int, wanted: Sequence[Wanted], *, around: int) -> tuple[Result, list[Passage]]:
    """Look through the memory of the process `pid`, and return each find with `around` bytes on either side, too.

    Where the end of a chunk is near there are fewer. Raises as `look_in_memory`.
    """
    needles = [(one.name, form, needle) for one in wanted for form, all_ in one.needles.items() for needle in all_]
    keep = around + max(len(needle) for _, _, needle in needles)
    passages: list[Passage] = []

    def seen(chunks: Iterator[bytes]) -> Iterator[bytes]:
        tail = b""
        for chunk in chunks:
            text = tail + chunk
            for name, form, needle in needles:
                at = text.find(needle, max(0, len(tail) - len(needle) + 1))
                while at >= 0:
                    passages.append(Passage(name, form, text[max(0, at - around) : at + len(needle) + around]))
                    at = text.find(needle, at + 1)
            tail = text[-keep:] if chunk else b""
            yield chunk

    return _look(pid, [], place="", through=seen), passages


def is_closed() -> bool:
    """Whether this system lets an administrator alone look into a process of one's own."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if not Path("/proc/self/mem").exists():
        return True
    return os.geteuid() != 0 and scope.exists() and int(scope.read_text()) > 1


class _Reader:
    """One process's memory as a stream; raises `OSError` where it must not be opened."""

    def __init__(self, pid: int) -> None:
        self.size = 0
        self.unread = 0
        self.failure = ""
        self._pid = pid
        self._regions = _regions(Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace"))
        self._file = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of every region, few zeros for very many; an empty chunk between regions that do not touch."""
        for start, end in self._regions:
            yield from self._region(start, end)
            yield b""

    def _region(self, start: int, end: int) -> Iterator[bytes]:
        at = start
        while at < end and not self.failure:
            size = min(CHUNK, end - at)
            chunk = self._read(at, size)
            # Most of what a process maps was never written. No search is for zeros alone: few do for all.
            # An empty chunk: what lies on the two sides of a hole does not touch.
            yield _FEW_ZEROS if chunk == _UNTOUCHED else chunk
            self.size += len(chunk)
            self.unread += 0 if chunk else size
            at += len(chunk) or size

    def _read(self, at: int, size: int) -> bytes:
        try:
            return os.pread(self._file, size, at)
        except OSError as error:
            if error.errno not in {errno.EIO, errno.EFAULT}:
                self.failure = f"reading stopped: {error.strerror}"
            elif not Path(f"/proc/{self._pid}").exists():
                self.failure = "the process ended meanwhile"
            return b""


def _regions(maps: str) -> list[tuple[int, int]]:
    """Start and end of every readable region, those that touch as one; not of files as they lie on the disk.

    What a private region of a file holds that nobody may write, such as a library's code, is that file.
    """
    regions: list[tuple[int, int]] = []
    for line in maps.splitlines():
        found = _LINE.fullmatch(line)
        if found is None or found["mode"][0] != "r" or found["name"].startswith(_KERNELS_OWN):
            continue
        if found["name"].startswith("/") and found["mode"][1] == "-" and found["mode"][3] == "p":
            continue
        start, end = int(found["start"], 16), int(found["end"], 16)
        if regions and regions[-1][1] == start:
            regions[-1] = (regions[-1][0], end)
        else:
            regions.append((start, end))
    return regions
