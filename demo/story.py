"""The demo's story, a chapter a method. Each claim is checked as it is made."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from pathlib import Path

import approving
import hunt
import signing
import witnessed
from claims import check, must
from narration import Narrator

from monoskope.settings import write_private
from monoskope.stores.shared.checks import is_text
from monoskope.testing.cluster import ALL_RIGHTS, MOUNT, PREFIX, Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import Part
from monoskope.testing.search import Wanted

KEY = "password"
PATH = "team-a/db"

UPLOAD = ["SecretUploadKeyRequested", "SecretUploadKeyProvided", "SecretUploadRequested", "SecretUploadStarted"]
UPLOAD += ["SecretUploaded"]


@dataclass(frozen=True, slots=True)
class Value:
    """The value that travels.

    Attributes:
        content: Its bytes.
        file: The file that `monoctl` reads it from, None for one that the demo makes.
    """

    content: bytes
    file: Path | None

    @property
    def is_text(self) -> bool:
        """Whether OpenBao can hold it as it is."""
        return is_text(self.content)


class Demo:
    """The story, a method a chapter.

    Args:
        cluster: Not started yet.
        value: What travels.
        tell: The narrator.
    """

    def __init__(self, cluster: Cluster, value: Value, tell: Narrator) -> None:
        self.cluster = cluster
        self.value = value
        self.tell = tell
        self.pids: dict[str, int] = {}
        self._wanted: list[Wanted] = []
        self._not_searched = ""
        self._people: dict[str, User] = {}

    def run(self) -> None:
        """Tell all of it. Raises `DemoError` at the first claim that does not hold."""
        with witnessed.Witnessed(self.cluster, self.tell) as log:
            self._run(log)

    def _run(self, log: witnessed.Witnessed) -> None:
        self._start_m8(log)
        self._start_openbao()
        self._make_reactors()
        self._add_stores()
        self._add_users()
        put = self._put()
        self._refuse_ben()
        self._read_from_openbao()
        self._show_events(put[f"vault://{PATH}"])
        self._patch_and_delete()
        self._search()
        anna, ben = self._people["anna"], self._people["ben"]
        signing.Signing(self.cluster, self.tell, anna).show()
        approving.Approving(self.cluster, self.tell, anna, ben).show()
        self.pids["reactor-local"] = self.cluster.reactors["reactor-local"].pid or 0
        log.show(anna, put[f"vault://{PATH}"])

    # --- the chapters ---

    def _start_m8(self, log: witnessed.Witnessed) -> None:
        self.tell.step("m8, the control plane, starts: TLS, and an event log in an embedded SQLite database")
        log.begin()
        self.cluster.start_m8()
        self._started(self.cluster.m8, f"listens at {self.cluster.server}")

    def _start_openbao(self) -> None:
        self.tell.step("A real OpenBao starts: TLS, its own storage, an audit log. Not the -dev server")
        self.cluster.start_openbao()
        self.pids["openbao"] = self.cluster.bao.pid or 0
        self.tell.command(("bao", "server", "-config=openbao.hcl"), background=True)
        self.tell.proven(
            f"openbao runs as process {self.cluster.bao.pid} at {self.cluster.bao.address}, with a KV version 2"
            f" engine at {MOUNT}/ and the login method AppRole."
        )

    def _make_reactors(self) -> None:
        self.tell.step("Two secret reactors are set up, one beside each engine")
        self.cluster.make_vault_reactor("vault")
        self.tell.say(
            "First came the reactor's identity: it signs with that key, and users pin it. Then all that OpenBao lets it"
            " do. It logs in as an AppRole, whose secret_id came wrapped in a token that works once."
        )
        self.tell.say(
            "--allow-swap is for laptops. Without it a reactor refuses to run where memory can be swapped to disk."
        )
        self.cluster.make_local_reactor("local")
        self.tell.say(
            "Hashes are equal in every store because the reactors share a key, carried by people, never by m8:"
        )
        self.cluster.share_fingerprint_key("reactor-vault", "reactor-local")

    def _add_stores(self) -> None:
        self.tell.step("An administrator adds both stores. The reactors dial in")
        admin = self.cluster.administrator
        for store in ("vault", "local"):
            self.cluster.add_store(store)
        for store in ("vault", "local"):
            self._started(self.cluster.start_reactor(store), f"is attached to the store {store}")
        must(admin.monoctl("get", "secret-stores"))

    def _add_users(self) -> None:
        self.tell.step("Two users: anna works below team-a, ben below team-b")
        for name, team in (("anna", "team-a"), ("ben", "team-b")):
            prefixes = [f"{store}://{team}" for store in ("vault", "local")]
            rights = (*ALL_RIGHTS, "propose") if name == "anna" else ALL_RIGHTS
            self._people[name] = self.cluster.add_user(name, prefixes=prefixes, rights=rights, pin=name != "anna")

    def _put(self) -> dict[str, Ran]:
        """Let anna put the value into both stores. Returns what m8 says of each secret, by URI."""
        anna = self._people["anna"]
        self._prepare_search()
        self.tell.step("anna puts a secret into both stores at once")
        self.tell.say(
            "She has never met these stores, so she says whom she expects. monoctl seals the value for each reactor,"
            " under a key that this reactor made for this one upload and signed."
        )
        arguments = ["put", "secret", *self._uris(), "--from-file", f"{KEY}={self._value_file(anna)}"]
        for store, identity in self.cluster.identities.items():
            arguments += ["--store-identity", f"{store}={identity}"]
        if not self.value.is_text:
            arguments += ["--binary", "base64"]
        must(anna.monoctl(*arguments))
        with self.cluster.quietly():
            found = {uri: must(anna.monoctl("get", "secret", uri, "-o", "json")) for uri in self._uris()}
        hashes = {ran.json()["hash"] for ran in found.values()}
        check(len(hashes) == 1 and "" not in hashes, f"the hashes differ: {', '.join(hashes)}")
        self.tell.proven(f"The two hashes are equal: {hashes.pop()}")
        return found

    def _refuse_ben(self) -> None:
        self.tell.step("ben is refused, and does not even learn that the secret exists")
        ben = self._people["ben"]
        for arguments in (("get", "secret", f"vault://{PATH}"), ("get", "secret", "vault://team-a/nothing")):
            self._refused(ben.monoctl(*arguments))
        self._refused(ben.monoctl("put", "secret", f"vault://{PATH}", "--from-file", f"{KEY}=-", input=b"by ben"))
        self.tell.proven("Each time NOT_FOUND, exit code 4: for ben nothing is there.")

    def _read_from_openbao(self) -> None:
        self.tell.step("It arrived: OpenBao's own command line reads it back")
        place = f"{PREFIX}/{PATH}"
        shown = self.tell.briefly() if self.value.file else contextlib.nullcontext()  # your own value is not printed
        with shown:
            ran = must(self.cluster.run_bao("kv", "get", f"-mount={MOUNT}", "-format=json", "-field=data", place))
        text = str(ran.json()[KEY])
        read = text.encode() if self.value.is_text else base64.b64decode(text)
        check(read == self.value.content, "OpenBao holds another value than anna's")
        how = "" if self.value.is_text else ", once its base64 is undone"
        self.tell.proven(f"All {len(read)} bytes are those that anna put{how}.")

    def _show_events(self, put: Ran) -> None:
        self.tell.step("What m8 recorded of the upload to vault, from the log itself")
        stream = f"upload/{put.json()['request_id']}"
        must(self.cluster.run("m8", "events", "--dir", "m8", "--stream", stream))
        with self.cluster.quietly():
            told = must(self.cluster.run("m8", "events", "--dir", "m8", "--stream", stream, "-o", "json")).json()
        check([event["type"] for event in told] == UPLOAD, "the upload's events are not those of the record")
        self.tell.proven("The events of the decision record, in its order.")
        must(self.cluster.run("m8", "events", "verify", "--dir", "m8"))

    def _patch_and_delete(self) -> None:
        self.tell.step("anna adds a key to her secret, which nobody reads for that, and deletes another secret")
        anna = self._people["anna"]
        write_private(anna.home / "user.txt", b"anna")
        with self.cluster.quietly():
            must(anna.monoctl("put", "secret", "vault://team-a/old", signing.SECRET, "--from-file", signing.FILE))
        must(anna.monoctl("patch", "secret", f"vault://{PATH}", "--from-file", "user=anna/user.txt"))
        place = f"-mount={MOUNT}", "-format=json", "-field=data", f"{PREFIX}/{PATH}"
        with self.cluster.quietly():
            kept = must(self.cluster.run_bao("kv", "get", *place)).json()
        text = str(kept.pop(KEY)).encode()
        whole = text if self.value.is_text else base64.b64decode(text)
        check(whole == self.value.content and kept == {"user": "anna"}, "the patch changed another key")
        self.tell.proven("OpenBao merged: the first key is as it was, and the reactor has no right to read it.")
        must(anna.monoctl("delete", "secret", "vault://team-a/old", "--yes"))
        must(anna.monoctl("get", "secrets", "--state", "deleted"))

    def _search(self) -> None:
        self.tell.step("Could m8 have read it? Search all that m8 has, and every log file")
        control = hunt.new_control()
        self.tell.say(
            "A search that finds nothing could be blind. So a third user, carla, puts a secret whose path spells a"
            " control value out: raw, in base64 at its three alignments, in hex. A path is no secret: it is in the"
            " log, in the log file, and in m8's memory while she watches it."
        )
        watcher = self._plant(hunt.control_path(control))
        try:
            hunt.merge_write_ahead_log(self.cluster.folder / "m8" / "log.db")
            found = hunt.hunt(self.cluster, [*self._wanted, Wanted.of(hunt.CONTROL, control)])
        finally:
            watcher.stop()
        self._judge(found)

    # --- their parts ---

    def _prepare_search(self) -> None:
        """Decide whether the value can be told from chance: before it is sent, it must not be found."""
        try:
            wanted = Wanted.of(hunt.VALUE, self.value.content)
        except ValueError as error:
            self._not_searched = str(error)
            return
        before = hunt.hunt(self.cluster, [wanted]).hits(hunt.VALUE)
        self._not_searched = f"its bytes were found {before} times before it was sent. Use one that is less common"
        self._wanted = [] if before else [wanted]

    def _plant(self, path: str) -> Part:
        """Let carla put a secret at a path in both stores, and go on watching it; returns the watching process."""
        stores = ("vault", "local")
        with self.cluster.quietly():
            carla = self.cluster.add_user("carla", prefixes=[f"{store}://{path}" for store in stores])
        uris = [f"{store}://{path}" for store in stores]
        with self.tell.briefly():
            must(carla.monoctl("put", "secret", *uris, "--from-file", "note=-", input=b"nothing to hide"))
        watch = ("get", "events", "--watch", "--after", "0", "--prefix", uris[0], "-o", "json")
        watcher = carla.background("monoctl", *watch, log="carla/events.log")
        self.tell.command(("monoctl", *watch), who="carla", background=True)
        watcher.wait_for(lambda: watcher.log.read_text(encoding="utf-8").count("\n") >= len(UPLOAD))
        return watcher

    def _judge(self, found: hunt.Hunt) -> None:
        names = [one.name for one in self._wanted]
        self.tell.shown(hunt.table(found.all, [*names, hunt.CONTROL]))
        blind = found.blind_spots()
        check(not blind, f"the search is blind, it missed the control in {', '.join(blind)}")
        if not names:
            self.tell.say(f"The value was not searched for: {self._not_searched}.")
        for name in names:
            check(found.hits(name) == 0, f"the value was found {found.hits(name)} times")
            self.tell.proven(f"The value: 0 hits, in each of {len(found.searched)} places, in every encoding.")
        self.tell.proven("The control: found in every encoding, in each of m8's places. The search can see.")
        self.tell.say("The other log files are not m8's. Where they name no path the control is not in them either.")
        for result in found.all:
            if not result.searched:
                self.tell.say(f"Not searched: {result.place}. {result.reason}. For this place nothing is claimed.")

    def _uris(self) -> list[str]:
        return [f"vault://{PATH}", f"local://{PATH}"]

    def _value_file(self, anna: User) -> str:
        if self.value.file is not None:
            return str(self.value.file)
        write_private(anna.home / "password.txt", self.value.content)
        return "anna/password.txt"

    def _started(self, part: Part, state: str) -> None:
        self.pids[part.name] = part.pid or 0
        self.tell.command((Path(part.arguments[0]).name, *part.arguments[1:]), background=True)
        self.tell.proven(f"{part.name} runs as process {part.pid} and {state}.")

    def _refused(self, ran: Ran) -> None:
        check(ran.code == 4, f"ben was not refused: exit code {ran.code}")
