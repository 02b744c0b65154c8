"""The upload request: what monoctl asks for, in the bytes that everything later refers to."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.listing import is_name
from monoskope.protocol.notes import Labels, check_labels, is_day
from monoskope.protocol.options import Options, read_options, set_options
from monoskope.protocol.outcomes import one_of, spelled
from monoskope.protocol.payload import MAX_KEYS, check_key
from monoskope.protocol.purposes import OWN_FIELDS, PURPOSES, PurposeRules
from monoskope.protocol.recipes import Recipe, Recipes, check_recipes
from monoskope.protocol.wire import DIGEST_BYTES, MalformedError, parse, remembered, serialise
from monoskope.uri import SecretUri
from monoskope.value import Value

REQUEST_ID_BYTES = 16
KEY_WAIT_S = 5.0
"""For so many seconds m8 waits for a reactor before it answers a request for a key without one."""
MAX_SUITES = 8
MAX_VERSION_LENGTH = 256
MAX_REASON_LENGTH = 500

_NAME = "UploadRequest"


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
    keep_labels: bool = False
    """Whether the secret that is written keeps its labels; else `labels` replace them."""
    keep_expires_on: bool = False
    """The same for the day of expiry."""
    destroy: bool = False
    remove_keys: tuple[str, ...] = ()
    recipes: Recipes = ()
    destination: SecretUri | None = None
    """With COPY; `expect` speaks of it."""
    to_version: str = ""
    """With ROLLBACK: the version whose content is to be there again."""
    list_after: str = ""
    """With LIST: the last name of the page before."""
    change_sha256: bytes = b""
    """SHA-256 of the approved change that it executes (`monoskope.protocol.change`); b"" for none."""
    break_glass: str = ""
    """Why it is done without approvals; "" where nobody breaks the glass. Never with a change."""
    source_version: str = ""
    """With COPY: the version that is copied, "" for the one that is there."""
    keys: tuple[str, ...] = ()
    """With COPY: the keys that are copied, () for all of them."""

    @property
    def rules(self) -> PurposeRules:
        """The rules of its purpose."""
        return PURPOSES[self.purpose]

    @property
    def place(self) -> SecretUri:
        """The secret that it writes or asks about: of a COPY the destination."""
        return self.destination or self.uri


def is_version(text: str) -> bool:
    """Whether `text` can be an upstream version: 1 to 256 printable ASCII characters without spaces."""
    return 1 <= len(text) <= MAX_VERSION_LENGTH and all("!" <= character <= "~" for character in text)


def is_reason(text: str) -> bool:
    """Whether `text` can say why something is done: 1 to 500 printable characters. None of them turns its direction."""
    return 1 <= len(text) <= MAX_REASON_LENGTH and text.isprintable()


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
    keep_labels: bool = False,
    keep_expires_on: bool = False,
    destroy: bool = False,
    remove_keys: tuple[str, ...] = (),
    recipes: Recipes = (),
    destination: SecretUri | None = None,
    to_version: str = "",
    list_after: str = "",
    change_sha256: bytes = b"",
    break_glass: str = "",
    source_version: str = "",
    keys: tuple[str, ...] = (),
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
        keep_labels=keep_labels,
        keep_expires_on=keep_expires_on,
        destroy=destroy,
        remove_keys=remove_keys,
        recipes=[upload_pb2.Recipe(key=one.key, kind=one.kind, size=one.size, text=one.text) for one in recipes],
        destination="" if destination is None else str(destination),
        to_version=to_version,
        list_after=list_after,
        change_sha256=change_sha256,
        break_glass=break_glass,
        source_version=source_version,
        keys=keys,
    )
    set_options(message, options)
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
    _check_fields(message)
    check_keys(_NAME, "remove_keys", message.remove_keys, MAX_KEYS)
    check_keys(_NAME, "keys", message.keys, MAX_KEYS)
    _check_notes(message)
    if message.list_after and not is_name(message.list_after):
        raise MalformedError(_NAME, "list_after", "must be a name that a page can hold")
    _check_versions(message)
    _check_approved(message)
    return Request(
        content=content,
        request_id=message.request_id,
        purpose=message.purpose,
        uri=uri,
        expect=message.expect,
        expect_version=message.expect_version,
        suites=suites,
        options=read_options(message),
        labels=tuple((label.name, label.value) for label in message.labels),
        expires_on=message.expires_on,
        keep_labels=message.keep_labels,
        keep_expires_on=message.keep_expires_on,
        destroy=message.destroy,
        remove_keys=tuple(message.remove_keys),
        recipes=_recipes(message),
        destination=_destination(message, uri),
        to_version=message.to_version,
        list_after=message.list_after,
        change_sha256=message.change_sha256,
        break_glass=message.break_glass,
        source_version=message.source_version,
        keys=tuple(message.keys),
    )


def _check_expect(message: upload_pb2.UploadRequest) -> None:
    if message.purpose not in PURPOSES:
        raise MalformedError(_NAME, "purpose", "must be one that this version knows")
    if message.expect not in PURPOSES[message.purpose].expects:
        raise MalformedError(_NAME, "expect", f"must be {_expected(message.purpose)}")
    if message.expect != upload_pb2.EXPECT_VERSION and message.expect_version:
        raise MalformedError(_NAME, "expect_version", "must be absent unless VERSION is expected")
    if message.expect == upload_pb2.EXPECT_VERSION and not is_version(message.expect_version):
        raise MalformedError(_NAME, "expect_version", "must be 1 to 256 printable ASCII characters")


def _expected(purpose: upload_pb2.Purpose) -> str:
    """What may be expected, in words."""
    expects = PURPOSES[purpose].expects
    if expects == {upload_pb2.EXPECT_UNSPECIFIED}:
        return f"absent with {spelled(upload_pb2.Purpose, purpose)}"
    return one_of(upload_pb2.Expect, sorted(expects))


def _check_fields(message: upload_pb2.UploadRequest) -> None:
    """Each of these fields belongs to some purposes alone."""
    given = [field.containing_oneof or field for field, _ in message.ListFields()]
    for name in dict.fromkeys(field.name for field in given):
        if name in OWN_FIELDS and name not in PURPOSES[message.purpose].fields:
            allowed = [purpose for purpose, rules in PURPOSES.items() if name in rules.fields]
            raise MalformedError(_NAME, name, f"must be absent unless {one_of(upload_pb2.Purpose, allowed)}")


def check_keys(message: str, field: str, keys: Sequence[str], most: int) -> None:
    """Raise `MalformedError` unless `keys`, which stand in a field, are at most so many keys of a secret, in order."""
    if len(keys) > most:
        raise MalformedError(message, field, f"must have at most {most} keys")
    for key in keys:
        try:
            check_key(key)
        except UsageError:
            raise MalformedError(message, field, "has a key outside the rule") from None
    if sorted(set(keys)) != list(keys):
        raise MalformedError(message, field, "must be in key order, each key once")


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
    if message.keep_labels and labels:
        raise MalformedError(_NAME, "labels", "must be absent where they are kept")
    if message.keep_expires_on and message.expires_on:
        raise MalformedError(_NAME, "expires_on", "must be absent where it is kept")


def _check_versions(message: upload_pb2.UploadRequest) -> None:
    if "to_version" in PURPOSES[message.purpose].fields and not is_version(message.to_version):
        raise MalformedError(_NAME, "to_version", "must be 1 to 256 printable ASCII characters")
    if message.source_version and not is_version(message.source_version):
        raise MalformedError(_NAME, "source_version", "must be 1 to 256 printable ASCII characters")


def _check_approved(message: upload_pb2.UploadRequest) -> None:
    """What is written is approved, or is done by breaking the glass, or takes neither."""
    writes = PURPOSES[message.purpose].writes
    if message.change_sha256 and not (writes and len(message.change_sha256) == DIGEST_BYTES):
        raise MalformedError(_NAME, "change_sha256", "must have 32 bytes, or be absent where nothing is written")
    if message.break_glass and (message.change_sha256 or not writes):
        raise MalformedError(_NAME, "break_glass", "must be absent with a change, and where nothing is written")
    if message.break_glass and not is_reason(message.break_glass):
        raise MalformedError(_NAME, "break_glass", f"must be 1 to {MAX_REASON_LENGTH} printable characters")


def _destination(message: upload_pb2.UploadRequest, source: SecretUri) -> SecretUri | None:
    if "destination" not in PURPOSES[message.purpose].fields:
        return None
    try:
        destination = SecretUri.parse(message.destination)
    except UsageError as error:
        raise MalformedError(_NAME, "destination", f"is refused: {error.message.removesuffix('.')}") from None
    if destination == source:
        raise MalformedError(_NAME, "destination", "must be another secret")
    return destination


def _recipes(message: upload_pb2.UploadRequest) -> Recipes:
    if "recipes" not in PURPOSES[message.purpose].fields:
        return ()
    recipes = tuple(Recipe(one.key, one.kind, one.size, one.text) for one in message.recipes)
    try:
        checked = check_recipes(recipes)
    except UsageError as error:
        raise MalformedError(_NAME, "recipes", f"are refused: {error.message.removesuffix('.')}") from None
    if checked != recipes:
        raise MalformedError(_NAME, "recipes", "must be sorted by key")
    return recipes
