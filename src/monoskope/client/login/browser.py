"""The authorization code flow with PKCE, and the server on loopback to which the browser brings its answer.

The flow is free of I/O (RFC 6749, 7636, 9207 and OpenID Connect Core 1.0). The server lives for one login (RFC 8252,
7.3).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import queue
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from monoskope.client.login.issuer import Provider
from monoskope.errors import Error, RefusedError, TimedOutError, UsageError
from monoskope.text import escape
from monoskope.value import Unshared

_MOST_QUERY = 8_192


class NotOursError(Exception):
    """What came is no answer to this login: another program may have sent it, and the login goes on."""


class CodeFlow(Unshared):
    """One login. All that it makes up is new: state, nonce and verifier are each 32 random bytes.

    Attributes:
        nonce: What the ID token must repeat.
        verifier: What proves to the issuer that the code was meant for us (RFC 7636).

    Args:
        provider: The provider.
        client_id: What it calls us.
        scopes: What to ask for.
    """

    def __init__(self, provider: Provider, *, client_id: str, scopes: str) -> None:
        self._provider = provider
        self._client_id = client_id
        self._scopes = scopes
        self._state = secrets.token_urlsafe(32)
        self.nonce = secrets.token_urlsafe(32)
        self.verifier = secrets.token_urlsafe(32)

    def __repr__(self) -> str:
        return f"<CodeFlow at {self._provider.issuer}>"

    def address(self, redirect_uri: str) -> str:
        """Return the address that the user's browser is to open."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode("ascii")).digest()).rstrip(b"=")
        fields = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scopes,
            "state": self._state,
            "nonce": self.nonce,
            "code_challenge": challenge.decode("ascii"),
            "code_challenge_method": "S256",
        }
        if "offline_access" in self._scopes.split():
            # Without it no refresh token may be given (OpenID Connect Core 1.0, 11).
            fields["prompt"] = "consent"
        endpoint = self._provider.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(fields)}"

    def code(self, query: str) -> str:
        """Return the code in the query of the address to which the browser was sent.

        Raises:
            NotOursError: its state is not this login's.
            RefusedError: the issuer refuses, or another issuer answers.
        """
        pairs = parse_qsl(query, keep_blank_values=True) if len(query) <= _MOST_QUERY else []
        fields = dict(pairs)
        if len(fields) != len(pairs) or not hmac.compare_digest(fields.get("state", "").encode(), self._state.encode()):
            raise NotOursError
        self._check_issuer(fields)
        if "error" in fields:
            said = f"{fields['error'][:60]}: {fields.get('error_description', '')[:200]}".rstrip(": ")
            raise RefusedError(
                f"the issuer {self._provider.issuer} refuses the login ({escape(said)}).",
                fix="Log in again, or ask the people who run the issuer.",
            )
        if not fields.get("code"):
            raise NotOursError
        return fields["code"]

    def _check_issuer(self, fields: Mapping[str, str]) -> None:
        """Refuse the answer of another issuer, whose code must not be sent to this one (RFC 9207, 2.4)."""
        named = fields.get("iss")
        failure: Error | None = None
        if named is None and self._provider.names_itself:
            failure = RefusedError(
                f"the answer does not say that it is from the issuer {self._provider.issuer}, which always says so.",
                fix="Do not log in there. Ask the people who run the issuer.",
            )
        elif named not in {None, self._provider.issuer}:
            failure = RefusedError(
                f"the answer is from another issuer: {escape(str(named)[:200])!r}.",
                fix="Do not log in there. Ask the people who run the issuer.",
            )
        if failure is not None:
            raise failure


HOST = "127.0.0.1"
PATH = "/callback"
WAIT_S = 300.0
"""How long the user has for logging in."""
MOST_CONNECTIONS = 32
"""Connections that are open at once. One more ends the oldest: a browser's takes a moment, others may say nothing."""
_MOST_HEAD = 16_384
_SLOW_S = 10.0

