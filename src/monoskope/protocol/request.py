"""The upload request: what monoctl asks for, in the bytes that everything later refers to."""

from __future__ import annotations

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.notes import Labels, check_labels, is_day
from monoskope.protocol.one_reading import sorted_once, strict_json
from monoskope.protocol.payload import MAX_KEYS, check_key
from monoskope.protocol.recipes import Recipe, Recipes, check_recipes
from monoskope.protocol.wire import MalformedError, parse, remembered, serialise
from monoskope.uri import SecretUri
from monoskope.value import Value

REQUEST_ID_BYTES = 16
MAX_SUITES = 8
MAX_VERSION_LENGTH = 256
MAX_OTHER_BYTES = 8_192

Options = options_pb2.VaultOptions | options_pb2.AwsOptions | options_pb2.KubernetesOptions | str
"""A provider's typed options, or a third party's as JSON text."""

_NAME = "UploadRequest"
_CHANGE_EXPECTS = frozenset({upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE})
_EXPECTS = {
    upload_pb2.PURPOSE_UPLOAD: (_CHANGE_EXPECTS | {upload_pb2.EXPECT_ABSENT}, "ANY, ABSENT, VERSION or OVERWRITE"),
    upload_pb2.PURPOSE_COMPARE: (frozenset({upload_pb2.EXPECT_UNSPECIFIED}), "absent with COMPARE"),
    upload_pb2.PURPOSE_DELETE: (_CHANGE_EXPECTS, "ANY, VERSION or OVERWRITE"),
    upload_pb2.PURPOSE_GENERATE: (_CHANGE_EXPECTS | {upload_pb2.EXPECT_ABSENT}, "ANY, ABSENT, VERSION or OVERWRITE"),
    upload_pb2.PURPOSE_COPY: (_CHANGE_EXPECTS | {upload_pb2.EXPECT_ABSENT}, "ANY, ABSENT, VERSION or OVERWRITE"),
    upload_pb2.PURPOSE_VERIFY: (frozenset({upload_pb2.EXPECT_UNSPECIFIED}), "absent with VERIFY"),
    upload_pb2.PURPOSE_IMPORT: (frozenset({upload_pb2.EXPECT_UNSPECIFIED}), "absent with IMPORT"),
    upload_pb2.PURPOSE_PATCH: (_CHANGE_EXPECTS, "ANY, VERSION or OVERWRITE"),
}
"""The purposes that this version knows: what each may expect, and that in words."""
_SEALS_NOTHING = frozenset(
    {
        upload_pb2.PURPOSE_GENERATE,
        upload_pb2.PURPOSE_VERIFY,
        upload_pb2.PURPOSE_DELETE,
        upload_pb2.PURPOSE_COPY,
        upload_pb2.PURPOSE_IMPORT,
    }
)
_WITH_NOTES = frozenset({upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_GENERATE})
_WITHOUT_OPTIONS = _SEALS_NOTHING - {upload_pb2.PURPOSE_GENERATE}


