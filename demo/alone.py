"""What m8 can write on its own: a program that has all that m8 has, its folder, and nothing of any user.

    python alone.py m8 local://team-a/db anna     # in the demo's folder

It makes itself a credential in anna's name, which m8's token key allows, asks the store's reactor for a one-time key,
and seals a value of its own. Where the reactor wants a signature it tries what a hostile m8 can have: none, one of
anna's that stands in the log, and one by a key of its own. It stops at the first that works.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from monoskope.client.seal import Sealed, seal
from monoskope.client.signing.key_file import KeySigner
from monoskope.m8 import settings
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.opened import open_tokens, opened_log
from monoskope.protocol.grant import SUITE_1, Grant, parse_grant
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.request import make_request
from monoskope.settings import write_private
from monoskope.uri import SecretUri

CALL_S = 20.0


async def main(folder: Path, uri: SecretUri, user: str) -> None:
    """Try everything, and say how each try ended."""
    server = settings.load(folder)
    async with opened_log(server) as log:
        tokens = open_tokens(server, log, actor="m8")
        token = await tokens.issue(
            subject=user,
            role=events_pb2.ROLE_USER,
            prefixes=[f"{uri.store}://"],
            rights=[events_pb2.RIGHT_PUT],
            ttl_s=60,
        )
        connection = Connection(str(server.listen), folder / "ca.crt", token.jwt)
        try:
            async for how, end in Hostile(connection, uri).tries(log):
                print(f"{how:<52}{end}")
                if not end.startswith("FAILED"):
                    return
        finally:
            await connection.close()


class Hostile:
    """Asks the reactor for keys and sends it sealed bytes, as the user whose credential it made."""

    def __init__(self, connection: Connection, uri: SecretUri) -> None:
        self._connection = connection
        self._uri = uri

    async def tries(self, log: EventLog) -> AsyncIterator[tuple[str, str]]:
        """Yield what was tried and how it ended."""
        grant, sealed = await self._sealed()
        yield "its own value, without a signature:", await self._send(grant, sealed, b"")
        if grant.signature_required:
            grant, sealed = await self._sealed()
            stolen = await _newest_signature(log)
            yield "with the user's newest signature from the log:", await self._send(grant, sealed, stolen)
            grant, sealed = await self._sealed()
            own = await _signed_by_own_key(grant, sealed)
            yield "with a signature by a key of its own:", await self._send(grant, sealed, own)

    async def _sealed(self) -> tuple[Grant, Sealed]:
        """Get a one-time key, and seal a value under it."""
        request = make_request(
            request_id=secrets.token_bytes(16),
            purpose=upload_pb2.PURPOSE_UPLOAD,
            uri=self._uri,
            expect=upload_pb2.EXPECT_OVERWRITE,
            suites=(SUITE_1,),
        )
        ask = commands_pb2.RequestSecretUploadKeyRequest(request=request.content)
        await self._connection.call(methods.REQUEST_SECRET_UPLOAD_KEY, ask, CALL_S)
        wait = queries_pb2.GetSecretUploadKeyRequest(request_id=request.request_id)
        key = await self._connection.call(methods.GET_SECRET_UPLOAD_KEY, wait, CALL_S)
        grant = parse_grant(key.grant.content)
        return grant, seal(encode(Payload({"user": b"whom m8 likes"})), grant)

    async def _send(self, grant: Grant, sealed: Sealed, signature: bytes) -> str:
        """Send what was sealed; return the outcome and, if it failed, the reason."""
        message = commands_pb2.RequestUploadSecretRequest(
            request_id=grant.request.request_id,
            encapsulated_key=sealed.encapsulated_key,
            ciphertext=sealed.ciphertext,
            request_signature=signature,
        )
        answer = await self._connection.call(methods.REQUEST_UPLOAD_SECRET, message, CALL_S)
        outcome = upload_pb2.Outcome.Name(answer.upload.outcome).removeprefix("OUTCOME_")
        reason = upload_pb2.Reason.Name(answer.upload.reason).removeprefix("REASON_")
        return f"{outcome} {reason}" if answer.upload.reason else outcome


async def _newest_signature(log: EventLog) -> bytes:
    """Return the last signature that stands in the log."""
    sent = [event for event in await log.read(after=0, limit=100_000) if event.type == "SecretUploadRequested"]
    signatures = [events_pb2.SecretUploadRequested.FromString(event.data).request_signature for event in sent]
    return next(signature for signature in reversed(signatures) if signature)


async def _signed_by_own_key(grant: Grant, sealed: Sealed) -> bytes:
    """Return a good signature of this very request, by a key that nobody has seen before."""
    with tempfile.TemporaryDirectory() as folder:
        return await KeySigner(new_key(Path(folder) / "key")).sign(grant, sealed.sha256)


def new_key(file: Path) -> Path:
    """Make a key of m8's own in a file, and return that."""
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_private(file, key)
    return file


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), SecretUri.parse(sys.argv[2]), sys.argv[3]))
