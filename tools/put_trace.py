"""Say through how many functions and files of ours one put runs: in m8, in a reactor with OpenBao, and in the client.

Run `python -m tools.put_trace`, or with `--list` to see the functions. Each process notes the code that it enters while
a new client connects, puts and closes. What is noted in each of several puts is the put's; the rest, such as a tick of
the timekeeper, is not. Generated code, `monoskope.testing`, and code of modules and of comprehensions do not count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING

import monoskope

if TYPE_CHECKING:
    from monoskope.client import ClientSettings

PACKAGE = Path(monoskope.__file__).parent
NOT_OURS = ("..", "api/", "testing/")
PUTS, WARM = 5, 2
STORE = "vault"

Functions = frozenset[str]
"""`file:function` of each, below the package."""


class Notes:
    """What this process enters while they are on, in each of its threads."""

    def __init__(self) -> None:
        self._seen: set[CodeType] = set()
        self._is_on = False
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        if self._is_on and event == "call":
            self._seen.add(frame.f_code)

    def begin(self) -> None:
        """Note from now on."""
        self._seen.clear()
        self._is_on = True

    def end(self) -> Functions:
        """Note no longer, and return what was noted."""
        self._is_on = False
        names = (f"{os.path.relpath(code.co_filename, PACKAGE)}:{code.co_qualname}" for code in tuple(self._seen))
        return frozenset(name for name in names if not name.startswith(NOT_OURS) and not name.endswith(">"))


def obey(folder: Path) -> None:
    """Begin to note in this process at SIGUSR1; end at SIGUSR2, and write what was noted below `folder`."""
    notes = Notes()

    def begin(*_: object) -> None:
        notes.begin()
        (folder / f"{os.getpid()}.begun").touch()

    def end(*_: object) -> None:
        part = folder / f"{os.getpid()}.part"
        part.write_text(json.dumps(sorted(notes.end())), encoding="utf-8")
        part.rename(part.with_suffix(".json"))

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)


def traced(folder: Path) -> dict[str, Functions]:
    """Return the functions of one put by process: client, m8 and reactor."""
    from monoskope.client import ClientSettings  # noqa: PLC0415 - not in the processes that load this to obey
    from monoskope.testing.cluster import Cluster  # noqa: PLC0415 - as above

    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({str(Path(__file__).parent.parent)!r})\n"
        f"from pathlib import Path; from tools.put_trace import obey; obey(Path({str(folder)!r}))\n",
        encoding="utf-8",
    )
    added = {"PYTHONPATH": os.pathsep.join(filter(None, (str(hook), os.environ.get("PYTHONPATH"))))}
    with Cluster(folder / "cluster", environments=dict.fromkeys(("m8", f"reactor-{STORE}"), added)) as cluster:
        cluster.start(stores=[STORE])
        user = cluster.add_user("anna", prefixes=[f"{STORE}://team-a"])
        settings = ClientSettings(
            servers=(cluster.dialled,),
            token=user.token_file.read_text(encoding="ascii").strip(),
            ca_file=cluster.folder / "m8" / "ca.crt",
            known_stores=user.known_stores,
        )
        pids = {"m8": cluster.pids["m8"], "reactor": cluster.pids[f"reactor-{STORE}"]}
        notes, found = Notes(), dict[str, Functions]()
        for number in range(WARM + PUTS):
            noted = asyncio.run(_put(settings, f"{STORE}://team-a/{number}", notes, folder, pids))
            if number >= WARM:
                found = {name: found.get(name, one) & one for name, one in noted.items()}
        return found


async def _put(
    settings: ClientSettings, uri: str, notes: Notes, folder: Path, pids: Mapping[str, int]
) -> dict[str, Functions]:
    """Put, and return what each process noted meanwhile."""
    from monoskope.client import Client  # noqa: PLC0415 - as above

    for pid in pids.values():
        await _told(pid, signal.SIGUSR1, folder / f"{pid}.begun")
    notes.begin()
    async with Client(settings) as client:
        await client.put_secret(uri, {"password": b"correct horse"})
    noted = {"client": notes.end()}
    for name, pid in pids.items():
        noted[name] = frozenset(json.loads(await _told(pid, signal.SIGUSR2, folder / f"{pid}.json")))
    return noted


async def _told(pid: int, number: signal.Signals, file: Path) -> str:
    """Send a signal, and return what the process then writes into a file."""
    os.kill(pid, number)
    async with asyncio.timeout(30):
        while not file.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.01)
    text = file.read_text(encoding="utf-8")  # noqa: ASYNC240 - a small file
    file.unlink()  # noqa: ASYNC240
    return text


def main() -> None:
    """Trace a put, and print the counts."""
    parser = argparse.ArgumentParser(prog="put_trace", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print each function, too")
    lists = parser.parse_args().list
    with tempfile.TemporaryDirectory() as folder:
        found = traced(Path(folder))
    for name, functions in (*found.items(), ("one put", frozenset[str]().union(*found.values()))):
        print(f"{name}: {len(functions)} functions in {len({one.partition(':')[0] for one in functions})} files")
        if lists:
            print("\n".join(f"  {one}" for one in sorted(functions)))


if __name__ == "__main__":
    main()
