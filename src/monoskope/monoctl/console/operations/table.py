"""Every operation of the page, by its name in `POST /api/<name>`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monoskope.monoctl.console.operations.changing import generating, notes, pinning, values, without_values
from monoskope.monoctl.console.operations.fields import Nothing, OfUri
from monoskope.monoctl.console.operations.operation import Operation, ValueOperation
from monoskope.monoctl.console.operations.reading import access, activity, caller, pictures, requests, secrets, stores

OPERATIONS: Mapping[str, Operation | ValueOperation] = MappingProxyType(
    {
        "whoami": Operation(Nothing, caller.whoami),
        "role-bindings": Operation(Nothing, access.role_bindings),
        "stores": Operation(Nothing, stores.stores),
        "pin": Operation(pinning.Agreed, pinning.pin),
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
        "copy": Operation(without_values.CopyAsked, without_values.copy),
        "import": Operation(without_values.ImportAsked, without_values.import_),
        "verify": Operation(without_values.VerifyAsked, without_values.verify),
        "delete": Operation(without_values.DeleteAsked, without_values.delete),
        "undelete": Operation(without_values.UndeleteAsked, without_values.undelete),
        "rollback": Operation(without_values.RollbackAsked, without_values.rollback),
        "label": Operation(notes.LabelAsked, notes.label),
        "expire": Operation(notes.ExpireAsked, notes.expire),
    }
)
"""Those with values have a framed body."""
