"""What the log says when m8 ends a session: our own sentences for its status, never the text that m8 sent."""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.protocol.hello import MAX_REPLICAS
from monoskope.protocol.login import LoginRefusal
from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.link import Origin, StatusError


def explained(ended: StatusError, endpoint: Endpoint) -> dict[str, str]:
    """Return the log fields `error`, `message` and `fix` for a session with the endpoint's server that ended so."""
    if ended.refusal is not None:
        message, fix = _words_for(ended.refusal, endpoint)
    elif ended.status == "UNAVAILABLE":
        message, fix = _absence(ended, endpoint.server)
    else:
        message, fix = _words(ended.status, endpoint)
    return {"error": ended.status, "message": message, "fix": fix}


def _absence(ended: StatusError, server: str) -> tuple[str, str]:
    """Say of an m8 that is not there for this reactor whether it was reached at all: else the wrong part is mended."""
    match ended.origin:
        case Origin.M8:
            why = "it cannot read or write its event log, or it is stopping"
            message = f"{server} is m8, and m8 refuses this reactor for now: {why}."
            fix = "Change nothing here. Look at m8's /readyz and its operating log; the reactor tries again by itself."
            return message, fix
        case Origin.HTTP:
            message = (
                f"{server} answers with the HTTP status {ended.detail}: m8, or a proxy before it, takes nothing now."
            )
            return message, "Look at m8, which may be starting, stopping or full, and at what stands before it."
        case Origin.CERTIFICATE:
            message = f"{server} shows a certificate that this reactor does not trust ({ended.detail})."
            compare = "Compare `ca_file` in reactor.toml with m8's ca.crt, and the host in `server` with m8's names."
            return message, f"{compare} If both were right until now, find out who answers there."
        case Origin.NOTHING:
            fix = "Check that m8 runs, then `server` and `ca_file` in reactor.toml."
            return f"{server} does not answer, or not as m8.", fix


def _words_for(refusal: LoginRefusal, endpoint: Endpoint) -> tuple[str, str]:
    store, kind = endpoint.identity.store, endpoint.type
    match refusal.refusal:
        case views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY:
            allowed = " or ".join(refusal.allowed) or "another one"
            message = (
                f"m8 refuses this reactor, and nothing can be put into the store {store} through it: its fingerprint"
                f" key has the id {endpoint.fingerprint_key_id}, and m8 allows {allowed}."
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


def _words(code: str, endpoint: Endpoint) -> tuple[str, str]:
    server, identity, kind = endpoint.server, endpoint.identity, endpoint.type
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
            fix = f"Compare: monoctl describe secret-store {store} ; and `server` here with `names` in m8.toml."
        case "UNIMPLEMENTED" | "INVALID_ARGUMENT":
            message = f"{server} does not speak this reactor's protocol."
            fix = "Check that `server` is the address of `listen` in m8.toml. Or update the reactor or m8."
        case _:
            pass
    return message, fix
