"""docs/reference/openapi.json: m8's HTTP door as OpenAPI 3.1, from the descriptors and comments of proto/.

Each unary call is one POST, as the Connect protocol has it, and the stream of events another. `Attach`, which reactors
open as a WebSocket, is none: OpenAPI has no words for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodDescriptorProto

from monoskope.m8.methods import WITHOUT_TOKEN
from tools import http_reference, openapi_log, token_endpoint
from tools.api_reference import FILE_SERVICE, METHOD, comments_of, described
from tools.json_schemas import ERRORS, Schema, reference, schemas

DESCRIPTION = """The HTTP door of m8: the Connect protocol (https://connectrpc.com/docs/protocol) over HTTP/1.1 and TLS.

A call is a POST with its message as JSON, in protobuf's own mapping: `bytes` are base64, numbers of 64 bits are texts,
enumerations go by name, and a field at its default may be left out. m8 leaves it out of its answers. m8 also takes a
number of 64 bits as a JSON number, and a field by its name in proto/. It refuses a field that it does not know. Each
call takes and gives the same message in protobuf's binary form, too, as `application/proto`.

What is signed travels as it was signed, as serialised messages in `bytes`: docs/protocol.md says what is in them. A
secret is in no message, only its sealed bytes.

`ReactorService.Attach`, by which secret reactors work, is a WebSocket and not in this file: docs/reference/http.md
describes it."""

STREAM = """

The answer is a stream as Connect has it: `application/connect+json`, with HTTP status 200 whatever comes. Request and
answer are a row of frames: one byte of flags, four bytes with the length of the message, big-endian, and the message.
The request has one frame, with flags 0. In the answer each frame with flags 0 has a `WatchEventsResponse`. The last
frame has flags 2 and an `EndOfStream`: `{}`, or why the stream ended. A stream without this frame was cut off."""

_FRAMES = "A row of frames, as this call's description says. JSON Schema cannot describe it."
_COME_BACK = frozenset({429, 503})
_RETRY_AFTER: Schema = {
    "description": "Seconds after which it can succeed, if that is known.",
    "schema": {"type": "integer", "minimum": 1},
}
_PARAMETERS: dict[str, Schema] = {
    "Timeout": {
        "name": "Connect-Timeout-Ms",
        "in": "header",
        "description": "Milliseconds after which the caller waits no more, 10 digits at most. m8 then ends the call.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,10}$"},
    },
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "The caller's own name for the call, which m8 writes into its operating log.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Traceparent": {
        "name": "Traceparent",
        "in": "header",
        "description": "The caller's span: W3C Trace Context, version 00.",
        "schema": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    },
}

_SERVER: Schema = {
    "url": "https://{host}:{port}",
    "description": "The names of an m8, and the port of `listen` in its m8.toml.",
    "variables": {"host": {"default": "localhost"}, "port": {"default": "7443"}},
}
_TOKEN: Schema = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The token that `m8 token create` wrote.",
}
_OPERATIONS: Schema = {"name": "Operations", "description": "Whether m8 lives and is ready, and its metrics."}


def render(proto: Path) -> str:
    """Return the whole of openapi.json.

    Raises:
        GenerationError: a file is not valid.
    """
    return json.dumps(document(proto), indent=1, ensure_ascii=False) + "\n"


def document(proto: Path) -> Schema:
    """Return the document. Raises as `render`."""
    files = described(proto)
    calls = list(_calls(files))
    tags = dict.fromkeys((call.service, call.service_meaning) for call in calls)
    messages = schemas(files, [call.method.input_type for call in calls], [call.method.output_type for call in calls])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Monoskope m8",
            "version": "v1",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [_SERVER],
        "security": [{"token": []}],
        "tags": [
            *({"name": name, "description": meaning} for name, meaning in tags),
            token_endpoint.TAG,
            openapi_log.TAG,
            _OPERATIONS,
        ],
        "paths": {call.path: _post(call) for call in calls}
        | token_endpoint.PATHS
        | openapi_log.paths()
        | _operations(),
        "components": {
            "securitySchemes": {"token": _TOKEN},
            "parameters": _PARAMETERS,
            "responses": dict(_refusals()),
            "schemas": messages | ERRORS | token_endpoint.SCHEMAS,
        },
    }


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that OpenAPI can describe, with the comments of it and of its service."""

    path: str
    service: str
    service_meaning: str
    method: MethodDescriptorProto
    meaning: str


def _calls(files: Sequence[FileDescriptorProto]) -> Iterator[_Call]:
    for file in files:
        comments = comments_of(file)
        for index, service in enumerate(file.service):
            for number, method in enumerate(service.method):
                if not method.client_streaming:
                    yield _Call(
                        path=f"/{file.package}.{service.name}/{method.name}",
                        service=service.name,
                        service_meaning=comments[FILE_SERVICE, index],
                        method=method,
                        meaning=comments[FILE_SERVICE, index, METHOD, number],
                    )


def _post(call: _Call) -> Schema:
    streams = call.method.server_streaming
    asked, answered = reference(call.method.input_type), reference(call.method.output_type)
    operation: Schema = {
        "operationId": call.method.name,
        "tags": [call.service],
        "summary": call.meaning.partition(". ")[0].removesuffix("."),
        "description": call.meaning + (STREAM if streams else ""),
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS],
        "requestBody": {"required": True, "content": _content(asked, streams=streams)},
        "responses": {
            "200": {
                "description": "The stream." if streams else "The answer.",
                "content": _content(answered, streams=streams),
            },
            **{str(status): {"$ref": f"#/components/responses/{name}"} for status, name in _names()},
            "default": {"description": "Refused before it is a call: docs/reference/http.md has the table."},
        },
    }
    if call.method.name in WITHOUT_TOKEN:
        operation["security"] = []
    return {"post": operation}


