"""`make demo`: a secret travels into two real stores, and m8 in the middle never could have read it.

Everything is real and runs for the length of the demo: m8, an OpenBao server, two reactors, each a process of its own.
The commands shown are those that ran. Every claim is checked; the first that does not hold ends the demo with exit
code 1.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from claims import DemoError
from kept import readme
from narration import Narrator
from story import KEY, PATH, Demo, Value

from monoskope.errors import Error, UsageError
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.parts import is_running

LARGEST = 96_000
"""Bytes of a value that fit into the size that reactors grant by default, as base64 in JSON."""


def main() -> int:
    """Run the demo and return the exit code."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    try:
        return _run(_value(arguments.value_file), arguments.keep)
    except Error as error:
        print(f"\nerror: {error.message}\n{error.fix}".rstrip(), file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:  # whoever read our output went away; nothing more can be said there, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("\nInterrupted. Everything was stopped.", file=sys.stderr)
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--value-file", type=Path, metavar="FILE", help="put the exact bytes of this file")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep all files below this new folder")
    return parser.parse_args()


def _terminate(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _value(file: Path | None) -> Value:
    if file is None:
        return Value(f"correct-{secrets.token_hex(8)}-battery-staple".encode(), None)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", fix="Name a file that you can read.") from None
    if not 0 < len(content) <= LARGEST:
        raise UsageError(f"{file} has {len(content)} bytes.", fix=f"The demo takes 1 to {LARGEST:,} bytes.")
    return Value(content, file.absolute())


def _run(value: Value, keep: Path | None) -> int:
    started = time.monotonic()
    folder = _folder(keep)
    tell = Narrator()
    tell.title("A secret goes into two real stores, and m8 in the middle never could have read it")
    tell.say(f"All files are in {folder}, and the commands below run there.")
    cluster = Cluster(folder, tell=tell.ran)
    demo = Demo(cluster, value, tell)
    try:
        with cluster:
            demo.run()
        left = [f"{name} ({pid})" for name, pid in demo.pids.items() if is_running(pid)]
        if left:
            raise DemoError(f"still running: {', '.join(left)}.", fix="Please report this.")
        if keep is not None:
            write_private(folder / "README.txt", readme(cluster, PATH, KEY, is_text=value.is_text).encode())
    finally:
        if keep is None:
            shutil.rmtree(folder)
    _farewell(tell, demo, folder if keep is not None else None, time.monotonic() - started)
    return 0


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="monoskope-demo-")).resolve()
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"{keep} exists and is not an empty folder.", fix="Name a new one, or remove it.")
    keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep.chmod(0o700)
    return keep.resolve()


def _farewell(tell: Narrator, demo: Demo, kept: Path | None, seconds: float) -> None:
    tell.step(f"Done in {seconds:.0f} seconds. All {len(demo.pids)} processes have ended")
    if kept is None:
        tell.say("The files were removed. `make demo VALUE_FILE=my.key KEEP=demo-run` uses your value and keeps them.")
    else:
        tell.say(f"Everything is kept in {kept}. Its README.txt says how to start that OpenBao again and read it.")
    tell.say("Next:")
    tell.shown(
        ".venv/bin/m8 dev    a server to play with; .venv/bin/monoctl finds it by itself\n"
        "docs/tutorial.md    a store, a user, a secret, a comparison, by hand\n"
        "make test           all tests"
    )


if __name__ == "__main__":
    sys.exit(main())
