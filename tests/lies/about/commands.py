"""The same lies to the real `monoctl`: what it prints, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code, ConflictError, RefusedError
from tests.lies.about import ends, keys, questions, sending, stores
from tests.lies.lie import Lie, Step, Victim
from tests.lies.scene import Scene

COMMAND = Victim.COMMAND
CHANGED, UNKNOWN = Code.IDENTITY_CHANGED, Code.OUTCOME_UNKNOWN
SENDING = ("monoctl put", "monoctl patch", "monoctl generate", "monoctl delete", "monoctl copy", "monoctl verify")
HOSTILE = "\x1b[2J\u202etxet"
CLEAN_TEXT = r"^(?!.*[\x1b\x9b\u202e])"


def lie(step: Step, name: str, tell: Callable[[Scene], Any], says: str, code: Code | None, *purposes: str) -> Lie:
    return Lie(step, f"{name}, to the command", tell, says, code, purposes or SENDING, COMMAND)


def _labelled(secret: Any, _: Scene) -> None:
    secret.labels.add(name="owner", value=HOSTILE)
    secret.subject = HOSTILE


def _called(name: str) -> Callable[[Scene], None]:
    """A person who has that name, behind a secret."""

    def change(answer: Any) -> None:
        for secret in getattr(answer, "secrets", None) or [answer.secret]:
            secret.subject = "user:corp:mallory"
        answer.people.add(member="user:corp:mallory", name=name)

    def tell(scene: Scene) -> None:
        for method in ("GetSecret", "ListSecrets"):
            scene.change(method, change)

    return tell


def _described(scene: Scene) -> None:
    scene.change("ListEvents", lambda answer: _each(answer.events))


def _each(events: Any) -> None:
    for event in events:
        event.detail = event.actor = HOSTILE


LIES = (
    lie(
        Step.STORE,
        "another identity",
        stores.field("identity", stores.THIEF.shown),
        f"(?s){re.escape(stores.THIEF.shown)}",
        CHANGED,
    ),
    lie(Step.KEY, "a thief's key", keys.granted(keys.of_thief), "signed by", CHANGED),
    lie(
        Step.KEY,
        "an unsigned conflict",
        keys.ended(upload_pb2.REASON_CONFLICT),
        r"No store signed that; nothing was\s+sent",
        Code.CONFLICT,
        "monoctl put",
        "monoctl delete",
        "monoctl rollback",
    ),
    lie(
        Step.END,
        "success without a receipt",
        ends.unsigned(outcome=upload_pb2.OUTCOME_UPLOADED),
        r"shows no\s+receipt for it",
        UNKNOWN,
    ),
    lie(
        Step.RECEIPT,
        "a thief's receipt",
        ends.receipt(ends.as_pinned),
        r"proves nothing",
        UNKNOWN,
        "monoctl put",
        "monoctl undelete",
        "monoctl import",
        "monoctl list-upstream",
        "monoctl compare",
    ),
    lie(
        Step.SENDING,
        "no signature",
        sending.sends(lambda message, _: message.ClearField("request_signature")),
        "NOT_AUTHORIZED",
        Code.NOT_AUTHORIZED,
        "monoctl put",
        "monoctl delete",
        "monoctl generate",
    ),
    lie(
        Step.REFUSAL,
        "text that rules the terminal",
        lambda scene: scene.wire.refuse("RequestSecretUploadKey", RefusedError(HOSTILE, fix=HOSTILE), times=None),
        f"{CLEAN_TEXT}.*m8 says: ",
        Code.REFUSED,
        "monoctl put",
        "monoctl verify",
    ),
    lie(
        Step.REFUSAL,
        "a fix that would harm",
        lambda scene: scene.wire.refuse(
            "RequestSecretUploadKey", ConflictError("no.", fix="Put again with --overwrite."), times=None
        ),
        r"m8 suggests: Put again with\s+--overwrite",
        Code.CONFLICT,
        "monoctl put",
    ),
    lie(
        Step.QUESTIONS,
        "labels that rule the terminal",
        questions.secret(_labelled),
        f"{CLEAN_TEXT}.*\\\\x1b|{CLEAN_TEXT}.*\\\\u001b",
        None,
        "monoctl get secret",
        "monoctl get secrets",
    ),
    lie(
        Step.QUESTIONS,
        "the name of somebody else",
        _called("Anna Meyer"),
        r'"Anna Meyer" \(corp:mallory\)',
        None,
        "monoctl get secret",
        "monoctl get secrets",
    ),
    lie(
        Step.QUESTIONS,
        "a name that ends before its id and rules the terminal",
        _called(f'Anna" (corp:anna) {HOSTILE}'),
        f"{CLEAN_TEXT}(?!.*Anna).* user:corp:mallory ",
        None,
        "monoctl get secret",
        "monoctl get secrets",
    ),
    lie(
        Step.QUESTIONS,
        "another hash",
        questions.secret(questions.sets("fingerprint", questions.HASH)),
        r"m8's word alone: .*something else than its\s+receipt says.* no ",
        None,
        "monoctl get secret",
    ),
    lie(
        Step.QUESTIONS,
        "success without a receipt of a request",
        questions.upload(lambda one, _: one.ClearField("receipt")),
        r"m8 shows no\s+receipt for it",
        None,
        "monoctl get upload",
    ),
    lie(
        Step.QUESTIONS,
        "another version",
        questions.version(questions.sets("upstream_version", "v0")),
        r"m8's word alone: .*something else.* no ",
        None,
        "monoctl get versions",
    ),
    lie(
        Step.EVENTS,
        "events that rule the terminal",
        _described,
        f"{CLEAN_TEXT}.*\\\\x1b|{CLEAN_TEXT}.*\\\\u001b",
        None,
        "monoctl get events",
    ),
)
