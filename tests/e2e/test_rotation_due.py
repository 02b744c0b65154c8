"""`monoctl rotate secret --due` with the entries, the token and the policy of docs/operate/rotation.md: OpenBao,
PostgreSQL, two reactors and m8."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from monoskope.settings import write_private
from monoskope.testing.cluster import MOUNT, PREFIX, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import needed
from monoskope.testing.ports import free_port
from tests.e2e.accounts import ROLE, Accounts
from tests.e2e.ran import ok
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import keygen

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operate" / "rotation.md").read_text(encoding="utf-8")
DAY_S = 86_400
LATER_S = 300
"""Once late writes of the last round have ended."""
FILE = """
kind: Rotation
secret: vault://orders/db
accounts: [pg://orders_a, pg://orders_b]
recipes: {{url: "text:postgresql://{{username}}:{{password|url}}@db.internal/orders"}}
every: 30d
grace: 12h
{more}
"""
OTHER = """---
kind: Rotation
secret: vault://billing/db
accounts: [pg://orders_c]
"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Due(Accounts):
    """`anna` is the rotation's own user; `auditor` has no key."""

    auditor: User
    operations: str

    def due(self, *words: str, more: str = "", later_s: int = 1, user: User | None = None) -> Ran:
        file = self.cluster.folder / "rotations.yaml"
        file.write_text(FILE.format(more=more), encoding="utf-8")
        signs = () if user else ("--signing-key", str(self.key))
        environment = {"MONOSKOPE_FAILPOINTS": f"m8.clock=shift{later_s:+}"}
        command = ("rotate", "secret", "-f", str(file), *words, *signs, "-o", "json")
        return (user or self.anna).monoctl(*command, environment=environment)

    def check(self, *, more: str = "", later_s: int = 1) -> tuple[int, list[dict[str, Any]]]:
        """What somebody finds who has no key."""
        ran = self.due("--due", "--check", more=more, later_s=later_s, user=self.auditor)
        return ran.code, ran.json()

    def begun(self) -> None:
        """Let a round of each account be over: what m8 knows no receipt of, nobody can verify."""
        if self.check()[1][0]["began_at"] == "":
            ok(self.due("vault://orders/db", "--adopt"))
            ok(self.due("vault://orders/db", "--force", later_s=300))

    def restart(self, store: str) -> None:
        self.cluster.reactors[f"reactor-{store}"].stop()
        self.cluster.start_reactor(store)

    def at_db(self, path: str = "orders/db") -> dict[str, str]:
        ran = self.cluster.run_bao("kv", "get", f"-mount={MOUNT}", "-format=json", "-field=data", f"{PREFIX}/{path}")
        found: dict[str, str] = ok(ran).json()
        return found

    def db_logs_in(self) -> bool:
        there = self.at_db()
        return self.logs_in(there["username"], there["password"])

    def overdue_at_m8(self) -> float:
        with urllib.request.urlopen(f"http://{self.operations}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return sum(float(one) for one in re.findall(r"^m8_rotations_overdue\{[^}]*\} (\S+)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Due]:
    folder = tmp_path_factory.mktemp("due")
    key = keygen(folder / "rotation_key")
    kind, blob, *_ = Path(f"{key}.pub").read_text(encoding="ascii").split()
    operations = f"127.0.0.1:{free_port()}"
    with QuickCluster(folder / "cluster") as cluster, Postgres(fsync=False) as postgres:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        with editing(cluster.folder / "m8" / "m8.toml") as table:
            table["operations_listen"] = operations
        cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        role: dict[str, object] = {
            "hosts": [f"127.0.0.1:{postgres.port}"],
            "user": ROLE,
            "password_file": str(folder / "password"),
            "ca_file": str(postgres.ca_file),
        }
        home = cluster.make_reactor("pg", "postgresql-account", role, accounts="orders_*")
        write_private(folder / "password", b"the-reactors-own-password\n")
        postgres.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'the-reactors-own-password'")
        for name in ("orders_a", "orders_b"):
            postgres.sql(f"CREATE ROLE {name} LOGIN")
        cluster.share_fingerprint_key("reactor-vault", home.name)
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
        rotation = f'rotation namespaces="request@monoskope" {kind} {blob}'
        allowed = {"reactor-vault": [rotation, copies], home.name: [copies]}
        for (name, lines), block in zip(allowed.items(), blocks("toml"), strict=True):
            add(cluster.folder / name, lines, block, cluster.identities)
        postgres.sql(cluster.must("m8", "reactor", "policy", home.name).out)
        for store in ("vault", "pg"):
            cluster.add_store(store)
            cluster.start_reactor(store)
        prefixes, rights = rights_of_the_page()
        anna = cluster.add_user("rotation", prefixes=prefixes, rights=rights)
        auditor = cluster.add_user("auditor", prefixes=prefixes, rights=["compare", "see-hash"])
        yield Due(cluster, anna, postgres, key, auditor, operations)


def add(home: Path, lines: list[str], block: str, identities: dict[str, str]) -> None:
    """Add what the page shows to a reactor's settings."""
    write_private(home / "allowed_signers", "".join(f"{line}\n" for line in (*lines, "# end")).encode(), replace=True)
    shown = tomllib.loads(block)
    for copy in shown.get("copy", []):
        copy["identity"] = identities[copy["to"]]
    with editing(home / "reactor.toml") as table:
        table.update(shown)
        table["timings"] = {"linger": 0.0}


def rights_of_the_page() -> tuple[list[str], list[str]]:
    (line,) = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("m8 token create")]
    words = shlex.split(line)
    pairs = list(itertools.pairwise(words))
    return [of for name, of in pairs if name == "--prefix"], [of for name, of in pairs if name == "--right"]


