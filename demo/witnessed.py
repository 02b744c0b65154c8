"""The demo's chapters about the log: a proof that is checked without m8, and a rewritten log that is noticed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import tomli_w
import witnesses
from claims import check, must
from narration import Narrator

from monoskope.exit_codes import ExitCode
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import listens, wait_until

CHECKPOINTS_S = 0.5
"""How often m8 signs its log here, so that the demo does not wait for it: otherwise after 10 to 30 s."""

PROOF = "anna/put.tlog-proof"
REWRITTEN = "m8-rewritten"
QUORUM = 2

PROGRAM = Path(__file__).with_name("rewrite.py")


class Witnessed:
    """The log of the demo's m8. Leaving it as a context manager ends the witnesses.

    Args:
        cluster: Its m8 has not started.
        tell: The narrator.
    """

    def __init__(self, cluster: Cluster, tell: Narrator) -> None:
        self.cluster = cluster
        self.tell = tell
        self._witnesses: list[witnesses.Table] = []
        self._last = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._last.close()

    def begin(self) -> None:
        """Lay out m8's folder, and name two witnesses in its settings if they can be had."""
        cluster = self.cluster
        must(cluster.run("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server))
        settings: dict[str, object] = {"log": {"checkpoint_every_s": CHECKPOINTS_S}}
        if witnesses.installed():
            folder = cluster.folder / "witnesses"
            self._witnesses = self._last.enter_context(witnesses.running(folder, self._keys()[0]))
            settings |= {"quorum": QUORUM, "witness": self._witnesses}
            names = " and ".join(witnesses.NAMES)
            self.tell.say(f"Two real witnesses run, {names}. m8 asks them to cosign each checkpoint of its log.")
        else:
            self.tell.say(
                "No witness cosigns the log here, because litewitness is not installed. With Debian's packages litetlog"
                " and golang-go, tools/get_litewitness.py builds it, and the demo starts two."
            )
        file = cluster.folder / "m8" / "m8.toml"
        table = tomllib.loads(file.read_text(encoding="utf-8")) | settings
        write_private(file, tomli_w.dumps(table).encode(), replace=True)

    def show(self, anna: User, put: Ran) -> None:
        """Tell both chapters. Raises `DemoError` at the first claim that does not hold.

        Args:
            anna: The user.
            put: What m8 says of one of her secrets, as JSON.
        """
        self._prove(anna, put)
        self._rewrite(anna)
        self._notice(anna)

    def _prove(self, anna: User, put: Ran) -> None:
        self.tell.step("anna keeps a proof of her first put. rev, an auditor, checks it without m8")
        must(anna.monoctl("get", "upload", put.json()["request_id"], "--proof", PROOF))
        self._make_auditor()
        self.tell.say(
            "rev has no account at m8, and gives no server. His settings hold public keys alone, which he got by"
            " another way: those of the log, and of its witnesses if there are any."
        )
        said = must(self._verify()).out
        check(("Witnessed:" in said) is bool(self._witnesses), "the proof does not say what witnesses saw")
        when = " Both witnesses say since when." if self._witnesses else ""
        self.tell.proven(f"The store's reactor signed it, and m8's log has it.{when}")

    def _rewrite(self, anna: User) -> None:
        self.tell.step(
            "Who owns m8 rewrites its log: now ben did it all. Every hash is right, and the keys are m8's own"
        )
        cluster = self.cluster
        self._pin_all(anna)
        for part in (*cluster.reactors.values(), cluster.m8):
            part.stop()
        shutil.copytree(cluster.folder / "m8", cluster.folder / REWRITTEN)
        command = (sys.executable, str(PROGRAM), REWRITTEN, "ben")
        done = subprocess.run(command, cwd=cluster.folder, capture_output=True, text=True, check=False)
        ran = Ran("m8", ("python", PROGRAM.name, *command[2:]), done.returncode, done.stdout, done.stderr)
        self.tell.ran(must(ran))
        m8 = cluster.background("m8-rewritten", "m8", "serve", "--dir", REWRITTEN, log=f"{REWRITTEN}/m8.log")
        self._last.callback(m8.stop)
        m8.wait_for(lambda: listens(cluster.server))
        self.tell.command(("m8", "serve", "--dir", REWRITTEN), background=True)
        signed = cluster.folder / REWRITTEN / "log.checkpoint"
        m8.wait_for(signed.exists)
        must(cluster.run("m8", "events", "verify", "--dir", REWRITTEN))
        self.tell.proven("A look at this log alone finds nothing wrong.")

    def _notice(self, anna: User) -> None:
        self.tell.step("anna's next command notices")
        self.tell.say(
            "Her machine remembers the last checkpoint that m8 showed it, and each command begins with a look at the"
            " newest one. (Each note has two signatures by m8's own keys; the long one is shortened here.)"
        )
        ran = must(anna.monoctl("get", "secrets"), ExitCode.LOG_MISMATCH)
        origin = self._keys()[0].partition("+")[0]
        check(f"\n— {origin} " in ran.err and ran.err.count(f"{origin}\n") == 2, "not both notes were printed")
        kept = [file.name for file in anna.known_stores.parent.glob("known_logs.evidence-*")]
        check(len(kept) == 1, "the notes were not kept")
        self.tell.proven(
            "Nothing was sealed, and no answer was shown. Both notes are m8's own signatures under two histories: they"
            f" prove it to anybody, and are kept in {kept[0]}."
        )
        if self._witnesses:
            check(f"— {witnesses.NAMES[0]}" not in ran.err.rpartition("2 of 2:")[2], "a witness cosigned it")
            self.tell.proven("The second note has no cosignature: a witness remembers what it cosigned before.")
        with self.cluster.quietly():
            must(self._verify())
        self.tell.proven("anna's proof still holds: it needs no m8.")

    # --- their parts ---

    def _verify(self) -> Ran:
        store = f"vault={self.cluster.identities['vault']}"
        rev = User("rev", self.cluster.folder / "rev", self.cluster)
        return rev.monoctl("verify", "proof", PROOF, "--store-identity", store)

    def _pin_all(self, user: User) -> None:
        """Let a user's machine see a checkpoint of all that is recorded."""
        with self.cluster.quietly():
            status = ("m8", "log", "status", "--dir", "m8", "-o", "json")
            (state,) = must(self.cluster.run(*status)).json()
            look = ("get", "log", "-o", "json")
            wait_until(lambda: must(user.monoctl(*look)).json()["size"] >= state["events"], what="all is signed")

    def _keys(self) -> list[str]:
        with self.cluster.quietly():
            return must(self.cluster.run("m8", "log", "key", "--dir", "m8")).out.split()

    def _make_auditor(self) -> None:
        """Make the home of somebody who knows public keys, and nothing else."""
        rev = User("rev", self.cluster.folder / "rev", self.cluster)
        rev.known_stores.parent.mkdir(mode=0o700, parents=True)
        table: dict[str, object] = {"log_vkeys": " ".join(self._keys())}
        if self._witnesses:
            table["log_witnesses"] = " ".join(witness["vkey"] for witness in self._witnesses)
            table["log_quorum"] = str(QUORUM)
        write_private(rev.known_stores.with_name("config.toml"), tomli_w.dumps(table).encode())
