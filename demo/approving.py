"""The demo's chapters about approvals: one person is not enough, and m8 is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from claims import check, must
from narration import Narrator
from signing import FILE, SIGNERS, STORE, listed, make_key, restart

from monoskope.exit_codes import ExitCode
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User

PROD = "team-a/prod"
SECRET = f"{STORE}://{PROD}/user"
FORGING = Path(__file__).with_name("forging.py")

APPROVALS = {
    "approvers": "allowed_approvers",
    "may": [
        *SIGNERS["may"],
        {"principal": "anna", "prefixes": [PROD], "purposes": ["upload", "delete"], "approvals": 1},
    ],
    "approve": [{"principals": ["ben"], "prefixes": [PROD], "purposes": ["upload", "delete"]}],
}
"""What the table `[signers]` has more, or in another way."""


class Approving:
    """Three chapters, about a store whose reactor acts on what anna signed.

    Args:
        cluster: It runs.
        tell: The narrator.
        anna: The user who asks.
        ben: The user who approves.
    """

    def __init__(self, cluster: Cluster, tell: Narrator, anna: User, ben: User) -> None:
        self.cluster = cluster
        self.tell = tell
        self.anna = anna
        self.ben = ben

    def show(self) -> None:
        """Tell them. Raises `DemoError` at the first claim that does not hold."""
        self._ask_for_approvals()
        self._ben_approves()
        self._m8_is_no_approver()

    def _ask_for_approvals(self) -> None:
        self.tell.step("What matters most takes two people: the reactor's operator asks for ben's approval, too")
        public = make_key(self.tell, self.ben)
        with self.cluster.quietly():
            must(self.ben.monoctl("config", "set", "signing_key", "ben/id_m8"))
        approver = listed("approval", "ben", public)
        home = self.cluster.folder / f"reactor-{STORE}"
        write_private(home / "allowed_approvers", f"{approver}# end\n".encode(), replace=True)
        restart(self.cluster, SIGNERS | APPROVALS)
        self.tell.shown(
            f"reactor-{STORE}/reactor.toml: in [signers], for what anna puts or deletes below {PROD}:\n"
            f"  approvals = 1\nreactor-{STORE}/allowed_approvers:\n  {approver}"
        )
        self.tell.say("m8 lets ben approve there, and do nothing else. anna may propose since she has a token.")
        self.ben.token_file.unlink()
        words = ("--role", "user", "--prefix", f"{STORE}://{PROD}", "--right", "approve")
        self.cluster.make_token(self.ben.name, *words, out=self.ben.token_file)

    def _ben_approves(self) -> None:
        self.tell.step("anna proposes, ben looks and approves, and anna's put goes through")
        change = self._propose("put", "secret", SECRET, "--from-file", FILE, "--reason", "a new user")
        self.tell.say("ben signs what he is shown. A person is asked; here his program names the SHA-256 of it.")
        with self.cluster.quietly():
            ran = must(self.ben.monoctl("approve", change["change_id"], "--sha256", change["sha256"]))
        self._tell(ran, ran.err, ran.out)
        ran = self._execute(change, "--from-file", FILE)
        must(ran)
        check("approved by ben" in ran.err, "the receipt does not name ben")
        self.tell.proven("The reactor counted by its own list, and its signed receipt names ben for ever.")

    def _m8_is_no_approver(self) -> None:
        self.tell.step("m8 wants that secret gone, and approves by itself, with everything it has")
        change = self._propose("delete", "secret", SECRET)
        self.tell.say(
            "ben does not approve it. m8 tries for him: forging.py has all that m8 has, and nothing of ben's."
        )
        self._forge(change)
        ran = self._execute(change)
        must(ran, ExitCode.NOT_AUTHORIZED)
        audit = (self.cluster.folder / f"reactor-{STORE}" / "audit.jsonl").read_text(encoding="utf-8")
        [*_, verdict] = [line["detail"] for line in map(json.loads, audit.splitlines()) if line["outcome"] == "REFUSED"]
        check("unlisted" in verdict, f"the reactor refused for another reason: {verdict}")
        self.tell.say(
            "The first is no approval of this change, so anna's monoctl did not even send it. The second is a good"
            f" signature over it. Of that the reactor's audit log says: {verdict}"
        )
        with self.cluster.quietly():
            must(self.anna.monoctl("compare", "secret", SECRET, "--from-file", FILE))
        self.tell.proven("Refused. What ben approved is still there: anna's signed comparison was answered.")

    def _propose(self, *words: str) -> dict[str, Any]:
        """Let anna propose what a command does. Returns the change."""
        with self.cluster.quietly():
            ran = must(self.anna.monoctl(*words, "--propose", "--requester", "anna", "-o", "json"))
        self.tell.command(("monoctl", *words, "--propose", "--requester", "anna"), who="anna")
        found: dict[str, Any] = ran.json()
        self.tell.shown(f"proposed as change {found['change_id']}; nothing is written yet")
        return found

    def _execute(self, change: dict[str, Any], *words: str) -> Ran:
        """Let anna execute a change, and show how it ends; what it shows of the change first is not shown again."""
        with self.cluster.quietly():
            ran = self.anna.monoctl("run", "change", change["change_id"], "--sha256", change["sha256"], *words)
        kept = [line for line in ran.err.splitlines() if line.startswith(("Approval", "note:", "error:", "fix:"))]
        self._tell(ran, "\n".join(["…", *kept]), ran.out)
        return ran

    def _tell(self, ran: Ran, *shown: str) -> None:
        """Show a command that ran, and what of its output is to be seen, in that order."""
        self.tell.command(ran.arguments, who=ran.who)
        for text in shown:
            self.tell.shown(text)
        if ran.code:
            self.tell.shown(f"(exit code {ran.code})")

    def _forge(self, change: dict[str, Any]) -> None:
        """Let m8 hand in what it can make, and show what it says."""
        command = (sys.executable, str(FORGING), "m8", change["change_id"], "ben")
        done = subprocess.run(command, cwd=self.cluster.folder, capture_output=True, text=True, check=False)
        ran = Ran("m8", ("python", FORGING.name, *command[2:]), done.returncode, done.stdout, done.stderr)
        self.tell.ran(ran)
        must(ran)
