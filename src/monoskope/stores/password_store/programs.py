"""The programs that a password store uses: GnuPG, and git where the store is a repository.

Values go in and out of gpg through pipes only, never as an argument or a file. Of what gpg prints, only the names of
its status lines are read.

Each change of a repository is one commit, as pass and gopass make them. No hook of the repository runs, and nothing is
signed or pushed: data must not run programs. All calls block: run them in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from pathlib import Path

from monoskope.stores.driver import CannotReadError, DriverError, StoreRefusedError, StoreUnavailableError

_MOST_OUT = 2 * 1024 * 1024
# Without the seed file, at which processes wait for one another, for seconds; the system has randomness.
_GPG_ALWAYS = (
    "--batch",
    "--no-tty",
    "--quiet",
    "--yes",
    "--status-fd=2",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--no-random-seed-file",
)
_NO_KEY = {b"INV_RECP", b"NO_RECP"}
# Encrypting needs no agent, so none is started for it. `.gpg-id` decides who may read. The keys that the administrator
# put into gpg_home are trusted because they are there.
_ENCRYPT = ("--encrypt", "--no-autostart", "--no-encrypt-to", "--trust-model=always", "--compress-algo=none")
_DECRYPT = ("--decrypt", "--pinentry-mode=error", f"--max-output={_MOST_OUT}")


class Gpg:
    """gpg with one folder of keys.

    Args:
        home: GnuPG's folder.
        timeout_s: How long one call may take.
    """

    def __init__(self, home: Path, *, timeout_s: float) -> None:
        self._home = home
        self._timeout_s = timeout_s

    async def encrypt(self, plaintext: bytes, recipients: list[str]) -> bytes:
        """Return `plaintext` encrypted to all `recipients`, compressed never, as pass does.

        Raises:
            StoreRefusedError: gpg is missing, or has no usable public key of a recipient.
            StoreUnavailableError: it did not come to an end, or was killed.
        """
        named = [f"--recipient={recipient}" for recipient in recipients]
        code, sealed, said = await self._run([*_ENCRYPT, *named], plaintext)
        if code == 0 and sealed:
            return sealed
        if said & _NO_KEY:
            raise StoreRefusedError(
                "a recipient in .gpg-id has no usable public key in gpg_home.",
                fix="Import it there, or renew it if it has expired; correct .gpg-id if it is the wrong one.",
            )
        raise StoreRefusedError("gpg could not encrypt.", fix="Try it by hand with the same gpg_home.")

    async def decrypt(self, sealed: bytes) -> bytes:
        """Return what `sealed` holds.

        Raises:
            CannotReadError: no secret key in the folder opens it, or it is damaged or too large.
            StoreRefusedError: gpg is missing.
            StoreUnavailableError: it did not come to an end, or was killed.
        """
        code, plaintext, said = await self._run(_DECRYPT, sealed)
        if code == 0 and b"DECRYPTION_OKAY" in said:
            return plaintext
        raise CannotReadError("gpg cannot decrypt the file with the secret keys in gpg_home.")

    async def _run(self, options: tuple[str, ...] | list[str], data: bytes) -> tuple[int, bytes, set[bytes]]:
        """Return gpg's exit code, what it wrote, and the names of its status lines."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "GNUPGHOME": str(self._home)}
        failure: DriverError
        try:
            process = await asyncio.create_subprocess_exec(
                "gpg",
                *_GPG_ALWAYS,
                *options,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                cwd="/",
            )
        except OSError:
            failure = StoreRefusedError("the program gpg cannot be started.", fix="Install GnuPG (package gnupg).")
        else:
            try:
                async with asyncio.timeout(self._timeout_s):
                    out, err = await _communicate(process, data)
            except TimeoutError:
                failure = StoreUnavailableError(
                    "gpg does not come to an end.", fix="Try it by hand, or raise timeout_s."
                )
            else:
                code = process.returncode or 0
                if code >= 0:
                    return code, out, _names(err)
                failure = StoreUnavailableError(
                    f"gpg was ended by signal {-code}.", fix="Try again; the system may say why."
                )
            finally:
                await _end(process)
        raise failure


async def _communicate(process: asyncio.subprocess.Process, data: bytes) -> tuple[bytes, bytes]:
    """Give `data` to a program and return what it wrote and what it said when it has ended."""
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None, "it was started with pipes"
    assert stdout is not None, "it was started with pipes"
    assert stderr is not None, "it was started with pipes"
    out, err, _, _ = await asyncio.gather(stdout.read(), stderr.read(), _feed(stdin, data), process.wait())
    return out, err


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    """Write `data`; ignore the error of a program that has ended, whose exit code says more."""
    # asyncio's own loop raises these errors of pipes, uvloop a RuntimeError.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        stdin.write(data)
        await stdin.drain()
        stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _names(status: bytes) -> set[bytes]:
    """Return the names of gpg's status lines, e.g. INV_RECP."""
    lines = (line.split(b" ") for line in status.splitlines() if line.startswith(b"[GNUPG:] "))
    return {words[1] for words in lines if len(words) > 1}


_GIT_ALWAYS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "user.name=Monoskope",
    "-c",
    "user.email=monoskope@localhost",
)


class Repository:
    """The repository whose work tree is `root`.

    Args:
        root: The password store.
        timeout_s: How long one call of git may take.
    """

    def __init__(self, root: Path, *, timeout_s: float) -> None:
        self._root = root
        self._timeout_s = timeout_s

    def works(self) -> bool:
        """Whether git is installed and `root` is the top of a repository that it will use."""
        done = self._git("rev-parse", "--show-cdup")
        return done is not None and done.strip() == b""

    def commit(self, file: str, message: str) -> None:
        """Commit what became of `file`, a path below the root, and nothing else; a failure changes no file."""
        self._git("add", "--all", "--", file)
        self._git("commit", "--quiet", f"--message={message}", "--only", "--", file)

    def holds(self, file: str) -> bool:
        """Whether the last commit has `file` exactly as it is."""
        tracked = self._git("ls-files", "--error-unmatch", "--", file) is not None
        return tracked and self._git("diff", "--quiet", "HEAD", "--", file) is not None

    def _git(self, *arguments: str) -> bytes | None:
        """Return what git wrote, or None if it failed."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and no argument can be taken for an option
                ["git", *_GIT_ALWAYS, *arguments],  # noqa: S607 - the git that the administrator has in PATH
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=self._timeout_s,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout
