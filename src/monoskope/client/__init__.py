"""The client SDK, on which `monoctl` is built: it seals secrets for a store's reactor and believes nothing unproven.

    async with Client() as client:
        result = await client.put_secret("vault://app/db", {"password": b"..."})
        print(result.hash)

`SyncClient` is the same for programs without an event loop. docs/sdk.md explains both.

A method finds the store, makes a `Task`, and lets a `Walk` carry it out: ask for a key, check the grant, seal, send,
check the receipt. `Trust` does the checks.

Read in this order:

- `client`, `stores`, `access`, `changes`: the public methods; `results`: their answers; `session`: what all share;
- `purposes`: what each method sends, and what a proven end says;
- `walk`: one request, steps 1 to 7 of docs/protocol.md: which store is meant, what is asked, sent and believed;
- `seal`: the only file that encrypts;
- `queries`, `log`: what m8 knows, and how it is held to its log;
- `known`, `settings`: what this machine knows of stores and logs, and where the configuration comes from;
- `connection`, `http`, `runtime`: how m8 is reached, what is sent again, and how the client waits.

One rule always holds: success is a receipt that the store's pinned identity signed for this very request. Whatever else
m8 says is shown as m8's word. Every failure is a `monoskope.errors.Error` with a stable `code` and a `fix`.

Public names are imported when they are used: a part that needs no connection does not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monoskope.client.changes.proposal import Proposal as Proposal
    from monoskope.client.client import Client as Client
    from monoskope.client.login.credential import Credential as Credential
    from monoskope.client.login.credential import Issued as Issued
    from monoskope.client.login.credential import Login as Login
    from monoskope.client.login.credential import find_login as find_login
    from monoskope.client.login.workload import WorkloadToken as WorkloadToken
    from monoskope.client.proofs import verify_upload_proof as verify_upload_proof
    from monoskope.client.proofs.log import OfferedLog as OfferedLog
    from monoskope.client.purposes import Expect as Expect
    from monoskope.client.purposes.list_names import Known as Known
    from monoskope.client.purposes.list_names import UpstreamName as UpstreamName
    from monoskope.client.purposes.list_names import UpstreamPage as UpstreamPage
    from monoskope.client.results.access import AllowedMember as AllowedMember
    from monoskope.client.results.access import Applied as Applied
    from monoskope.client.results.access import ChangedRoleBinding as ChangedRoleBinding
    from monoskope.client.results.access import NewToken as NewToken
    from monoskope.client.results.access import Permission as Permission
    from monoskope.client.results.access import PrefixRights as PrefixRights
    from monoskope.client.results.access import RoleBinding as RoleBinding
    from monoskope.client.results.access import Token as Token
    from monoskope.client.results.access import WhoAmI as WhoAmI
    from monoskope.client.results.changes import Approval as Approval
    from monoskope.client.results.changes import ProposedChange as ProposedChange
    from monoskope.client.results.leaving import Offboarding as Offboarding
    from monoskope.client.results.leaving import StandingApproval as StandingApproval
    from monoskope.client.results.leaving import UsedKey as UsedKey
    from monoskope.client.results.log import Event as Event
    from monoskope.client.results.log import Log as Log
    from monoskope.client.results.log import LogComparison as LogComparison
    from monoskope.client.results.log import LogWitness as LogWitness
    from monoskope.client.results.log import ProvenApprover as ProvenApprover
    from monoskope.client.results.log import UploadProof as UploadProof
    from monoskope.client.results.secrets import Secret as Secret
    from monoskope.client.results.secrets import SecretVersion as SecretVersion
    from monoskope.client.results.secrets import Upload as Upload
    from monoskope.client.rotation import Planned as Planned
    from monoskope.client.rotation.spec import Rotation as Rotation
    from monoskope.client.rotation.walk import Rotated as Rotated
    from monoskope.client.rotation.walk import RotationStoppedError as RotationStoppedError
    from monoskope.client.settings import ClientSettings as ClientSettings
    from monoskope.client.settings import load_settings as load_settings
    from monoskope.client.signing.agent import AgentSigner as AgentSigner
    from monoskope.client.signing.key_file import KeySigner as KeySigner
    from monoskope.client.signing.signer import ApprovingSigner as ApprovingSigner
    from monoskope.client.signing.signer import Signer as Signer
    from monoskope.client.stores import Reactor as Reactor
    from monoskope.client.stores import Server as Server
    from monoskope.client.stores import Store as Store
    from monoskope.client.stores import StoreIdentity as StoreIdentity
    from monoskope.client.sync import SyncClient as SyncClient
    from monoskope.client.walk.checks import Preview as Preview
    from monoskope.client.walk.pace import Tally as Tally
    from monoskope.client.walk.results import Approver as Approver
    from monoskope.client.walk.results import Comparison as Comparison
    from monoskope.client.walk.results import Copy as Copy
    from monoskope.client.walk.results import Deletion as Deletion
    from monoskope.client.walk.results import Generated as Generated
    from monoskope.client.walk.results import Import as Import
    from monoskope.client.walk.results import PutResult as PutResult
    from monoskope.client.walk.results import Rollback as Rollback
    from monoskope.client.walk.results import Undeletion as Undeletion
    from monoskope.client.walk.results import Verification as Verification
    from monoskope.client.walk.task import Progress as Progress
    from monoskope.client.walk.task import Stage as Stage

_MODULES = {
    "monoskope.client.client": "Client",
    "monoskope.client.login.credential": "Credential Issued Login find_login",
    "monoskope.client.login.workload": "WorkloadToken",
    "monoskope.client.proofs": "verify_upload_proof",
    "monoskope.client.proofs.log": "OfferedLog",
    "monoskope.client.changes.proposal": "Proposal",
    "monoskope.client.purposes.list_names": "Known UpstreamName UpstreamPage",
    "monoskope.client.results.access": "AllowedMember Applied ChangedRoleBinding NewToken Permission PrefixRights"
    " RoleBinding Token WhoAmI",
    "monoskope.client.results.changes": "Approval ProposedChange",
    "monoskope.client.results.leaving": "Offboarding StandingApproval UsedKey",
    "monoskope.client.results.log": "Event Log LogComparison LogWitness ProvenApprover UploadProof",
    "monoskope.client.results.secrets": "Secret SecretVersion Upload",
    "monoskope.client.rotation": "Planned",
    "monoskope.client.rotation.spec": "Rotation",
    "monoskope.client.rotation.walk": "Rotated RotationStoppedError",
    "monoskope.client.settings": "ClientSettings load_settings",
    "monoskope.client.signing.agent": "AgentSigner",
    "monoskope.client.signing.key_file": "KeySigner",
    "monoskope.client.signing.signer": "ApprovingSigner Signer",
    "monoskope.client.stores": "Reactor Server Store StoreIdentity",
    "monoskope.client.sync": "SyncClient",
    "monoskope.client.walk.checks": "Preview",
    "monoskope.client.purposes": "Expect",
    "monoskope.client.walk.pace": "Tally",
    "monoskope.client.walk.results": "Approver Comparison Copy Deletion Generated Import PutResult Rollback Undeletion"
    " Verification",
    "monoskope.client.walk.task": "Progress Stage",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}
"""Each public name, and the module that has it."""
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from monoskope import __version__  # noqa: PLC0415 - it takes time, and few ask

        return __version__
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only when something is asked for

    home: object = getattr(importlib.import_module(_HOMES[name]), name)
    return home


def __dir__() -> list[str]:
    return [*globals(), *__all__]
