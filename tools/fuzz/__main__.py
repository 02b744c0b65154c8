"""`python -m tools.fuzz`: every reader in turn, then SSHSIG; ends with 1 if anything was found."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

from tools.fuzz.loops import has_atheris, line, own, with_atheris
from tools.fuzz.table import READERS

SSHSIG = "sshsig-with-ssh-keygen"
"""The loop of `tools.fuzz.sshsig`, as one more reader."""


def main() -> int:
    """Fuzz, and print a line for each reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="for all together")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--only", action="append", choices=[*READERS, SSHSIG], help="may be repeated")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), help="where inputs are kept")
    parser.add_argument("--own", action="store_true", help="use our own loop, also where atheris is installed")
    chosen = parser.parse_args()
    names = chosen.only or [*READERS, SSHSIG]
    loop = own if chosen.own or not has_atheris() else with_atheris
    chosen.findings.mkdir(parents=True, exist_ok=True)
    print(f"seed {chosen.seed}, {len(names)} readers, {loop.__name__}", flush=True)
    began, inputs, findings = time.monotonic(), 0, 0
    for name in names:
        if name == SSHSIG:
            findings += _sshsig(chosen.seconds / len(names), chosen.seed)
            continue
        done = loop(READERS[name], seconds=chosen.seconds / len(names), seed=chosen.seed, findings=chosen.findings)
        print(line(name, done), flush=True)
        for finding in done.findings:
            print(f"FINDING {name}\n{finding}", flush=True)
        inputs, findings = inputs + done.inputs, findings + len(done.findings)
    print(f"{inputs} inputs in {time.monotonic() - began:.0f} s, {findings} findings, seed {chosen.seed}")
    return 1 if findings else 0


def _sshsig(seconds: float, seed: int) -> int:
    words = [sys.executable, "-m", "tools.fuzz.sshsig", "--seconds", str(seconds), "--seed", str(seed)]
    return int(subprocess.run(words, check=False).returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
