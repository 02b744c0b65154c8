"""The client SDK, on which `monoctl` is built: it seals secrets for a store's reactor and believes nothing unproven.

    async with Client() as client:
        result = await client.put_secret("vault://app/db", {"password": b"..."})
        print(result.hash)

`SyncClient` is the same for programs without an event loop. docs/sdk.md explains both.

A method finds the store, makes a `Task`, and lets a `Walk` carry it out: ask for a key, check the grant, seal, send,
check the receipt. `Trust` does the checks.

Read in this order:

- `client`, `stores`, `access`: the public methods; `results`: their answers; `session`: what all of them share;
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
    from monoskope.client.client import Client
    from monoskope.client.login.credential import Credential, Issued
    from monoskope.client.login.file import Login, find_login
    from monoskope.client.login.workload import WorkloadToken
    from monoskope.client.proofs.files import verify_upload_proof
    from monoskope.client.proofs.log import OfferedLog
    from monoskope.client.purposes.compare import Comparison
    from monoskope.client.purposes.copy_secret import Copy
    from monoskope.client.purposes.delete import Deletion
    from monoskope.client.purposes.generate import Generated
    from monoskope.client.purposes.import_secret import Import
    from monoskope.client.purposes.list_names import Known, UpstreamName, UpstreamPage
    from monoskope.client.purposes.put import PutResult
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
    from monoskope.client.signing.agent import AgentSigner
    from monoskope.client.signing.key_file import KeySigner
    from monoskope.client.signing.signer import Signer
    from monoskope.client.stores import StoreIdentity
    from monoskope.client.sync import SyncClient
    from monoskope.client.walk.checks import Preview
    from monoskope.client.walk.given import Expect
    from monoskope.client.walk.pace import Tally
    from monoskope.client.walk.task import Progress, Stage

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
    "AgentSigner": "signing.agent",
    "AllowedMember": "results.access",
    "Applied": "results.access",
    "Client": "client",
    "ClientSettings": "settings",
    "Comparison": "purposes.compare",
    "Copy": "purposes.copy_secret",
    "Credential": "login.credential",
    "Deletion": "purposes.delete",
    "Event": "results.server",
    "Expect": "walk.given",
    "Generated": "purposes.generate",
    "Import": "purposes.import_secret",
    "Issued": "login.credential",
    "KeySigner": "signing.key_file",
    "Known": "purposes.list_names",
    "Log": "results.shown_log",
    "LogComparison": "results.log_proofs",
    "LogWitness": "results.shown_log",
    "Login": "login.file",
    "NewToken": "results.access",
    "Offboarding": "results.access",
    "OfferedLog": "proofs.log",
    "Permission": "results.access",
    "PrefixRights": "results.access",
    "Preview": "walk.checks",
    "Progress": "walk.task",
    "PutResult": "purposes.put",
    "Reactor": "results.stores",
    "RoleBinding": "results.access",
    "Rollback": "purposes.rollback",
    "Secret": "results.secrets",
    "SecretVersion": "results.secrets",
    "Server": "results.server",
    "Signer": "signing.signer",
    "Stage": "walk.task",
    "Store": "results.stores",
    "StoreIdentity": "stores",
    "SyncClient": "sync",
    "Tally": "walk.pace",
    "Token": "results.access",
    "Undeletion": "purposes.undelete",
    "Upload": "results.secrets",
    "UploadProof": "results.log_proofs",
    "UpstreamName": "purposes.list_names",
    "UpstreamPage": "purposes.list_names",
    "Verification": "purposes.verify",
    "WhoAmI": "results.access",
    "WorkloadToken": "login.workload",
    "find_login": "login.file",
    "load_settings": "settings",
    "verify_upload_proof": "proofs.files",
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
