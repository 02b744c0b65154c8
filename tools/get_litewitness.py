"""Put a `litewitness` that cosigns into build/litewitness, for the tests of witnesses: built from Debian's sources.

    python tools/get_litewitness.py   # prints where it is; needs apt-get, go and gcc, and takes a minute or two

The program in Debian's package litetlog 0.4.3-3 cannot cosign (docs/adr/0055-witnesses.md): it was built with another
library for SQLite than its authors use, and that one takes no array as an argument. The sources are the same, with the
one argument as the text that the authors' library made of it. `witnessctl` of the package works as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / "litewitness" / "litewitness"
PROGRAM = "filippo.io/litetlog/cmd/litewitness"
PACKAGES = [
    f"golang-{name}-dev"
    for name in (
        "github-anacrolix-chansync",
        "github-anacrolix-missinggo",
        "github-anacrolix-sync",
        "github-filosottile-litetlog",
        "github-go-llsqlite-crawshaw",
        "github-huandu-xstrings",
        "golang-x-crypto",
        "golang-x-mod",
        "golang-x-net",
        "golang-x-text",
    )
]
CHANGED = "usr/share/gocode/src/filippo.io/litetlog/internal/witness/witness.go"
BEFORE, AFTER = "nil, newSize, newHash, origin, oldSize)", "nil, newSize, newHash.String(), origin, oldSize)"


def _build(folder: Path) -> None:
    folder.chmod(0o755)  # apt downloads as a user of its own
    subprocess.run(["apt-get", "update", "-q"], check=True)
    subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=folder, check=True)
    for package in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    changed = folder / CHANGED
    text = changed.read_text(encoding="utf-8")
    if text.count(BEFORE) != 1:
        raise SystemExit(f"{CHANGED} is not as expected: has Debian corrected litewitness? Then use its own program.")
    changed.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    environment = {"GO111MODULE": "off", "GOPATH": str(folder / "usr/share/gocode"), "GOFLAGS": "", "GOPROXY": "off"}
    command = ["go", "build", "-trimpath", "-o", str(TARGET), PROGRAM]
    subprocess.run(command, cwd=folder, env=os.environ | environment, check=True)


def main() -> int:
    """Make sure that there is one, and return the exit code."""
    if not TARGET.exists():
        with tempfile.TemporaryDirectory() as folder:
            _build(Path(folder))
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
