"""A scripted m8 that knows what was put through it, lists it, and records events; and a console's context at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.client import Client
from monoskope.client.login.credential import Credential
from monoskope.errors import NotFoundError
from monoskope.monoctl.console import live as heard
from monoskope.monoctl.console.operations import Context
from monoskope.monoctl.console.program import OPERATIONS
from monoskope.protocol.receipt import parse_receipt
from monoskope.testing.scripted.client import pinned, settings_for
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8

CONTEXT = "lab"
AT_MS = 1_790_000_000_000
VALUE = b"correct horse battery staple"
_PUT = events_pb2.RIGHT_PUT
ROLE_BINDINGS = [
    access_pb2.RoleBinding(name="admins", role=events_pb2.ROLE_ADMINISTRATOR, members=["user:corp:grace"]),
    access_pb2.RoleBinding(
        name="apps", role=events_pb2.ROLE_USER, members=["group:corp:ops"], prefix="vault://app", rights=[_PUT]
    ),
]
PEOPLE = [views_pb2.PersonName(member="user:corp:grace", name="Grace Hopper")]
HASHES = [f"fp1:0123456789abcdef:{digit * 64}" for digit in "ab"]


def a_view(uri: str, **fields: Any) -> views_pb2.Secret:
    """What m8 shows of a secret, with labels and values as dictionaries."""
    labels = [options_pb2.Label(name=name, value=text) for name, text in fields.pop("labels", {}).items()]
    values = [upload_pb2.ValueFingerprint(key=key, fingerprint=text) for key, text in fields.pop("values", {}).items()]
    return views_pb2.Secret(uri=uri, labels=labels, values=values, **fields)


class KnowingM8(ScriptedM8):
    """An honest m8 with as much of a read model as a console asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, views_pb2.Secret] = {}
        self.uploads: dict[bytes, views_pb2.SecretUpload] = {}
        self.events: list[views_pb2.EventSummary] = []

    def honest_end(self, attempt: Attempt) -> views_pb2.SecretUpload:
        """End the request once, and know it from then on."""
        known = self.uploads.get(attempt.request.request_id)
        if known is None:
            known = self.uploads[attempt.request.request_id] = super().honest_end(attempt)
            known.grant.CopyFrom(attempt.signed_grant())
            self._know(attempt, known)
        return known

    def record(self, kind: str, uri: str, detail: str = "", *, stream: str = "", actor: str = "alice") -> None:
        position = len(self.events) + 1
        self.events.append(
            views_pb2.EventSummary(
                position=position,
                stream=stream or f"upload/{position:032x}",
                version=1,
                type=kind,
                recorded_at_ms=AT_MS + position,
                actor=actor,
                uri=uri,
                detail=detail,
            )
        )

    def know(self, uri: str, **fields: Any) -> views_pb2.Secret:
        view = views_pb2.Secret(uri=uri, uploaded_at_ms=AT_MS, subject="alice", **fields)
        self.secrets[uri] = view
        return view

    def _know(self, attempt: Attempt, upload: views_pb2.SecretUpload) -> None:
        receipt = parse_receipt(upload.receipt.content)
        if receipt.outcome in {upload_pb2.OUTCOME_EQUAL, upload_pb2.OUTCOME_LISTED, upload_pb2.OUTCOME_FAILED}:
            return
        deleted = receipt.outcome == upload_pb2.OUTCOME_DELETED
        self.secrets[str(receipt.uri)] = views_pb2.Secret(
            uri=str(receipt.uri),
            fingerprint=receipt.fingerprint,
            values=[upload_pb2.ValueFingerprint(key=key, fingerprint=text) for key, text in receipt.values],
            upstream_version=receipt.prior_version if deleted else receipt.upstream_version,
            subject=self.subject,
            uploaded_at_ms=AT_MS,
            request_id=attempt.request.request_id,
            labels=[options_pb2.Label(name=name, value=text) for name, text in attempt.request.labels],
            expires_on=attempt.request.expires_on,
            deleted=deleted,
            receipt=upload.receipt,
        )

    def more(self, method: str, message: Message) -> Message:  # noqa: PLR0911 - one return a message
        match message:
            case queries_pb2.GetServerRequest():
                return queries_pb2.GetServerResponse(
                    version="9",
                    subject="alice",
                    role=events_pb2.ROLE_USER,
                    rights=list(events_pb2.Right.keys())[1:],
                    prefixes=["vault://"],
                )
            case queries_pb2.GetSecretRequest():
                if message.uri not in self.secrets:
                    raise NotFoundError(f"no secret {message.uri}.")
                return queries_pb2.GetSecretResponse(secret=self.secrets[message.uri])
            case queries_pb2.ListSecretsRequest():
                return self._listed(message)
            case queries_pb2.ListSecretVersionsRequest():
                return queries_pb2.ListSecretVersionsResponse(versions=self._versions(message))
            case queries_pb2.ListSecretStoresRequest():
                return queries_pb2.ListSecretStoresResponse(stores=self.stores.values())
            case queries_pb2.ListEventsRequest():
                newest = [event for event in reversed(self.events) if event.recorded_at_ms >= message.since_ms]
                first = int(message.page_token or 0)
                last = first + message.page_size
                return queries_pb2.ListEventsResponse(
                    events=newest[first:last],
                    head=len(self.events),
                    next_page_token=str(last) if last < len(newest) else "",
                )
            case commands_pb2.UpdateSecretNotesRequest():
                return self._edited(message)
            case _:
                return self._of_access(method, message)

    def _of_access(self, method: str, message: Message) -> Message:
        match message:
            case access_pb2.WhoAmIRequest():
                gives = access_pb2.PrefixRights(prefix="vault://app", rights=[_PUT], role_binding="apps")
                return access_pb2.WhoAmIResponse(subject="alice", groups=["group:corp:ops"], rights=[gives])
            case access_pb2.ListRoleBindingsRequest():
                return access_pb2.ListRoleBindingsResponse(role_bindings=ROLE_BINDINGS, people=PEOPLE)
            case _:
                return super().more(method, message)

    def _listed(self, message: queries_pb2.ListSecretsRequest) -> queries_pb2.ListSecretsResponse:
        deleted = message.state == views_pb2.SECRET_STATE_DELETED
        found = [self.secrets[uri] for uri in sorted(self.secrets) if self.secrets[uri].deleted == deleted]
        found = [view for view in found if view.uri.startswith(message.prefix) and view.uri > message.page_token]
        page = found[: message.page_size]
        more = page[-1].uri if len(page) < len(found) else ""
        return queries_pb2.ListSecretsResponse(secrets=page, next_page_token=more)

    def _versions(self, message: queries_pb2.ListSecretVersionsRequest) -> list[views_pb2.SecretVersion]:
        uri = message.uri
        if uri not in self.secrets:
            raise NotFoundError(f"no secret {uri}.")
        view = self.secrets[uri]
        edit = views_pb2.SecretVersion(
            uri=uri, recorded_at_ms=AT_MS, edit=events_pb2.NotesEdit(expires_on="2027-01-01")
        )
        put = views_pb2.SecretVersion(
            subject="alice",
            uri=uri,
            purpose=upload_pb2.PURPOSE_UPLOAD,
            outcome=upload_pb2.OUTCOME_UPLOADED,
            upstream_version=view.upstream_version,
            fingerprint=view.fingerprint,
            request_id=view.request_id,
        )
        return [edit, put] if message.with_edits else [put]

    def _edited(self, message: commands_pb2.UpdateSecretNotesRequest) -> Message:
        view = self.secrets[message.uri]
        removed = {*message.edit.remove_labels, *(label.name for label in message.edit.set_labels)}
        kept = [label for label in view.labels if label.name not in removed]
        view.ClearField("labels")
        view.labels.extend([*kept, *message.edit.set_labels])
        if message.edit.remove_expires_on or message.edit.expires_on:
            view.expires_on = message.edit.expires_on
        return commands_pb2.UpdateSecretNotesResponse(secret=view)


