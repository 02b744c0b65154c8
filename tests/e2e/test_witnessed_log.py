"""A real m8 whose log was rolled back, forked, rewritten or exchanged: the next command notices, and seals nothing."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.m8.tree import key_file
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.cluster.rewritten_log import make_strange
from monoskope.testing.parts import wait_until
from monoskope.testing.scripted.log import ScriptedWitness
from tests.e2e.operating import ROOT, blocks
from tests.support.log_world import LogCluster, rewritten
from tests.support.programs import m8

PAGE = ROOT / "docs" / "security" / "incidents" / "m8-lies.md"
PUBLISHED = "monoskope/0123456789abcdef"
"""The name of a renewed log on that page."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogCluster]:
    world = LogCluster(tmp_path_factory.mktemp("logs"))
    with world.cluster:
        world.start()
        world.cluster.m8.stop()
        world.copy("early")
        world.cluster.start_m8()
        world.administer("deactivate", "secret-store", "local")
        world.administer("activate", "secret-store", "local")
        world.size = world.covered(world.anna)
        world.vkeys = world.log_of(world.anna)["vkeys"]
        world.cluster.m8.stop()
        world.copy("honest")
        shutil.copy2(world.m8 / "log.key", world.copies / "log.key")
        yield world


def rolled_back(world: LogCluster) -> None:
    """The database of before, which m8 was not told of."""
    world.serve(world.copies / "early")


def forked(world: LogCluster) -> None:
    """The database of before, to which something else happened than to the one that anna saw."""
    world.serve(world.copies / "early")
    known_logs = world.cluster.administrator.known_stores.with_name("known_logs")
    known_logs.unlink()  # who did that to the log knows what they do
    for name in range(world.size - world.events()):
        world.administer("create", "secret-store", f"store-{name}", "--type", "local", "--identity", Identity().shown)
    world.covered(world.cluster.administrator)
    known_logs.unlink()


def exchanged(world: LogCluster) -> None:
    """Another log stands behind the same name."""
    copy = world.copies / "exchanged"
    shutil.copy2(world.copies / "honest", copy)
    make_strange(copy)
    world.cluster.m8.stop()
    (world.m8 / "log.key").unlink()
    key_file.write(world.m8, key_file.make(""))
    world.serve(copy)


CASES: dict[str, tuple[Callable[[LogCluster], None], str]] = {
    "rolled back": (rolled_back, "does not show its log as far as it did before"),
    "forked": (forked, "has two different trees of"),
    "rewritten": (rewritten, "has two different trees of"),
    "exchanged": (exchanged, "and the one that is pinned is"),
}


@pytest.mark.parametrize(("change", "says"), list(CASES.values()), ids=list(CASES))
def test_the_next_command_notices_and_seals_nothing(
    world: LogCluster, change: Callable[[LogCluster], None], says: str, tmp_path: Path
) -> None:
    change(world)
    known = (world.anna.known_stores.parent / "known_logs").read_bytes()
    new_here = {
        "MONOCTL_LOG_VKEYS": " ".join(world.vkeys),
        "MONOCTL_LOG_WITNESSES": str(ScriptedWitness("witness.example").vkey),
        "MONOCTL_LOG_QUORUM": "1",
        "MONOCTL_KNOWN_STORES": str(tmp_path / "known_stores"),
    }

    put, unpinned = world.put(world.anna), world.put(world.anna, new_here)

    error = json.loads(put.err)["error"]
    assert (put.code, put.out, error["code"]) == (18, "", "LOG_MISMATCH")
    assert says in error["message"]
    assert len(error["notes"]) == 2
    assert all(note.startswith("monoskope/") and note.count("\n— monoskope/") == 2 for note in error["notes"])
    assert (world.anna.known_stores.parent / "known_logs").read_bytes() == known
    assert (unpinned.code, unpinned.out) == (18, "")


def test_the_page_about_a_lying_m8_leads_from_the_lie_to_a_renewed_log(world: LogCluster) -> None:
    world.cluster.m8.stop()
    shutil.copy2(world.copies / "log.key", world.m8 / "log.key")
    rewritten(world)
    known = (world.anna.known_stores.parent / "known_logs").read_text(encoding="utf-8").split()
    (world.cluster.folder / "their.note").write_bytes(base64.b64decode(known[-1]))
    ended, origin = list[tuple[str, int]](), ""
    for line in (line for kind, body in blocks(PAGE) if kind == "sh" for line in body.strip().splitlines()):
        if line == "monoctl get log" and ended[-1][0] == "m8 events verify":
            world.serve(world.copies / "honest")
        if PUBLISHED in line:
            wait_until(lambda: "renewed" in world.anna.monoctl("get", "log").err, what="m8 shows the renewed log")
            origin = m8("log", "key", home=world.cluster.folder, env={"M8_DIR": str(world.m8)}).stdout.partition("+")[0]
        ended.append((line.split(" --")[0], world.typed(line.replace(PUBLISHED, origin))))

    lied = [("monoctl get log", 18), ("monoctl verify log their.note", 18)]
    right = [(line, 0) for line, _ in lied]
    assert [end for end in ended if end[0].startswith("monoctl")] == [*lied, *right, ("monoctl accept-log", 0)]
    assert (world.anna.home / "evidence" / "known_logs").exists()
    assert world.log_of(world.anna)["origin"] == origin


def test_after_a_restore_that_accepts_a_loss_commands_and_the_verification_name_the_renewal(tmp_path: Path) -> None:
    """m8 knows what it had signed, so no command waits for it to come back."""
    world = LogCluster(tmp_path)
    home, env = world.cluster.folder, {"M8_DIR": str(world.m8)}
    with world.cluster:
        world.start()
        recipient = m8("backup", "key", "identity", home=home).stdout.strip()
        world.covered(world.anna)
        m8("backup", "create", "old.age", "--recipient", recipient, home=home, env=env)
        world.administer("deactivate", "secret-store", "local")
        size = world.covered(world.anna)
        m8("backup", "create", "new.age", "--recipient", recipient, home=home, env=env)
        world.cluster.m8.stop()
        for file in world.m8.glob("log.db*"):
            file.unlink()
        m8("backup", "restore", "old.age", "--identity", "identity", "--accept-loss", home=home, env=env)
        world.cluster.start_m8()
        wait_until(
            lambda: "m8 log renew" in m8("log", "status", home=home, env=env).stdout, what="m8 knows of the loss"
        )

        told = world.anna.monoctl("get", "log", "-o", "json")
        verified = m8("events", "verify", home=home, env=env, code=ExitCode.CONFLICT)

    error = json.loads(told.err)["error"]
    assert (told.code, error["code"]) == (18, "LOG_MISMATCH")
    assert f"({size} entries)" in error["message"]
    assert "m8 log renew" in error["message"]
    assert "If records are lost for good, run: m8 log renew" in verified.stderr
