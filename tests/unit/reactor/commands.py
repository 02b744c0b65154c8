"""`m8 reactor …` as an operator types it, and what `m8 reactor init` must be given for each kind of engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from click.testing import CliRunner, Result

from monoskope.protocol.identity import check_shown
from monoskope.reactor import cli
from tests.support import warm

GIVEN = {
    "aws-secretsmanager": ["region=eu-central-1"],
    "aws-ssm": ["region=eu-central-1"],
    "barbican": ["address=https://b.example:9311", "auth.auth_url=https://k.example:5000/v3", "auth.id=a"],
    "mariadb-account": ["host=db.example:3306", "user=m8"],
    "pass": ["folder=passwords"],
    "postgresql-account": ["hosts=a.example:5432,b.example:5432", "user=m8"],
    "rabbitmq-account": ["address=https://r.example:15671", "user=m8"],
    "redis-account": ["nodes=a.example:6379", "user=m8"],
    "vault": ["address=https://127.0.0.1:8200", "auth.role_id=12345"],
    "vault-kv1": ["address=https://127.0.0.1:8200", "auth.role_id=12345"],
}
"""What an administrator must give, by kind."""


def given(kind: str) -> list[str]:
    """Return the options that give it."""
    accounts = ["--account", "orders_*"] if kind.endswith("-account") else []
    return [*(word for one in GIVEN.get(kind, ()) for word in ("--set", one)), *accounts]


def typed(*words: object, answers: str = "") -> Result:
    return CliRunner().invoke(cli._group, [str(word) for word in words], input=answers, prog_name="m8 reactor")


def process(*words: object, given: str = "") -> subprocess.CompletedProcess[str]:
    return warm.typed("m8", "reactor", *words, given=given)


def ends(done: subprocess.CompletedProcess[str], code: int, *said: str) -> subprocess.CompletedProcess[str]:
    """Check with which exit code a command ended, and that it said all this; return it."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert all(text in done.stderr for text in said), done.stderr
    return done


def init(folder: Path, *words: str, kind: str = "age", server: str = "localhost:7443") -> str:
    ca_file = folder.parent / "ca.crt"
    done = typed("init", folder, "--store", "local", "--server", server, "--ca-file", ca_file, "--type", kind, *words)
    assert done.exit_code == 0, done.output
    return check_shown(done.output.splitlines()[-1])
