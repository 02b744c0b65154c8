"""How a secret is stored, as a request says it: a provider's options, typed or as JSON. They never name a place."""

from __future__ import annotations

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.protocol.notes import sorted_once, strict_json
from monoskope.protocol.wire import MalformedError

MAX_OTHER_BYTES = 8_192

Options = options_pb2.VaultOptions | options_pb2.AwsOptions | options_pb2.KubernetesOptions | str
"""A provider's typed options, or a third party's as JSON text."""

_NAME = "UploadRequest"


def set_options(message: upload_pb2.UploadRequest, options: Options | None) -> None:
    """Give a request these options, which may be empty ones."""
    match options:
        case options_pb2.VaultOptions():
            message.vault.CopyFrom(options)
            message.vault.SetInParent()
        case options_pb2.AwsOptions():
            message.aws.CopyFrom(options)
            message.aws.SetInParent()
        case options_pb2.KubernetesOptions():
            message.kubernetes.CopyFrom(options)
            message.kubernetes.SetInParent()
        case str():
            message.other = options
        case None:
            pass


def read_options(message: upload_pb2.UploadRequest) -> Options | None:
    """Return the options of a request, None if it has none. Raises `MalformedError` if they break a rule."""
    match message.WhichOneof("options"):
        case "vault":
            if message.vault.binary not in options_pb2.VaultBinary.values():
                raise MalformedError(_NAME, "vault.binary", "must be a known choice")
            return message.vault
        case "aws":
            if not sorted_once(message.aws.tags):
                raise MalformedError(_NAME, "aws.tags", "must be sorted by name, each name once")
            return message.aws
        case "kubernetes":
            if not sorted_once(message.kubernetes.labels):
                raise MalformedError(_NAME, "kubernetes.labels", "must be sorted by name, each name once")
            return message.kubernetes
        case "other":
            return _check_other(message.other)
        case _:
            return None


def _check_other(text: str) -> str:
    if len(text.encode()) > MAX_OTHER_BYTES:
        raise MalformedError(_NAME, "other", "must have at most 8,192 bytes")
    try:
        parsed = strict_json(text)
    except (ValueError, RecursionError):
        raise MalformedError(_NAME, "other", "must be JSON, each member of an object once") from None
    if not isinstance(parsed, dict):
        raise MalformedError(_NAME, "other", "must be a JSON object")
    return text
