"""A company with everything at once: two m8 on one PostgreSQL, witnesses with a quorum, logins, and signed requests.

All parts are real. Played is the person at the browser of the login.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from monoskope.m8.tree import key_file
from monoskope.settings import write_private
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.cluster.replicas import ReplicaCluster
from monoskope.testing.engines.litewitness import Litewitness
from monoskope.testing.engines.openssh import make_key
from monoskope.testing.engines.postgres import Postgres
from tests.support import issuers, openid_provider
from tests.faults.parts import database_settings
from tests.support.company import ANNA, home_of, log_in, serve_signed
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider
from tests.support.quick_cluster import JOBS
from tests.support.witness_servers import WitnessServer, real_witness

BUILDS = "builds"
"""The build job, for m8, and for the list of the store."""

RIGHTS = ("--right", "put", "--right", "see-hash")


@dataclass
class Company:
    """All of it."""

    folder: Path
    cluster: ReplicaCluster
    postgres: Postgres
    database: str
    provider: OpenIdProvider
    witnesses: list[tuple[Litewitness, WitnessServer]]
    pipeline: dict[str, str] = field(default_factory=dict)
    """The settings file of the pipeline."""

    def vkeys(self) -> list[str]:
        """Return the log's keys, as they are published."""
        return self.cluster.must("m8", "log", "key", "--dir", "m8").out.split()

    def publish(self, vkeys: list[str]) -> None:
        """Let the witnesses take the log with these keys, and the pipeline believe it."""
        for witness, _ in self.witnesses:
            witness.know(vkeys[0].partition("+")[0], vkeys[0])
        self.pipeline["log_vkeys"] = " ".join(vkeys)

    def lay_out(self) -> None:
        """Make the folders of both m8: the second one signs, too."""
        cluster = self.cluster
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        file = self.folder / "m8" / "m8.toml"
        (self.folder / "jobs.json").write_bytes(issuers.jwks(issuers.jwk(issuers.rsa_key(), "a")))
        rule = {"match": {}, "name_claim": "sub"}
        people: dict[str, object] = {"name": "corp", "issuer": self.provider.issuer, "audience": CLIENT_ID}
        people |= {"ca_file": str(self.provider.ca_file)}
        jobs = {"name": "jobs", "issuer": JOBS, "audience": "m8", "jwks_file": str(self.folder / "jobs.json")}
        tables = [
            {"url": server.url, "vkey": witness.vkey, "ca_file": str(server.ca_file)}
            for witness, server in self.witnesses
        ]
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        table |= {"log": {"checkpoint_every_s": 0.5}, "quorum": len(tables), "witness": tables}
        people |= {"rules": [rule | {"groups": "groups"}]}
        table["issuers"] = [people, jobs | {"once": False, "rules": [rule]}]
        write_private(file, tomli_w.dumps(table).encode(), replace=True)
        cluster.lay_out()
        self.share_log_key()

    def share_log_key(self) -> None:
        """Copy the log's keys to the second m8, as the documentation says."""
        shutil.copy2(self.folder / "m8" / key_file.FILE, self.folder / "m8-2" / key_file.FILE)

    def hire(self, name: str) -> User:
        """Make somebody's home, with a key to sign with, and let them log in."""
        key, provider = str(self.folder / "keys" / name), self.provider
        user = home_of(self.cluster, name, provider.issuer, CLIENT_ID, provider.ca_file, signing_key=key)
        log_in(user, openid_provider.User(provider, name).sign_in)
        return user

    def build(self, path: str) -> Ran:
        """Put as a build job: with a token of its own, and a home in which nothing but its settings is."""
        home = Path(tempfile.mkdtemp(prefix="job-", dir=self.folder))
        settings = home / ".config" / "monoskope"
        settings.mkdir(parents=True)
        write_private(settings / "config.toml", tomli_w.dumps(self.pipeline).encode())
        claims = {"iss": JOBS, "aud": "m8", "sub": BUILDS, "iat": issuers.now_s(), "exp": issuers.now_s() + 600}
        environment = {
            "HOME": str(home),
            "MONOCTL_ID_TOKEN": issuers.minted(claims),
            "MONOCTL_LOGIN_AUDIENCE": "m8",
            "MONOCTL_SIGNING_KEY": str(self.folder / "keys" / BUILDS),
            "MONOCTL_STORE_IDENTITY": f"vault={self.cluster.identities['vault']}",
        }
        words = ("put", "secret", f"vault://app/{path}", "--from-file", "password=-", "-o", "json")
        return self.cluster.run("monoctl", *words, input=path.encode(), environment=environment)

    def upstream(self, path: str) -> str:
        """Return what OpenBao itself holds."""
        data = self.cluster.bao.call("GET", f"{MOUNT}/data/{PREFIX}/app/{path}")["data"]["data"]
        return str(data["password"])

    def status(self, folder: str) -> dict[str, Any]:
        """Return what `m8 log status` says in a folder."""
        [row] = self.cluster.must("m8", "log", "status", "--dir", folder, "-o", "json").json()
        return dict(row)

    def head(self) -> int:
        """Return how many events are recorded."""
        return int(self.status("m8")["events"])

    def sealed(self) -> int:
        """Return how many sealed secrets m8 was given. Keys are asked for while the log is looked at."""
        events = self.cluster.must("m8", "events", "--dir", "m8", "--limit", "10000", "-o", "json").json()
        return sum(event["type"] == "SecretUploadRequested" for event in events)


@contextlib.contextmanager
def everything(folder: Path) -> Iterator[Company]:
    """Start all of it in an empty folder."""
    keys, provider = folder / "keys", folder / "provider"
    keys.mkdir()
    provider.mkdir()
    with contextlib.ExitStack() as last:
        postgres = last.enter_context(Postgres(fsync=False))
        database = postgres.create_database()
        where = database_settings(postgres.target(database), folder)
        witnesses = [last.enter_context(real_witness(folder, f"witness.example/{name}")) for name in ("one", "two")]
        issuer = last.enter_context(openid_provider.running(provider))
        cluster = last.enter_context(ReplicaCluster(folder, count=2, settings=where))
        found = Company(folder, cluster, postgres, database, issuer, witnesses)
        found.lay_out()
        found.pipeline = {
            "server": cluster.dialled,
            "ca_file": str(folder / "m8" / "ca.crt"),
            "log_witnesses": " ".join(witness.vkey for witness, _ in witnesses),
            "log_quorum": "2",
        }
        found.publish(found.vkeys())
        cluster.start_m8()
        cluster.start_openbao()
        for name in ("anna", BUILDS):
            make_key(keys / name)
        serve_signed(cluster, {ANNA: [keys / "anna.pub"], BUILDS: [keys / f"{BUILDS}.pub"]})
        for name, member in (("platform", "group:corp:platform"), (BUILDS, f"user:jobs:{BUILDS}")):
            words = ("--role", "user", "--member", member, "--prefix", "vault://app", *RIGHTS)
            cluster.must("m8", "role-binding", "create", name, "--dir", "m8", *words)
        yield found
