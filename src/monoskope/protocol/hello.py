"""The reactor's login: it signs what it dialled and the challenge it was given."""

from __future__ import annotations

from collections.abc import Collection

from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.grant import REPLICA_BYTES, is_key_id
from monoskope.protocol.identity import ProofError, open_signed
from monoskope.protocol.labels import REACTOR_HELLO
from monoskope.protocol.wire import MalformedError, parse, serialise
from monoskope.uri import check_store_name
from monoskope.value import Value

CHALLENGE_BYTES = 32

_NAME = "ReactorHello"


class Hello(Value, frozen=True):
    """A well-formed hello."""

    server: str
    store: str
    replica: bytes
    challenge: bytes
    fingerprint_key_id: str

    def serialise(self) -> bytes:
        """Return its bytes."""
        return serialise(
            identity_pb2.ReactorHello(
                server=self.server,
                store=self.store,
                replica=self.replica,
                challenge=self.challenge,
                fingerprint_key_id=self.fingerprint_key_id,
            )
        )


def parse_hello(content: bytes) -> Hello:
    """Parse the bytes of a ReactorHello. Raises `MalformedError`, or `UsageError` for a bad store name."""
    message = parse(identity_pb2.ReactorHello, content)
    check_store_name(message.store)
    if len(message.replica) != REPLICA_BYTES:
        raise MalformedError(_NAME, "replica", "must have 16 bytes")
    if len(message.challenge) != CHALLENGE_BYTES:
        raise MalformedError(_NAME, "challenge", "must have 32 bytes")
    if not is_key_id(message.fingerprint_key_id):
        raise MalformedError(_NAME, "fingerprint_key_id", "must be 16 hex digits")
    return Hello(message.server, message.store, message.replica, message.challenge, message.fingerprint_key_id)


def claimed_store(content: bytes) -> str:
    """Return the store that the bytes of a hello name, "" if they name none. Proves nothing."""
    try:
        return parse_hello(content).store
    except UsageError:
        return ""


def open_hello(signed: upload_pb2.Signed, *, identity: str, challenge: bytes, servers: Collection[str]) -> Hello:
    """Verify and parse a signed hello.

    Args:
        signed: As it came.
        identity: The store's shown identity.
        challenge: What m8 sent on this connection.
        servers: The `host:port` names by which m8 may be dialled.

    Raises:
        ProofError: another identity, a bad signature, another connection's challenge, or made for another server.
        MalformedError: signed, but not well formed.
    """
    hello = parse_hello(open_signed(signed, REACTOR_HELLO, identity))
    if hello.challenge != challenge:
        raise ProofError("the hello answers another challenge")
    if hello.server not in servers:
        raise ProofError(f"the hello was made for the server {hello.server!r}, which is not a name of this one")
    return hello
