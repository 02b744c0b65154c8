"""A real RabbitMQ in a folder: Debian's `rabbitmq-server`, its management API with TLS, and a log of all that it logs.

Its programs are the system's. A test that is root runs it as the user `nobody`, as it runs PostgreSQL. Erlang's port
mapper is one of its own, which ends with it.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monoskope.errors import UnavailableError
from monoskope.stores.shared.trust import trusting
from monoskope.testing.engines.openbao_files import make_certificate
from monoskope.testing.engines.postgres import user
from monoskope.testing.engines.unprivileged import give, owned_folder
from monoskope.testing.parts import Part, Server, dying_with_us, free_port, listens, needed

_PACKAGE = "rabbitmq-server"
_HOST = "127.0.0.1"
_COMMAND_S = 60.0

ADMIN = "dba"
"""The administrator."""

_SETTINGS = """\
listeners.tcp.1 = {host}:{amqp}
management.ssl.ip = {host}
management.ssl.port = {port}
management.ssl.cacertfile = {folder}/ca.pem
management.ssl.certfile = {folder}/server.pem
management.ssl.keyfile = {folder}/server.key
default_user = {admin}
default_pass = {password}
log.default.level = debug
log.file.level = debug
"""


class RabbitMq(Server):
    """One server on free ports of 127.0.0.1, in a new folder that is removed when its block ends."""

    def __init__(self) -> None:
        # What is found by PATH takes no user but root and its own.
        self._programs = Path(needed(_PACKAGE, _PACKAGE)).resolve().parent
        port_mapper = needed("epmd", _PACKAGE)
        self.folder = owned_folder("m8-rabbitmq-")
        self.ca_file = self.folder / "ca.pem"
        self.port, self.amqp, dist, mapper = (free_port() for _ in range(4))
        """Where the management API listens, and where programs connect."""
        self._password = secrets.token_hex(16)
        make_certificate(self.folder)
        settings = _SETTINGS.format(
            host=_HOST, amqp=self.amqp, port=self.port, folder=self.folder, admin=ADMIN, password=self._password
        )
        (self.folder / "rabbitmq.conf").write_text(settings, encoding="ascii")
        (self.folder / "plugins").write_text("[rabbitmq_management].\n", encoding="ascii")
        for file in self.folder.iterdir():
            give(file)
        self._environment = {
            "PATH": f"{self._programs}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": _HOST,
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_NODENAME": f"m8-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(dist),
            # Threads without work sleep at once: by themselves they spin, which others pay for while it starts.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}"
            " +sbwt none +sbwtdcpu none +sbwtdio none",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            # The script becomes the server, instead of waiting for it.
            "detached": "yes",
        }
        self._mapper = self._made("epmd", [port_mapper, "-address", _HOST, "-port", str(mapper)])
        self._mapper_at = f"{_HOST}:{mapper}"
        self._part = self._made("rabbitmq", [str(self._programs / "rabbitmq-server")])

    def __repr__(self) -> str:
        return f"<RabbitMq on port {self.port} in {self.folder}>"

    def _made(self, name: str, arguments: list[str]) -> Part:
        log = self.folder / f"{name}.log"
        return Part(name, arguments, log=log, folder=self.folder, environment=self._environment, user=user())

    def start(self) -> None:
        """As `Server.start`."""
        self._mapper.start()
        self._mapper.wait_for(lambda: listens(self._mapper_at))
        super().start()

    def _answers(self) -> bool:
        try:
            return self.api("GET", "overview")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def kill(self) -> None:
        """As `Server.kill`."""
        super().kill()
        self._mapper.kill()

    def close(self) -> None:
        """End it, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def api(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the management API as the administrator; return the status and what it says.

        Raises:
            OSError: it does not answer.
        """
        connection = http.client.HTTPSConnection(_HOST, self.port, timeout=30, context=trusting(str(self.ca_file)))
        login = b64encode(f"{ADMIN}:{self._password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, f"/api/{path}", content, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(said) if said else None

    def logged(self) -> bytes:
        """All that RabbitMQ logged and printed so far, down to the level debug."""
        return b"".join(file.read_bytes() for file in (self._part.log, *(self.folder / "log").iterdir()))

    def put_user(self, name: str, **changes: object) -> None:
        """Make a user, or change one, as the administrator: without a password and tags unless they are given.

        Raises:
            UnavailableError: RabbitMQ refuses.
        """
        wanted = ({} if "password" in changes else {"password_hash": ""}) | {"tags": []} | changes
        status, said = self.api("PUT", f"users/{name}", wanted)
        if status not in {http.HTTPStatus.CREATED, http.HTTPStatus.NO_CONTENT}:
            raise UnavailableError(f"rabbitmq refuses: {said}")

    def shell(self, script: str) -> str:
        """Run a shell script that knows `rabbitmqctl`, as the administrator of its machine; return what it says.

        Raises:
            UnavailableError: it fails; holds what it says.
        """
        done = subprocess.run(
            dying_with_us(["/bin/sh", "-e", "-c", script], user=user()),
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
        )
        if done.returncode != 0:
            raise UnavailableError(f"rabbitmqctl refuses: {done.stdout}{done.stderr}")
        return done.stdout

    def logs_in(self, name: str, password: str) -> bool:
        """Whether RabbitMQ lets a program in by that password, over AMQP 0-9-1."""
        with socket.create_connection((_HOST, self.amqp), timeout=30) as connection, connection.makefile("rb") as said:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            _method(said.read)
            # Else it closes some seconds after a refusal, without a word.
            wishes = _text(b"authentication_failure_close", 1) + b"t\x01"
            wishes = _text(b"capabilities", 1) + b"F" + _text(wishes, 4)
            login = _text(b"\x00" + name.encode() + b"\x00" + password.encode(), 4)
            start_ok = b"\x00\x0a\x00\x0b" + _text(wishes, 4) + _text(b"PLAIN", 1) + login + _text(b"en_US", 1)
            connection.sendall(b"\x01\x00\x00" + _text(start_ok, 4) + b"\xce")
            return _method(said.read) == b"\x00\x0a\x00\x1e"  # Tune: it goes on


def _text(content: bytes, size: int) -> bytes:
    return len(content).to_bytes(size, "big") + content


def _method(read: Callable[[int], bytes]) -> bytes:
    """Read one frame, and return the class and the method in it."""
    _, _, size = struct.unpack(">BHI", read(7))
    return read(size + 1)[:4]
