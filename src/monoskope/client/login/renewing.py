"""Renewing a login: an ID token by the refresh token, and m8's token by the ID token.

Each is renewed once, however many programs ask. It is written under locks, and in the desktop's keyring if the user
wants that.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from monoskope.client.login.credential import (
    ID_TOKEN,
    LOG_IN,
    LOG_IN_AGAIN,
    RENEW_BEFORE_S,
    Exchange,
    Issued,
    KeptLogin,
    read,
    seconds,
)
from monoskope.client.login.id_token import check_audience
from monoskope.client.login.issuer import Issuer, OAuthError, Provider, discover
from monoskope.client.runtime import Runtime, left
from monoskope.errors import Error, TimedOutError, UnauthenticatedError, UsageError
from monoskope.settings import locked, write_private

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


async def renew(path: Path, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
    """Return a new token of m8, and keep it; or one that another program has made meanwhile.

    Args:
        path: Of the login.
        exchange: As `Credential.issue`.
        runtime: As `Credential.issue`.
        refused: As `Credential.issue`.

    Raises:
        UnauthenticatedError: the login has ended.
        IssuerAwayError: the issuer does not answer.
        Error: what m8 says.
    """
    async with turn(path, runtime):
        kept = read(path)
        found = kept.issued(refused) if kept is not None else None
        if found is not None:
            return found
        id_token, is_new = await runtime.run_blocking(lambda: current(path, anew=False))
        try:
            issued = await exchange(id_token, ID_TOKEN)
        except UnauthenticatedError:
            if is_new:
                raise
            # The issuer may sign with other keys since, or have ended the session.
            if not await runtime.run_blocking(lambda: _can_refresh(path)):
                if kept is not None and kept.used:
                    raise _ended(kept, "m8's token has run out, and the issuer gave nothing to renew it with") from None
                raise
            id_token, _ = await runtime.run_blocking(lambda: current(path, anew=True))
            issued = await exchange(id_token, ID_TOKEN)
        await runtime.run_blocking(lambda: _keep(path, id_token, issued))
        return issued


def current(path: Path, *, anew: bool) -> tuple[str, bool]:
    """Return the ID token of a login, and whether it was refreshed now. Blocks.

    Raises:
        UnauthenticatedError: the login has ended: the issuer says so, or nothing can refresh it.
        Error: as `Issuer.post`, and as an ID token is refused.
    """
    with locked(path), uninterrupted():
        kept = read_whole(path)
        if kept is None:
            raise UnauthenticatedError("you have logged out meanwhile.", fix=LOG_IN)
        # m8 takes an ID token once, unless its settings say otherwise: without a refresh token it is asked again.
        is_used = bool(kept.used and kept.refresh_token)
        is_new = anew or is_used or not kept.id_token or seconds(kept.id_token_ends_at) - time.time() <= RENEW_BEFORE_S
        if is_new:
            kept = _refreshed(path, kept)
            write(path, kept)
    check_audience(kept.id_token, kept.audience, where="the ID token of your login", fix=LOG_IN_AGAIN)
    return kept.id_token, is_new


def with_tokens(
    kept: KeptLogin, issuer: Issuer, provider: Provider, answer: dict[str, Any], *, nonce: str
) -> KeptLogin:
    """Return a login with the tokens of an answer, after they were checked. m8's own token is dropped.

    Raises:
        UnauthenticatedError: the ID token does not count.
        Error: as `Issuer.get`.
    """
    from monoskope.client.login.id_token import checked  # noqa: PLC0415 - loads the signatures

    found = checked(
        answer.get("id_token"),
        keys=issuer.get(provider.jwks_uri),
        issuer=provider.issuer,
        client_id=kept.client_id,
        audience=kept.audience,
        nonce=nonce,
        subject=kept.subject,
    )
    refresh = answer.get("refresh_token")
    return structs.replace(
        kept,
        subject=found.subject,
        id_token=found.text,
        id_token_ends_at=f"{time.time() + found.lasts_s:.0f}",
        used="",
        # Without a new one the old one counts on (RFC 6749, 6).
        refresh_token=refresh if isinstance(refresh, str) and refresh else kept.refresh_token,
        token="",
        token_ends_at="",
    )


def issuer_of(kept: KeptLogin) -> Issuer:
    """Return the issuer of a login. Raises as `Issuer`."""
    return Issuer(kept.issuer, hosts=kept.hosts, ca_file=kept.ca_file)


def _refreshed(path: Path, kept: KeptLogin) -> KeptLogin:
    if not kept.refresh_token:
        raise _ended(kept, "it has run out, and the issuer gave nothing to renew it with")
    issuer = issuer_of(kept)
    provider = discover(issuer)
    fields = {"grant_type": "refresh_token", "refresh_token": kept.refresh_token, "client_id": kept.client_id}
    failure: Error
    try:
        answer = issuer.post(provider.token_endpoint, fields)
    except OAuthError as error:
        if error.code != "invalid_grant":
            raise error.refused(kept.issuer) from None
        failure = _ended(
            kept,
            "the issuer no longer takes its refresh token. The session there is over, or an old copy of the token was"
            " used, after which the issuer ends them all",
        )
    else:
        # A new refresh token is kept before anything about the ID token can fail: the old one counts no more.
        refresh = answer.get("refresh_token")
        if isinstance(refresh, str) and refresh:
            kept = structs.replace(kept, refresh_token=refresh)
            write(path, kept)
        return with_tokens(kept, issuer, provider, answer, nonce="")
    write(path, structs.replace(kept, id_token="", refresh_token="", token=""))
    raise failure


def _ended(kept: KeptLogin, why: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"your login at {kept.issuer} has ended: {why}.", fix=LOG_IN_AGAIN)


def _can_refresh(path: Path) -> bool:
    kept = read_whole(path)
    return kept is not None and bool(kept.refresh_token)


def _keep(path: Path, id_token: str, issued: Issued) -> None:
    """Keep m8's token, unless the user has logged out or in again meanwhile."""
    with locked(path), uninterrupted():
        kept = read_whole(path)
        if kept is not None and kept.id_token == id_token:
            ends_at = f"{time.time() + issued.lasts_s:.0f}"
            write(path, structs.replace(kept, used="yes", token=issued.token, token_ends_at=ends_at))
