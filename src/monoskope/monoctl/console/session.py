"""One-time links and sessions: how a page shows that `monoctl console` itself opened it, and how long that counts.

A link counts once and for two minutes. Who uses it a second time ends the session that it began: one of the two is a
stranger, and the console cannot tell which (as for authorization codes, RFC 6749, section 4.1.2).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from monoskope.errors import UnauthenticatedError
from monoskope.monoctl.console.channel import KEY_SIZE, Beginning, Channel, shown
from monoskope.value import Unshared

LINK_S = 120.0
"""Seconds for which a one-time link counts."""

GONE_S = 60.0
"""Seconds after which a session ends whose page is gone; and after the last session, the console."""

FIRST_S = 300.0
"""Seconds after which the console ends if no page begins at all."""

_BYTES = 32
_AGAIN = "Press Enter in the terminal where `monoctl console` runs: it opens a new page."


class NoSessionError(UnauthenticatedError):
    """The page has no session. `own_code` is the console's own, which no command has."""

    own_code: str


class EndedError(NoSessionError):
    """The session has ended, or there never was one."""

    own_code = "SESSION_ENDED"

    def __init__(self) -> None:
        super().__init__("this page has no session, or its session has ended.", fix=_AGAIN)


class LinkError(NoSessionError):
    """The link counts no more, or never did."""

    own_code = "LINK_ENDED"

    def __init__(self, message: str) -> None:
        super().__init__(message, fix=_AGAIN)


class UsedError(NoSessionError):
    """The link was used before, by this user or by a stranger."""

    own_code = "LINK_USED"

    def __init__(self) -> None:
        super().__init__(
            "this link was used before. If that was not you, a stranger has read it: the session that it began has"
            " ended now.",
            fix=f"Look in the terminal where `monoctl console` runs: it tells of each page that begins. {_AGAIN}",
        )


@dataclass(eq=False)
class Session(Unshared):
    """One page's right to call. Its token is known to the page alone: here is its digest.

    Attributes:
        digest: SHA-256 of the token.
        channel: What seals and proves what page and console say to each other.
        streams: How many live streams the page holds open.
        quiet_since: Since when it holds none, by the console's clock.
        on_end: Called when it ends, to end its streams.
    """

    digest: bytes
    channel: Channel
    streams: int = 0
    quiet_since: float = 0.0
    has_ended: bool = False
    on_end: list[Callable[[], None]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Session streams={self.streams} has_ended={self.has_ended}>"


@dataclass(frozen=True)
class Begun(Unshared):
    """What a page is told when its session begins, and no caller after that.

    Attributes:
        session: The session's token.
        key: What the keys of the session are made of, together with the link's token.
    """

    session: str
    key: str

    def __repr__(self) -> str:
        return "<Begun>"


@dataclass(eq=False)
class _Link(Unshared):
    beginning: Beginning
    until: float
    session: Session | None = None

    @property
    def digest(self) -> bytes:
        return _digest(self.beginning.name)

    def __repr__(self) -> str:
        return "<Link>"


T = TypeVar("T", _Link, Session)


class Sessions(Unshared):
    """The links and sessions of one console.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._links: list[_Link] = []
        self._sessions: list[Session] = []
        self._ended: list[Session] = []  # so that their pages can be told, in a way that they believe
        self._began = False
        self._alone_since = clock()

    def __repr__(self) -> str:
        return f"<Sessions {len(self._sessions)}>"

    def new_link(self) -> str:
        """Return the token of a new link: 256 bits, in 43 characters that stand in a URL as they are."""
        token = secrets.token_bytes(KEY_SIZE)
        self._links.append(_Link(Beginning(token), self._clock() + LINK_S))
        return shown(token)

    def beginning(self, name: str) -> Beginning | None:
        """Return what proves the answer to a page that names the token of a link; None if there is no such link."""
        link = _found(self._links, name)
        return None if link is None else link.beginning

    def begin(self, name: str) -> Begun:
        """Use the link whose token has that name, and return what the page of the session that begins is told.

        Raises:
            UsedError: it was used before; the session that it began has ended now.
            LinkError: it is too old, or none of ours.
        """
        link = _found(self._links, name)
        if link is None:
            raise LinkError(
                "this page was loaded without a link of `monoctl console`, or loaded again: that ends its session."
            )
        if link.session is not None:
            self.end(link.session)
            raise UsedError
        if self._clock() > link.until:
            raise LinkError(f"this link is older than {LINK_S:g} seconds.")
        begun, key = secrets.token_urlsafe(_BYTES), secrets.token_bytes(KEY_SIZE)
        link.session = Session(_digest(begun), link.beginning.begun(key), quiet_since=self._clock())
        self._sessions.append(link.session)
        self._began = True
        return Begun(begun, shown(key))

    def of(self, token: str) -> Session:
        """Return the session that a token names, which may have ended. Raises `EndedError` if there never was one."""
        session = _found([*self._sessions, *self._ended], token)
        if session is None:
            raise EndedError
        return session

    def appear(self, session: Session) -> None:
        """Note that the page holds one more live stream."""
        session.streams += 1

    def leave(self, session: Session) -> None:
        """Note that a live stream of the page has ended."""
        session.streams -= 1
        session.quiet_since = self._clock()

    def end(self, session: Session) -> None:
        """End a session, and its streams."""
        if session.has_ended:
            return
        session.has_ended = True
        self._sessions.remove(session)
        self._ended.append(session)
        self._alone_since = self._clock()
        for told in list(session.on_end):
            told()

    def sweep(self) -> None:
        """End the sessions whose page has been gone for `GONE_S`."""
        now = self._clock()
        for session in list(self._sessions):
            if not session.streams and now - session.quiet_since > GONE_S:
                self.end(session)

    def is_awaited(self) -> bool:
        """Whether there is a link that still counts."""
        return any(link.session is None and self._clock() <= link.until for link in self._links)

    def is_over(self) -> bool:
        """Whether the console is unused: no session for `GONE_S`, or none within `FIRST_S`."""
        if self._sessions:
            return False
        return self._clock() - self._alone_since > (GONE_S if self._began else FIRST_S)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _found(among: list[T], token: str) -> T | None:
    """All are compared, each in the same time, so that time tells nothing of them."""
    digest = _digest(token)
    found = [one for one in among if hmac.compare_digest(one.digest, digest)]
    return found[0] if found else None
