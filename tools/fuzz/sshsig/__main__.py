"""`python -m tools.fuzz.sshsig`: try until the time is over, and say each minute how far it is."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tools.fuzz.sshsig.lists import Lists
from tools.fuzz.sshsig.signatures import Signatures


def main() -> int:
    """Fuzz, and return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--only", choices=["signatures", "lists"])
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    counts: Counter[str] = Counter(findings=0)
    with tempfile.TemporaryDirectory() as folder:
        subjects = [
            kind(random.Random(chosen.seed), counts, Path(folder))
            for name, kind in (("signatures", Signatures), ("lists", Lists))
            if chosen.only in {None, name}
        ]
        end, told = time.monotonic() + chosen.seconds, time.monotonic()
        while time.monotonic() < end:
            for subject in subjects:
                _batch(subject, counts)
            if time.monotonic() - told >= 60:
                told = time.monotonic()
                print(json.dumps(dict(sorted(counts.items()))), flush=True)
    print(json.dumps(dict(sorted(counts.items()))))
    return 1 if counts["findings"] else 0


def _batch(subject: Signatures | Lists, counts: Counter[str]) -> None:
    for _ in range(100):
        try:
            subject.once()
        except AssertionError:
            counts["findings"] += 1
            print(f"FINDING\n{traceback.format_exc()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
