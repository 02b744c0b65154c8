"""Build the page of `monoctl console`, or check that the committed one is what `console/` gives.

    python tools/console_bundle.py            build into src/monoskope/monoctl/console/static
    python tools/console_bundle.py --check    build elsewhere, compare bit for bit; check types, size, licences, URLs

Only building takes Node: without it `--check` says so and checks the rest, except in CI, where it fails.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "console"
STATIC = ROOT / "src" / "monoskope" / "monoctl" / "console" / "static"

FILES = ("console.css", "console.js", "icon.svg", "index.html", "licences.txt")
MOST_GZIPPED = 150_000
"""Bytes of all files together, each compressed."""

FIX = "Run `make console` and commit the result."

_NAMESPACES = re.compile(rb"http://www\.w3\.org/(2000/svg|1999/xhtml|1999/xlink|1998/Math/MathML)\b")
"""Names of languages that a browser never asks anybody for."""
_URL = re.compile(rb"(?:\b(?:https?|wss?|ftp):|[\"'(=])//(?!127\.0\.0\.1(?![\w.-]))[A-Za-z0-9\[]")
_SOURCE_MAP = re.compile(rb"sourceMappingURL")


class NoNodeError(Exception):
    """There is nothing here that could build."""


def read(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its name; nothing for a folder that does not exist."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def problems_of(files: Mapping[str, bytes], packages: Sequence[str]) -> list[str]:
    """Return what is wrong with a bundle, whoever built it.

    Args:
        files: The bundle.
        packages: Names that its licences must have.
    """
    found = [f"{name} is missing." for name in FILES if name not in files]
    found += [f"{name} is not part of the page." for name in files if name not in FILES]
    gzipped = sum(len(gzip.compress(content, mtime=0)) for content in files.values())
    if gzipped > MOST_GZIPPED:
        found.append(f"the page is {gzipped:,} bytes gzipped, {MOST_GZIPPED:,} is the most.")
    for name, content in files.items():
        if _SOURCE_MAP.search(content):
            found.append(f"{name} names a source map.")
        if name != "licences.txt" and (url := _URL.search(_NAMESPACES.sub(b"", content))):
            found.append(f"{name} names another host: …{url.group().decode()}…")
    licences = files.get("licences.txt", b"").decode()
    found += [f"licences.txt lacks {name}." for name in packages if f"\n{name} " not in licences]
    return found


def differences(committed: Mapping[str, bytes], built: Mapping[str, bytes]) -> list[str]:
    """Return the names of files that are not the same."""
    return sorted(name for name in {*committed, *built} if committed.get(name) != built.get(name))


def bundled_packages() -> list[str]:
    """Return what `console/package.json` bundles."""
    return sorted(json.loads((CONSOLE / "package.json").read_text(encoding="utf-8"))["dependencies"])


def build(target: Path) -> None:
    """Build into `target`. Raises `NoNodeError`, or `CalledProcessError` after its output was shown."""
    _run("node", "build.mjs", str(target))


def check_types() -> None:
    """Check the types of the source. Raises as `build` does."""
    _run("npm", "run", "--silent", "check")


def _run(*command: str) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NoNodeError("there is no Node here (20 or newer; on Debian: apt install nodejs npm).")
    if not (CONSOLE / "node_modules" / "esbuild").is_dir():
        raise NoNodeError("the packages of the page are not installed: run `npm ci` in console/.")
    subprocess.run(command, cwd=CONSOLE, check=True)


def not_compared(what: str, error: NoNodeError) -> tuple[list[str], str]:
    """Return what `check` does without Node: in CI, which has it, a problem; elsewhere a note."""
    said = f"Not compared with {what}: {error}"
    if os.environ.get("CI") == "true" and "nodejs" not in os.environ.get("MONOSKOPE_ABSENT", "").split():
        return [said], ""
    return [], f"{said} Only who changes it needs Node."


def check() -> tuple[list[str], str]:
    """Return what is wrong with the committed bundle, and a note if it was not compared. Raises as `build` does."""
    committed = read(STATIC)
    found = problems_of(committed, bundled_packages())
    if '"resolved"' in (CONSOLE / "package-lock.json").read_text(encoding="utf-8"):
        found.append(
            "console/package-lock.json names a registry: run `npm install` in console/, whose .npmrc leaves it out."
        )
    try:
        check_types()
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder))
            differing = differences(committed, read(Path(folder)))
    except NoNodeError as error:
        problems, note = not_compared("console/", error)
        return found + problems, note
    if differing:
        found.append(f"{', '.join(differing)}: not what console/ gives. {FIX}")
    return found, ""


def main(words: Sequence[str] | None = None) -> int:
    """Build or check; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is committed and change nothing")
    try:
        if parser.parse_args(words).check:
            found, note = check()
            print("\n".join(f"console: {problem}" for problem in found) or note or "The page is what console/ gives.")
            return 1 if found else 0
        build(STATIC)
    except NoNodeError as error:
        print(f"console: {error}")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    print(f"Built {STATIC.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
