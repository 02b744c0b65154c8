"""`monoctl` inside the test's own process, against the real cluster: the same code, without a start for each case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
import grpc.aio
from click.testing import CliRunner

from monoskope.api.gateway.v1 import commands_pb2, commands_pb2_grpc, queries_pb2, queries_pb2_grpc, views_pb2
from monoskope.client.seal import Sealed
from monoskope.monoctl.main import cli
from monoskope.protocol.grant import Grant, open_grant
from monoskope.protocol.request import Request
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User

TIMEOUT_S = 60.0


def inside(user: User, *words: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Ran:
    """Run `monoctl` as a person of the cluster; errors come as JSON if the words ask for it."""
    home = str(user.home)
    given = {"HOME": home, "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None, **(environment or {})}
    result = CliRunner().invoke(cli, words, input=stdin, env=given)
    assert "Traceback" not in result.output
    return Ran(user.name, ("monoctl", *words), result.exit_code, result.stdout, result.stderr)


def put_inside(user: User, *words: str, value: bytes = b"correct horse") -> Ran:
    """Put one value under the key `password`."""
    return inside(user, "put", "secret", *words, "--from-file", "password=-", "-o", "json", stdin=value)


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller who speaks bare gRPC: for what no client of ours would send."""

    channel: grpc.aio.Channel
    metadata: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, cluster: Cluster, user: User) -> Caller:
        """Open a channel with the user's token; close it with `async with caller.channel`."""
        credentials = grpc.ssl_channel_credentials((cluster.folder / "m8" / "ca.crt").read_bytes())
        token = user.token_file.read_text().strip()
        channel = grpc.aio.secure_channel(cluster.server, credentials)
        return cls(channel, (("authorization", f"Bearer {token}"),))

    @property
    def commands(self) -> commands_pb2_grpc.SecretCommandServiceAsyncStub:
        return commands_pb2_grpc.SecretCommandServiceStub(self.channel)

    @property
    def queries(self) -> queries_pb2_grpc.SecretQueryServiceAsyncStub:
        return queries_pb2_grpc.SecretQueryServiceStub(self.channel)

    async def ask(self, content: bytes) -> bytes:
        """Request a key."""
        message = commands_pb2.RequestSecretUploadKeyRequest(request=content)
        answer = await self.commands.RequestSecretUploadKey(message, metadata=self.metadata, timeout=TIMEOUT_S)
        return answer.request_id

    async def key(self, request_id: bytes) -> queries_pb2.GetSecretUploadKeyResponse:
        """Wait for the grant."""
        message = queries_pb2.GetSecretUploadKeyRequest(request_id=request_id)
        return await self.queries.GetSecretUploadKey(message, metadata=self.metadata, timeout=TIMEOUT_S)

    async def granted(self, request: Request, identity: str) -> Grant:
        """Request a key, wait for it, and open the grant."""
        answer = await self.key(await self.ask(request.content))
        return open_grant(answer.grant, identity=identity, request=request.content, subject=None)

    async def send(self, request_id: bytes, sealed: Sealed) -> views_pb2.SecretUpload:
        """Hand over sealed bytes and wait for the end."""
        message = commands_pb2.RequestUploadSecretRequest(
            request_id=request_id, encapsulated_key=sealed.encapsulated_key, ciphertext=sealed.ciphertext
        )
        answer = await self.commands.RequestUploadSecret(message, metadata=self.metadata, timeout=TIMEOUT_S)
        return answer.upload
