"""moto as a server of its own: an emulator of AWS, which nothing here can be tested against for real.

It keeps everything in memory: what was in it is gone after `kill`. It enforces few of AWS's limits, checks no policy
and no credential. It comes with the development environment (`moto`, `flask`, `flask-cors`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monoskope.testing.parts import Part, Server, free_port, listens

REGION = "eu-central-1"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "an-emulator-takes-any",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""An environment in which the SDK finds credentials for the emulator, and no others."""

_SERVER = """
import logging, threading
from moto import backends, server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication as Application

names = tuple(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: names  # else it lists a folder of two hundred for each request
logging.getLogger("werkzeug").setLevel(logging.WARNING)
alone, answer = threading.Lock(), Application.__call__

def answer_alone(*request):
    with alone:
        return answer(*request)

Application.__call__ = answer_alone
server.main()
"""
"""moto's own server, in a third less time: it logs no line for each request.

It does one request after the other: AWS gives no version twice, and moto would where two write at once.
"""


class Moto(Server):
    """One emulator on a free port of 127.0.0.1 that stays the same over restarts. Usable as a context manager.

    Args:
        folder: Its own; made if it is missing.
        tls: Folder with `tls.crt` and `tls.key`, PEM, for 127.0.0.1; None for plain HTTP.
    """

    def __init__(self, folder: Path, *, tls: Path | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = free_port()
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
        files = () if tls is None else ("-c", str(tls / "tls.crt"), "-k", str(tls / "tls.key"))
        self._clients: dict[str, Any] = {}
        self._part = Part(
            "moto",
            [sys.executable, "-c", _SERVER, "-H", "127.0.0.1", "-p", str(port), *files],
            log=folder / "moto.log",
            folder=folder,
            environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)},
        )

    def _answers(self) -> bool:
        return listens(self.url.partition("://")[2])

    def client(self, service: str) -> Any:  # noqa: ANN401 - the SDK has no types
        """Return the plain SDK client of a service, as people and other programs have."""
        import botocore.session  # noqa: PLC0415 - only those who play AWS have it

        keys: Mapping[str, str] = {
            "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }
        if service not in self._clients:
            session = botocore.session.Session()
            self._clients[service] = session.create_client(service, region_name=REGION, endpoint_url=self.url, **keys)
        return self._clients[service]