# Nothing that came stands in it.
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>monoctl</title></head>
<body><h1>{title}</h1><p>{text}</p></body>
</html>
"""
_CAME = _PAGE.format(title="You can close this page.", text="Go back to the terminal: it says if you are logged in.")
_NOT_OURS = _PAGE.format(title="This is no answer to your login.", text="Go back to the terminal, and log in again.")
_HEAD = (
    "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n"
    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n\r\n"
)

Take = Callable[[str], str]
"""Takes the code from a query. Raises `NotOursError` for what any program may have sent, `Error` to end the login."""


class Callback(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1. What is no answer to this login is answered with 400, and ends nothing.

    The port is ours before any other program learns of it, so none can take it. What comes after the login meets a
    closed port, and a code is worth nothing without the verifier.

    Args:
        take: Takes the code.
    """

    daemon_threads = True
    allow_reuse_address = False
    block_on_close = False
    request_queue_size = 64

    def __init__(self, take: Take) -> None:
        super().__init__((HOST, 0), _Handler)
        self.take = take
        self._open: list[socket.socket] = []
        self._changing = threading.Lock()
        self.came: queue.SimpleQueue[str | Error] = queue.SimpleQueue()

    @property
    def redirect_uri(self) -> str:
        """What the browser is sent to."""
        return f"http://{HOST}:{self.server_address[1]}{PATH}"

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """Begin a thread for a connection, and end the oldest one if there are too many."""
        with self._changing:
            self._open.append(request)
            if len(self._open) > MOST_CONNECTIONS:
                with contextlib.suppress(OSError):  # it has ended by itself
                    self._open.pop(0).shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as above
        """End a connection."""
        with self._changing, contextlib.suppress(ValueError):  # it was the oldest
            self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a connection that broke is a browser's affair."""

    def wait(self, wait_s: float = WAIT_S) -> str:
        """Return the code, once it has come.

        Raises:
            TimedOutError: none came in time.
            Error: what ended the login.
        """
        ends_at = time.monotonic() + wait_s
        while (left_s := ends_at - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                # In pieces: a wait for a lock without end cannot be interrupted on every system.
                came = self.came.get(timeout=min(left_s, 1.0))
                if isinstance(came, Error):
                    raise came
                return came
        raise TimedOutError(
            f"nobody logged in within {wait_s / 60:.0f} minutes.",
            fix="Log in again; on a machine without a browser of yours with `monoctl login --device`.",
        )


@contextlib.contextmanager
def listening(take: Take) -> Iterator[Callback]:
    """Listen within the block. Raises `UsageError` if this machine has no loopback address."""
    try:
        server = Callback(take)
    except OSError:
        raise UsageError(
            f"it is not possible to listen on {HOST}.", fix="Log in with `monoctl login --device`."
        ) from None
    with server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


class _Handler(socketserver.StreamRequestHandler):
    """One connection. A browser opens some that it never uses, so each has a thread."""

    server: Callback
    timeout = _SLOW_S

    def handle(self) -> None:
        line = self.rfile.readline(_MOST_HEAD)
        hosts = [value.strip() for name, value in self._headers() if name.lower() == "host"]
        words = line.decode("latin-1").split()
        path, _, query = (words[1] if len(words) == 3 else "").partition("?")
        # Another name that leads here is a web page's doing (DNS rebinding).
        if words[:1] != ["GET"] or hosts != [f"{HOST}:{self.server.server_address[1]}"] or path != PATH:
            self._answer("404 Not Found", _NOT_OURS)
            return
        try:
            came: str | Error = self.server.take(query)
        except NotOursError:
            self._answer("400 Bad Request", _NOT_OURS)
            return
        except Error as error:
            came = error
        # First: the program may end as soon as it knows.
        self._answer("200 OK", _CAME)
        self.server.came.put(came)

    def _headers(self) -> Iterator[tuple[str, str]]:
        left = _MOST_HEAD
        while left > 0 and (line := self.rfile.readline(left)).strip():
            left -= len(line)
            name, _, value = line.decode("latin-1").partition(":")
            yield name, value

    def _answer(self, status: str, page: str) -> None:
        content = page.encode()
        self.wfile.write(_HEAD.format(status=status, length=len(content)).encode("ascii") + content)
