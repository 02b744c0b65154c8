"""The upload request: what monoctl asks for, in the bytes that everything later refers to."""

from __future__ import annotations

from dataclasses import dataclass, field

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.one_reading import sorted_once, strict_json
from monoskope.protocol.wire import MalformedError, parse, serialise
from monoskope.uri import SecretUri

REQUEST_ID_BYTES = 16
MAX_SUITES = 8
MAX_VERSION_LENGTH = 256
MAX_OTHER_BYTES = 8_192

Options = options_pb2.VaultOptions | options_pb2.AwsOptions | options_pb2.KubernetesOptions | str
"""A provider's typed options, or a third party's as JSON text."""

_NAME = "UploadRequest"
_UPLOAD_EXPECTS = frozenset(
    {upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE}
)


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed upload request together with its serialised bytes."""

    content: bytes = field(repr=False)
    request_id: bytes
    purpose: upload_pb2.Purpose
    uri: SecretUri
    expect: upload_pb2.Expect
    expect_version: str
    suites: tuple[int, ...]
    options: Options | None = field(default=None, repr=False)


def is_version(text: str) -> bool:
    """Whether `text` can be an upstream version: 1 to 256 printable ASCII characters without spaces."""
    return 1 <= len(text) <= MAX_VERSION_LENGTH and all("!" <= character <= "~" for character in text)


def make_request(
    *,
    request_id: bytes,
    purpose: upload_pb2.Purpose,
    uri: SecretUri,
    expect: upload_pb2.Expect,
    suites: tuple[int, ...],
    expect_version: str = "",
    options: Options | None = None,
) -> Request:
    """Return a request, checked like one from the wire. Raises `MalformedError`."""
    message = upload_pb2.UploadRequest(
        request_id=request_id,
        purpose=purpose,
        uri=str(uri),
        expect=expect,
        expect_version=expect_version,
        suites=suites,
    )
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
    return parse_request(serialise(message))


def parse_request(content: bytes) -> Request:
    """Parse the bytes of an UploadRequest.

    Raises:
        MalformedError: not in the one serialised form, or a field breaks its rule.
    """
    message = parse(upload_pb2.UploadRequest, content)
    if len(message.request_id) != REQUEST_ID_BYTES:
        raise MalformedError(_NAME, "request_id", "must have 16 bytes")
    try:
        uri = SecretUri.parse(message.uri)
    except UsageError as error:
        raise MalformedError(_NAME, "uri", f"is refused: {error.message.removesuffix('.')}") from None
    _check_expect(message)
    suites = tuple(message.suites)
    if not 1 <= len(suites) <= MAX_SUITES:
        raise MalformedError(_NAME, "suites", "must hold 1 to 8 suites")
    if len(set(suites)) != len(suites):
        raise MalformedError(_NAME, "suites", "must not name a suite twice")
    if 0 in suites:
        raise MalformedError(_NAME, "suites", "must not name suite 0")
    return Request(
        content=content,
        request_id=message.request_id,
        purpose=message.purpose,
        uri=uri,
        expect=message.expect,
        expect_version=message.expect_version,
        suites=suites,
        options=_options(message),
    )


def _check_expect(message: upload_pb2.UploadRequest) -> None:
    if message.purpose not in {upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_COMPARE}:
        raise MalformedError(_NAME, "purpose", "must be UPLOAD or COMPARE")
    if message.purpose == upload_pb2.PURPOSE_COMPARE and message.expect != upload_pb2.EXPECT_UNSPECIFIED:
        raise MalformedError(_NAME, "expect", "must be absent with COMPARE")
    if message.purpose == upload_pb2.PURPOSE_UPLOAD and message.expect not in _UPLOAD_EXPECTS:
        raise MalformedError(_NAME, "expect", "must be ANY, ABSENT, VERSION or OVERWRITE with UPLOAD")
    if message.expect != upload_pb2.EXPECT_VERSION and message.expect_version:
        raise MalformedError(_NAME, "expect_version", "must be absent unless VERSION is expected")
    if message.expect == upload_pb2.EXPECT_VERSION and not is_version(message.expect_version):
        raise MalformedError(_NAME, "expect_version", "must be 1 to 256 printable ASCII characters")


def _options(message: upload_pb2.UploadRequest) -> Options | None:
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
