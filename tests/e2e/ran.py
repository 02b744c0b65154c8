"""What tests ask of a program that ran, and `monoctl` inside the test's own process, without a start for each case."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Self

from click.testing import CliRunner

from monoskope.monoctl.main import cli
from monoskope.protocol.grant import Grant, open_grant
from monoskope.protocol.request import Request
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.cluster.commands import User as ClusterUser
from tests.e2e.conftest import Team
from tests.support.m8_user import User

UPLOADED = [
    "SecretUploadKeyRequested",
    "SecretUploadKeyProvided",
    "SecretUploadRequested",
    "SecretUploadStarted",
    "SecretUploaded",
]
BEGUN = UPLOADED[:-1]
"""Those of each request that writes, until its end."""


def ok(ran: Ran) -> Ran:
    assert ran.code == 0, ran.err
    return ran


def refused(ran: Ran, code: int) -> str:
    """The error's message, once it is one with that exit code. Notes may stand before it, e.g. of a first look."""
    assert ran.code == code, (ran.code, ran.out, ran.err)
    error = json.loads(ran.err.splitlines()[-1])["error"]
    assert error["exit_code"] == code
    assert error["fix"]
    return str(error["message"])


def upstream(cluster: Cluster, team: Team, path: str = "db") -> dict[str, str]:
    """What OpenBao's own command line reads."""
    ran = cluster.run_bao("kv", "get", f"-mount={MOUNT}", "-format=json", "-field=data", f"{PREFIX}/{team.name}/{path}")
    found: dict[str, str] = ok(ran).json()
    return found


def theirs(team: Team, value: str = "x", path: str = "db") -> None:
    ok(team.cluster.run_bao("kv", "put", f"-mount={MOUNT}", f"{PREFIX}/{team.name}/{path}", f"password={value}"))


def inside(user: ClusterUser, *words: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Ran:
    """Run `monoctl` as a person of the cluster; errors come as JSON if the words ask for it."""
    home = str(user.home)
    given = {"HOME": home, "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None, **(environment or {})}
    result = CliRunner().invoke(cli, words, input=stdin, env=given)
    assert "Traceback" not in result.output
    return Ran(user.name, ("monoctl", *words), result.exit_code, result.stdout, result.stderr)


def put_inside(user: ClusterUser, *words: str, value: bytes = b"correct horse") -> Ran:
    return inside(user, "put", "secret", *words, "--from-file", "password=-", "-o", "json", stdin=value)


class Caller(User):
    """A caller who says what no client of ours would send."""

    @classmethod
    def of(cls, cluster: Cluster, user: ClusterUser, *, token: str | None = None) -> Self:
        """A caller with the user's token, or with another one; "" for none."""
        tls = ssl.create_default_context(cafile=cluster.folder / "m8" / "ca.crt")
        return cls(cluster.server, user.token_file.read_text().strip() if token is None else token, tls=tls)

    async def granted(self, request: Request, identity: str) -> Grant:
        """Request a key, wait for it, and open the grant."""
        answer = await self.key(await self.ask(request))
        return open_grant(answer.grant, identity=identity, request=request.content, subject=None)
