"""Every operation of the page, by its name in `POST /api/<name>`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monoskope.monoctl.console.operation import Operation, ValueOperation
from monoskope.monoctl.console.operations import (
    activity,
    caller,
    changing,
    generating,
    notes,
    pictures,
    requests,
    secrets,
    stores,
    values,
)
from monoskope.monoctl.console.operations.fields import Nothing, OfUri

OPERATIONS: Mapping[str, Operation | ValueOperation] = MappingProxyType(
    {
        "whoami": Operation(Nothing, caller.whoami),
        "stores": Operation(Nothing, stores.stores),
        "pin": Operation(stores.Agreed, stores.pin),
        "upstream": Operation(OfUri, stores.upstream),
        "secrets": Operation(secrets.SecretsAsked, secrets.secrets),
        "secret": Operation(OfUri, secrets.secret),
        "versions": Operation(OfUri, secrets.versions),
        "upload": Operation(requests.UploadAsked, requests.upload),
        "events": Operation(requests.EventsAsked, requests.events),
        "groups": Operation(Nothing, pictures.groups),
        "expiring": Operation(Nothing, pictures.expiring),
        "activity": Operation(activity.ActivityAsked, activity.activity),
        "drift": Operation(Nothing, pictures.drift),
        "status": Operation(Nothing, pictures.status),
        "names": ValueOperation(Nothing, values.names),
        "put": ValueOperation(values.PutAsked, values.put),
        "patch": ValueOperation(values.PatchAsked, values.patch),
        "compare": ValueOperation(values.CompareAsked, values.compare),
        "generate": Operation(generating.GenerateAsked, generating.generate),
        "recipes": Operation(Nothing, generating.recipes),
        "copy": Operation(changing.CopyAsked, changing.copy),
        "import": Operation(changing.ImportAsked, changing.import_),
        "verify": Operation(changing.VerifyAsked, changing.verify),
        "delete": Operation(changing.DeleteAsked, changing.delete),
        "undelete": Operation(changing.UndeleteAsked, changing.undelete),
        "rollback": Operation(changing.RollbackAsked, changing.rollback),
        "label": Operation(notes.LabelAsked, notes.label),
        "expire": Operation(notes.ExpireAsked, notes.expire),
    }
)
"""Those with values have a framed body."""
