"""Answers as plain documents, which tables, JSON, YAML and the console's page show: the client's results, by field.

Enums have their names, ids are hex, times are RFC 3339. Notes and warnings beside them say what is not proven, and
which proofs do not hold.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client.results.secrets import Secret, SecretVersion, Upload
from monoskope.client.walk.checks import announced_layout, announced_maturity
from monoskope.client.walk.receipts import NO_RECEIPT, NOT_ENDED, Checked
from monoskope.errors import Error, UsageError
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import Document, fields_of
from monoskope.protocol.notes import edit_of
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.purposes import PURPOSES
from monoskope.times import rfc3339

if TYPE_CHECKING:
    from monoskope.client import Client, UpstreamName
    from monoskope.client.made import Made
    from monoskope.client.results.access import RoleBinding
    from monoskope.client.results.log import Log
    from monoskope.client.walk.checks import Preview

M8S_WORD = "{which} m8's word alone: {why}."
"""Where nothing is proven."""
NOT_WHOSE = (
    "the receipt proves how that request ended, not that what was sealed came from you: `monoctl compare secret` tells"
    " whether your value is there."
)
"""Beside a proven end of what was sealed: this client keeps nothing of what it sent."""
OTHER_KEY = "it was signed with {key}; {own}."
"""Beside a request that another key signed than the caller's."""
NEEDS_RIGHT = " (your token may lack the right see-hash)"
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


def made(found: Made) -> Document:
    """How what is at a secret came there, and the keys whose values somebody may know."""
    return {"made": found.how, "made_where": found.source, "known_keys": list(found.known_keys)}


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
    return {"kind": "RoleBinding"} | {name: field for name, field in fields_of(binding).items() if field}


async def whoami(client: Client) -> Document:
    """What m8 says of the caller: what `server` shows, and what it says of a member."""
    document = server(client.server, await client.queries.server())
    member = fields_of(await client.access.who_am_i())
    member["may"] = member.pop("rights")
    return document | {name: field for name, field in member.items() if name not in {"subject", "expires_at"}}


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


def tell(checks: Iterable[tuple[str, Checked]], *, notes: bool) -> None:
    """Print what is not proven, once for each reason: a false proof as a warning, the rest with `notes` as a note."""
    names: dict[Checked, list[str]] = {}
    for name, checked in checks:
        if not checked.proven and checked.why_not != NOT_ENDED:
            names.setdefault(Checked(checked.why_not), []).append(name)
    for checked, those in names.items():
        why = checked.why_not + (NEEDS_RIGHT if checked.why_not == NO_RECEIPT else "")
        which = f"{those[0]} is" if len(those) == 1 else f"{those[0]} and {len(those) - 1} more are"
        if checked.is_false:
            terminal.warn(M8S_WORD.format(which=which, why=why))
        elif notes:
            terminal.note(M8S_WORD.format(which=which, why=why))


def tell_whose(checked: Checked, purpose: upload_pb2.Purpose) -> None:
    """Print what a proven end leaves open."""
    receipt = checked.receipt
    succeeded = checked.proven and receipt is not None and receipt.outcome != upload_pb2.OUTCOME_FAILED
    # Of a signed request the key that signed says from whom it came.
    if succeeded and receipt is not None and not receipt.signer and PURPOSES[purpose].seals:
        terminal.note(NOT_WHOSE)


def of_people(approvers: Iterable[tuple[str, str]]) -> str:
    """Return the principals and keys of those who approved."""
    return ", ".join(f"{principal} ({key})" for principal, key in approvers)


def tell_approved(approvers: Iterable[tuple[str, str]], break_glass: str) -> None:
    """Print who approved what a receipt proves, or why nobody did who had to; nothing where nobody had to."""
    if people := of_people(approvers):
        terminal.note(f"the receipt says that it was approved by {people}.")
    if break_glass:
        terminal.note(f"the receipt says that it was done without approvals: {break_glass}")


def tell_signer(checked: Checked, signing_key: str) -> None:
    """Print who approved a request, and with whose key it was signed, if that is not the caller's own key.

    Args:
        checked: What was checked.
        signing_key: The caller's setting; "" without one.
    """
    receipt = checked.receipt
    if not checked.proven or receipt is None or not receipt.signer:
        return
    tell_approved(receipt.approvers, receipt.break_glass)
    from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - for signed requests alone

    own = ""
    with contextlib.suppress(Error):  # a key that cannot be read is not the one that signed
        own = signer_of(signing_key).public().shown if signing_key else ""
    if receipt.signer_key != own:
        terminal.note(OTHER_KEY.format(key=receipt.signer_key, own=f"yours is {own}" if own else "you have set none"))
