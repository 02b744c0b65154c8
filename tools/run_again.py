"""Run the tests that failed in the last run of pytest once more, one after the other, with nothing beside them.

    python tools/run_again.py --hypothesis-seed=7   # after `make test SEED=7`, in `.ci/run`

A test that fails beside others on a busy machine and passes alone shows a defect of that test, seldom one of the change
that CI judges. It is named, so that somebody mends it. More than three failures, and a run that did not come to its
end, are not tried again. Arguments go to pytest: property tests need the seed of the run to get the examples that
failed. On your own machine look at a failure instead.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MOST = 3
"""How many tests may fail and be tried again."""

CACHE = Path(".pytest_cache", "v")
EXIT = "run/exit"
"""Where `tests/conftest.py` leaves the exit code of a run, below CACHE."""

_SOME_FAILED = 1


def failed(root: Path) -> list[str]:
    """Return the node ids of the tests to try again. Raises `SystemExit`: none, too many, or the run broke off."""
    code = _cached(root, EXIT)
    if code is None:
        raise SystemExit("The tests did not come to their end: nothing is tried again.")
    if code != _SOME_FAILED:
        raise SystemExit(f"pytest ended with {code}, not with failed tests alone: nothing is tried again.")
    names = sorted(_cached(root, "cache/lastfailed") or ())
    if not 0 < len(names) <= MOST:
        raise SystemExit(f"{len(names)} tests failed. Up to {MOST} are tried again: nothing is.")
    return names


def _cached(root: Path, name: str) -> Any:  # noqa: ANN401 - what pytest keeps
    path = root / CACHE / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def main(root: Path = ROOT, arguments: Sequence[str] = ()) -> int:
    """Return 0 if all of them pass alone."""
    names = failed(root)
    pytest = [sys.executable, "-m", "pytest", "--last-failed", "--last-failed-no-failures=none", *arguments]
    code = subprocess.run(pytest, cwd=root, check=False).returncode
    said = "failed beside other tests and passed alone. Mend it" if code == 0 else "failed, also alone"
    for name in names:
        sys.stdout.write(f"{name} {said}.\n")
    return code


if __name__ == "__main__":
    sys.exit(main(arguments=sys.argv[1:]))
