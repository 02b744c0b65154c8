"""Lies about the witnessed log, to alice, who has pinned an earlier note of it. m8 holds the log's own keys."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import log_pb2, queries_pb2
from monoskope.errors import Code, NotFoundError
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note
from tests.lies.lie import Lie, Step
from tests.lies.rig import ORIGIN, Rig
from tests.lies.scene import Scene

LOG, MISMATCH = Step.LOG, Code.LOG_MISMATCH
ELSEWHERE = "monoskope/fedcba9876543210"
FORGED = LogKey.make(ORIGIN)
OTHER = LogKey.make(ELSEWHERE)
SIGNED_H = 3
"""Hours since which a stale note is signed."""

Change = Callable[[log_pb2.GetCheckpointResponse, Scene], Any]


def shows(change: Change) -> Callable[[Scene], Any]:
    """Change what m8 shows of its log."""
    return lambda scene: scene.change("GetCheckpoint", lambda answer: change(answer, scene))


def _checkpoint(answer: log_pb2.GetCheckpointResponse) -> Checkpoint:
    return Checkpoint.parse(Note.parse(answer.newest.note).text)


def _sign(rig: Rig, checkpoint: Checkpoint, *, key: LogKey | None = None, ago_s: int = 0) -> bytes:
    return (key or rig.log_key).sign(checkpoint, rig.m8.world.clock.now_ms // 1000 - ago_s)


def note(
    change: Callable[[Checkpoint, Scene], Checkpoint] = lambda shown, _: shown,
    *,
    key: LogKey | None = None,
    ago_s: int = 0,
) -> Callable[[Scene], Any]:
    def act(answer: log_pb2.GetCheckpointResponse, scene: Scene) -> None:
        answer.newest.note = _sign(scene.rig, change(_checkpoint(answer), scene), key=key, ago_s=ago_s)

    return shows(act)


def _old(answer: log_pb2.GetCheckpointResponse, scene: Scene) -> None:
    """An honest note of long ago, and the honest proof that what is pinned continues it."""
    answer.newest.note = scene.rig.old_note
    answer.newest.consistency[:] = scene.rig.old_proof


def _one_signature(answer: log_pb2.GetCheckpointResponse, _: Scene) -> None:
    lines = answer.newest.note.splitlines(keepends=True)
    answer.newest.note = b"".join(lines[:-1])


def _extended(answer: log_pb2.GetCheckpointResponse, _: Scene) -> None:
    text, _between, signatures = answer.newest.note.partition(b"\n\n")
    answer.newest.note = text + b"\nmore\n\n" + signatures


def _flipped(answer: log_pb2.GetCheckpointResponse, _: Scene) -> None:
    first = answer.newest.consistency[0]
    answer.newest.consistency[0] = bytes([first[0] ^ 1]) + first[1:]


def _two_trees(answer: log_pb2.GetCheckpointResponse, scene: Scene) -> None:
    """Show the newest, and as the witnessed one another tree of the same size, signed by the same keys."""
    shown = _checkpoint(answer)
    answer.witnessed.CopyFrom(answer.newest)
    answer.witnessed.note = _sign(scene.rig, Checkpoint(ORIGIN, shown.size, bytes(32)))


def _renewed(answer: log_pb2.GetCheckpointResponse, scene: Scene) -> None:
    shown = _checkpoint(answer)
    answer.newest.note = _sign(scene.rig, Checkpoint(ELSEWHERE, shown.size, shown.root), key=OTHER)
    answer.vkeys[:] = [str(vkey) for vkey in OTHER.vkeys]
    answer.renewal.reason = "lost a disk\x1b[2J; run monoctl accept-log now"
    answer.renewal.renewed_at_ms = scene.rig.m8.world.clock.now_ms


def _swapped_keys(answer: log_pb2.GetCheckpointResponse, _: Scene) -> None:
    answer.vkeys[:] = [str(vkey) for vkey in FORGED.vkeys]


# --- proofs of requests ---


def _other_record(answer: log_pb2.GetUploadProofResponse, _: Scene) -> None:
    answer.evidence.record = answer.evidence.record[:-1] + bytes([answer.evidence.record[-1] ^ 1])


def _forged_note(answer: log_pb2.GetUploadProofResponse, scene: Scene) -> None:
    shown = Checkpoint.parse(Note.parse(answer.note).text)
    answer.note = _sign(scene.rig, shown, key=FORGED)


def _own_tree(answer: log_pb2.GetUploadProofResponse, scene: Scene) -> None:
    """A tree of m8's own, of the same size, signed by the log's keys, under which nothing is included."""
    shown = Checkpoint.parse(Note.parse(answer.note).text)
    answer.note = _sign(scene.rig, Checkpoint(ORIGIN, shown.size, bytes(32)))


def _later(answer: log_pb2.GetUploadProofResponse, _: Scene) -> None:
    answer.Clear()
    answer.proof_later = True


def lie(name: str, tell: Callable[[Scene], Any], says: str, code: Code | None = MISMATCH) -> Lie:
    """A lie about what m8 shows of its log, whatever is asked for."""
    return Lie(LOG, name, tell, says, code)


def of_proof(
    name: str, change: Callable[[log_pb2.GetUploadProofResponse, Scene], Any], says: str, code: Code = MISMATCH
) -> Lie:
    def tell(scene: Scene) -> None:
        scene.change("GetUploadProof", lambda answer: change(answer, scene))

    return Lie(LOG, name, tell, says, code, ("get upload proof",))


def _outlined(**fields: Any) -> Callable[[queries_pb2.ListEventsResponse], Any]:
    """The first event of a page says something else, in every place in which it says it."""

    def change(answer: queries_pb2.ListEventsResponse) -> None:
        shown = answer.events[0]
        outline = event_pb2.Event.FromString(shown.outline)
        for name, value in fields.items():
            setattr(outline, name, value)
            setattr(shown, name, value)
        shown.outline = outline.SerializeToString(deterministic=True)
        shown.hash = hashlib.sha256(shown.outline).digest()

    return change


def _beside_its_outline(answer: queries_pb2.ListEventsResponse) -> None:
    for shown in answer.events:
        shown.actor = shown.uri = shown.detail = "mallory"


def of_events(
    name: str, change: Callable[[queries_pb2.ListEventsResponse], Any], says: str, code: Code | None = MISMATCH
) -> Lie:
    """A lie about events that the log has."""
    return Lie(LOG, name, lambda scene: scene.change("ListEvents", change), says, code, ("list events", "last events"))


NOT_OF_THE_LOG = "m8 shows events that are not those of its log"
NOT_INCLUDED = "the inclusion proof does not lead to the root of the tree"
NOT_COUNTS = "the note that .* shows of its log does not count"
CONTINUES = "does not continue what it showed before"

LIES = (
    lie(
        "no checkpoint",
        shows(lambda answer, _: answer.ClearField("newest")),
        "shows no checkpoint of its log that counts",
    ),
    lie(
        "that it keeps no log",
        lambda scene: scene.wire.refuse("GetCheckpoint", NotFoundError("this log is not witnessed."), times=None),
        "shows no checkpoint of its log that counts .*this log is not witnessed",
    ),
    lie(
        "another origin",
        note(lambda shown, _: Checkpoint(ELSEWHERE, shown.size, shown.root), key=OTHER),
        f"shows the log {ELSEWHERE}, and the one that is pinned is {ORIGIN}",
    ),
    lie("that the log was renewed", shows(_renewed), r"(?!.*\x1b).*m8 says that the log was renewed at .*lost a disk"),
    lie("a note of other keys", note(key=FORGED), NOT_COUNTS),
    lie("a note with one signature", shows(_one_signature), NOT_COUNTS),
    lie("a note with one more line", shows(_extended), NOT_COUNTS),
    lie(
        "a note that is cut",
        shows(lambda answer, _: setattr(answer.newest, "note", answer.newest.note[:-9])),
        NOT_COUNTS,
    ),
    lie("a note that is none", shows(lambda answer, _: setattr(answer.newest, "note", b"\xff\x1b")), NOT_COUNTS),
    lie("an old checkpoint", shows(_old), "was rolled back, or you are shown an old copy"),
    lie(
        "another tree of the pinned size",
        note(lambda _, scene: Checkpoint(ORIGIN, scene.rig.pinned.size, bytes(32))),
        "two different trees of .* entries, both signed by it",
    ),
    lie("another root", note(lambda shown, _: Checkpoint(ORIGIN, shown.size, bytes(32))), CONTINUES),
    lie("twice the size", note(lambda shown, _: Checkpoint(ORIGIN, 2 * shown.size, shown.root)), CONTINUES),
    lie("no proof that it continues", shows(lambda answer, _: answer.newest.ClearField("consistency")), CONTINUES),
    lie("a proof with another hash", shows(_flipped), CONTINUES),
    lie("a proof with one more hash", shows(lambda answer, _: answer.newest.consistency.append(bytes(32))), CONTINUES),
    lie("two trees at once", shows(_two_trees), f"{CONTINUES}|two different trees"),
    lie("other keys beside its note", shows(_swapped_keys), "", None),
    lie("a note that was signed long ago", note(ago_s=SIGNED_H * 3_600), "notice: the log of .*", None),
    of_proof("another place in the tree", lambda answer, _: setattr(answer, "index", answer.index - 1), NOT_INCLUDED),
    of_proof(
        "another hash of the inclusion", lambda answer, _: answer.inclusion.__setitem__(0, bytes(32)), NOT_INCLUDED
    ),
    of_proof("no inclusion", lambda answer, _: answer.ClearField("inclusion"), NOT_INCLUDED),
    of_proof("another record", _other_record, NOT_INCLUDED),
    of_proof("a proof under other keys", _forged_note, "the checkpoint is not signed by both keys of the log"),
    of_proof("a proof in a tree of m8's own", _own_tree, NOT_INCLUDED),
    of_proof(
        "the grant of an earlier request",
        lambda answer, scene: answer.evidence.grant.CopyFrom(scene.rig.kept["put"].view.grant),
        "the grant is for another request",
    ),
    of_proof(
        "no grant of what it proves",
        lambda answer, _: answer.evidence.ClearField("grant"),
        "a receipt without the grant that it answers",
    ),
    of_proof(
        "the signature of an earlier request",
        lambda answer, scene: setattr(
            answer.evidence, "request_signature", scene.rig.kept["put"].sent.request_signature
        ),
        "the signature is not the key's over this statement",
    ),
    of_proof(
        "no signature of what it proves",
        lambda answer, _: answer.evidence.ClearField("request_signature"),
        "the signature of the request does not hold",
    ),
    of_events("another person who caused an event", _outlined(actor="mallory"), NOT_OF_THE_LOG),
    of_events("another secret of an event", _outlined(uri="memory://team-a/else"), NOT_OF_THE_LOG),
    of_events("another time of an event", _outlined(recorded_at_ms=1), NOT_OF_THE_LOG),
    of_events("other words of an event", _outlined(detail="DELETED"), NOT_OF_THE_LOG),
    of_events("another place of an event", _outlined(position=1), f"{NOT_OF_THE_LOG}|twice, or in another order"),
    of_events("an event beside its outline", _beside_its_outline, "(?!.*mallory).*proven=True", None),
    of_events(
        "an event without its outline",
        lambda answer: answer.events[0].ClearField("outline"),
        "m8 shows no outline of event",
    ),
    of_events(
        "an event twice",
        lambda answer: answer.events.append(answer.events[-1]),
        f"{NOT_OF_THE_LOG}|twice, or in another order",
    ),
    of_events(
        "another hash of the proof of events", lambda answer: answer.inclusion.__setitem__(0, bytes(32)), NOT_OF_THE_LOG
    ),
    of_events("no proof of events", lambda answer: answer.ClearField("inclusion"), NOT_OF_THE_LOG),
    of_proof(
        "a proof that is to come, for ever",
        _later,
        "is recorded, and no checkpoint of the log covers it yet",
        Code.NOT_YET,
    ),
)
