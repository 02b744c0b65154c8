"""A contract server: Secrets as the published Kubernetes API describes them. Written from its documentation.

It keeps: uid and resourceVersion, 409 on another resourceVersion or uid, 404, 401, 403 by verb, 422 for names, keys,
sizes, types and immutable Secrets, finalizers, writes that change nothing, the representation without content, and the
record of who set which field (managedFields) for creations and updates.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import copy
import datetime as dt
import errno
import json
import re
import ssl
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from monoskope.m8.http import tls
from monoskope.settings import write_private
from monoskope.testing.parts import free_port

BREAK = object()
"""Close the connection without an answer."""
HANG = object()
"""Never answer."""
SERVER_TEXT = "text of the server that repeats what was sent to it"

MAX_BODY = 3 * 1024 * 1024
MAX_DATA = 1024 * 1024
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_REQUIRED = {
    "kubernetes.io/tls": {"tls.crt", "tls.key"},
    "kubernetes.io/dockerconfigjson": {".dockerconfigjson"},
    "kubernetes.io/dockercfg": {".dockercfg"},
    "kubernetes.io/ssh-auth": {"ssh-privatekey"},
}

Object = dict[str, Any]


def server_tls(folder: Path, *, clients: str = "") -> tuple[ssl.SSLContext, bytes]:
    """Return what a server on 127.0.0.1 shows, and its authority; `clients` is the authority of client certificates."""
    folder.mkdir(exist_ok=True)
    made = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))
    write_private(folder / "server.pem", made.certificate + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    if clients:
        context.load_verify_locations(cadata=clients)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context, made.ca


class CallError(Exception):
    """An answer that is a Status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class KubernetesServer:
    """One API server with some namespaces. What is in it outlives `take_down`."""

    tls: ssl.SSLContext
    namespaces: set[str] = field(default_factory=lambda: {"apps", "team-a"})
    tokens: set[str] = field(default_factory=lambda: {"a-token"})
    verbs: set[str] = field(default_factory=lambda: {"get", "create", "update", "delete"})
    secrets: dict[tuple[str, str], Object] = field(default_factory=dict)
    says: dict[str, Any] = field(default_factory=dict)
    """By method: a status, BREAK or HANG instead of what would happen; after it happened for "after POST" and so on."""
    asked: list[str] = field(default_factory=list)
    elsewhere: str = ""
    port: int = 0
    """Where it listens, once it was up; then it keeps the port."""
    _revision: int = 100
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._over = asyncio.Event()
        await self.bring_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        await self.take_down()

    async def take_down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def bring_up(self) -> None:
        if self._runner is None:
            application = web.Application(client_max_size=MAX_BODY)
            application.router.add_route("*", "/{rest:.*}", self._handle)
            self._runner = web.AppRunner(application, shutdown_timeout=0.1)
            await self._runner.setup()
            await self._listen(self._runner)

    async def _listen(self, runner: web.AppRunner) -> None:
        """Listen at the port as before, or at one that was still free when it was taken."""
        while not self.port:
            port = free_port()
            try:
                await web.TCPSite(runner, "127.0.0.1", port, ssl_context=self.tls).start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                self.port = port
                return
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self.tls).start()

    # --- the protocol ---

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.method)
        fault = self.says.get(request.method)
        if fault is None:
            status, content = await self._answer(request)
            fault = self.says.get(f"after {request.method}")
        else:
            status, content = 500, _status(500, "InternalError")
        if fault is BREAK:
            assert request.transport is not None
            request.transport.abort()
        if fault is HANG:
            await self._over.wait()
        if isinstance(fault, int):
            status, content = fault, _status(fault, "Other")
        headers = {"Location": self.elsewhere} if 300 <= status < 400 else {}
        return web.json_response(content, status=status, headers=headers)

    async def _answer(self, request: web.Request) -> tuple[int, Object]:
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return 413, _status(413, "RequestEntityTooLarge")
        try:
            self._authenticate(request)
            found = self._route(request, json.loads(raw or b"{}"))
        except CallError as refused:
            return refused.status, _status(refused.status, refused.reason)
        status = 201 if request.method == "POST" else 200
        if "PartialObjectMetadata" in request.headers.get("Accept", "") and "metadata" in found:
            shown = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": found["metadata"]}
            return status, copy.deepcopy(shown)
        return status, copy.deepcopy(found)

    def _authenticate(self, request: web.Request) -> None:
        assert request.transport is not None
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens and not request.transport.get_extra_info("peercert"):
            raise CallError(401, "Unauthorized")

    def _route(self, request: web.Request, body: Object) -> Object:
        parts = request.path.strip("/").split("/")
        if parts == ["version"]:
            return {"major": "1", "minor": "34"}
        if parts[:3] != ["api", "v1", "namespaces"] or parts[4] != "secrets":
            raise CallError(404, "NotFound")
        verb = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}[request.method]
        if verb not in self.verbs:
            raise CallError(403, "Forbidden")
        manager = request.query.get("fieldManager", "somebody")
        if verb == "create":
            return self.create(parts[3], body, manager)
        place = (parts[3], parts[5])
        if place not in self.secrets:
            raise CallError(404, "NotFound")
        if verb == "update":
            return self.update(place, body, manager)
        if verb == "delete":
            self.delete(place, body.get("preconditions") or {})
            return {"kind": "Status", "status": "Success"}
        return self.secrets[place]

    # --- what is in it ---

    def create(self, namespace: str, body: Object, manager: str) -> Object:
        if namespace not in self.namespaces:
            raise CallError(404, "NotFound")
        metadata = dict(body["metadata"])
        if metadata.get("resourceVersion"):
            raise CallError(400, "BadRequest")
        place = (namespace, metadata["name"])
        if place in self.secrets:
            raise CallError(409, "AlreadyExists")
        metadata |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": "2026-01-31T12:00:00Z"}
        new = {**body, "type": body.get("type") or "Opaque", "metadata": metadata}
        _validate(new)
        return self._store(place, None, new, manager)

    def update(self, place: tuple[str, str], body: Object, manager: str) -> Object:
        old, metadata = self.secrets[place], dict(body["metadata"])
        same = old["metadata"]
        if metadata.get("resourceVersion") not in {None, "", same["resourceVersion"]}:
            raise CallError(409, "Conflict")
        if metadata.get("uid") not in {None, "", same["uid"]}:
            raise CallError(409, "Conflict")
        if metadata.get("name") != place[1] or metadata.get("namespace") != place[0]:
            raise CallError(400, "BadRequest")
        for kept in ("uid", "creationTimestamp", "deletionTimestamp", "resourceVersion"):
            metadata |= {kept: same[kept]} if kept in same else {}
        new = {**body, "metadata": metadata}
        _validate(new)
        if new.get("type") != old["type"]:
            raise CallError(422, "Invalid")
        if old.get("immutable") and (new.get("data") != old.get("data") or not new.get("immutable")):
            raise CallError(422, "Invalid")
        return self._store(place, old, new, manager)

    def delete(self, place: tuple[str, str], preconditions: Object) -> None:
        metadata = self.secrets[place]["metadata"]
        for name in ("uid", "resourceVersion"):
            if preconditions.get(name) not in {None, metadata[name]}:
                raise CallError(409, "Conflict")
        if metadata.get("finalizers"):
            metadata["deletionTimestamp"] = "2026-01-31T12:00:00Z"
            self._bump(metadata)
        else:
            del self.secrets[place]

    def _store(self, place: tuple[str, str], old: Object | None, new: Object, manager: str) -> Object:
        new = copy.deepcopy(new)
        new["metadata"].pop("managedFields", None)
        if old is not None:
            before = copy.deepcopy(old)
            owners = before["metadata"].pop("managedFields")
            if before == new:
                return old
            new["metadata"]["managedFields"] = _owned(owners, old.get("data") or {}, new.get("data") or {}, manager)
        else:
            new["metadata"]["managedFields"] = _owned([], {}, new.get("data") or {}, manager)
        self._bump(new["metadata"])
        self.secrets[place] = new
        return new

    def _bump(self, metadata: Object) -> None:
        self._revision += 1
        metadata["resourceVersion"] = str(self._revision)


