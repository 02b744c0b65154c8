"""A cluster for many tests, each of which has users of its own and looks into the log."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from monoskope.m8.cli.access import create_token, role_binding
from monoskope.m8.cli.events import events
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from tests.support import issuers

JOBS = "https://jobs.example.com"
"""An issuer whose tokens are exchanged until they end, as a job of GitLab has one for its whole life."""

PAGE = "https://app.example.org"
"""The origin of web pages that may call m8."""

ISSUER = f"""
[[issuers]]
name = "corp"
issuer = "{issuers.ISSUER}"
audience = "m8"
jwks_file = "issuer-keys.json"

[[issuers.rules]]
match = {{}}
name_claim = "sub"

[[issuers]]
name = "jobs"
issuer = "{JOBS}"
audience = "m8"
jwks_file = "issuer-keys.json"
once = false

[[issuers.rules]]
match = {{}}
name_claim = "sub"
"""


LOG = """
[log]
checkpoint_every_s = 0.5
"""
"""So that nobody waits long for a proof."""


class QuickCluster(Cluster):
    """A cluster whose tokens are made by the code of `m8 token create`, in this process, which has loaded it already.

    A process that loads it for each token would take forty times as long. That the program does the same is what
    tests of a plain `Cluster` show.
    """

    def start_m8(self) -> None:
        """Start m8. If its folder is laid out already, it knows the issuer of `tests.support.issuers`, and `PAGE`."""
        file = self.folder / "m8" / "m8.toml"
        if file.exists() and "[[issuers]]" not in (text := file.read_text(encoding="utf-8")):
            (self.folder / "m8" / "issuer-keys.json").write_bytes(issuers.jwks(issuers.jwk(issuers.rsa_key(), "a")))
            log = "" if "[log]" in text else LOG
            write_private(file, f'origins = ["{PAGE}"]\n{text}\n{ISSUER}\n{log}'.encode(), replace=True)
        super().start_m8()

    def make_token(self, subject: str, *options: str, out: Path) -> None:
        """Write a new token, as `Cluster.make_token` does. Also where an event loop runs."""
        words = ["--dir", str(self.folder / "m8"), "--subject", subject, *options, "--out", str(out)]
        with ThreadPoolExecutor(1) as one:
            one.submit(create_token.main, words, standalone_mode=False).result()

    def bind(self, name: str, *options: str) -> None:
        words = ["--dir", str(self.folder / "m8"), name, *options]
        with ThreadPoolExecutor(1) as one:
            one.submit(role_binding.main, ["create", *words], standalone_mode=False).result()


def events_of(cluster: Cluster, stream: str) -> list[dict[str, Any]]:
    """Return what `m8 events --stream` prints, by its code in this process. Also where an event loop runs."""
    words = ["--dir", str(cluster.folder / "m8"), "--stream", stream, "-o", "json"]

    def run() -> Result:
        return CliRunner().invoke(events, words, catch_exceptions=False)

    with ThreadPoolExecutor(1) as one:
        ran = one.submit(run).result()
    assert ran.exit_code == 0, ran.output
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found
