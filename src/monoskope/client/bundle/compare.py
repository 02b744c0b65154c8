"""How a bundle comes, from m8 or as a file, and the comparison that alone makes it believed.

Until it was compared, its bytes are a stranger's. So the connection that fetches it carries nothing but the question:
no credential, no cookie, and it is used once.
"""

from __future__ import annotations

from pathlib import Path

from monoskope.client.http import connect
from monoskope.client.http.transport import Dialled, Roots
from monoskope.errors import Error, IdentityChangedError, NotFoundError, UsageError
from monoskope.host_port import HTTPS, check_server
from monoskope.http.client.blocking import BlockingPool
from monoskope.http.client.destination import ExchangeError, TooLargeError
from monoskope.protocol.bundle import MAX_BYTES, WELL_KNOWN, Bundle, NoBundleError
from monoskope.protocol.identity import check_shown
from monoskope.value import Value

TIMEOUT_S = 20.0
_FROM_ITS_MAKER = (
    "Get the fingerprint from a person, by another way than this bundle: on the phone, or in a chat that you know."
)


class Address(Value, frozen=True):
    """A server that was named by its address, of which the link to its bundle is one, too."""

    server: str
    """`host:port`."""
    has_fingerprint: bool
    """Whether the link carries one after a `#`. It does not count: who made the link made both."""

    @classmethod
    def parse(cls, text: str) -> Address | None:
        """Return the address in `text`, None if that is no `https://`. Raises `UsageError` if it is malformed."""
        if not text.lower().startswith(HTTPS):
            return None
        link, _, fragment = text.partition("#")
        return cls(check_server(link.removesuffix("/").removesuffix(WELL_KNOWN)), bool(fragment))


def read(path: Path) -> bytes:
    """Return what a file holds, as much of it as a bundle has at most and a byte more. Raises `UsageError`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", fix="Give a file, or the address of m8: https://HOST."
        ) from None


def fetch(server: str, roots: Roots | None) -> bytes:
    """Ask a server for its bundle, without a credential, on a connection of its own. Follows no redirect.

    Args:
        server: `host:port`.
        roots: The authorities that may have signed its certificate; None not to look at the certificate, where the
            fingerprint is known beforehand.

    Raises:
        IdentityChangedError: the certificate does not verify.
        NotFoundError: it publishes none.
        NoBundleError: what it answers is too large.
        Error: it does not answer, or what answers is not m8.
    """
    dialled = Dialled(server, roots)
    pool = BlockingPool(dialled.server)
    failure: Error
    try:
        answer = pool.request("GET", WELL_KNOWN, timeout_s=TIMEOUT_S, most_body=MAX_BYTES)
        if answer.status == 200:
            return answer.body
        failure = _refused(server, answer.status, answer.header("content-type"), answer.body)
    except TooLargeError:
        failure = NoBundleError(f"it has more than {MAX_BYTES:,} bytes")
    except ExchangeError as error:
        failure = dialled.failed(error, late=True)
        if isinstance(failure, IdentityChangedError):
            failure.fix = (
                f"{_FROM_ITS_MAKER} Give it as `monoctl join SERVER --fingerprint FINGERPRINT`, "
                "or the server's CA as `monoctl join SERVER --ca-file FILE`."
            )
    finally:
        pool.close()
    raise failure


def _refused(server: str, status: int, kind: str, body: bytes) -> Error:
    if status == 404:
        return NotFoundError(
            f"{server} publishes no bundle.", fix="Ask its administrator for the file of `monoctl config bundle`."
        )
    return connect.refusal(server, status, kind, body)


def check_named(bundle: Bundle, address: Address) -> None:
    """Raise `IdentityChangedError` unless a bundle is for the server that the user named."""
    if address.server not in bundle.servers:
        raise IdentityChangedError(
            f"the bundle that came from {address.server} is for another server: {', '.join(bundle.servers)}.",
            fix="Nothing was changed. Ask who told you this address. If they meant the other server, name that one.",
        )


def compare(bundle: Bundle, typed: str) -> None:
    """Compare a bundle's fingerprint with the one that the user got another way.

    Args:
        bundle: As it came.
        typed: In groups or not; case counts.

    Raises:
        UsageError: it is no fingerprint.
        IdentityChangedError: it is another one; names both.
    """
    try:
        given = check_shown("".join(typed.split()))
    except UsageError:
        raise UsageError(
            "what you gave is no fingerprint: that is `SHA256:` and 43 characters behind it.",
            fix=f"Nothing was changed, and nothing was sent. {_FROM_ITS_MAKER}",
        ) from None
    if given != bundle.fingerprint:
        raise IdentityChangedError(
            f"the fingerprint of this bundle is {bundle.fingerprint}, and you were told {given}.",
            fix=f"Nothing was changed, and nothing was sent. {_FROM_ITS_MAKER} If it differs again, tell them.",
        )
