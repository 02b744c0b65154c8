"""m8's answers as plain documents: names for enums, hex for ids, RFC 3339 for times."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import reasons
from monoskope.client.proofs.receipts import Checked
from monoskope.client.target import announced_layout, announced_limit, announced_maturity, engine_health, health_name
from monoskope.errors import UsageError
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.names import spelled
from monoskope.protocol.notes import edit_of
from monoskope.protocol.receipt import Receipt
from monoskope.times import rfc3339


def proof(checked: Checked) -> Document:
    """Whether a receipt of the pinned identity proves the answer, and if not, why not."""
    return {"proven": checked.proven, "why_not_proven": checked.why_not}


def secret(view: views_pb2.Secret) -> Document:
    """One secret; hashes only if the caller may see them."""
    return {
        "uri": view.uri,
        "hash": view.fingerprint,
        "values": {value.key: value.fingerprint for value in view.values},
        "upstream_version": view.upstream_version,
        "prior_version": view.prior_version,
        "drifted": view.drifted,
        "subject": view.subject,
        "uploaded_at": rfc3339(view.uploaded_at_ms),
        "request_id": view.request_id.hex(),
        "labels": {label.name: label.value for label in view.labels},
        "expires_on": view.expires_on,
        "deleted": view.deleted,
        "sync": spelled(upload_pb2.Outcome, view.verified) if view.verified else "",
        "verified_at": rfc3339(view.verified_at_ms) if view.verified_at_ms else "",
        "status": status(view),
        "notes_edited_by": view.notes_subject,
        "notes_edited_at": rfc3339(view.notes_changed_at_ms) if view.notes_changed_at_ms else "",
    }


def status(view: views_pb2.Secret) -> str:
    """What is known of the engine, in one word; "" if the secret was not verified since its last receipt."""
    if view.deleted:
        return "DELETED"
    if view.verified:
        return spelled(upload_pb2.Outcome, view.verified)
    return "OVERWROTE" if view.drifted else ""


def version(view: views_pb2.SecretVersion) -> Document:
    """One version of a secret, from its receipt, or an edit of its notes; a hash only if the caller may see it."""
    edited = view.HasField("edit")
    return {
        "uri": view.uri,
        "purpose": "" if edited else spelled(upload_pb2.Purpose, view.purpose),
        "outcome": "EDITED" if edited else spelled(upload_pb2.Outcome, view.outcome),
        "upstream_version": view.upstream_version,
        "prior_version": view.prior_version,
        "subject": view.subject,
        "recorded_at": rfc3339(view.recorded_at_ms),
        "hash": view.fingerprint,
        "request_id": view.request_id.hex(),
        "edit": notes_edit(view.edit) if edited else "",
    }


def notes_edit(edit: events_pb2.NotesEdit) -> str:
    """An edit of notes in a few words."""
    try:
        return str(edit_of(edit))
    except UsageError:
        return "an edit that is malformed"


def signed(receipt: Receipt | None) -> Document:
    """Who signed a request and with which key, by its receipt; "" where none counts or none is signed."""
    return {"signer": receipt.signer if receipt else "", "signer_key": receipt.signer_key if receipt else ""}


def upload(view: views_pb2.SecretUpload, receipt: Receipt | None) -> Document:
    """One request. Only `receipt` says how it ended; what m8 says of the end is a field of its own."""
    said = spelled(upload_pb2.Outcome, view.outcome) if view.outcome else ""
    why = reasons.name(view.reason) if view.reason else ""
    return {
        "request_id": view.request_id.hex(),
        "uri": view.uri,
        "destination": view.destination,
        "purpose": spelled(upload_pb2.Purpose, view.purpose),
        "state": spelled(views_pb2.UploadState, view.state),
        "outcome": spelled(upload_pb2.Outcome, receipt.outcome) if receipt is not None else "",
        "reason": reasons.name(receipt.reason) if receipt is not None and receipt.reason else "",
        "m8_says": ": ".join(filter(None, (said, why))),
        "subject": view.subject,
        "requested_at": rfc3339(view.requested_at_ms),
        "changed_at": rfc3339(view.changed_at_ms),
        "has_receipt": view.HasField("receipt"),
        **signed(receipt),
    }


def store(view: views_pb2.SecretStore) -> Document:
    """One store with its reactors."""
    return {
        "name": view.name,
        "type": view.type,
        "state": "active" if view.active else "inactive",
        "default": view.is_default,
        "identity": view.identity,
        "identity_rotations": len(view.rotations),
        "fingerprint_key_id": view.fingerprint_key_id,
        "max_plaintext": announced_limit(view) or 0,
        "created_at": rfc3339(view.created_at_ms),
        "layout": announced_layout(view),
        "maturity": announced_maturity(view),
        "last_heard_at": rfc3339(max((reactor.last_heard_ms for reactor in view.reactors), default=0)),
        "engine": engine_health(view),
        "pending": view.pending,
        "refused_login": _refused_login(view.refused_login) if view.HasField("refused_login") else None,
        "reactors": [reactor(one) for one in view.reactors],
    }


def _refused_login(view: views_pb2.RefusedLogin) -> Document:
    return {
        "replica": view.replica.hex(),
        "refusal": spelled(views_pb2.LoginRefusal, view.refusal),
        "refused_at": rfc3339(view.refused_at_ms),
        "fingerprint_key_id": view.fingerprint_key_id,
    }


def store_types(views: Iterable[views_pb2.SecretStore]) -> list[Document]:
    """The types of the given stores, each with what its reactors announced of it, by name."""
    found: dict[str, Document] = {}
    for view in views:
        known = found.setdefault(view.type, {"type": view.type, "maturity": "", "stores": [], "layouts": []})
        known["stores"].append(view.name)
        # A type is experimental if any reactor says so: reactors may be of several versions.
        known["maturity"] = min(filter(None, (known["maturity"], announced_maturity(view))), default="")
        layout = announced_layout(view)
        if layout and layout not in known["layouts"]:
            known["layouts"].append(layout)
    return [found[name] for name in sorted(found)]


def reactor(view: views_pb2.Reactor) -> Document:
    """One reactor process."""
    return {
        "replica": view.replica.hex(),
        "attached": view.attached,
        "last_heard_at": rfc3339(view.last_heard_ms),
        "engine": health_name(view.engine),
        "engine_since_at": rfc3339(view.engine_since_ms),
        "last_failure": reasons.name(view.last_failure) if view.last_failure else "",
        "last_failure_at": rfc3339(view.last_failure_at_ms),
        "max_plaintext": view.capabilities.max_plaintext,
        "check_and_set": view.capabilities.check_and_set,
        "write_tag": view.capabilities.write_tag,
        "readable": view.capabilities.readable,
        "deletable": view.capabilities.deletable,
        "soft_delete": view.capabilities.soft_delete,
        "patchable": view.capabilities.patchable,
        "undeletable": view.capabilities.undeletable,
        "rollbackable": view.capabilities.rollbackable,
        "listable": view.capabilities.listable,
        "signatures": view.capabilities.signatures,
        "signers_trouble": view.signers_trouble,
        "copies_to": list(view.capabilities.copies_to),
        "key_rule": view.capabilities.key_rule,
        "layout": view.capabilities.layout,
        "fingerprint_key_id": view.fingerprint_key_id,
    }


def event(view: views_pb2.EventSummary, *, proven: bool = False) -> Document:
    """One event, and whether it stands in the log as it is pinned."""
    return {
        "position": view.position,
        "stream": view.stream,
        "version": view.version,
        "type": view.type,
        "recorded_at": rfc3339(view.recorded_at_ms),
        "actor": view.actor,
        "uri": view.uri,
        "detail": view.detail,
        "hash": view.hash.hex(),
        "proven": proven,
    }


def server(name: str, answer: queries_pb2.GetServerResponse) -> Document:
    """The m8 that was dialled as `name`, and who the caller is to it."""
    return {
        "subject": answer.subject,
        "role": _word(spelled(events_pb2.Role, answer.role)),
        "prefixes": list(answer.prefixes),
        "rights": [_word(spelled(events_pb2.Right, right)) for right in answer.rights],
        "expires": rfc3339(answer.expires_at_ms),
        "server": name,
        "m8_version": answer.version,
        "certificate_expires": rfc3339(answer.certificate_expires_at_ms) if answer.certificate_expires_at_ms else None,
        "fingerprint_key_id": answer.fingerprint_key_id,
    }


def _word(name: str) -> str:
    """Return a role or a right as `m8 token create` takes it."""
    return name.lower().replace("_", "-")
