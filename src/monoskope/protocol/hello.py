"""The reactor's login: it signs what it dialled and the challenge it was given, and announces what its engine can do.

The bounds of an announcement hold for every reactor and driver. Each announcement is in the log for ever, and in every
list of stores; and clients validate options by a schema that a stranger may have written (docs/protocol.md, Login).
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import asdict

from monoskope.api.secrets.v1 import events_pb2, identity_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.grant import REPLICA_BYTES, is_key_id
from monoskope.protocol.identity import REACTOR_HELLO, ProofError, open_signed
from monoskope.protocol.notes import strict_json
from monoskope.protocol.wire import MalformedError, parse, serialise
from monoskope.uri import check_store_name
from monoskope.value import Value

MAX_CAPABILITIES = 16_384
"""Bytes of serialised capabilities at most."""

MAX_SCHEMA = 8_192
"""Bytes of an options schema at most, in UTF-8."""

MAX_REPLICAS = 16
"""Processes of one store that are attached at a time, at most."""

MAX_DEPTH = 32
"""Levels of objects and arrays in an options schema at most."""

FORBIDDEN = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "pattern", "patternProperties"})
"""Keywords that a schema must not have: references can go in a circle, patterns can take for ever to match."""

_NAMED = frozenset({"properties", "dependentSchemas", "dependencies", "$defs", "definitions"})
"""Keywords whose members are named by the schema's author: what stands there is no keyword."""

_FIX = "Correct the driver, or install another version of it."


def check_capabilities(capabilities: events_pb2.StoreCapabilities) -> None:
    """Check what a reactor announces. Raises `UsageError` that states the bound and what was found."""
    fault = schema_fault(capabilities.options_schema)
    if fault:
        raise UsageError(f"the options schema {fault}.", fix=_FIX)
    size = capabilities.ByteSize()
    if size > MAX_CAPABILITIES:
        raise UsageError(
            f"the capabilities have {size:,} bytes; a reactor may announce {MAX_CAPABILITIES:,}.",
            fix="Shorten the driver's layout, key rule or options schema, or the list of stores to copy to.",
        )


def schema_fault(schema: str) -> str:
    """Return what is wrong with an options schema, as the end of a sentence; "" if nothing is, as with no schema."""
    if not schema:
        return ""
    size = len(schema.encode())
    if size > MAX_SCHEMA:
        return f"has {size:,} bytes; at most {MAX_SCHEMA:,} are allowed"
    try:
        parsed = strict_json(schema)
    except (ValueError, RecursionError):
        return "is not JSON, or names a member twice"
    if not isinstance(parsed, dict):
        return "is not a JSON object"
    return _fault_within(parsed)


def _fault_within(schema: dict[str, object]) -> str:
    """Return what is wrong inside, else "". It checks values that are data, too: to refuse too much is harmless."""
    rest: list[tuple[object, int, bool]] = [(schema, 1, False)]
    while rest:
        value, depth, named = rest.pop()
        if isinstance(value, list):
            rest += [(each, depth + 1, False) for each in value]
        elif isinstance(value, dict):
            found = FORBIDDEN & value.keys()
            if found and not named:
                return f"has the keyword {min(found)}; references and patterns are not allowed"
            rest += [(each, depth + 1, not named and name in _NAMED) for name, each in value.items()]
        else:
            continue
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH} levels"
    return ""


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
        return serialise(identity_pb2.ReactorHello(**asdict(self)))


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
