"""Proofs of one secret's end: written, compared with a note, and verified without a server."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import log_pb2
from monoskope.api.secrets.v1 import events_pb2, proof_pb2
from monoskope.client import SyncClient, UploadProof
from monoskope.client.proofs import log as log_proofs
from monoskope.client.settings import load_settings
from monoskope.errors import LogMismatchError, NotFoundError, NotYetError, UsageError
from monoskope.monoctl.main import cli
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import inclusion_plan, outline
from monoskope.protocol.wire import serialise
from monoskope.testing.scripted.log import ScriptedLog, ScriptedWitness
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Alice, ends


class ForkedLog(ScriptedLog):
    """Has a fork, whose first three entries are its own, and shows both from one smaller tree once it lies."""

    def __init__(self) -> None:
        super().__init__(5)
        self.fork = ScriptedLog(3, key=self.key)
        self.fork.grow(2, seed="fork")
        self.shows: int | None = None
        """How many entries its newest tree has, once it lies."""
        self.honest = 1
        """How many honest answers come first."""
        self.without_witnesses = False
        """Whether it is honest but for the cosignatures, which it leaves out once it would lie."""

    def answer(self, request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        if (self.shows is None and not self.without_witnesses) or self.honest > 0:
            self.honest -= self.shows is not None or self.without_witnesses
            return super().answer(request)
        if self.shows is None:
            answer = super().answer(request)
            answer.ClearField("witnessed")
            return answer
        of = self if request.size == self.size >= self.shows else self.fork
        of.witnesses = self.witnesses
        known = request.size if request.size <= of.size else 0
        answer = log_pb2.GetCheckpointResponse(newest=of._proven(self.shows, known), quorum=len(self.witnesses))
        if self.witnesses:
            answer.witnessed.CopyFrom(answer.newest)
        return answer


class Recording(ScriptedM8):
    """Has a log, and proves the end of the request made last from it."""

    def __init__(self) -> None:
        super().__init__()
        self.log: ScriptedLog = ScriptedLog(5)
        self.later = 0
        """How often it answers that no checkpoint covers the event yet."""
        self.later_with_witnesses = False
        self.asked_witnessed: list[bool] = []
        self.proves_from: ScriptedLog | None = None
        """Another log than the one that it shows."""
        self.index = -1
        self.evidence = proof_pb2.UploadEvidence()

    def record(self) -> str:
        """Record the end of the request made last, and return its id."""
        attempt = self.attempts[-1]
        ended = events_pb2.SecretUploaded(receipt=attempt.success())
        self.index = self.log.size
        record = event_pb2.Event(
            position=self.index + 1,
            stream=f"upload/{attempt.request.request_id.hex()}",
            version=5,
            type="SecretUploaded",
            recorded_at_ms=1_798_000_000_000,
            actor="reactor/vault",
            data=serialise(ended),
            previous_hash=bytes(32),
            uri=str(attempt.request.uri),
        )
        self.evidence = proof_pb2.UploadEvidence(
            record=serialise(record), grant=attempt.signed_grant(), request=attempt.request.content
        )
        for log in (self.log, self.proves_from):
            if log is not None:
                log.entries.append(hashlib.sha256(outline(record)).digest())
        self.log.grow(3)
        return attempt.request.request_id.hex()

    def more(self, method: str, message: Message) -> Message:
        if not isinstance(message, log_pb2.GetUploadProofRequest):
            return super().more(method, message)
        if isinstance(self.log, ForkedLog):
            self.log.honest = 0
        self.asked_witnessed.append(message.witnessed)
        answer = log_pb2.GetUploadProofResponse(index=self.index, evidence=self.evidence)
        if self.later > 0 or (message.witnessed and self.later_with_witnesses):
            self.later -= 1
            answer.proof_later = True
            return answer
        log = self.proves_from or self.log
        plan = inclusion_plan(self.index, log.size)
        answer.inclusion.extend(plan.build(log._hashes(plan.needs)))
        answer.note = log.note(log.size, cosigned=message.witnessed)
        return answer


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Recording:
    monkeypatch.setattr(log_proofs, "_PAUSE_S", 0.0)
    return Recording()


class Proving(Alice):
    """Has a file for a proof, and one for the note of somebody else."""

    def __init__(self, m8: Recording, folder: Path) -> None:
        super().__init__(m8, folder)
        self.m8 = m8
        self.file, self.theirs = folder / "put.tlog-proof", folder / "theirs"

    def recorded(self) -> str:
        """Put a secret, let m8 record its end, and return the request's id."""
        self.put()
        return self.m8.record()

    def get(self, request_id: str, *words: str, **more: str) -> Result:
        return self("get", "upload", request_id, "--proof", str(self.file), *words, **more)

    def client(self) -> SyncClient:
        return SyncClient(load_settings(environ=self.env))


