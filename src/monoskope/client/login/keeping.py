"""Writing a login that is kept, under locks, and in the desktop's keyring if the user wants that."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
from msgspec import structs

from monoskope.client.login.kept import KeptLogin, read
from monoskope.client.runtime import Runtime, left
from monoskope.errors import TimedOutError, UsageError
from monoskope.settings import write_private

SERVICE = "monoskope"
"""How the desktop's keyring calls us."""

_LOOK_S = 0.05
_MOST_WAIT_S = 60.0
_SECRETS = ("id_token", "refresh_token")
_NO_KEYRING = "Install it with `pip install monoskope[keyring]`, unlock it, or keep the login in a file."


def write(path: Path, kept: KeptLogin) -> None:
    """Write a login, whole or not at all. Call it while the file is locked (`monoskope.settings.locked`).

    Raises:
        UsageError: the desktop's keyring does not take it.
        NotWritableError: the folder cannot be written to.
    """
    import tomli_w  # noqa: PLC0415 - few commands write

    if kept.keyring:
        _into_keyring(kept)
        kept = structs.replace(kept, **dict.fromkeys(_SECRETS, ""))
    table = {name: value for name, value in msgspec.to_builtins(kept).items() if value}
    write_private(path, tomli_w.dumps(table).encode(), replace=True)


def read_whole(path: Path) -> KeptLogin | None:
    """Return what is kept, with what is in the keyring. Raises as `kept.read`, `UsageError` without the keyring."""
    kept = read(path)
    if kept is None or not kept.keyring:
        return kept
    with _keyring_errors():
        import keyring  # noqa: PLC0415 - an extra

        found = {name: keyring.get_password(SERVICE, _name(kept, name)) or "" for name in _SECRETS}
    return structs.replace(kept, **found)


def remove(path: Path, kept: KeptLogin | None) -> None:
    """Remove a login, also from the keyring. Nothing there is no error."""
    path.unlink(missing_ok=True)
    if kept is None or not kept.keyring:
        return
    with _keyring_errors():
        import keyring  # noqa: PLC0415 - an extra
        import keyring.errors  # noqa: PLC0415

        for name in _SECRETS:
            with contextlib.suppress(keyring.errors.PasswordDeleteError):
                keyring.delete_password(SERVICE, _name(kept, name))


def _into_keyring(kept: KeptLogin) -> None:
    with _keyring_errors():
        import keyring  # noqa: PLC0415 - an extra

        for name in _SECRETS:
            keyring.set_password(SERVICE, _name(kept, name), getattr(kept, name))


def _name(kept: KeptLogin, name: str) -> str:
    return f"{name} {kept.server}"


@contextlib.contextmanager
def _keyring_errors() -> Iterator[None]:
    """Raise `UsageError` for everything that goes wrong with a keyring, and show nothing of what it says."""
    try:
        yield
    except ImportError:
        raise UsageError("the desktop's keyring cannot be used: it is not installed.", fix=_NO_KEYRING) from None
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise UsageError(f"the desktop's keyring fails: {type(error).__name__}.", fix=_NO_KEYRING) from None


@contextlib.asynccontextmanager
async def turn(path: Path, runtime: Runtime) -> AsyncIterator[None]:
    """Let one program at a time renew a login; the others wait, and find what that one has written.

    Beside the file's own lock, which a thread holds that no cancellation ends.

    Raises:
        TimedOutError: another program has held it for a minute, or to the end of the caller's time.
        OSError: the lock cannot be opened.
    """
    import fcntl  # noqa: PLC0415 - not on every system
    import os  # noqa: PLC0415

    lock = os.open(path.with_name(f".{path.name}.turn"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        ends_at = runtime.now() + left(_MOST_WAIT_S)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if runtime.now() >= ends_at:
                    raise TimedOutError(
                        "another program of yours is still renewing the login.", fix="Try again."
                    ) from None
            await runtime.sleep(_LOOK_S)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM: a new refresh token that is not written is lost, and the old one counts no more."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
