"""Who may ask the console, judged by the head of a request alone.

The page's own server listens on a port that every program and every web page on this machine can reach. So a request
counts only if its headers say what the page's own requests say; a browser lets no other page say that (Fetch,
https://fetch.spec.whatwg.org/#origin-header; https://www.w3.org/TR/fetch-metadata/).
"""

from __future__ import annotations

from monoskope.errors import Error, RefusedError, UsageError
from monoskope.http.messages import Head
from monoskope.monoctl.console.serving.sealed import NONCE_HEADER, nonce_of
from monoskope.value import Value

API = "/api/"
"""How the paths of the operations begin."""

_BEGIN = API + "begin"
_JSON = "application/json"
_SEALED = "application/octet-stream"
_BEARER = "Bearer "
ANEW = "Open a new page: press Enter in the terminal where `monoctl console` runs."
"""What to do about a call that no page of this console makes. A page that is loaded again would lose its session."""


class Refusal(Value, frozen=True):
    """Why a request is not answered."""

    status: int
    """As HTTP has it."""
    error: Error
    """What is told. It says nothing of what the console knows."""


def checked_page(head: Head, place: str) -> Refusal | None:
    """Return why a request for a part of the page is refused, None if it is not.

    `place` is where the console listens, `host:port`.

    Everybody may read the page: it holds nothing. But it is never part of another page.
    """
    if refusal := _addressed(head, place):
        return refusal
    if head.method not in {"GET", "HEAD"}:
        return _refused(405, "the page is read with GET alone.")
    if head.path == "/":
        # Empty where a program asks, or an old browser.
        if head.header("sec-fetch-dest") not in {"document", "empty", ""}:
            return _refused(403, "the page is not shown within another page.")
    elif head.header("sec-fetch-site") not in {"same-origin", "none", ""}:
        return _refused(403, "the parts of the page are for the page alone.")
    return None


def checked_call(head: Head, place: str) -> Refusal | None:
    """Return why a call of an operation is refused, None if it is not. Whose session it is comes after this.

    `place` is where the console listens, `host:port`.
    """
    if refusal := _addressed(head, place):
        return refusal
    if head.method != "POST":
        return _refused(405, "operations are called with POST alone.")
    for name, value in (("Origin", f"http://{place}"), ("Sec-Fetch-Site", "same-origin")):
        if head.header(name.lower()) != value:
            return _refused(403, f"the call does not come from the page of this console ({name}).")
    return _formed(head)


def nonce(head: Head) -> bytes:
    """Return the random bytes of a call that was checked: the proof of its answer is over them."""
    return nonce_of(head.header(NONCE_HEADER.lower())) or b""


def bearer(head: Head) -> str:
    """Return the session that a call names, "" if it names none."""
    given = head.header("authorization")
    return given.removeprefix(_BEARER) if given.startswith(_BEARER) else ""


def _addressed(head: Head, place: str) -> Refusal | None:
    """A name that somebody let point to this machine (DNS rebinding) makes a page of theirs same-origin with us."""
    if head.header("host") != place:
        return _refused(421, "the console answers to its own address alone (Host).")
    return None


def _formed(head: Head) -> Refusal | None:
    if head.query:
        return Refusal(404, UsageError("an operation has no query.", fix=ANEW))
    if head.header("content-type") != (_JSON if head.path == _BEGIN else _SEALED):
        return Refusal(415, UsageError("the body of a call is sealed, and only that of `begin` is JSON.", fix=ANEW))
    if nonce_of(head.header(NONCE_HEADER.lower())) is None:
        return Refusal(400, UsageError(f"a call has 16 random bytes in {NONCE_HEADER}.", fix=ANEW))
    return None


def _refused(status: int, message: str) -> Refusal:
    return Refusal(status, RefusedError(message, fix=ANEW))