@pytest.fixture
def alice(m8: Recording, tmp_path: Path) -> Proving:
    return Proving(m8, tmp_path)


def test_a_proof_is_written_once_and_checked_without_a_server(m8: Recording, alice: Proving) -> None:
    request_id = alice.recorded()
    m8.later = 2

    ends(alice.get(request_id), 0)
    assert stat.S_IMODE(alice.file.stat().st_mode) == 0o600
    said = ends(alice("verify", "proof", str(alice.file), "-o", "json", MONOCTL_SERVER="", MONOCTL_TOKEN_FILE=""), 0)
    document = json.loads(said.stdout)
    assert (document["request_id"], document["outcome"], document["log_size"]) == (request_id, "UPLOADED", 9)
    assert (document["identity"], document["destination"]) == (m8.identity.shown, "")
    assert VALUE not in alice.file.read_text(encoding="utf-8")

    alice.file.write_bytes(b"mine")
    asked = len(m8.asked_witnessed)
    assert alice.get(request_id).exit_code == 2
    assert (alice.file.read_bytes(), len(m8.asked_witnessed)) == (b"mine", asked)
    assert alice.get(request_id, "--force").exit_code == 0
    assert alice.file.read_bytes() != b"mine"


def test_a_proof_that_is_not_there_yet_is_told_as_such(m8: Recording, alice: Proving) -> None:
    request_id = alice.recorded()
    m8.later = 1_000
    with alice.client() as client, pytest.raises(NotYetError, match=request_id):
        client.log.upload_proof(request_id, timeout=0.0)
    assert m8.asked_witnessed == [False]


def test_a_program_gets_the_proof_with_what_it_says(m8: Recording, alice: Proving) -> None:
    request_id = alice.recorded()
    with alice.client() as client:
        proof = client.log.upload_proof(request_id)
    assert isinstance(proof, UploadProof)
    assert (proof.uri, proof.subject, proof.witnessed_at) == ("vault://app/db", "alice", None)
    assert proof.content.startswith(b"c2sp.org/tlog-proof@v1\n")


def test_without_witnesses_a_proof_is_made_unless_they_are_demanded(m8: Recording, alice: Proving) -> None:
    witness = ScriptedWitness("witness.example/a")
    m8.log.witnesses = [witness]
    request_id = alice.recorded()
    demands = {"MONOCTL_LOG_WITNESSES": str(witness.vkey), "MONOCTL_LOG_QUORUM": "1"}

    ends(alice.get(request_id, **demands), 0)
    said = json.loads(alice("verify", "proof", str(alice.file), "-o", "json", **demands).stdout)
    assert said["witnesses"] == ["witness.example/a"]
    assert said["witnessed_at"]

    m8.later_with_witnesses = True
    settings = load_settings(environ=alice.env)
    told: list[str] = []
    with SyncClient(settings, notify=told.append) as client:
        assert client.log.upload_proof(request_id, timeout=0.0).witnesses == ()
    assert any("only m8 says" in sentence for sentence in told)
    with SyncClient(load_settings(environ=alice.env | demands)) as client, pytest.raises(NotYetError):
        client.log.upload_proof(request_id, timeout=0.0)


def test_a_proof_from_a_log_that_nobody_else_is_shown_is_not_written(m8: Recording, alice: Proving) -> None:
    alice.put()
    m8.proves_from = ScriptedLog(5, key=m8.log.key, seed="fork")
    request_id = m8.record()

    refused = ends(alice.get(request_id), 18)
    assert not alice.file.exists()
    assert "note of the log" in refused.stderr


