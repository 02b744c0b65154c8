"""A user of an m8: calls its methods as a client does, and expects what is refused."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2
from monoskope.protocol.request import Request
from tests.support.http_calls import Call, CallError, Headers, Stream

PATIENCE_S = 60.0


@dataclass
class Sealed:
    """Bytes that m8 cannot tell from a sealed secret."""

    encapsulated_key: bytes = field(default_factory=lambda: os.urandom(1120))
    ciphertext: bytes = field(default_factory=lambda: os.urandom(512 + 16))

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.encapsulated_key + self.ciphertext).digest()


class HasSealed(Protocol):
    """Sealed bytes, of a client or of a test."""

    @property
    def encapsulated_key(self) -> bytes: ...

    @property
    def ciphertext(self) -> bytes: ...


class User:
    """One caller, who shows `token`; a stranger without one."""

    def __init__(self, address: str, token: str = "", *, tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.tls = tls
        self.headers: Headers = (("authorization", f"Bearer {token}"),) if token else ()

    @property
    def token(self) -> str:
        return self.headers[0][1].removeprefix("Bearer ")

    async def call(self, message: Message, *, timeout_s: float | None = None) -> Any:
        """Call the method of a request. Raises `CallError`."""
        return await Call(self.address, message, self.headers, timeout_s, tls=self.tls).answer()

    def stream(self, message: Message) -> Stream:
        """Call a method that answers with a stream."""
        return Call(self.address, message, self.headers, tls=self.tls).stream()

    def watch(self, **fields: Any) -> Stream:
        return self.stream(queries_pb2.WatchEventsRequest(**fields))

    async def bind(self, name: str, *members: str, **what: Any) -> None:
        """Create a role binding."""
        binding = access_pb2.RoleBinding(name=name, members=members, **what)
        await self.call(access_pb2.CreateRoleBindingRequest(role_binding=binding))

    async def unbind(self, name: str) -> None:
        """Delete a role binding."""
        await self.call(access_pb2.DeleteRoleBindingRequest(name=name))

    async def ask(self, request: Request) -> bytes:
        message = commands_pb2.RequestSecretUploadKeyRequest(request=request.content)
        return bytes((await self.call(message)).request_id)

    async def ask_and_wait(
        self, request: Request, *, timeout_s: float = PATIENCE_S
    ) -> commands_pb2.RequestSecretUploadKeyResponse:
        message = commands_pb2.RequestSecretUploadKeyRequest(request=request.content, wait=True)
        answer: commands_pb2.RequestSecretUploadKeyResponse = await self.call(message, timeout_s=timeout_s)
        return answer

    async def key(self, request_id: bytes, *, timeout_s: float = PATIENCE_S) -> queries_pb2.GetSecretUploadKeyResponse:
        message = queries_pb2.GetSecretUploadKeyRequest(request_id=request_id)
        answer: queries_pb2.GetSecretUploadKeyResponse = await self.call(message, timeout_s=timeout_s)
        return answer

    async def send(self, request_id: bytes, sealed: HasSealed, timeout_s: float = PATIENCE_S) -> views_pb2.SecretUpload:
        message = commands_pb2.RequestUploadSecretRequest(
            request_id=request_id, encapsulated_key=sealed.encapsulated_key, ciphertext=sealed.ciphertext
        )
        found: views_pb2.SecretUpload = (await self.call(message, timeout_s=timeout_s)).upload
        return found

    async def upload(self, request_id: bytes) -> views_pb2.SecretUpload:
        message = queries_pb2.GetSecretUploadRequest(request_id=request_id)
        found: views_pb2.SecretUpload = (await self.call(message)).upload
        return found

    async def secret(self, uri: str) -> views_pb2.Secret:
        found: views_pb2.Secret = (await self.call(queries_pb2.GetSecretRequest(uri=uri))).secret
        return found

    async def secrets(self, **fields: Any) -> queries_pb2.ListSecretsResponse:
        answer: queries_pb2.ListSecretsResponse = await self.call(queries_pb2.ListSecretsRequest(**fields))
        return answer

    async def versions(self, uri: str, **fields: Any) -> queries_pb2.ListSecretVersionsResponse:
        message = queries_pb2.ListSecretVersionsRequest(uri=uri, **fields)
        answer: queries_pb2.ListSecretVersionsResponse = await self.call(message)
        return answer

    async def edit_notes(self, uri: str, **fields: Any) -> views_pb2.Secret:
        """Edit the notes of a secret; `set_labels` are pairs."""
        labels = [options_pb2.Label(name=name, value=value) for name, value in fields.pop("set_labels", ())]
        edit = events_pb2.NotesEdit(set_labels=labels, **fields)
        message = commands_pb2.UpdateSecretNotesRequest(uri=uri, edit=edit)
        found: views_pb2.Secret = (await self.call(message)).secret
        return found

    async def store(self, name: str) -> views_pb2.SecretStore:
        message = queries_pb2.GetSecretStoreRequest(name=name, count_pending=True)
        found: views_pb2.SecretStore = (await self.call(message)).store
        return found

    async def events(self, **fields: Any) -> queries_pb2.ListEventsResponse:
        answer: queries_pb2.ListEventsResponse = await self.call(queries_pb2.ListEventsRequest(**fields))
        return answer

    async def create(self, name: str, identity: str, *, kind: str = "vault", active: bool = True) -> None:
        await self.call(commands_pb2.CreateSecretStoreRequest(name=name, type=kind, identity=identity))
        if active:
            await self.call(commands_pb2.ActivateSecretStoreRequest(name=name))

    async def deactivate(self, name: str) -> None:
        await self.call(commands_pb2.DeactivateSecretStoreRequest(name=name))


async def pages(ask: Callable[[str], Awaitable[Any]]) -> AsyncIterator[Any]:
    """Ask for one page after the other, each with the token for it."""
    token = ""
    while True:
        page = await ask(token)
        yield page
        token = page.next_page_token
        if not token:
            return


class refused:  # noqa: N801  reads like pytest.raises
    """Expects the block to end with an error of that stable code; `message`, `fix` and `retry_after_s` are its own."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.message = self.fix = ""
        self.retry_after_s = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if error is None:
            pytest.fail(f"nothing was refused; {self._code} was expected")
        if not isinstance(error, CallError):
            return False
        assert error.reason == self._code, error.message
        self.message, self.fix, self.retry_after_s = error.message, error.info["fix"], error.retry_after_s
        return True


async def refusal(code: str, call: Awaitable[object], *words: str) -> refused:
    """Await a call that is refused with that code, in a message with these words."""
    with refused(code) as found:
        await call
    for word in words:
        assert word in found.message
    return found
