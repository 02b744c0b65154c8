"""What tests ask of a program that ran, and the events of an upload."""

from __future__ import annotations

import json

from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.cluster.commands import Ran
from tests.e2e.conftest import Team

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
    """Write past m8, as somebody else would."""
    ok(team.cluster.run_bao("kv", "put", f"-mount={MOUNT}", f"{PREFIX}/{team.name}/{path}", f"password={value}"))