@pytest.fixture(params=[0, 1], ids=["no quorum", "quorum"])
def forked(request: pytest.FixtureRequest, m8: Recording, alice: Proving) -> ForkedLog:
    """A log that can lie about a fork; Alice demands a quorum or none, and has seen five entries."""
    m8.log = log = ForkedLog()
    if request.param:
        log.witnesses = [ScriptedWitness("witness.example/a")]
        alice.env |= {"MONOCTL_LOG_WITNESSES": str(log.witnesses[0].vkey), "MONOCTL_LOG_QUORUM": "1"}
        log.fork.witnesses = log.witnesses
    alice.put()
    return log


@pytest.mark.parametrize("shown", [0, 2, 3, 5, 6])
def test_a_smaller_tree_ties_no_fork_of_a_proof(m8: Recording, alice: Proving, forked: ForkedLog, shown: int) -> None:
    """The proof is of 6 entries, and the log that is kept has 9: their first 3 are the same."""
    m8.proves_from = forked.fork
    request_id = m8.record()
    forked.honest, forked.shows = 100, shown

    ends(alice.get(request_id), 18)
    assert not alice.file.exists()


@pytest.mark.parametrize("shown", [0, 2, 3, 4, 5, 6, 7])
def test_a_smaller_tree_ties_no_fork_of_a_note(alice: Proving, forked: ForkedLog, shown: int) -> None:
    """The note is of 7 entries, and the one that is kept of 5: their first 3 are the same."""
    forked.fork.grow(2, seed="fork")
    alice.theirs.write_bytes(forked.fork.note(7))
    forked.shows = shown

    refused = ends(alice("verify", "log", str(alice.theirs), "-o", "json"), 18)
    assert json.loads(refused.stderr)["error"]["notes"][1].encode() == alice.theirs.read_bytes()


@pytest.mark.parametrize("forked", [1], indirect=True, ids=["quorum"])
def test_a_demanded_quorum_must_have_seen_the_tree_that_ties_two_notes(alice: Proving, forked: ForkedLog) -> None:
    alice.theirs.write_bytes(forked.note(3))
    assert alice("verify", "log", str(alice.theirs)).exit_code == 0
    forked.without_witnesses = True

    ends(alice("verify", "log", str(alice.theirs)), 18, "none has the cosignatures of 1 of your witnesses")


@pytest.mark.parametrize("fault", ["another request", "no proof", "another place"])
def test_a_proof_that_does_not_hold_is_not_written(m8: Recording, alice: Proving, fault: str) -> None:
    request_id = alice.recorded()
    if fault == "another request":
        alice.put()
        m8.record()  # and shows the proof of this one for the earlier one
    elif fault == "no proof":
        m8.evidence.record += b"\n"
    else:
        m8.index += 1
    ends(alice.get(request_id), 18)
    assert not alice.file.exists()


def test_without_a_pin_of_the_store_nothing_is_proven(m8: Recording, alice: Proving) -> None:
    request_id = alice.recorded()
    (alice.folder / "known_stores").write_text("")
    with alice.client() as client, pytest.raises(UsageError, match="no identity of the store"):
        client.log.upload_proof(request_id)


def test_an_m8_without_a_log_proves_nothing(m8: Recording, alice: Proving) -> None:
    request_id = alice.recorded()
    (alice.folder / "known_logs").unlink()
    m8.log.failure = NotFoundError("this log is not witnessed.")
    with alice.client() as client:
        for ask in (client.log.get, partial(client.log.upload_proof, request_id)):
            with pytest.raises(NotFoundError, match="no log that can be checked"):
                ask()
        with pytest.raises(UsageError, match="no log is pinned"):
            client.log.offered()


def test_without_a_checkpoint_no_log_is_offered(m8: Recording, alice: Proving, monkeypatch: pytest.MonkeyPatch) -> None:
    alice.put()
    monkeypatch.setattr(m8.log, "answer", lambda _: log_pb2.GetCheckpointResponse())
    with alice.client() as client, pytest.raises(NotFoundError, match="shows no checkpoint"):
        client.log.offered()


