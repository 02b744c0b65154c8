"""Answers as plain documents, which tables, JSON, YAML and the console's page show.

Enums have their names, ids are hex, times are RFC 3339.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client.walk import reasons
from monoskope.client.walk.checks import (
    announced_layout,
    announced_limit,
    announced_maturity,
    engine_health,
    health_name,
)
from monoskope.errors import UsageError
from monoskope.monoctl.output.formats import Document, plain
from monoskope.protocol.notes import edit_of
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt
from monoskope.times import rfc3339

if TYPE_CHECKING:
    from monoskope.client import UpstreamName
    from monoskope.client.results.access import RoleBinding, WhoAmI
    from monoskope.client.results.log import Log
    from monoskope.client.walk.checks import Preview
    from monoskope.client.walk.receipts import Checked

_CAN = (
    "check_and_set", "write_tag", "readable", "deletable", "soft_delete", "patchable", "undeletable", "rollbackable",
    "listable", "signatures",
)  # fmt: skip
"""What a reactor announces that it can do, or wants, yes or no."""
_M8_SAYS = {
    "FOLDER": "folder",
    "PUT": "put through m8",
    "KNOWN": "known",
    "DELETED": "deleted through m8",
    "IMPORTABLE": "can be imported",
}


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
    can = view.capabilities
    return {
        "replica": view.replica.hex(),
        "attached": view.attached,
        "last_heard_at": rfc3339(view.last_heard_ms),
        "engine": health_name(view.engine),
        "engine_since_at": rfc3339(view.engine_since_ms),
        "last_failure": reasons.name(view.last_failure) if view.last_failure else "",
        "last_failure_at": rfc3339(view.last_failure_at_ms),
        "max_plaintext": can.max_plaintext,
        **{name: getattr(can, name) for name in _CAN},
        "signers_trouble": view.signers_trouble,
        "copies_to": list(can.copies_to),
        "key_rule": can.key_rule,
        "layout": can.layout,
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


def role_binding(binding: RoleBinding) -> Document:
    """A role binding, as `monoctl apply` takes it."""
    document: Document = {
        "kind": "RoleBinding",
        "name": binding.name,
        "role": binding.role,
        "members": list(binding.members),
    }
    if binding.prefix:
        document |= {"prefix": binding.prefix, "rights": list(binding.rights)}
    if binding.made_by:
        document["made_by"] = binding.made_by
    return document


def member(who: WhoAmI) -> Document:
    """What m8 says of a member beside what `server` shows."""
    document: Document = plain(who)
    document["may"] = document.pop("rights")
    return {name: field for name, field in document.items() if name not in {"subject", "expires_at"}}


def preview(would: Preview) -> Document:
    """What a put or a patch would send to one secret; `removes` only of a patch."""
    document: Document = plain(would) | {"purpose": spelled(upload_pb2.Purpose, would.purpose)}
    if not would.rules.merges:
        del document["removes"]
    return document


def upstream(found: UpstreamName) -> Document:
    """One name that is upstream, and what m8 says of it."""
    return {
        "uri": found.uri,
        "folder": found.is_folder,
        "m8_says": _M8_SAYS[found.known.name],
        "can_be_imported": found.can_be_imported,
        "request_id": found.request_id,
    }


def log(found: Log) -> Document:
    """The log of an m8, with its newest signed note."""
    document: Document = plain(found)
    return document | {"age_s": round(found.age_s, 3)}
