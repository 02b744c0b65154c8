"""`monoctl console` in tests, and its page."""

from __future__ import annotations

import base64
import contextlib
import hmac
import os
import re
import select
import subprocess
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from monoskope.testing.parts import STOP_S, dying_with_us, program, wait_until

# A leader of a session whose first terminal this is: it becomes the session's own, with Ctrl-C and all.
_ON_TERMINAL = ("/bin/sh", "-c", 'exec <"$0" >"$0" 2>&1; exec "$@"')
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/#\S+")


class HasHome(Protocol):
    """Somebody with settings, token and pins below a home folder."""

    @property
    def home(self) -> Path:
        """The folder."""


class Console:
    """One running `monoctl console --no-browser`, and what stands on its terminal.

    Args:
        starts: What starts `monoctl`, if not its own program.
    """

    def __init__(
        self, user: HasHome, *words: str, starts: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        ours, theirs = os.openpty()
        self._terminal = ours
        self._seen = ""
        self._taken = 0
        command = [*(starts or [program("monoctl")]), "console", "--no-browser", *words]
        try:
            self._process = subprocess.Popen(
                [*_ON_TERMINAL, os.ttyname(theirs), *dying_with_us(command)],
                cwd=user.home,
                env={"PATH": os.environ["PATH"], "HOME": str(user.home), "LANG": "C.UTF-8"} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def terminal(self) -> str:
        """Everything that it wrote on its terminal so far."""
        with contextlib.suppress(OSError):  # the other end is gone
            while select.select([self._terminal], [], [], 0)[0]:
                more = os.read(self._terminal, 65536)
                if not more:
                    break
                self._seen += more.decode(errors="replace")
        return self._seen

    def address(self) -> str:
        """Wait for the next address that it prints, with its one-time token; each is returned once."""
        wait_until(lambda: bool(self._addresses()) or self.has_ended(), what="an address of monoctl console")
        found = self._addresses()
        assert found, f"monoctl console ended: {self._seen}"
        self._taken += 1
        return found[0]

    def next_address(self) -> str:
        """The first address, or, if that was returned, the one that Enter makes."""
        if self._taken:
            self.press_enter()
        return self.address()

    def _addresses(self) -> list[str]:
        return _ADDRESS.findall(self.terminal())[self._taken :]

    def press_enter(self) -> None:
        self.type("")

    def type(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())

    def interrupt(self) -> None:
        os.write(self._terminal, b"\x03")

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> int:
        """Wait until it is over, and return its exit code."""
        wait_until(self.has_ended, what="monoctl console ends")
        return self._process.wait()

    def close(self) -> None:
        if not self.has_ended():
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.terminal()
        os.close(self._terminal)


def derived(secret: bytes, purpose: str) -> bytes:
    """As sealed.py describes it, written a second time."""
    return HKDF(hashes.SHA256(), 32, None, b"monoctl console: " + purpose.encode()).derive(secret)


def as_text(found: bytes) -> str:
    return base64.urlsafe_b64encode(found).decode().rstrip("=")


def from_text(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


class PageSide:
    """What a page knows after `begin`."""

    def __init__(self, token: bytes, key: bytes) -> None:
        self._bodies = AESGCM(derived(token + key, "bodies"))
        self._answers = derived(token + key, "answers")
        self._last = 0

    def seal(self, operation: str, body: bytes, *, number: int | None = None) -> bytes:
        """Seal a body under the next number, or under the one that is given."""
        self._last += 1
        nonce = (self._last if number is None else number).to_bytes(12, "big")
        return nonce + self._bodies.encrypt(nonce, body, b"monoctl console\0" + operation.encode())

    def is_proven(self, operation: str, nonce: bytes, status: int, body: bytes, proof: str) -> bool:
        """Whether an answer is one to the request with this nonce."""
        return proof == proven(self._answers, operation, nonce, status, body)


def proven(key: bytes, operation: str, nonce: bytes, status: int, body: bytes) -> str:
    """The proof that an answer must have."""
    covered = operation.encode() + b"\0" + nonce + status.to_bytes(2, "big") + body
    return as_text(hmac.new(key, covered, sha256).digest())


def a_token() -> bytes:
    return os.urandom(32)