@pytest.mark.parametrize("grown", [0, 4], ids=["the same size", "another size"])
def test_notes_of_one_log_agree_whoever_is_ahead(m8: Recording, alice: Proving, grown: int) -> None:
    alice.put()
    alice.theirs.write_bytes(m8.log.note(3))  # from before
    m8.log.grow(grown)
    for note in (m8.log.note(3), m8.log.note(m8.log.size)):
        alice.theirs.write_bytes(note)
        agreed = ends(alice("verify", "log", str(alice.theirs), "-o", "json"), 0)
        assert json.loads(agreed.stdout)["known_size"] == m8.log.size
    assert "is of the log that this machine knows" in alice("verify", "log", str(alice.theirs)).stdout


@pytest.mark.parametrize("size", [3, 5, 7], ids=["smaller", "the same size", "larger"])
def test_a_note_of_a_fork_is_printed_whole_beside_ones_own(m8: Recording, alice: Proving, size: int) -> None:
    alice.put()
    alice.theirs.write_bytes(ScriptedLog(size, key=m8.log.key, seed="fork").note(size))

    refused = ends(alice("verify", "log", str(alice.theirs), "-o", "json"), 18)
    mine, other = json.loads(refused.stderr)["error"]["notes"]
    assert (mine.splitlines()[:2], other.encode()) == ([m8.log.key.origin, "5"], alice.theirs.read_bytes())


def test_a_note_of_another_log_or_of_none_says_so(m8: Recording, alice: Proving) -> None:
    alice.put()
    alice.theirs.write_bytes(ScriptedLog(5).note(5))  # the same origin under other keys
    assert alice("verify", "log", str(alice.theirs)).exit_code == 18
    alice.theirs.write_bytes(b"no note\n")
    assert alice("verify", "log", str(alice.theirs)).exit_code == 2
    with alice.client() as client, pytest.raises(LogMismatchError):
        client.log.compare(ScriptedLog(5).note(5))


