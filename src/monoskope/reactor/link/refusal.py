"""What the log says when m8 ends a session: our own sentences for its status, never the text that m8 sent."""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.protocol.announcement import MAX_REPLICAS
from monoskope.protocol.login_refusal import LoginRefusal
from monoskope.reactor.identity.store_identity import Identity

_DOORS = "https://HOST:PORT is m8's HTTP door, HOST:PORT its gRPC door"


def explained(
    code: str,
    refusal: LoginRefusal | None = None,
    *,
    server: str,
    identity: Identity,
    kind: str,
    key_id: str,
) -> dict[str, str]:
    """Return the log fields `error`, `message` and `fix` for a session that ended with `code`.

    Args:
        code: The status, as `google.rpc.Code` names it.
        refusal: Why m8 refuses the login, if it said so.
        server: The server that was dialled, as the settings name it.
        identity: Under which the reactor logs in.
        kind: The type of its store.
        key_id: The id of its fingerprint key.
    """
    if refusal is not None:
        message, fix = _words_for(refusal, store=identity.store, kind=kind, key_id=key_id)
    else:
        message, fix = _words(code, server=server, identity=identity, kind=kind)
    return {"error": code, "message": message, "fix": fix}


def _words_for(refusal: LoginRefusal, *, store: str, kind: str, key_id: str) -> tuple[str, str]:
    match refusal.refusal:
        case views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY:
            allowed = " or ".join(refusal.allowed) or "another one"
            message = (
                f"m8 refuses this reactor, and nothing can be put into the store {store} through it: its fingerprint"
                f" key has the id {key_id}, and m8 allows {allowed}."
            )
            fix = (
                "Export the key from a reactor that is attached, then run here: m8 reactor fingerprint-key import DIR"
                " FILE --replace . It keeps the former key, too. Then start this reactor again."
            )
        case views_pb2.LOGIN_REFUSAL_STORE_TYPE:
            message = f"m8 refuses this reactor: it serves the type {kind}, and the store {store} is of another type."
            fix = f"Compare `engine.type` in reactor.toml with: monoctl describe secret-store {store}"
        case _:
            message = f"m8 refuses this reactor: the store {store} has {MAX_REPLICAS} attached reactors already."
            fix = "Stop one of them. One that is gone is forgotten after 10 s without a heartbeat."
    return message, fix


def _words(code: str, *, server: str, identity: Identity, kind: str) -> tuple[str, str]:
    store = identity.store
    message, fix = f"m8 ended the session with {code}.", "See m8's log."
    match code:
        case "PERMISSION_DENIED":
            message = (
                f"m8 refuses this reactor: it does not know the store {store}, knows it under another identity than"
                f" {identity.shown} or as another type than {kind}, counts another fingerprint key, or has"
                f" {MAX_REPLICAS} reactors of it already."
            )
            fix = (
                f"Let an administrator run: monoctl create secret-store {store} --type {kind} --identity"
                f" {identity.shown} . If the store exists, compare: monoctl describe secret-store {store}"
            )
        case "FAILED_PRECONDITION":
            message = (
                f"m8 does not accept this reactor's proof: for m8 the store {store} has another identity than"
                f" {identity.shown}, or {server} is none of m8's own names."
            )
            fix = (
                f"Compare: monoctl describe secret-store {store} ; and `server` here with `names` in m8.toml, or with"
                " `http_names` if it begins with https://."
            )
        case "UNAVAILABLE":
            message = f"{server} does not answer as m8, or not under a certificate that `ca_file` vouches for."
            fix = f"Check that m8 runs, then `ca_file` and `server` in reactor.toml: {_DOORS}."
        case "UNIMPLEMENTED" | "INVALID_ARGUMENT":
            message = f"{server} does not speak this reactor's protocol."
            fix = f"Check `server`: {_DOORS}. Or update the reactor or m8."
        case _:
            pass
    return message, fix