def test_the_reactors_show_the_entries_as_the_page_does(made: Due) -> None:
    for home, shown in zip(("reactor-vault", "reactor-pg"), blocks("text"), strict=True):
        said = made.cluster.must("m8", "reactor", "check", home).out.splitlines()
        assert [line for line in shown.splitlines() if line not in said] == []
        assert [line for line in said if " may " in line and line not in shown.splitlines()] == []


def test_a_file_is_rotated_when_it_is_due_and_checked_by_who_has_no_key(made: Due) -> None:
    code, (never,) = made.check()
    assert (code, never["outcome"], never["began_at"]) == (12, "OVERDUE", "")
    refused = made.due("--due")
    assert (refused.code, refused.json()[0]["outcome"]) == (6, "FAILED")
    assert "never rotated" in refused.err
    # Forty days ago, by the clock of the machine that rotates: all that m8 has is the label.
    begun = ok(made.due("vault://orders/db", "--adopt", later_s=-40 * DAY_S)).json()
    assert begun["outcome"] == "ROTATED"
    assert made.db_logs_in()
    assert made.overdue_at_m8() == 1
    code, (overdue,) = made.check()
    assert (code, overdue["outcome"], overdue["began_at"]) == (12, "OVERDUE", begun["began_at"]), overdue
    assert made.check(later_s=-20 * DAY_S)[0] == 0
    # Outside its window nothing is begun, and who checks is told.
    closed = window(opens_in_h=6)
    assert [row["outcome"] for row in ok(made.due("--due", more=closed)).json()] == ["OUTSIDE_WINDOW"]
    assert made.check(more=closed)[0] == 12
    # What fails beside it says so, and stops nothing.
    done = made.due("--due", more=window(opens_in_h=-1) + OTHER, later_s=LATER_S)
    row, other = done.json()
    assert (done.code, other["uri"], other["outcome"]) == (16, "vault://billing/db", "FAILED"), done.err
    assert (row["outcome"], row["account"], row["due_on"] > overdue["due_on"]) == ("ROTATED", "pg://orders_b", True)
    assert {"2 of 2: vault://orders/db ROTATED, pg://orders_b"} <= set(done.err.splitlines())
    assert made.overdue_at_m8() == 0
    assert [row["outcome"] for row in ok(made.due("--due", later_s=2 * LATER_S)).json()] == ["NOT_DUE"]
    code, (fine,) = made.check(later_s=2 * LATER_S)
    assert (code, fine["outcome"], fine["due_on"]) == (0, "NOT_DUE", row["due_on"])
    rows = {
        row["uri"]: row for row in ok(made.auditor.monoctl("get", "secrets", "--since", "90d", "-o", "json")).json()
    }
    new = "vault://orders/db.next"
    assert {uri: (row["made"], row["made_where"], row["known_keys"]) for uri, row in rows.items()} == {
        "vault://orders/db": ("COPY", new, ["username"]),
        new: ("GENERATE", "", ["username"]),
        "pg://orders_a": ("COPY", new, []),
        "pg://orders_b": ("COPY", new, []),
    }
    assert {(row["subject"], row["proven"]) for row in rows.values()} == {("rotation", True)}
    # By a clock that is behind, the round began in the future: nothing is proven by that.
    code, (jumped,) = made.check(later_s=-2 * DAY_S)
    assert (code, jumped["outcome"]) == (12, "OVERDUE")
    assert "in the future" in jumped["why"]


