"""What a call is about, for its access line: by fields that hold no secret, and by no other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from google.protobuf.message import DecodeError, Message

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.request import parse_request

NAMED: Mapping[str, str] = MappingProxyType(
    {
        "uri": "uri",
        "prefix": "prefix",
        "name": "name",
        "store": "store",
        "member": "for_member",
        "token_id": "for_token_id",
    }
)
"""The fields of text that are shown if a request has them, and what the line calls them: not all that is in a request.

`member` and `token_id` of a request are not those of the caller.
"""


BOUND = ("uri", "request_id", "store", "replica", "role_binding", "issuer", "reason")
"""What the operating log says of a call that its access line says, too: the URI of a request, a reactor's store, whose
token was to be exchanged and why it was not."""


def of_log(bound: Mapping[str, object]) -> dict[str, str]:
    """Return what the operating log knows a call to be about, by the time the call ends."""
    return {name: str(bound[name]) for name in BOUND if bound.get(name)}


def of_request(request: Message) -> dict[str, str]:
    """Return what a valid request names: the URI, the prefix, the request, the store; whatever it has of these."""
    if isinstance(request, commands_pb2.RequestSecretUploadKeyRequest):
        return _of_upload_request(request.request)
    found: dict[str, str] = {}
    for field, value in request.ListFields():
        if field.name in NAMED and isinstance(value, str):
            found[NAMED[field.name]] = value
        elif field.name == "request_id" and value:
            found["request_id"] = value.hex()
    return found


def of_response(response: Message) -> dict[str, str]:
    """Return what the end of a request says: its URI, purpose and outcome, and who signed it; of a new token its id."""
    match response:
        case commands_pb2.RequestUploadSecretResponse() | queries_pb2.GetSecretUploadResponse():
            return _of_upload(response.upload)
        case access_pb2.CreateTokenResponse():
            return {"for_token_id": response.token_id}
        case _:
            return {}


def _of_upload_request(content: bytes) -> dict[str, str]:
    try:
        request = parse_request(content)
    except Error:  # it is refused, and the line says so
        return {}
    found = {
        "uri": str(request.uri),
        "purpose": spelled(upload_pb2.Purpose, request.purpose),
        "request_id": request.request_id.hex(),
    }
    return found | ({"destination": str(request.destination)} if request.destination else {})


def _of_upload(upload: views_pb2.SecretUpload) -> dict[str, str]:
    found = {"uri": upload.uri, "request_id": upload.request_id.hex()}
    if upload.purpose:
        found["purpose"] = spelled(upload_pb2.Purpose, upload.purpose)
    if upload.outcome:
        found["outcome"] = spelled(upload_pb2.Outcome, upload.outcome)
    if upload.HasField("receipt"):
        found |= _of_receipt(upload.receipt)
    return found


def _of_receipt(signed: upload_pb2.Signed) -> dict[str, str]:
    try:
        receipt = parse_receipt(signed.content)
    except (Error, DecodeError):
        return {}
    return {"signer": receipt.signer, "signer_key": receipt.signer_key} if receipt.signer else {}
