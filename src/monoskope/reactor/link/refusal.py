"""What the log says when m8 ends a session: our own sentences for its status, never the text that m8 sent."""

from __future__ import annotations

import grpc

from monoskope.protocol.announcement import MAX_REPLICAS
from monoskope.reactor.identity.store_identity import Identity


def explained(code: grpc.StatusCode, *, server: str, identity: Identity, kind: str) -> dict[str, str]:
    """Return the log fields `error`, `message` and `fix` for a session that ended with `code`.

    Args:
        code: The status.
        server: The `host:port` that was dialled.
        identity: Under which the reactor logs in.
        kind: The type of its store.
    """
    message, fix = _words(code, server=server, identity=identity, kind=kind)
    return {"error": code.name, "message": message, "fix": fix}


def _words(code: grpc.StatusCode, *, server: str, identity: Identity, kind: str) -> tuple[str, str]:
    store = identity.store
    message, fix = f"m8 ended the session with {code.name}.", "See m8's log."
    match code:
        case grpc.StatusCode.PERMISSION_DENIED:
            message = (
                f"m8 refuses this reactor: it does not know the store {store}, knows it under another identity than"
                f" {identity.shown} or as another type than {kind}, counts another fingerprint key, or has"
                f" {MAX_REPLICAS} reactors of it already."
            )
            fix = (
                f"Let an administrator run: monoctl create secret-store {store} --type {kind} --identity"
                f" {identity.shown} . If the store exists, compare: monoctl describe secret-store {store}"
            )
        case grpc.StatusCode.FAILED_PRECONDITION:
            message = (
                f"m8 does not accept this reactor's proof: for m8 the store {store} has another identity than"
                f" {identity.shown}, or {server} is none of m8's own names."
            )
            fix = f"Compare: monoctl describe secret-store {store} ; and `server` here with `names` in m8.toml."
        case grpc.StatusCode.UNAVAILABLE:
            message = f"{server} does not answer as m8, or not under a certificate that `ca_file` vouches for."
            fix = "Check that m8 runs, then `server` and `ca_file` in reactor.toml."
        case grpc.StatusCode.UNIMPLEMENTED | grpc.StatusCode.INVALID_ARGUMENT:
            message = f"{server} does not speak this reactor's protocol."
            fix = "Check `server`; update the reactor or m8."
        case _:
            pass
    return message, fix