class Request(Value, frozen=True):
    """A well-formed upload request together with its serialised bytes."""

    hidden = frozenset({"content", "options"})

    content: bytes
    request_id: bytes
    purpose: upload_pb2.Purpose
    uri: SecretUri
    expect: upload_pb2.Expect
    expect_version: str
    suites: tuple[int, ...]
    options: Options | None = None
    labels: Labels = ()
    expires_on: str = ""
    destroy: bool = False
    remove_keys: tuple[str, ...] = ()
    recipes: Recipes = ()
    destination: SecretUri | None = None
    """With COPY; `expect` speaks of it."""

    def must_seal_nothing(self) -> bool:
        """Whether encapsulated key and ciphertext are empty on this walk."""
        return self.purpose in _SEALS_NOTHING


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
    labels: Labels = (),
    expires_on: str = "",
    destroy: bool = False,
    remove_keys: tuple[str, ...] = (),
    recipes: Recipes = (),
    destination: SecretUri | None = None,
) -> Request:
    """Return a request, checked like one from the wire. Raises `MalformedError`."""
    message = upload_pb2.UploadRequest(
        request_id=request_id,
        purpose=purpose,
        uri=str(uri),
        expect=expect,
        expect_version=expect_version,
        suites=suites,
        labels=[options_pb2.Label(name=name, value=value) for name, value in labels],
        expires_on=expires_on,
        destroy=destroy,
        remove_keys=remove_keys,
        recipes=[upload_pb2.Recipe(key=one.key, kind=one.kind, size=one.size) for one in recipes],
        destination="" if destination is None else str(destination),
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


@remembered
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
    _check_rest(message)
    return Request(
        content=content,
        request_id=message.request_id,
        purpose=message.purpose,
        uri=uri,
        expect=message.expect,
        expect_version=message.expect_version,
        suites=suites,
        options=_options(message),
        labels=tuple((label.name, label.value) for label in message.labels),
        expires_on=message.expires_on,
        destroy=message.destroy,
        remove_keys=tuple(message.remove_keys),
        recipes=_recipes(message),
        destination=_destination(message, uri),
    )


def _check_expect(message: upload_pb2.UploadRequest) -> None:
    if message.purpose not in _EXPECTS:
        raise MalformedError(_NAME, "purpose", "must be one that this version knows")
    allowed, words = _EXPECTS[message.purpose]
    if message.expect not in allowed:
        raise MalformedError(_NAME, "expect", f"must be {words}")
    if message.expect != upload_pb2.EXPECT_VERSION and message.expect_version:
        raise MalformedError(_NAME, "expect_version", "must be absent unless VERSION is expected")
    if message.expect == upload_pb2.EXPECT_VERSION and not is_version(message.expect_version):
        raise MalformedError(_NAME, "expect_version", "must be 1 to 256 printable ASCII characters")


def _check_rest(message: upload_pb2.UploadRequest) -> None:
    """Each of these fields belongs to one purpose."""
    if message.purpose not in _WITH_NOTES and (message.labels or message.expires_on):
        raise MalformedError(_NAME, "labels", "and expires_on must be absent unless UPLOAD or GENERATE")
    if message.purpose != upload_pb2.PURPOSE_DELETE and message.destroy:
        raise MalformedError(_NAME, "destroy", "must be absent unless DELETE")
    if message.purpose in _WITHOUT_OPTIONS and message.WhichOneof("options") is not None:
        raise MalformedError(_NAME, "options", "must be absent with DELETE, VERIFY, COPY and IMPORT")
    if message.purpose != upload_pb2.PURPOSE_PATCH and message.remove_keys:
        raise MalformedError(_NAME, "remove_keys", "must be absent unless PATCH")
    _check_removals(list(message.remove_keys))
    _check_notes(message)


def _check_removals(keys: list[str]) -> None:
    if len(keys) > MAX_KEYS:
        raise MalformedError(_NAME, "remove_keys", "must name at most 64 keys")
    for key in keys:
        try:
            check_key(key)
        except UsageError:
            raise MalformedError(_NAME, "remove_keys", "has a key outside the rule") from None
    if sorted(set(keys)) != keys:
        raise MalformedError(_NAME, "remove_keys", "must be in key order, each key once")


def _check_notes(message: upload_pb2.UploadRequest) -> None:
    labels = [(label.name, label.value) for label in message.labels]
    try:
        checked = check_labels(labels)
    except UsageError as error:
        raise MalformedError(_NAME, "labels", f"are refused: {error.message.removesuffix('.')}") from None
    if list(checked) != labels:
        raise MalformedError(_NAME, "labels", "must be sorted by name")
    if message.expires_on and not is_day(message.expires_on):
        raise MalformedError(_NAME, "expires_on", "must be a day, YYYY-MM-DD")


def _destination(message: upload_pb2.UploadRequest, source: SecretUri) -> SecretUri | None:
    if message.purpose != upload_pb2.PURPOSE_COPY:
        if message.destination:
            raise MalformedError(_NAME, "destination", "must be absent unless COPY")
        return None
    try:
        destination = SecretUri.parse(message.destination)
    except UsageError as error:
        raise MalformedError(_NAME, "destination", f"is refused: {error.message.removesuffix('.')}") from None
    if destination.store == source.store:
        raise MalformedError(_NAME, "destination", "must be in another store")
    return destination


def _recipes(message: upload_pb2.UploadRequest) -> Recipes:
    if message.purpose != upload_pb2.PURPOSE_GENERATE:
        if message.recipes:
            raise MalformedError(_NAME, "recipes", "must be absent unless GENERATE")
        return ()
    recipes = tuple(Recipe(one.key, one.kind, one.size) for one in message.recipes)
    try:
        checked = check_recipes(recipes)
    except UsageError as error:
        raise MalformedError(_NAME, "recipes", f"are refused: {error.message.removesuffix('.')}") from None
    if checked != recipes:
        raise MalformedError(_NAME, "recipes", "must be sorted by key")
    return recipes


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