class AtConsole:
    """A context, and how the page asks it."""

    def __init__(self, m8: KnowingM8, client: Client) -> None:
        self.m8 = m8
        self.client = client
        self.told: list[dict[str, object]] = []
        self.context = Context(client, self.told.append)

    async def ask(self, operation: str, values: Mapping[str, bytes] | None = None, **request: object) -> Any:
        """Ask as the page does, and return what JSON makes of the answer; no value is in it."""
        row = OPERATIONS[operation]
        asked = msgspec.json.decode(msgspec.json.encode(request), type=row.request)
        given = (values or {},) if row.takes_values else ()
        answer = await row.answer(self.context, asked, *given)
        text = msgspec.json.encode(answer)
        assert VALUE not in text
        return msgspec.json.decode(text)

    async def load(self) -> None:
        """Read m8's listing to its end."""
        task = asyncio.create_task(self.context.secrets.run())
        while not self.context.secrets.complete:
            await asyncio.sleep(0)
        task.cancel()


@asynccontextmanager
async def at_console(
    folder: Path,
    m8: KnowingM8 | None = None,
    *,
    pins: bool = True,
    signing_key: str = "",
    credential: Credential | None = None,
) -> AsyncIterator[AtConsole]:
    """A console's context at a scripted m8, as a user who has pinned its stores, or none."""
    async with (m8 or KnowingM8()).serving(folder) as serving:
        if pins:
            pinned(serving, folder)
        settings = settings_for(serving, folder, signing_key=signing_key)
        settings = msgspec.structs.replace(settings, context=CONTEXT)
        if credential is not None:
            settings = msgspec.structs.replace(settings, token="", credential=credential)

        def notify(sentence: str) -> None:
            heard.note(sentence)

        client = Client(settings, system_known_stores=folder / "no_known_stores", pause_s=0.001, notify=notify)
        async with client:
            yield AtConsole(serving, client)
