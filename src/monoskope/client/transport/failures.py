"""What the transports say of failures, each sentence once."""

from __future__ import annotations

from monoskope.client.roots import Roots
from monoskope.errors import IdentityChangedError, NotReachedError, ProtocolError, TimedOutError


class NotSentError(NotReachedError):
    """There was no connection, so nothing of the call was sent: it is safe to call elsewhere, whatever it does."""


class TurnedAwayError(NotSentError):
    """m8 took the connection and ended it before TLS, as it does where too many come at once: nothing was sent."""


def late(server: str) -> TimedOutError:
    """No answer came in time."""
    return TimedOutError(f"m8 at {server} did not answer in time.", fix="Try again, or raise the timeout.")


def unreadable(server: str) -> ProtocolError:
    """The answer does not parse."""
    return ProtocolError(
        f"m8 at {server} sent an answer that is not a message of this protocol.",
        fix="Check that the versions of server and client fit. "
        "If they fit, someone may be changing messages on the way.",
    )


def untrusted(server: str, roots: Roots) -> IdentityChangedError:
    """The server's certificate does not verify."""
    return IdentityChangedError(
        f"the certificate of {server} is not signed by an authority in {roots.source}, or expired.",
        fix="Name the CA file of this server with `ca_file`; "
        "if it is the right one, and `m8 tls show` there finds nothing expired, someone may be intercepting.",
    )


def misnamed(server: str) -> IdentityChangedError:
    """The server's certificate is for other names."""
    return IdentityChangedError(
        f"the certificate of {server} does not carry that name.",
        fix="Dial the server by a name in its certificate, or have one made for this one: m8 tls renew.",
    )


def silent(server: str, kind: type[NotReachedError]) -> NotReachedError:
    """Nobody answers as m8 there."""
    return kind(
        f"m8 does not answer at {server}.",
        fix="Check that m8 runs (`m8 dev` starts one on this machine), and that this is the address of its `listen`. "
        "Or name another with `server`.",
    )


def turned_away(server: str) -> TurnedAwayError:
    """Whoever listens there ends connections as soon as they begin."""
    return TurnedAwayError(
        f"{server} ended the connection as soon as it was there.",
        fix="m8 does so where too many come at once: try again in some seconds, and if many clients share your "
        "address, let an operator raise `handshakes` in m8.toml. Else check that m8 runs behind this address.",
    )


def silent_behind(server: str, proxy: str, kind: type[NotReachedError]) -> NotReachedError:
    """The same through the proxy that the environment variable `proxy` names."""
    return kind(
        f"m8 does not answer at {server} through the proxy that {proxy} names.",
        fix=f"Name the host of m8 in no_proxy to dial it directly, or correct {proxy}.",
    )
