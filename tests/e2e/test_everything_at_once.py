"""A company with everything at once: two m8 on one PostgreSQL, witnesses with a quorum, logins, and signed requests.

All parts are real; the user at the browser of the login is played. Its log is renewed, one m8 is killed, and then the
database is put back: clients that pinned a later note stop.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from monoskope.client import KeySigner, SyncClient
from monoskope.errors import LogMismatchError
from monoskope.m8.tree import key_file
from monoskope.settings import write_private
from monoskope.testing.cluster import MOUNT, PREFIX, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.cluster.replicas import ReplicaCluster
from monoskope.testing.engines.litewitness import Litewitness
from monoskope.testing.engines.openssh import make_key
from monoskope.testing.engines.postgres import ADMIN, Postgres, run
from monoskope.testing.parts import wait_until
from tests.e2e.ran import ok
from tests.faults.parts import database_settings
from tests.support import issuers, openid_provider
from tests.support.company import ANNA, home_of, log_in, serve_signed
from tests.support.console import Console
from tests.support.console_calls import Page, value
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider
from tests.support.operations import address_of as operations_of
from tests.support.operations import asked, samples
from tests.support.quick_cluster import JOBS
from tests.support.witness_servers import WitnessServer, real_witness

BUILDS = "builds"
"""The build job, for m8, and for the list of the store."""

RIGHTS = ("--right", "put", "--right", "see-hash")


@dataclass
class Company:
    folder: Path
    cluster: ReplicaCluster
    postgres: Postgres
    database: str
    provider: OpenIdProvider
    witnesses: list[tuple[Litewitness, WitnessServer]]
    pipeline: dict[str, str] = field(default_factory=dict)
    """The settings file of the pipeline."""

    def vkeys(self) -> list[str]:
        return self.cluster.must("m8", "log", "key", "--dir", "m8").out.split()

    def publish(self, vkeys: list[str]) -> None:
        """Let the witnesses take the log with these keys, and the pipeline believe it."""
        for witness, _ in self.witnesses:
            witness.know(vkeys[0].partition("+")[0], vkeys[0])
        self.pipeline["log_vkeys"] = " ".join(vkeys)

    def lay_out(self) -> None:
        """Make the folders of both m8: the second one signs, too."""
        cluster = self.cluster
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
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
        people |= {"rules": [rule | {"groups": "groups"}]}
        with editing(file) as table:
            table |= {"log": {"checkpoint_every_s": 0.5}, "quorum": len(tables), "witness": tables}
            table["issuers"] = [people, jobs | {"once": False, "rules": [rule]}]
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
        data = self.cluster.bao.call("GET", f"{MOUNT}/data/{PREFIX}/app/{path}")["data"]["data"]
        return str(data["password"])

    def status(self, folder: str) -> dict[str, Any]:
        [row] = self.cluster.must("m8", "log", "status", "--dir", folder, "-o", "json").json()
        return dict(row)

    def head(self) -> int:
        return int(self.status("m8")["events"])

    def sealed(self) -> int:
        """Return how many sealed secrets m8 was given. Keys are asked for while the log is looked at."""
        events = self.cluster.must("m8", "events", "--dir", "m8", "--limit", "10000", "-o", "json").json()
        return sum(event["type"] == "SecretUploadRequested" for event in events)


@contextlib.contextmanager
def everything(folder: Path) -> Iterator[Company]:
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


pytestmark = pytest.mark.soak

LOG_MISMATCH = 18


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with everything(tmp_path_factory.mktemp("company")) as found:
        yield found


class Anna:
    """Somebody who puts in every way that there is."""

    def __init__(self, company: Company, patch: pytest.MonkeyPatch) -> None:
        self.company = company
        self.user = company.hire("anna")
        patch.setenv("HOME", str(self.user.home))
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.delenv(name, raising=False)

    def put(self, path: str) -> Ran:
        words = ("put", "secret", f"vault://app/{path}", "--from-file", "password=-", "-o", "json", "--timeout", "60")
        return self.user.monoctl(*words, input=path.encode())

    def put_by_program(self, path: str) -> str:
        """Put by the SDK, and return who signed."""
        with SyncClient(signer=KeySigner(str(self.company.folder / "keys" / "anna"))) as client:
            return client.put_secret(f"vault://app/{path}", {"password": path.encode()}).signer

    def put_in_page(self, page: Page, path: str) -> dict[str, Any]:
        return page.send("put", {"uris": [f"vault://app/{path}"]}, [value("password", path.encode())]).document

    def log(self) -> dict[str, Any]:
        found: dict[str, Any] = ok(self.user.monoctl("get", "log", "-o", "json")).json()
        return found

    def waits_for_quorum(self) -> dict[str, Any]:
        """Wait until witnesses have cosigned all that is recorded, and return the log, which is pinned then."""
        head = self.company.head()
        wait_until(lambda: self.log()["witnessed_size"] >= head, what="a quorum has cosigned all", seconds=120)
        return self.log()


@contextlib.contextmanager
def console_of(user: User) -> Iterator[Page]:
    with Console(user) as console:
        found = re.fullmatch(r"http://127.0.0.1:(\d+)/#(\S+)", console.address())
        assert found
        page = Page(int(found[1]))
        assert page.begin(found[2]).status == 200
        with contextlib.closing(page.live()) as live:  # a page without it counts as closed
            next(live)
            yield page


def test_everything_holds_together(company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    anna = Anna(company, monkeypatch)
    anna.waits_for_quorum()
    with console_of(anna.user) as page:
        all_put(anna, page)
        proven(anna, tmp_path / "put.tlog-proof")
        renewed(anna, page)
        one_is_killed(anna, page)
        rolled_back(anna, page)


def all_put(anna: Anna, page: Page) -> None:
    """Everybody puts in a way of their own, signed with a key of their own."""
    company = anna.company
    assert ok(anna.put("terminal")).json()["outcome"] == "UPLOADED"
    assert anna.put_by_program("program") == ANNA
    assert uploaded(anna.put_in_page(page, "page"))
    built = ok(company.build("build"))
    assert "nothing is held" not in built.err
    for path in ("terminal", "program", "page", "build"):
        assert company.upstream(path) == path


def proven(anna: Anna, file: Path) -> None:
    """What anna put is proven to somebody who reaches no server and knows published keys alone."""
    company = anna.company
    put = ok(anna.put("proven")).json()
    anna.waits_for_quorum()
    ok(anna.user.monoctl("get", "upload", put["request_id"], "--proof", str(file)))
    words = [f"--log-vkey={key}" for key in company.vkeys()]
    words += [f"--witness={witness.vkey}" for witness, _ in company.witnesses]
    words += ["--quorum=2", f"--store-identity=vault={company.cluster.identities['vault']}", "-o", "json"]
    said = ok(
        company.cluster.run("monoctl", "verify", "proof", str(file), *words, environment={"HOME": str(file.parent)})
    ).json()
    assert (said["uri"], said["outcome"], said["hash"]) == ("vault://app/proven", "UPLOADED", put["hash"])
    assert said["signer"] == ANNA
    assert said["witnessed_at"]


def renewed(anna: Anna, page: Page) -> None:
    """The log's keys are renewed: nobody puts until they have accepted that, each in a way of their own."""
    company, before = anna.company, anna.waits_for_quorum()
    company.cluster.must("m8", "log", "renew", "--dir", "m8", "--reason", "The machine of m8 was stolen.")
    company.share_log_key()
    vkeys = company.vkeys()
    wait_until(lambda: "renewed" in anna.user.monoctl("get", "log").err, what="m8 shows the renewed log")
    sealed = company.sealed()
    stopped = anna.put("renewed")
    assert (stopped.code, stopped.out) == (LOG_MISMATCH, "")
    assert "The machine of m8 was stolen." in stopped.err
    assert stops_in_page(anna, page, "renewed") == "LOG_MISMATCH"
    assert company.build("renewed").code == LOG_MISMATCH
    assert company.sealed() == sealed
    company.publish(vkeys)
    ok(anna.user.monoctl("accept-log", "--origin", vkeys[0].partition("+")[0]))
    ok(anna.put("renewed"))
    assert anna.put_by_program("renewed-program") == ANNA
    assert uploaded(anna.put_in_page(page, "renewed-page"))
    assert anna.waits_for_quorum()["origin"] != before["origin"]
    ok(company.build("renewed"))


