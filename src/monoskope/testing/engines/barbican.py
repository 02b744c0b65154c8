"""A real OpenStack Barbican in a folder: TLS, SQLite, the `simple_crypto` plugin, no Keystone. Only for tests.

It runs as an operator would run it, as a WSGI application under gunicorn, but unauthenticated: a project is whoever
says so. It needs the packages `barbican` and `gunicorn`, which the development environment has.
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from monoskope.errors import Error
from monoskope.testing.engines import barbican_files as files
from monoskope.testing.engines.openbao_files import CA
from monoskope.testing.parts import Part, Server, free_port, program

_HOST = "127.0.0.1"


class BarbicanError(Error):
    """Barbican refused an administrative request, or did not answer it."""


class Barbican(Server):
    """One server, in `folder`, on a free port of 127.0.0.1 that stays the same over restarts.

    Laid out on construction, running between `start` and `stop`. Usable as a context manager.

    Args:
        folder: An empty or missing folder, or one that a `Barbican` used before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.project = "project-1"
        """The project whose secrets the methods below see."""
        files.prepare(self.folder, free_port())
        self._bind = f"{_HOST}:{(self.folder / files.PORT).read_text(encoding='ascii')}"
        self.address = f"https://{self._bind}"
        self.ca_file = self.folder / CA
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca_file)),
        )
        self._part = Part(
            "Barbican",
            [program("gunicorn"), *self._options(), f"{files.APP.removesuffix('.py')}:application"],
            log=self.folder / files.SERVER_LOG,
            folder=self.folder,
            environment={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)},
        )

    def _options(self) -> list[str]:
        options = {"bind": self._bind, "certfile": "server.pem", "keyfile": "server.key", "workers": "1"}
        return [f"--{name}={value}" for name, value in options.items()] + ["--threads=4", "--no-control-socket"]

    def __repr__(self) -> str:
        return f"<Barbican {self.address} in {self.folder}>"

    def _answers(self) -> bool:
        try:
            self.call("GET", "secrets?limit=1")
        except BarbicanError:
            return False
        return True

    # --- talking to it ---

    def call(self, method: str, path: str, body: object | None = None) -> dict[str, Any]:
        """Send one API request below `/v1/` and return the JSON that answers, `{}` for an empty answer.

        Raises:
            BarbicanError: it answered with an error, or not at all; its status is in the message.
        """
        headers = {"X-Project-Id": self.project, "Accept": "application/json"}
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        text = self._send(urllib.request.Request(f"{self.address}/v1/{path}", data, headers, method=method))
        result: dict[str, Any] = json.loads(text) if text else {}
        return result

    def payload(self, identifier: str, *, content_type: str = "text/plain") -> bytes:
        """Return the payload of the secret with this id as people read it. Raises `BarbicanError`."""
        headers = {"X-Project-Id": self.project, "Accept": content_type}
        return self._send(
            urllib.request.Request(f"{self.address}/v1/secrets/{quote(identifier)}/payload", None, headers)
        )

    def _send(self, request: urllib.request.Request) -> bytes:
        what = f"{request.get_method()} {request.selector}"
        try:
            with self._opener.open(request, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise BarbicanError(f"Barbican answered {what} with {error.code}.") from None
        except OSError as error:
            raise BarbicanError(f"Barbican did not answer {what}: {type(error).__name__}.") from None

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return what Barbican says of each secret with exactly this name, the oldest first."""
        query = urlencode({"name": name, "limit": 100, "sort": "created:asc"})
        return [one for one in self.call("GET", f"secrets?{query}")["secrets"] if one["name"] == name]

    def create(self, name: str, payload: str, **fields: object) -> str:
        """Store text under `name` as people do, and return the new secret's id."""
        body = {"name": name, "payload": payload, "payload_content_type": "text/plain", **fields}
        return str(self.call("POST", "secrets", body)["secret_ref"]).rpartition("/")[2]

    def remove(self, identifier: str) -> None:
        """Delete one secret by its id. Raises `BarbicanError`."""
        self.call("DELETE", f"secrets/{quote(identifier)}")
