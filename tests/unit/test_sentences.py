"""What users and operators are told, word by word: `sentences.txt` says each sentence once more.

A sentence that is changed is changed there, too: `python -m tests.unit.test_sentences` writes the list anew. So none
changes by accident, and what a reason or a refusal means is read in one place.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import asyncpg

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.api.secrets.v1.events_pb2 import StoreCapabilities
from monoskope.client.walk.reasons import MEANINGS, error_for, signed_as
from monoskope.errors import Error, RateLimitedError
from monoskope.m8.log.postgres import failures as refusals
from monoskope.protocol.login import LoginRefusal
from monoskope.protocol.outcomes import spelled
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.link import Origin, StatusError
from monoskope.reactor.link.refusal import explained

PAGE = Path(__file__).with_name("sentences.txt")


def told(error: Error) -> str:
    after = f" (after {error.retry_after_s:g} s)" if isinstance(error, RateLimitedError) else ""
    return f"{type(error).__name__} {error.reason_name}: {error.message} -> {error.fix}{after}"


def of_reasons() -> Iterator[str]:
    """Each reason of an upload, then what it means for another purpose."""
    usual = {reason: told(error_for(reason, "a://b")) for reason in MEANINGS}
    yield from usual.values()
    yield told(error_for(cast("upload_pb2.Reason", 99), "a://b"))
    for purpose in cast("list[upload_pb2.Purpose]", upload_pb2.Purpose.values()):
        for reason, of_upload in usual.items():
            said = told(error_for(reason, "a://b", purpose))
            if said != of_upload:
                yield f"{spelled(upload_pb2.Purpose, purpose)} {said}"


def of_circumstances() -> Iterator[str]:
    """How the same reason is told where more is known."""
    limited, conflict, refused = (
        upload_pb2.REASON_RATE_LIMITED,
        upload_pb2.REASON_CONFLICT,
        upload_pb2.REASON_UPSTREAM_REFUSED,
    )
    for seconds in (1, 120, 121, 3_601):
        yield told(error_for(limited, "a://b", retry_after_s=seconds))
    for reason in (conflict, refused, upload_pb2.REASON_KEY_LOST):
        yield told(error_for(reason, "a://b", said_by_m8=True, upstream_version="7"))
        yield told(error_for(reason, "a://b", upstream_version="7"))
    for detail in ("the engine is sealed.", "no detail of ours\n"):
        yield told(error_for(refused, "a://b", detail=detail))
        yield told(error_for(refused, "a://b", detail=detail, said_by_m8=True))
    for key in ("SHA256:abc", ""):
        signed = signed_as(b"\x07" * 16, key)
        yield told(error_for(upload_pb2.REASON_NOT_AUTHORIZED, "a://b", signed=signed))


def of_refusals() -> Iterator[str]:
    """Why a PostgreSQL cannot be used, by what its driver raises."""
    errors: dict[str, BaseException] = {
        state: asyncpg.PostgresError.new({"C": state, "M": "server's text"})
        for state in (*sorted(refusals._BY_STATE), "08P01", "42601", "")
    }
    for code in (2, 10, 18, 19, 20, 21, 24, 62, 64):
        errors[f"certificate {code}"] = certificate = ssl.SSLCertVerificationError(1, "server's text")
        certificate.verify_code, certificate.verify_message = code, "OpenSSL's words"
    errors |= {
        "a standby": asyncpg.TargetServerAttributeNotMatched("server's text"),
        "the driver": asyncpg.InterfaceError("server's text"),
        "inside it": asyncpg.InternalClientError("server's text"),
    }
    kinds = (ssl.SSLError, socket.gaierror, TimeoutError, ConnectionRefusedError, FileNotFoundError, PermissionError)
    errors |= {kind.__name__: kind(1, "server's text") for kind in (*kinds, ConnectionResetError)}
    errors["OSError"] = OSError("server's text")
    for name, error in errors.items():
        found = refusals.why(error)
        assert found is not None, name
        yield f"{name}: {_refusal(found)}"
    yield f"another error: {refusals.why(ValueError('ours'))}"
    for found in (refusals.NO_TLS, refusals.NOT_POSTGRES, refusals.TOO_OLD):
        yield f"found by asking: {_refusal(found)}"


def of_reactors() -> Iterator[str]:
    """Why a reactor is not attached, as its operating log says it."""
    ends = [StatusError("UNAVAILABLE", origin=origin, detail="more") for origin in Origin]
    ends += [StatusError(code) for code in ("PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED", "INTERNAL")]
    refused = [value for value in views_pb2.LoginRefusal.values() if value]
    for value in cast("list[views_pb2.LoginRefusal]", refused):
        ends.append(StatusError("PERMISSION_DENIED", LoginRefusal(value)))
    ends.append(StatusError("PERMISSION_DENIED", LoginRefusal(views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY, ("a", "b"))))
    identity = Identity(bytes(32), store="vault")
    at = Endpoint(("m8.test:7443",), Path(), identity, bytes(16), "f" * 16, "vault", StoreCapabilities)
    for end in ends:
        said = explained(end, at)
        yield f"{said['error']}: {said['message']} -> {said['fix']}"


def _refusal(found: refusals.Refusal) -> str:
    brief = ", brief" if found.is_brief else ""
    return f"{found.kind.__name__}{brief}: {found.reason} -> {found.fix}"


def page() -> str:
    """All sentences, as the list has them."""
    parts = {
        "Reasons of a request that failed": of_reasons(),
        "How they are told": of_circumstances(),
        "Refusals of a PostgreSQL": of_refusals(),
        "Why a reactor is not attached": of_reactors(),
    }
    return "\n".join(f"# {title}\n" + "".join(f"{line}\n" for line in lines) for title, lines in parts.items())


def test_each_sentence_stands_in_the_list() -> None:
    said = page()
    assert "server's text" not in said
    assert said.splitlines() == PAGE.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