def _content(message: Schema, *, streams: bool) -> Schema:
    if streams:
        frames = {"schema": {"description": _FRAMES}}
        return {"application/connect+json": frames, "application/connect+proto": frames}
    return {"application/json": {"schema": message}, "application/proto": {"schema": {}}}


def _names() -> Iterator[tuple[int, str]]:
    """Yield each status of an error, and the name of its response."""
    yield from ((status, f"Refused{status}") for status in sorted(http_reference.statuses()))


def _refusals() -> Iterator[tuple[str, Schema]]:
    meanings = http_reference.statuses()
    for status, name in _names():
        refusal: Schema = {
            "description": " ".join(meanings[status]),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ConnectError"}}},
        }
        if status in _COME_BACK:
            refusal["headers"] = {"Retry-After": _RETRY_AFTER}
        yield name, refusal


def _operations() -> Schema:
    """What m8 answers to whoever operates it."""
    json_of: Schema = {"application/json": {"schema": {"type": "object"}}}
    ready: Schema = {
        "type": "object",
        "properties": {
            "ready": {"type": "boolean"},
            "checks": {
                "type": "object",
                "description": "The name of each check: `ok`, or a few words.",
                "additionalProperties": {"type": "string"},
            },
            "notes": {
                "type": "object",
                "description": "The same of what calls do not depend on.",
                "additionalProperties": {"type": "string"},
            },
        },
        "required": ["ready", "checks"],
    }
    is_ready: Schema = {"application/json": {"schema": ready}}
    refused = {"$ref": "#/components/responses/Refused401"}
    forbidden = {"$ref": "#/components/responses/Refused403"}
    return {
        "/healthz": _get(
            "healthz",
            "Whether the process lives",
            {"200": {"description": "It lives.", "content": json_of}},
            security=[],
        ),
        "/readyz": _get(
            "readyz",
            "Whether m8 can take calls",
            {
                "200": {"description": "It can.", "content": is_ready},
                "503": {"description": "It cannot; the checks say why.", "content": is_ready},
            },
            security=[],
        ),
        "/.well-known/monoskope": _get(
            "bundle",
            "What newcomers compare, as the administrator published it",
            {"200": {"description": "The bundle.", "content": json_of}, "404": {"description": "None is published."}},
            security=[],
        ),
        "/metrics": _get(
            "metrics",
            "Its metrics, in Prometheus' text format; for the role metrics",
            {
                "200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}},
                "401": refused,
                "403": forbidden,
            },
        ),
    }


def _get(name: str, summary: str, responses: Schema, *, security: list[Schema] | None = None) -> Schema:
    operation: Schema = {
        "operationId": name,
        "tags": ["Operations"],
        "summary": summary,
        "responses": responses,
    }
    if security is not None:
        operation["security"] = security
    return {"get": operation}
