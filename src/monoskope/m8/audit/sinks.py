"""Audit lines in a file, or to a webhook of the operator.

The file is opened for each batch, so that a program that rotates it needs to tell m8 nothing. The webhook gets POSTs
over HTTPS, each with a MAC (HMAC-SHA256, RFC 2104) of a label, the time, the positions and the body, with a zero byte
between them: so a receiver knows who sent a request, when, and which part of the log it is. It answers 2xx when it has
the lines for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from monoskope.errors import Error, UsageError
from monoskope.http.client.destination import ExchangeError, UntrustedError
from monoskope.http.client.trusted import Endpoint
from monoskope.m8.audit.lines import Batch, DeliveryError
from monoskope.m8.sink_settings import FileTarget, WebhookTarget
from monoskope.settings import locked, open_to_append, read_private, sync_folder

_FIX = "Check its folder, its owner and the room on its disk. m8 tries again, and loses no event."


class FileSink:
    """Appends to a file of mode 0600, and has it on the disk before it says so.

    Several processes may share a file, also while one of them rotates it: a lock beside it lets one write at a time.

    Args:
        target: Where it is, and when it is rotated.
    """

    def __init__(self, target: FileTarget) -> None:
        self._target = target
        # A thread of its own: a disk that hangs must not take the threads of others.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="m8-audit")

    async def deliver(self, batch: Batch) -> None:
        """See `Sink`."""
        text = batch.text
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, text)

    async def close(self) -> None:
        """See `Sink`."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check(self) -> None:
        """Open the file, which makes it. Blocks.

        Raises:
            UsageError: it cannot be opened, or is not a regular file.
            RefusedError: group or others can reach it.
        """
        os.close(open_to_append(self._target.path))
        if not self._target.path.is_file():
            raise UsageError(f"{self._target.path} is not a regular file.", fix="Name a regular file.")

    def _write(self, text: bytes) -> None:
        try:
            with locked(self._target.path, fix=_FIX):
                with self._opened() as descriptor:
                    _append(descriptor, text if self._ends_whole() else b"\n" + text)
                    size = os.fstat(descriptor).st_size
                if self._target.max_bytes and size >= self._target.max_bytes:
                    self._rotate()
        except OSError as error:
            raise DeliveryError(f"{self._target.path} cannot be written: {error.strerror}.", fix=_FIX) from None
        except Error as error:
            raise DeliveryError(error.message, fix=error.fix) from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        is_new = not self._target.path.exists()
        descriptor = open_to_append(self._target.path)
        try:
            if is_new:
                sync_folder(self._target.path.parent)
            yield descriptor
        finally:
            os.close(descriptor)

    def _ends_whole(self) -> bool:
        """Return whether the file ends with a line: not if m8 was killed within one, which follows again, whole."""
        with self._target.path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _rotate(self) -> None:
        """Move `path` to `path.1`, that one to `path.2`, and so on; the last one that is kept is replaced."""
        for number in range(self._target.keep, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        sync_folder(self._target.path.parent)

    def _numbered(self, number: int) -> Path:
        path = self._target.path
        return path.with_name(f"{path.name}.{number}") if number else path


def _append(descriptor: int, text: bytes) -> None:
    """Append lines, whole or not at all as far as the disk allows, and force them to disk. Raises `OSError`."""
    before = os.fstat(descriptor).st_size
    try:
        left = memoryview(text)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        # As on a full disk: what is there of these lines comes again.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


LABEL = b"m8/audit/v1"
"""What the MAC of audit lines begins with."""

MIN_SECRET = 32
"""Bytes of the key at least."""

TIMEOUT_S = 30.0
"""Seconds that a request may take in all."""

MOST_ANSWER = 65_536
"""Bytes of an answer at most. They are not read."""

_FIX_TLS = "Set ca_file to the authority that signed its certificate, and url to a name that is in it."
_FIX_AWAY = "Check that it runs and can be reached. m8 tries again, and loses no event."


@dataclass(frozen=True, slots=True)
class Form:
    """How requests of one kind look.

    Attributes:
        label: What the MAC begins with, so that it is of nothing else.
        header: How the names of the headers begin.
        named: What a request is known by, as its header is called: a receiver that got it twice knows it.
        content_type: Of the body.
    """

    label: str
    header: str
    named: str
    content_type: str


LINES = Form(LABEL.decode(), "Monoskope-Audit", "Positions", "application/x-ndjson")


def mac(secret: bytes, *, time: str, positions: str, body: bytes, label: bytes = LABEL) -> str:
    """Return the MAC of a request, 64 hex digits. `positions` is what the request is known by."""
    signed = b"\0".join((label, time.encode("ascii"), positions.encode("ascii"), body))
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()


class Webhook:
    """Posts.

    Args:
        target: Where to, and whom to trust.
        form: How its requests look.
        clock: Milliseconds since 1970.
    """

    def __init__(self, target: WebhookTarget, form: Form, *, clock: Callable[[], int]) -> None:
        self._target = target
        self._form = form
        self._clock = clock
        self._endpoint = Endpoint(target.server, target.tls, timeout_s=TIMEOUT_S, most_body=MOST_ANSWER)

    async def post(self, name: str, body: bytes) -> None:
        """Return when the receiver has taken `body`, which is known by `name`.

        Raises:
            DeliveryError: it did not, or did not say so.
        """
        failure: DeliveryError
        try:
            status = await self._posted(name, body)
        except UntrustedError:
            failure = self._failure("is not trusted, or does not speak TLS", _FIX_TLS)
        except ExchangeError as error:
            failure = self._failure(f"does not answer ({type(error).__name__})", _FIX_AWAY)
        except Error as error:
            failure = DeliveryError(error.message, fix=error.fix)
        else:
            if 200 <= status < 300:
                return
            if 300 <= status < 400:
                failure = self._failure("redirects, which m8 never follows", "Name the address that it redirects to.")
            else:
                failure = self._failure(f"answers with {status}", "Look into its log: it answers 2xx to take lines.")
        await self.close()
        raise failure

    async def close(self) -> None:
        """End the connection."""
        await self._endpoint.close()

    def check(self) -> None:
        """Read the secret and the files of TLS. Blocks.

        Raises:
            UsageError: one is missing, or holds something else; the secret is too short.
            RefusedError: others can reach the secret or the private key.
        """
        self._secret()
        self._target.tls.context()

    def _failure(self, what: str, fix: str) -> DeliveryError:
        return DeliveryError(f"the webhook at {self._target.server} {what}.", fix=fix)

    async def _posted(self, name: str, body: bytes) -> int:
        form, time = self._form, str(self._clock() // 1000)
        secret = await asyncio.to_thread(self._secret)
        headers = [
            ("Content-Type", form.content_type),
            ("User-Agent", "m8"),
            (f"{form.header}-Time", time),
            (f"{form.header}-{form.named}", name),
            (f"{form.header}-Mac", mac(secret, time=time, positions=name, body=body, label=form.label.encode())),
        ]
        del secret
        return (await self._endpoint.request("POST", self._target.path, headers, body)).status

    def _secret(self) -> bytes:
        path = self._target.secret_file
        secret = read_private(path, missing="Make it: openssl rand -hex 32").strip()
        if len(secret) < MIN_SECRET:
            raise UsageError(
                f"{path} holds less than {MIN_SECRET} bytes.", fix="Make another key: openssl rand -hex 32"
            )
        return secret


class WebhookSink(Webhook):
    """Posts each batch.

    Args:
        target: Where to, and whom to trust.
        clock: Milliseconds since 1970.
    """

    def __init__(self, target: WebhookTarget, *, clock: Callable[[], int]) -> None:
        super().__init__(target, LINES, clock=clock)

    async def deliver(self, batch: Batch) -> None:
        """See `Sink`."""
        await self.post(batch.positions, batch.text)