FIXED, MADE = "username=fixed:orders_a", "password=password:32"
URL = "url=text:postgresql://{username}:{password|url}@db.internal/orders"


@pytest.mark.parametrize(
    "recipes",
    [
        (FIXED, MADE, URL.replace("db.internal", "db.mallory.example")),
        ("username=fixed:orders_a:x@db.mallory.example/", MADE, URL),
        (FIXED, MADE, URL, "host=fixed:db.mallory.example"),
        (FIXED, "password=fixed:known-to-mallory-and-long", URL),
        (FIXED, "password=password:8", URL),
    ],
    ids=["server", "server by name", "one key more", "known", "short"],
)
def test_the_stolen_key_makes_nothing_but_what_the_file_says(made: Due, recipes: tuple[str, ...]) -> None:
    """What it makes at `db.next` it may copy to `db`, where programs read to which server they send a password."""
    ran = made.signed("generate", "secret", "vault://orders/db.next", *recipes)
    assert (ran.code, "as-in-the-file" in ran.err) == (3, True), ran.err


def window(opens_in_h: int) -> str:
    """A window of two hours, as a line of the file."""
    times = (time.gmtime(time.time() + hours * 3_600) for hours in (opens_in_h, opens_in_h + 2))
    return f"window: {'-'.join(time.strftime('%H:%M', one) for one in times)}\n"


def test_what_m8_keeps_back_is_overdue(made: Due) -> None:
    made.begun()
    prefixes, _ = rights_of_the_page()
    blind = made.cluster.add_user("blind", prefixes=prefixes, rights=["compare"])
    ran = made.due("--due", "--check", user=blind)
    (row,) = ran.json()
    assert (ran.code, row["outcome"]) == (12, "OVERDUE")
    assert "nothing proves" in row["why"]


@pytest.mark.parametrize("missing", rights_of_the_page()[1])
def test_each_right_less_is_too_little(made: Due, missing: str) -> None:
    made.begun()
    prefixes, rights = rights_of_the_page()
    user = made.cluster.add_user(f"no-{missing}", prefixes=prefixes, rights=[one for one in rights if one != missing])
    before = made.at_db()
    ran = made.due("--due", "--signing-key", str(made.key), later_s=31 * DAY_S, user=user)
    assert (ran.code, made.at_db() == before) == (3, True), ran.out


_Entry = dict[str, Any]
LESS: dict[str, tuple[str, Callable[[_Entry], bool], int]] = {
    "vault": ("may", lambda one: one["purposes"] == ["generate"], 17),
    "vault, to copy": ("may", lambda one: one["purposes"] == ["copy"], 17),
    "vault, its own copies": ("may", lambda one: one["principal"] == "copies-from-vault", 17),
    "vault, to pg": ("copy", lambda one: one["to"] == "pg", 3),
    "vault, to itself": ("copy", lambda one: one["to"] == "vault", 3),
    "pg": ("may", lambda one: True, 17),
}