def uploaded(answer: dict[str, Any]) -> bool:
    [row] = answer["results"]
    assert "done" in row, row
    return bool(row["done"]["outcome"] == "UPLOADED")


def stops_in_page(anna: Anna, page: Page, path: str) -> str:
    """Return why a put in the page is refused once the console has looked again, as it does every ten seconds."""
    wait_until(lambda: bool(page.call("whoami").document["away"]), what="the console has looked at the log")
    answer = anna.put_in_page(page, path)
    failure = answer["error"] if "error" in answer else answer["results"][0]["failed"]
    assert len(failure["notes"]) == 2
    return str(failure["code"])


def one_is_killed(anna: Anna, page: Page) -> None:
    """The first m8 dies: all go on with the other one, which signs in its place."""
    company = anna.company
    company.cluster.m8s[0].kill()
    ok(anna.put("survivor"))
    assert uploaded(anna.put_in_page(page, "survivor-page"))
    anna.waits_for_quorum()
    ok(company.build("survivor"))
    assert company.upstream("survivor") == "survivor"


def rolled_back(anna: Anna, page: Page) -> None:
    """The database is put back to a backup: who had pinned a later note is stopped, and both m8 say what is wrong."""
    company, postgres = anna.company, anna.company.postgres
    company.cluster.start_one(0)
    where = ("-h", str(postgres.folder), "-p", str(postgres.port), "-U", ADMIN)
    backup = str(postgres.folder / "backup")
    run("pg_dump", *where, "-Fc", "-f", backup, company.database)
    ok(anna.put("lost"))
    size = anna.waits_for_quorum()["size"]
    for folder in ("m8", "m8-2"):
        wait_until(functools.partial(has_followed, company, folder, size), what=f"{folder} has written that note down")
    for m8 in company.cluster.m8s:
        m8.stop()
    postgres.drop_database(company.database)
    postgres.create_database(company.database)
    run("pg_restore", *where, "-d", company.database, backup)
    for number in range(2):
        company.cluster.start_one(number)

    sealed = company.sealed()
    stopped = anna.put("rolled")
    assert (stopped.code, stopped.out) == (LOG_MISMATCH, ""), stopped.err
    with pytest.raises(LogMismatchError, match="does not show its log as far as it did before") as caught:
        anna.put_by_program("rolled")
    assert len(caught.value.notes) == 2
    assert stops_in_page(anna, page, "rolled") == "LOG_MISMATCH"
    assert company.sealed() == sealed
    for folder in ("m8", "m8-2"):
        says_why(company, folder)


def has_followed(company: Company, folder: str, size: int) -> bool:
    """Whether an m8 remembers, outside of the database, a checkpoint that large."""
    return int(company.status(folder)["log_checkpoint"]) >= size


def says_why(company: Company, folder: str) -> None:
    """`m8 log status`, metrics and health agree."""
    assert "m8 log renew" in company.status(folder)["trouble"]
    address = operations_of(company.folder / folder)
    assert samples(asked(address, "/metrics")[1])["m8_log_signing_stopped", frozenset()] == 1
    assert b"signing stopped: m8 log status" in asked(address, "/readyz")[1]