VECTORS = json.loads((Path(__file__).parents[2] / "vectors-log.json").read_text())
PROOFS = {vector["name"]: vector for vector in VECTORS["uploads"]}
KEYS = VECTORS["keys"]
LOG = [KEYS["log, Ed25519"], KEYS["log, ML-DSA-44"]]
WITNESSES = [KEYS["witness one"], KEYS["witness two"], KEYS["witness three"]]
IDENTITY = PROOFS["a put"]["pins"]["vault"]
SERVER = "m8.example:8443"
BY_HAND = ("--log-vkey", LOG[0], "--log-vkey", LOG[1], "--store-identity", f"vault={IDENTITY}")
SECOND_EARLIEST = "2026-12-23T04:26:44.000Z"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that knows nothing, and has no server."""
    for name in ("MONOCTL_SERVER", "MONOCTL_TOKEN", "MONOCTL_TOKEN_FILE", "MONOCTL_STORE_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MONOCTL_KNOWN_STORES", str(tmp_path / "known_stores"))
    return tmp_path


def check(home: Path, name: str, *words: str) -> Result:
    file = home / "proof"
    file.write_bytes(base64.b64decode(PROOFS[name]["proof"]))
    return CliRunner().invoke(cli, ["verify", "proof", str(file), *words])


def document(result: Result) -> Any:
    return json.loads(ends(result, 0).stdout)


def knows(home: Path, *, server: str = SERVER) -> None:
    """Pin the log and the store."""
    note = base64.b64encode(base64.b64decode(PROOFS["a put"]["proof"]).partition(b"\n\n")[2]).decode()
    for file, line in (
        ("known_logs", f"{server} {LOG[0]} {LOG[1]} {note}\n"),
        ("known_stores", f"{server} vault {IDENTITY}\n"),
    ):
        (home / file).write_text(line)
        (home / file).chmod(0o600)


def test_a_machine_that_used_the_server_needs_nothing_more(home: Path) -> None:
    knows(home)
    said = document(check(home, "a signed put", "-o", "json"))
    assert (said["purpose"], said["uri"], said["outcome"]) == ("UPLOAD", "vault://team-a/db", "UPLOADED")
    assert said["hash"].startswith("fp1:")
    assert (said["signer"], said["identity"], said["witnessed_at"]) == ("anna@example.org", IDENTITY, "")


def test_everything_can_be_given_by_hand(home: Path) -> None:
    said = document(check(home, "a put", *BY_HAND, "-o", "json"))
    assert (said["position"], said["log"]) == (5, "monoskope/0123456789abcdef")


def test_a_quorum_says_since_when(home: Path) -> None:
    witnesses = [word for key in WITNESSES for word in ("--witness", key)]
    said = document(check(home, "with three witnesses", *BY_HAND, *witnesses, "--quorum", "2", "-o", "json"))
    assert (len(said["witnesses"]), said["witnessed_at"]) == (3, SECOND_EARLIEST)
    ends(check(home, "a put", *BY_HAND, *witnesses, "--quorum", "2"), 18, "0 of its witnesses")


def test_a_person_is_told_whose_word_is_what(home: Path) -> None:
    result = check(home, "a put", *BY_HAND)
    assert "UPLOAD vault://team-a/db" in result.stdout
    assert "Outcome:" in result.stdout
    assert "REQUESTED BY and RECORDED are m8's word" in result.stderr
    assert "only m8 says since when" in result.stderr
    alone = ends(check(home, "ended by m8", *BY_HAND[:4]), 0)
    assert "the store signed nothing" in alone.stderr.lower()
    assert "had not ended" in check(home, "under way", *BY_HAND).stderr


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), "log_vkeys"),
        (BY_HAND[:4], "`store_identity` STORE="),
        (BY_HAND[:2], "two verifier keys, of type 0x01 and of type 0x06"),
        ((*BY_HAND, "--quorum", "1"), "the quorum must be at most the number of witnesses"),
        ((*BY_HAND, "--witness", LOG[1]), "none may be the log's own"),
    ],
    ids=["no keys", "no identity", "one key", "no witnesses", "the log as its witness"],
)
def test_what_is_missing_or_wrong_is_named(home: Path, words: tuple[str, ...], wanted: str) -> None:
    ends(check(home, "a put", *words), 2, wanted)


def test_two_servers_that_show_one_log_with_different_keys_prove_nothing(home: Path) -> None:
    knows(home)
    other = LogKey.make("monoskope/0123456789abcdef").vkeys
    with (home / "known_logs").open("a") as file:
        file.write(f"another.example:8443 {' '.join(map(str, other))} -\n")
    ends(check(home, "a put"), 2, "this machine knows different keys of the log")


def test_keys_of_another_log_do_not_count(home: Path) -> None:
    knows(home)
    ends(check(home, "a checkpoint of another log"), 2, "monoskope/fedcba9876543210")


@pytest.mark.parametrize(
    "name", [name for name, vector in PROOFS.items() if vector["expected"].get("fault") not in {None, "QUORUM", "FORM"}]
)
def test_a_proof_that_does_not_hold_has_an_exit_code_of_its_own(home: Path, name: str) -> None:
    pins = [f"--store-identity={store}={identity}" for store, identity in PROOFS[name]["pins"].items()]
    witnesses = [f"--witness={KEYS[key]}" for key in PROOFS[name]["policy"]["witnesses"]]
    result = check(home, name, *BY_HAND[:4], *pins, *witnesses, f"--quorum={PROOFS[name]['policy']['quorum']}")
    if "vault" not in PROOFS[name]["pins"]:
        assert result.exit_code == 2  # it says whose identity it needs
    else:
        assert result.exit_code == 18
        assert not result.stdout


def test_what_is_no_proof_is_a_usage_error(home: Path) -> None:
    (home / "proof").write_bytes(b"c2sp.org/tlog-proof@v1\n")
    for file in ("proof", "not there"):
        assert CliRunner().invoke(cli, ["verify", "proof", str(home / file)]).exit_code == 2
    content = base64.b64decode(PROOFS["a put"]["proof"])
    ends(CliRunner().invoke(cli, ["verify", "proof", "-", *BY_HAND], input=content), 0)