def _owned(entries: list[Object], old: Object, new: Object, manager: str) -> list[Object]:
    """Who set which key: whoever changed it last; what nobody changed stays, what is gone is nobody's."""
    owners = {entry["manager"]: {key[2:] for key in entry["fieldsV1"]["f:data"] if key != "."} for entry in entries}
    changed = {key for key in new if key not in old or old[key] != new[key]}
    kept = {name: (keys & new.keys()) - changed for name, keys in owners.items()}
    kept[manager] = kept.get(manager, set()) | changed
    return [
        {
            "manager": name,
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-31T12:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {".": {}, **{f"f:{key}": {} for key in sorted(keys)}}},
        }
        for name, keys in kept.items()
        if keys or name == manager
    ]


def _validate(found: Object) -> None:
    name, data = found["metadata"]["name"], found.get("data") or {}
    if len(name) > 253 or _NAME.fullmatch(name) is None:
        raise CallError(422, "Invalid")
    size, kind = 0, found.get("type", "")
    for key, value in data.items():
        if _KEY.fullmatch(key) is None or key in {".", ".."} or key.startswith(".."):
            raise CallError(422, "Invalid")
        try:
            size += len(base64.b64decode(value, validate=True))
        except (binascii.Error, TypeError):
            raise CallError(400, "BadRequest") from None
    if size > MAX_DATA or not _REQUIRED.get(kind, set()) <= data.keys():
        raise CallError(422, "Invalid")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        raise CallError(422, "Invalid")
    if kind == "kubernetes.io/ssh-auth" and not data["ssh-privatekey"]:
        raise CallError(422, "Invalid")
    for docker, key in (("dockercfg", ".dockercfg"), ("dockerconfigjson", ".dockerconfigjson")):
        if kind == f"kubernetes.io/{docker}" and not _is_object(base64.b64decode(data[key])):
            raise CallError(422, "Invalid")


def _is_object(value: bytes) -> bool:
    """Whether Go's encoding/json reads it as a map: every number as a float that is not too large."""
    try:
        found = json.loads(value, parse_int=float)
    except ValueError:
        return False
    return isinstance(found, dict) and "Infinity" not in json.dumps(found)


def _status(code: int, reason: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": SERVER_TEXT,
        "code": code,
    }
