"""Operations, of m8 and of reactors: `/healthz`, `/readyz` and `/metrics`, on this machine alone.

Here are the setting `operations_listen`, and what is answered, free of any transport. `listener` serves it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from monoskope.errors import UsageError
from monoskope.host_port import HostPort

UNIX = "unix:"
"""How the path of a Unix socket begins."""

_MOST_PATH = 100
"""Bytes of a socket's path at most: systems allow little more."""

_FIX = 'Write for example 127.0.0.1:7444, [::1]:7444 or unix:operations.sock; "" switches the listener off.'

Address: TypeAlias = HostPort | Path


def parse(text: str, *, folder: Path) -> Address | None:
    """Return where to listen, None for "". The path of a Unix socket is relative to `folder`.

    What the listener says needs no credential, so no other machine may ask it.

    Raises:
        UsageError: it is neither `address:port` with a loopback address nor `unix:path`.
    """
    if not text:
        return None
    if text.startswith(UNIX):
        path = folder / text.removeprefix(UNIX)
        if path == folder or "\0" in text or len(bytes(path)) > _MOST_PATH:
            raise UsageError(f"{text!r} is no path of a Unix socket of at most {_MOST_PATH} bytes.", fix=_FIX)
        return path
    try:
        found = HostPort.parse(text)
        is_loopback = ipaddress.ip_address(found.host).is_loopback
    except (UsageError, ValueError):
        raise UsageError(f"{text!r} is neither address:port nor unix:path.", fix=_FIX) from None
    if not is_loopback:
        raise UsageError(f"{text!r} is not a loopback address.", fix=_FIX)
    return found


def listen_setting(text: str, file: Path) -> Address | None:
    """Return what `operations_listen` of the settings in `file` says. Raises `UsageError` that names both."""
    try:
        return parse(text, folder=file.parent)
    except UsageError as error:
        raise UsageError(f"{file}: operations_listen: {error.message}", fix=error.fix) from None


METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of Prometheus' text format."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status: As HTTP has it: 200, 500, 503.
        content_type: Of the body.
        body: All of it.
    """

    status: int
    content_type: str
    body: bytes


Handler: TypeAlias = Callable[[], Awaitable[Answer]]

Handlers: TypeAlias = Mapping[str, Handler]
"""A path to what answers it."""


def alive() -> Answer:
    """Return the answer of `/healthz`: the event loop runs, since it made this answer."""
    return Answer(200, "application/json", b'{"alive": true}\n')


def readiness(checks: Mapping[str, str], notes: Mapping[str, str] | None = None) -> Answer:
    """Return the answer of `/readyz`: 200 if every check is `ok`, else 503.

    Args:
        checks: The name of each check, and `ok` or a few fixed words that say what is wrong.
        notes: The same of what an operator should know and calls do not depend on.
    """
    is_ready = all(state == "ok" for state in checks.values())
    found = {"ready": is_ready, "checks": dict(checks), **({"notes": dict(notes)} if notes else {})}
    body = json.dumps(found).encode()
    return Answer(200 if is_ready else 503, "application/json", body + b"\n")


def metrics(text: bytes) -> Answer:
    """Return the answer of `/metrics`."""
    return Answer(200, METRICS_TYPE, text)
