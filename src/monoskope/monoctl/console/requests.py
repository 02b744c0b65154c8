"""What a request to the console must say, in its head and in its body, and the headers of each answer.

The page's own server listens on a port that every program and every web page on this machine can reach. So a request
counts only if its headers say what the page's own requests say; a browser lets no other page say that (Fetch,
https://fetch.spec.whatwg.org/#origin-header; https://www.w3.org/TR/fetch-metadata/).

A body is a JSON object; in a framed one, values follow it. A frame is a 4-byte big-endian length, a JSON object of that
length with `sources`, then the bytes of all sources in their order. No error repeats what a value or a file could be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from monoskope.errors import Error, RefusedError, UsageError
from monoskope.http.messages import Head
from monoskope.monoctl.console.channel import NONCE_HEADER, nonce_of
from monoskope.monoctl.input.files import parse_env, parse_json
from monoskope.monoctl.input.values import Values, trimmed
from monoskope.protocol.payload import MAX_KEYS, MAX_PADDED, check_key
from monoskope.value import Value

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none';"
    " frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The page loads and calls nothing but its own server, no other page shows it in a frame, and no text becomes script
(Content Security Policy Level 3, https://www.w3.org/TR/CSP3/, and Trusted Types, https://www.w3.org/TR/trusted-types/).
"""

_FORBIDDEN = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "clipboard-read",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "otp-credentials",
    "payment",
    "picture-in-picture",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)

ALWAYS = (
    ("Content-Security-Policy", CSP),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", ", ".join((*(f"{name}=()" for name in _FORBIDDEN), "clipboard-write=(self)"))),
)
"""The server itself adds `Cache-Control: no-store` and `X-Content-Type-Options: nosniff`."""

JSON = ("Content-Type", "application/json")


API = "/api/"
"""How the paths of the operations begin."""

_BEGIN = API + "begin"
_JSON = "application/json"
_SEALED = "application/octet-stream"
_BEARER = "Bearer "
NEW_PAGE = "Open a new page: press Enter in the terminal where `monoctl console` runs."
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
    """With a name that points to this machine (DNS rebinding), an attacker's page is same-origin with the console."""
    if head.header("host") != place:
        return _refused(421, "the console answers to its own address alone (Host).")
    return None


def _formed(head: Head) -> Refusal | None:
    if head.query:
        return Refusal(404, UsageError("an operation has no query.", fix=NEW_PAGE))
    if head.header("content-type") != (_JSON if head.path == _BEGIN else _SEALED):
        return Refusal(415, UsageError("the body of a call is sealed, and only that of `begin` is JSON.", fix=NEW_PAGE))
    if nonce_of(head.header(NONCE_HEADER.lower())) is None:
        return Refusal(400, UsageError(f"a call has 16 random bytes in {NONCE_HEADER}.", fix=NEW_PAGE))
    return None


def _refused(status: int, message: str) -> Refusal:
    return Refusal(status, RefusedError(message, fix=NEW_PAGE))


MOST_JSON = 262_144
"""Bytes of a call without values at most, and of the JSON object of a frame: some hundred URIs."""

MOST_VALUES = 2 * MAX_PADDED
"""Bytes of all sources at most: a store takes less than half of it as one secret, and files have more than values."""

MOST_BODY = 4 + MOST_JSON + MOST_VALUES
"""Bytes of a framed body at most."""

_LENGTH = 4
_FIX = "Open a new page; if that does not help, use the commands in the terminal, and report the defect."

R = TypeVar("R", bound=msgspec.Struct)

Text = Annotated[str, msgspec.Meta(max_length=2_048)]
"""A URI, a prefix, a version, a subject, a label or words to search for."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an operation is asked: a JSON object. Unknown fields are refused, and named."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where values come from: one value for `key`, or a file that is parsed here."""

    kind: Literal["value", "env", "json"]
    size: Annotated[int, msgspec.Meta(ge=0, le=MOST_VALUES)]
    key: str = ""
    name: Annotated[str, msgspec.Meta(max_length=255)] = ""
    trim: bool = False


def parsed(request: type[R], body: bytes) -> R:
    """Return what a call without values asks. Raises `UsageError` that names the field and the rule."""
    return _converted(request, _object(body))


def parsed_frame(request: type[R], body: bytes) -> tuple[R, Values]:
    """Return what a framed call asks, and the values of all its sources.

    Raises:
        UsageError: the frame, a field, a file or a key is malformed, or a key is there twice; names the part.
    """
    length = int.from_bytes(body[:_LENGTH], "big")
    begin = _LENGTH + length
    if len(body) < _LENGTH or length > MOST_JSON or len(body) < begin:
        raise UsageError("the frame ends before the JSON object that it announces.", fix=_FIX)
    asked = _object(body[_LENGTH:begin])
    sources = _sources(asked.pop("sources", None))
    if begin + sum(source.size for source in sources) != len(body):
        raise UsageError("the sizes of the sources do not add up to what follows the JSON object.", fix=_FIX)
    return _converted(request, asked), _values(sources, body, begin)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None  # its text could quote what was sent
    if not isinstance(found, dict):
        raise UsageError("the call is not a JSON object.", fix=_FIX)
    return found


def _sources(given: object) -> Sequence[Source]:
    # None is well-formed: a patch may only remove keys. What needs a value says so itself.
    if not isinstance(given, list) or len(given) > MAX_KEYS:
        raise UsageError(
            f"sources: a list of at most {MAX_KEYS} is needed.",
            fix="Give values or files; more keys fit into one file.",
        )
    return [_converted(Source, one) for one in given]


def _converted(kind: type[R], asked: object) -> R:
    try:
        return msgspec.convert(asked, kind)
    except msgspec.ValidationError as error:
        # msgspec names the field, and what is wrong with its type or size: it repeats no value but those of enums.
        rule, _, field = str(error).rpartition(" - at ")
        if rule.startswith("Invalid enum value"):
            rule = "Not one of the values that the field can have"
        rule = f"{rule} - at {field}" if rule else field
        raise UsageError(f"the call is malformed: {rule}.", fix=_FIX) from None


def _values(sources: Sequence[Source], body: bytes, begin: int) -> Values:
    values = Values()
    for source in sources:
        content = body[begin : begin + source.size]
        begin += source.size
        if source.kind != "value" and (source.key or source.trim):
            raise UsageError("a file has neither `key` nor `trim`: it names its keys itself.", fix=_FIX)
        if source.kind == "env":
            values.add_all(parse_env(content, where=source.name or "the env file"))
        elif source.kind == "json":
            values.add_all(parse_json(content, where=source.name or "the JSON file"))
        else:
            check_key(source.key)
            values.add(source.key, trimmed(content) if source.trim else content)
    return values
