"""m8's answers as plain documents: names for enums, hex for ids, RFC 3339 for times."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import reasons
from monoskope.client.proof import Checked
from monoskope.client.target import announced_layout, announced_limit, announced_maturity
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.names import spelled
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
    }


def version(view: views_pb2.SecretVersion) -> Document:
    """One version of a secret, from its receipt; its hash only if the caller may see it."""
    return {
        "uri": view.uri,
        "purpose": spelled(upload_pb2.Purpose, view.purpose),
        "outcome": spelled(upload_pb2.Outcome, view.outcome),
        "upstream_version": view.upstream_version,
        "prior_version": view.prior_version,
        "subject": view.subject,
        "recorded_at": rfc3339(view.recorded_at_ms),
        "hash": view.fingerprint,
        "request_id": view.request_id.hex(),
    }


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
        "engine": engine(view),
        "pending": view.pending,
        "reactors": [reactor(one) for one in view.reactors],
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


def engine(view: views_pb2.SecretStore) -> str:
    """The health of a store's engine, by the attached reactor that finds it best; "" if none is attached."""
    said = {one.engine for one in view.reactors if one.attached}
    return next((_health(one) for one in _BEST_FIRST if one in said), "unknown" if said else "")


_BEST_FIRST = (
    reactor_pb2.ENGINE_HEALTH_OK,
    reactor_pb2.ENGINE_HEALTH_UNSPECIFIED,
    reactor_pb2.ENGINE_HEALTH_REFUSED,
    reactor_pb2.ENGINE_HEALTH_UNAVAILABLE,
)


def _health(said: reactor_pb2.EngineHealth) -> str:
    return spelled(reactor_pb2.EngineHealth, said).lower() if said else "unknown"


def reactor(view: views_pb2.Reactor) -> Document:
    """One reactor process."""
    return {
        "replica": view.replica.hex(),
        "attached": view.attached,
        "last_heard_at": rfc3339(view.last_heard_ms),
        "engine": _health(view.engine),
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
        "copies_to": list(view.capabilities.copies_to),
        "key_rule": view.capabilities.key_rule,
        "layout": view.capabilities.layout,
        "fingerprint_key_id": view.fingerprint_key_id,
    }


def event(view: views_pb2.EventSummary) -> Document:
    """One event."""
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
    }
