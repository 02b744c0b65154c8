"""The two loops that make inputs: atheris, which follows the coverage, and our own."""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tools.fuzz.mutation import mutated
from tools.fuzz.reader import CORPUS, MOST_INPUT, MOST_MB, MOST_S, FindingError, Reader

_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED = re.compile(r"\bcov: (\d+)")


@dataclass(frozen=True)
class Run:
    """What one reader's run gave."""

    inputs: int
    covered: int
    """Places in the code that atheris saw; 0 for our own loop."""
    findings: tuple[str, ...]


def has_atheris() -> bool:
    """Return whether atheris is installed: it has wheels for Linux and Python 3.11."""
    try:
        import atheris  # noqa: F401, PLC0415 - it is not everywhere
    except ImportError:
        return False
    return True


def own(reader: Reader, *, seconds: float, seed: int, findings: Path) -> Run:
    """Try inputs of our own making for so long."""
    chosen = random.Random(f"{seed} {reader.name}")
    found: list[str] = []
    pool = [*reader.corpus(), *reader.seeds()] or [b""]
    ends, count = time.monotonic() + seconds, 0
    with _bounded():
        while time.monotonic() < ends and len(found) < 20:
            content = mutated(chosen, pool, MOST_INPUT)
            count += 1
            try:
                if tried(reader, content) and len(pool) < 2_000 and chosen.random() < 0.02:
                    pool.append(content)
            except Exception:  # noqa: BLE001 - whatever it is, it is a finding
                found.append(_written(reader, content, findings, traceback.format_exc(limit=-8)))
    return Run(count, 0, tuple(found))


def tried(reader: Reader, content: bytes) -> bool:
    """Read an input within its time, and return whether it was taken. Raises as `Reader.meets`."""
    signal.setitimer(signal.ITIMER_REAL, MOST_S)
    try:
        return reader.meets(content)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def with_atheris(reader: Reader, *, seconds: float, seed: int, findings: Path) -> Run:
    """Let atheris try inputs for so long, in a process of its own, which ends at the first finding.

    Inputs that reach new code are kept below `findings`, where the next run finds them.
    """
    grown = findings / "corpus" / reader.name
    grown.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(reader.seeds()):
        (grown / f"seed-{number}").write_bytes(content)
    words = [sys.executable, "-W", "ignore", "-m", "tools.fuzz.guided", reader.name, str(grown)]
    words += [str(CORPUS / reader.name)] if (CORPUS / reader.name).is_dir() else []
    words += [f"-max_total_time={max(1, int(seconds))}", f"-seed={seed % 2**32 or 1}", f"-max_len={MOST_INPUT}"]
    words += [f"-timeout={MOST_S}", f"-rss_limit_mb={MOST_MB}", "-print_final_stats=1"]
    words += [f"-artifact_prefix={findings}/{reader.name}-"]
    ended = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    said = ended.stderr + ended.stdout
    executed, covered = _EXECUTED.findall(said), _COVERED.findall(said)
    found = () if ended.returncode == 0 else (_last_words(said),)
    return Run(int(executed[-1]) if executed else 0, int(covered[-1]) if covered else 0, found)


def _last_words(said: str) -> str:
    lines = [line for line in said.splitlines() if not line.startswith(("INFO:", "#"))]
    return "\n".join(lines[-40:])


def _written(reader: Reader, content: bytes, findings: Path, why: str) -> str:
    path = findings / f"{reader.name}-{abs(hash(content)):016x}"
    path.write_bytes(content)
    return f"{path}\n{why}"


@contextmanager
def _bounded() -> Iterator[None]:
    """Let no input take more time than `MOST_S`, and the process no more memory than `MOST_MB` beside what it has."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise FindingError(f"it takes more than {MOST_S} s")

    signal.signal(signal.SIGALRM, late)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, ((MOST_MB * 2) << 20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def line(name: str, run: Run) -> str:
    """Return what a run gave, as one line of JSON."""
    return json.dumps({"reader": name, "inputs": run.inputs, "covered": run.covered, "findings": len(run.findings)})