@pytest.mark.parametrize("entry", LESS)
def test_each_entry_less_is_too_little(made: Due, entry: str) -> None:
    made.begun()
    ok(made.due("--due", later_s=(160 + 80 * list(LESS).index(entry)) * DAY_S))
    store, (tables, is_it, code) = entry.split(",", maxsplit=1)[0], LESS[entry]
    file = made.cluster.folder / f"reactor-{store}" / "reactor.toml"
    before, there = file.read_bytes(), made.at_db()
    with editing(file) as table:
        of = table["signers"] if tables == "may" else table
        of[tables] = [one for one in of[tables] if not is_it(one)]
    made.restart(store)
    later_s = (200 + 80 * list(LESS).index(entry)) * DAY_S
    try:
        ran = made.due("--due", later_s=later_s)
        assert (ran.code, made.at_db() == there) == (code, True), (ran.out, ran.err)
    finally:
        write_private(file, before, replace=True)
        made.restart(store)


def test_an_account_that_is_gone_stops_its_rotation_until_somebody_made_it_again(made: Due) -> None:
    made.begun()
    ok(made.due("--due", later_s=700 * DAY_S))
    before = made.at_db()
    (idle,) = {"orders_a", "orders_b"} - {before["username"]}
    made.postgres.sql(f"DROP ROLE {idle}")
    ran = made.due("--due", later_s=800 * DAY_S)
    assert (ran.code, ran.json()[0]["outcome"]) == (3, "FAILED")
    assert f"pg://{idle}" in ran.err
    assert "the database has no such role" in ran.err
    assert made.check(later_s=800 * DAY_S)[0] == 12
    assert made.at_db() == before
    assert made.db_logs_in()
    made.postgres.sql(f"CREATE ROLE {idle} LOGIN")
    assert "changed by others" in made.due("--due", later_s=800 * DAY_S).err
    adopted = ok(made.due("vault://orders/db", "--adopt", later_s=800 * DAY_S)).json()
    assert (adopted["account"], made.db_logs_in()) == (f"pg://{idle}", True)


def test_programs_of_the_engine_read_db_and_not_what_comes_next(made: Due) -> None:
    made.begun()
    made.cluster.bao.write_policy("program", blocks("hcl")[0])
    token = made.cluster.bao.token(["program"])
    found = [
        made.cluster.bao.bao("kv", "get", f"-mount={MOUNT}", f"{PREFIX}/orders/{name}", token=token).returncode
        for name in ("db", "db.next")
    ]
    assert found == [0, 2]
    assert made.at_db("orders/db.next")["password"]


def scripts() -> list[str]:
    """What the pipelines of `deploy/` run."""
    github, gitlab = (
        yaml.safe_load((ROOT / "deploy" / "pipelines" / f"{name}.yml").read_text(encoding="utf-8"))
        for name in ("github", "gitlab")
    )
    return [github["jobs"]["rotate"]["steps"][-1]["run"], "\n".join(gitlab["rotate"]["script"])]


@pytest.mark.parametrize(("script", "months"), list(zip(scripts(), (30, 32), strict=True)), ids=["github", "gitlab"])
def test_a_pipeline_rotates_with_its_variables_alone(made: Due, script: str, months: int) -> None:
    needed("ssh-agent", "openssh-client")
    made.begun()
    cluster = made.cluster
    (cluster.folder / "rotations.yaml").write_text(FILE.format(more=""), encoding="utf-8")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": "/proc/none",
        "MONOCTL_SERVER": cluster.server,
        "MONOCTL_CA": (cluster.folder / "m8" / "ca.crt").read_text(encoding="ascii"),
        "MONOCTL_TOKEN": made.anna.token_file.read_text(encoding="ascii").strip(),
        "MONOCTL_STORE_IDENTITY": " ".join(f"{store}={shown}" for store, shown in cluster.identities.items()),
        "SIGNING_KEY": made.key.read_text(encoding="ascii"),
        "MONOSKOPE_FAILPOINTS": f"m8.clock=shift+{months * 31 * DAY_S}",
    }
    ends = "trap 'ssh-agent -k' EXIT\n"  # as the end of a container ends it; the script may say so itself
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", ends + script],
        cwd=cluster.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "ROTATED" in done.stdout) == (0, True), done.stderr
    assert environment["MONOCTL_TOKEN"] not in done.stdout + done.stderr
    assert made.db_logs_in()
