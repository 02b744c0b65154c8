"""Answers as plain documents, which tables, JSON, YAML and the console's page show: the client's results, by field.

Enums have their names, ids are hex, times are RFC 3339.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client.results.secrets import Secret, SecretVersion, Upload
from monoskope.client.walk.checks import announced_layout, announced_maturity
from monoskope.errors import UsageError
from monoskope.monoctl.output.formats import Document, fields_of
from monoskope.protocol.notes import edit_of
from monoskope.protocol.outcomes import spelled
from monoskope.times import rfc3339

if TYPE_CHECKING:
    from monoskope.client import UpstreamName
    from monoskope.client.results.access import RoleBinding, WhoAmI
    from monoskope.client.results.log import Log
    from monoskope.client.walk.checks import Preview
    from monoskope.client.walk.receipts import Checked

_M8_SAYS = {
    "FOLDER": "folder",
    "PUT": "put through m8",
    "KNOWN": "known",
    "DELETED": "deleted through m8",
    "IMPORTABLE": "can be imported",
}


def secret(view: views_pb2.Secret, checked: Checked) -> Document:
    """One secret; hashes only if the caller may see them. The day of expiry is as m8 shows it, whatever that is."""
    return fields_of(Secret.of(view, checked)) | {
        "is_false": checked.is_false,
        "expires_on": view.expires_on,
        "status": status(view),
    }


def notes(view: views_pb2.Secret) -> Document:
    """The notes of a secret as they are now."""
    return {
        "uri": view.uri,
        "labels": {label.name: label.value for label in view.labels},
        "expires_on": view.expires_on,
        "notes_edited_by": view.notes_subject,
        "notes_edited_at": rfc3339(view.notes_changed_at_ms),
    }


def status(view: views_pb2.Secret) -> str:
    """What is known of the engine, in one word; "" if the secret was not verified since its last receipt."""
    if view.deleted:
        return "DELETED"
    if view.verified:
        return spelled(upload_pb2.Outcome, view.verified)
    return "OVERWROTE" if view.drifted else ""


def version(view: views_pb2.SecretVersion, checked: Checked) -> Document:
    """One version of a secret, from its receipt, or an edit of its notes; a hash only if the caller may see it."""
    document = fields_of(SecretVersion.of(view, checked)) | {"is_false": checked.is_false}
    if not view.HasField("edit"):
        return document | {"edit": ""}
    return document | {"purpose": "", "outcome": "EDITED", "edit": notes_edit(view.edit)}


def notes_edit(edit: events_pb2.NotesEdit) -> str:
    """An edit of notes in a few words."""
    try:
        return str(edit_of(edit))
    except UsageError:
        return "an edit that is malformed"


def upload(view: views_pb2.SecretUpload, checked: Checked) -> Document:
    """One request. Only its receipt says how it ended; what m8 says of the end is a field of its own."""
    return fields_of(Upload.of(view, checked)) | {"is_false": checked.is_false, "has_receipt": view.HasField("receipt")}


def store(view: views_pb2.SecretStore) -> Document:
    """One store with its reactors."""
    from monoskope.client.stores import Store  # noqa: PLC0415 - secrets are listed without it

    return fields_of(Store.of(view))


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


def event(view: views_pb2.EventSummary, *, proven: bool = False) -> Document:
    """One event, and whether it stands in the log as it is pinned."""
    from monoskope.client.results.log import Event  # noqa: PLC0415 - it loads what reads the log

    return fields_of(Event.of(view, proven=proven))


def server(name: str, answer: queries_pb2.GetServerResponse) -> Document:
    """The m8 that was dialled as `name`, and who the caller is to it. When something ends is no time that is over."""
    from monoskope.client.stores import Server  # noqa: PLC0415 - as above

    document = fields_of(Server.of(answer))
    named = {"expires_at": "expires", "certificate_expires_at": "certificate_expires", "version": "m8_version"}
    return {named.get(field, field): value for field, value in document.items()} | {"server": name}


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
    document = fields_of(who)
    document["may"] = document.pop("rights")
    return {name: field for name, field in document.items() if name not in {"subject", "expires_at"}}


def preview(would: Preview) -> Document:
    """What a put or a patch would send to one secret; `removes` only of a patch."""
    document = fields_of(would) | {"purpose": spelled(upload_pb2.Purpose, would.purpose)}
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
    return fields_of(found) | {"age_s": round(found.age_s, 3)}
