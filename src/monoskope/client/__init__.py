"""The client SDK, on which `monoctl` is built: it seals secrets for a store's reactor and believes nothing unproven.

    async with Client() as client:
        result = await client.put_secret("vault://app/db", {"password": b"..."})
        print(result.hash)

`SyncClient` is the same for programs without an event loop. docs/sdk.md explains both.

`Client` has one method for each thing that a user can do to a secret. It finds the store, makes a `Task`, and lets a
`Walk` carry it out: ask for a key, check the grant, seal, send, check the receipt. `Trust` does the checks.

Read in this order:

- `client`, `changes`, `restorations`, `reading`: the public methods; `results`: their answers; `sync`: their twin;
- `queries`, `administration`, `access`, `proof`: what m8 knows, and what proves it;
- `purposes`: what each method sends, and what a proven end says;
- `walk`, `task` and `trust`: the steps 1 to 7 of docs/protocol.md, as the client sees them;
- `seal`: the only file that encrypts;
- `target` and `known_stores`: which store is meant, and which identity is pinned for it;
- `connection`, `reasons` and `settings`: how m8 is reached, what failures mean, where the configuration comes from.

One rule always holds: success is a receipt that the store's pinned identity signed for this very request. Whatever else
m8 says is shown as m8's word. Every failure is a `monoskope.errors.Error` with a stable `code` and a `fix`.

Public names are imported when they are used: a part that needs no connection does not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monoskope.client.agreeing import StoreIdentity
    from monoskope.client.bulk import Tally
    from monoskope.client.client import Client
    from monoskope.client.credential import Credential, Issued
    from monoskope.client.log_proofs.offline import verify_upload_proof
    from monoskope.client.login.kept import Login, find_login
    from monoskope.client.login.workload import WorkloadToken
    from monoskope.client.preview import Preview
    from monoskope.client.purposes.compare import Comparison
    from monoskope.client.purposes.copy_secret import Copy
    from monoskope.client.purposes.delete import Deletion
    from monoskope.client.purposes.generate import Generated
    from monoskope.client.purposes.import_secret import Import
    from monoskope.client.purposes.list_names import Known, UpstreamName, UpstreamPage
    from monoskope.client.purposes.put import Expect, PutResult
    from monoskope.client.purposes.rollback import Rollback
    from monoskope.client.purposes.undelete import Undeletion
    from monoskope.client.purposes.verify import Verification
    from monoskope.client.results.access import (
        AllowedMember,
        Applied,
        NewToken,
        Offboarding,
        Permission,
        PrefixRights,
        RoleBinding,
        Token,
        WhoAmI,
    )
    from monoskope.client.results.log_proofs import LogComparison, UploadProof
    from monoskope.client.results.secrets import Secret, SecretVersion, Upload
    from monoskope.client.results.server import Event, Server
    from monoskope.client.results.shown_log import Log, LogWitness
    from monoskope.client.results.stores import Reactor, Store
    from monoskope.client.settings import ClientSettings, load_settings
    from monoskope.client.signing.agent_signer import AgentSigner
    from monoskope.client.signing.key_signer import KeySigner
    from monoskope.client.signing.signer import Signer
    from monoskope.client.sync import SyncClient
    from monoskope.client.task import Progress, Stage
    from monoskope.client.witnessed import OfferedLog

__all__ = [
    "AgentSigner",
    "AllowedMember",
    "Applied",
    "Client",
    "ClientSettings",
    "Comparison",
    "Copy",
    "Credential",
    "Deletion",
    "Event",
    "Expect",
    "Generated",
    "Import",
    "Issued",
    "KeySigner",
    "Known",
    "Log",
    "LogComparison",
    "LogWitness",
    "Login",
    "NewToken",
    "Offboarding",
    "OfferedLog",
    "Permission",
    "PrefixRights",
    "Preview",
    "Progress",
    "PutResult",
    "Reactor",
    "RoleBinding",
    "Rollback",
    "Secret",
    "SecretVersion",
    "Server",
    "Signer",
    "Stage",
    "Store",
    "StoreIdentity",
    "SyncClient",
    "Tally",
    "Token",
    "Undeletion",
    "Upload",
    "UploadProof",
    "UpstreamName",
    "UpstreamPage",
    "Verification",
    "WhoAmI",
    "WorkloadToken",
    "find_login",
    "load_settings",
    "verify_upload_proof",
]

_HOMES = {
    "AllowedMember": "results.access",
    "Applied": "results.access",
    "AgentSigner": "signing.agent_signer",
    "Client": "client",
    "ClientSettings": "settings",
    "Comparison": "purposes.compare",
    "Copy": "purposes.copy_secret",
    "Credential": "credential",
    "Deletion": "purposes.delete",
    "Event": "results.server",
    "Expect": "purposes.put",
    "Generated": "purposes.generate",
    "Import": "purposes.import_secret",
    "Issued": "credential",
    "KeySigner": "signing.key_signer",
    "Known": "purposes.list_names",
    "LogComparison": "results.log_proofs",
    "Log": "results.shown_log",
    "LogWitness": "results.shown_log",
    "Login": "login.kept",
    "NewToken": "results.access",
    "Offboarding": "results.access",
    "OfferedLog": "witnessed",
    "Permission": "results.access",
    "PrefixRights": "results.access",
    "Preview": "preview",
    "Progress": "task",
    "PutResult": "purposes.put",
    "Reactor": "results.stores",
    "RoleBinding": "results.access",
    "Rollback": "purposes.rollback",
    "Secret": "results.secrets",
    "SecretVersion": "results.secrets",
    "Server": "results.server",
    "Signer": "signing.signer",
    "Stage": "task",
    "Store": "results.stores",
    "StoreIdentity": "agreeing",
    "SyncClient": "sync",
    "Tally": "bulk",
    "Token": "results.access",
    "Undeletion": "purposes.undelete",
    "Upload": "results.secrets",
    "UploadProof": "results.log_proofs",
    "UpstreamName": "purposes.list_names",
    "UpstreamPage": "purposes.list_names",
    "Verification": "purposes.verify",
    "WhoAmI": "results.access",
    "WorkloadToken": "login.workload",
    "find_login": "login.kept",
    "load_settings": "settings",
    "verify_upload_proof": "log_proofs.offline",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from monoskope import __version__  # noqa: PLC0415 - it takes time, and few ask

        return __version__
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only when something is asked for

    home: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return home


def __dir__() -> list[str]:
    return [*globals(), *__all__]
