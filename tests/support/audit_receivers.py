"""What takes audit lines in tests: a file, a real rsyslog with TLS, a small HTTPS server. Each can die and return."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import os
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from monoskope.host_port import HostPort
from monoskope.http.client.trusted import TlsFiles
from monoskope.m8.http import tls
from monoskope.m8.sink_settings import FileTarget, SyslogTarget, WebhookTarget
from monoskope.settings import locked, write_private
from monoskope.testing.parts import Part, free_port, listens, needed
from tests.support.certificates import Handler

Target = FileTarget | SyslogTarget | WebhookTarget

_RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="8k" net.enableDNS="off" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{folder}/ca.crt" defaultNetstreamDriverCertFile="{folder}/tls.crt"
  defaultNetstreamDriverKeyFile="{folder}/tls.key")
module(load="imudp")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="audit" type="list") {{
  property(name="msg") constant(value="\\n")
}}
template(name="raw" type="list") {{
  property(name="rawmsg") constant(value="\\n")
}}
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="audit")
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="audit")
ruleset(name="audit") {{
  action(type="omfile" file="{folder}/audit.log" template="audit" flushOnTXEnd="on")
  action(type="omfile" file="{folder}/raw.log" template="raw" flushOnTXEnd="on")
}}
"""

_EMPTY = b"<13>1 - - - - - -"
"""A message that says nothing: it opens the files."""


class Receiver(Protocol):
    """Takes lines while it lives."""

    target: Target

    def start(self) -> None:
        """Live, again."""

    def die(self) -> None:
        """Take nothing, at once."""

    def lines(self) -> Sequence[dict[str, Any]]:
        """What has arrived, in order."""


def certificate(folder: Path) -> None:
    """Write `ca.crt`, `tls.crt` and `tls.key` for localhost and 127.0.0.1."""
    made = tls.make(["localhost"], now=dt.datetime.now(dt.UTC))
    (folder / "ca.crt").write_bytes(made.ca)
    (folder / "tls.crt").write_bytes(made.certificate)
    write_private(folder / "tls.key", made.key, replace=True)


def server_tls(folder: Path) -> ssl.SSLContext:
    """TLS of a server that shows what `certificate` wrote."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


def _parsed(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines() if line.strip()]


class FileReceiver:
    """A file that is a folder while it is dead. It is rotated after each 20 kilobytes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "audit.jsonl"
        self.target: Target = FileTarget(self._path, max_bytes=20_000, keep=1_000)

    def start(self) -> None:
        with locked(self._path):  # m8 writes nothing in between
            if self._path.is_dir():
                self._path.rmdir()
                if self._aside.exists():
                    self._aside.rename(self._path)

    def die(self) -> None:
        if self._path.exists():
            self._path.rename(self._aside)
        self._path.mkdir()

    def lines(self) -> Sequence[dict[str, Any]]:
        moved = sorted(self._path.parent.glob("audit.jsonl.*"), key=lambda path: -int(path.suffix[1:]))
        found = [*moved, *(path for path in (self._path, self._aside) if path.is_file())]
        return [line for path in found for line in _parsed(path.read_bytes())]

    @property
    def _aside(self) -> Path:
        return self._path.with_name("aside")


class Rsyslog:
    """A real rsyslog, killed when it dies.

    It has its files open before a connection comes: rsyslog 8.2504 closes the socket of a TLS connection twice, and the
    second time it can be a file that another thread has just opened, in which lines are lost then.
    """

    def __init__(self, folder: Path) -> None:
        program = needed("rsyslogd", "rsyslog rsyslog-openssl")
        self._folder = folder
        self._port = free_port()
        certificate(folder)
        settings = folder / "rsyslog.conf"
        settings.write_text(_RSYSLOG.format(folder=folder, port=self._port))
        self.target: Target = SyslogTarget(HostPort("localhost", self._port), TlsFiles(ca_file=folder / "ca.crt"))
        self._part = Part(
            "rsyslog",
            [program, "-n", "-f", str(settings), "-i", str(folder / "rsyslog.pid")],
            log=folder / "rsyslog.out",
            folder=folder,
            environment={"PATH": os.environ["PATH"]},
        )

    def start(self) -> None:
        self._part.start()
        self._part.wait_for(lambda: listens(f"127.0.0.1:{self._port}"))
        before = self._written()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(_EMPTY, ("127.0.0.1", self._port))
        self._part.wait_for(lambda: all(now > then for now, then in zip(self._written(), before, strict=True)))

    def _written(self) -> list[int]:
        paths = (self._folder / "audit.log", self._folder / "raw.log")
        return [path.stat().st_size if path.exists() else 0 for path in paths]

    def die(self) -> None:
        self._part.kill()

    def lines(self) -> Sequence[dict[str, Any]]:
        path = self._folder / "audit.log"
        return _parsed(path.read_bytes()) if path.exists() else []

    def raw(self) -> list[str]:
        return [line for line in (self._folder / "raw.log").read_text().splitlines() if line.encode() != _EMPTY]


class Webhook:
    """An HTTPS server that takes what has the right MAC."""

    def __init__(self, folder: Path) -> None:
        certificate(folder)
        self._folder = folder
        self._port = free_port()
        self._secret = secrets.token_hex(32).encode()
        self._bodies: list[bytes] = []
        self._lives = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        write_private(folder / "secret", self._secret + b"\n")
        self.target: Target = WebhookTarget(
            HostPort("localhost", self._port), "/m8", folder / "secret", TlsFiles(ca_file=folder / "ca.crt")
        )

    def start(self) -> None:
        taken, secret = self._bodies, self._secret
        lives = self._lives = threading.Event()
        lives.set()

        class Taking(Handler):
            def answer(self) -> None:
                body = self.body()
                if not lives.is_set():  # a connection that was kept
                    self.close_connection = True
                    return
                signed = (self.headers["Monoskope-Audit-Time"], self.headers["Monoskope-Audit-Positions"])
                message = b"\0".join((b"m8/audit/v1", *(part.encode() for part in signed), body))
                right = hmac.new(secret, message, hashlib.sha256).hexdigest()
                is_right = hmac.compare_digest(right, self.headers["Monoskope-Audit-Mac"])
                if is_right:
                    taken.append(body)
                self.reply(204 if is_right else 403)

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Taking)
        self._server.socket = server_tls(self._folder).wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def die(self) -> None:
        if self._server is not None:
            self._lives.clear()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def lines(self) -> Sequence[dict[str, Any]]:
        return [line for body in list(self._bodies) for line in _parsed(body)]


RECEIVERS: Mapping[str, Callable[[Path], Receiver]] = {"file": FileReceiver, "syslog": Rsyslog, "webhook": Webhook}
