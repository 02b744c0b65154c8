"""What a client may ask for: what callers give, checked, and what is sent for each purpose.

`walk.results` has what comes back. `copy` and `list_names` have files of their own.

Some engines number the versions of a path from 1 again after it was deleted. So their versions are texts such as
`7@2026-01-31T12:00:00Z`. A plain `7` stands for the one of these that m8 knows. If m8 lies about it, nothing is written
that `7` does not allow: the reactor compares the whole text with what is upstream.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.checks import Wanted, check_can
from monoskope.client.walk.results import (
    Comparison,
    Deletion,
    Generated,
    Import,
    PutResult,
    Rollback,
    Undeletion,
    Verification,
)
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import Notes, Task
from monoskope.errors import NotFoundError, UsageError
from monoskope.lazy import pattern
from monoskope.protocol.identity import ProofError
from monoskope.protocol.notes import are_for, check_day, check_labels
from monoskope.protocol.options import Options
from monoskope.protocol.payload import MAX_KEYS, Payload, check_key, encode
from monoskope.protocol.recipes import Recipes
from monoskope.protocol.request import is_version
from monoskope.uri import SecretUri

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk


class Expect(Enum):
    """What must be upstream for a write to happen."""

    ANY = "ANY"
    """Nothing, or what m8 put there last."""
    ABSENT = "ABSENT"
    """Nothing."""
    OVERWRITE = "OVERWRITE"
    """Whatever is there."""


Expected = tuple[upload_pb2.Expect, str]
"""The protocol's form of an expectation, and the version that it names, "" for none."""

_EXPECTS = {
    Expect.ANY: upload_pb2.EXPECT_ANY,
    Expect.ABSENT: upload_pb2.EXPECT_ABSENT,
    Expect.OVERWRITE: upload_pb2.EXPECT_OVERWRITE,
}


def expectation(expect: Expect | str) -> Expected:
    """Return the protocol's form of an expectation; text names an upstream version. Raises `UsageError`."""
    if isinstance(expect, Expect):
        return _EXPECTS[expect], ""
    if not is_version(expect):
        raise UsageError(
            "the expected version is not valid: 1 to 256 printable ASCII characters without spaces.",
            fix="Copy it from `monoctl get secret`.",
        )
    return upload_pb2.EXPECT_VERSION, expect


def expected(expect: Expect | str) -> Expected:
    """Return the protocol's form of an expectation that something is there. Raises `UsageError` for ABSENT."""
    if expect is Expect.ABSENT:
        raise UsageError("what is absent cannot be changed or deleted.", fix="Expect a version, or leave it out.")
    return expectation(expect)


def encoded(values: Mapping[str, bytes]) -> bytes:
    """Return the padded plaintext of `values`.

    Raises:
        UsageError: keys outside the rule, none or more than 64, a value that is not bytes, or too much of it.
    """
    for key, value in values.items():
        if not isinstance(value, bytes):
            raise UsageError(f"the value of {key!r} is not bytes.", fix="Encode text, e.g. as UTF-8.")
    return encode(values if isinstance(values, Payload) else Payload(values))


def notes_of(labels: Mapping[str, str] | None, expires_on: dt.date | str | None) -> Notes:
    """Return notes, checked; None keeps, an empty value clears. Raises `UsageError`."""
    day = expires_on.isoformat() if isinstance(expires_on, dt.date) else expires_on or ""
    return Notes(
        labels=check_labels((labels or {}).items()),
        expires_on=check_day(day) if day else "",
        keep_labels=labels is None,
        keep_expires_on=expires_on is None,
    )


_SHOWN = r"[0-9]{1,19}|[0-9A-Za-z-]{32,64}"
"""A number, or an id as AWS Secrets Manager gives versions."""
_TYPED = pattern(_SHOWN, re.ASCII)
_WHOLE = pattern(rf"({_SHOWN})@.+", re.ASCII)


def typed(version: str) -> str:
    """Return a version as its engine shows it and people type it: what comes before the `@`, else all of it."""
    found = _WHOLE.fullmatch(version)
    return version if found is None else found[1]


def is_typed(version: str) -> bool:
    """Whether a version may be what people type of a longer text."""
    return _TYPED.fullmatch(version) is not None


async def whole(version: str, uri: SecretUri, queries: Queries) -> str:
    """Return the whole text of the version that was typed; what was typed if m8 knows no such version.

    Raises:
        UsageError: several versions of the secret were called so.
    """
    try:
        known = [view async for view in queries.secret_versions(str(uri))]
    except NotFoundError:
        return version
    texts = list(dict.fromkeys(text for view in known if version in {text := _text(view), typed(text)}))
    if version in texts or not texts:
        return version
    if len(texts) > 1:
        raise UsageError(
            f"{uri}: {len(texts)} versions were called {version}: {', '.join(sorted(texts))}.",
            fix="Name the whole version. `monoctl get secret --versions` shows them all.",
        )
    return texts[0]


def _text(view: views_pb2.SecretVersion) -> str:
    return view.upstream_version or view.prior_version


def to_put(values: Mapping[str, bytes], expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several puts. Raises `UsageError`."""
    return Wanted(upload_pb2.PURPOSE_UPLOAD, tuple(sorted(values)), expectation(expect)[0])


async def put(  # noqa: PLR0917 - one call, from one place
    walk: Walk, target: Target, plaintext: bytes, expect: Expected, options: Options | None, notes: Notes
) -> PutResult:
    """Put one encoded secret at one target. Raises as `Walk.run`."""
    task = Task(
        target.uri, upload_pb2.PURPOSE_UPLOAD, plaintext, *expect, options=fitting(options, target), notes=notes
    )
    return PutResult.of(task, await walk.run(task))


def changes(values: Mapping[str, bytes], remove: Iterable[str]) -> tuple[bytes, tuple[str, ...]]:
    """Return the padded plaintext of the keys to set, b"" for none, and the keys to drop in order.

    Raises:
        UsageError: nothing is to be changed, a key is to be set and dropped, a key is outside the rule, or too many.
    """
    removes = tuple(sorted({check_key(key) for key in remove}))
    if not values and not removes:
        raise UsageError("a patch changes something.", fix="Give keys to set, or keys to remove.")
    both = sorted(values.keys() & set(removes))
    if both:
        raise UsageError(f"key {both[0]!r} is to be set and removed.", fix="Do one of the two.")
    if len(removes) > MAX_KEYS:
        raise UsageError(f"a patch removes at most {MAX_KEYS} keys, this one {len(removes)}.", fix="Patch twice.")
    return encoded(values) if values else b"", removes


def copied_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys to copy, in order; () for all. Raises `UsageError` for more than 64, or one outside the rule."""
    found = tuple(sorted({check_key(key) for key in keys}))
    if len(found) > MAX_KEYS:
        raise UsageError(f"a copy names at most {MAX_KEYS} keys, this one {len(found)}.", fix="Copy all of them.")
    return found


def check_copy(source: Target, destination: Target, keys: Sequence[str]) -> None:
    """Check what is to be copied where.

    Raises:
        UsageError: it is one secret.
        RefusedError: the source's reactors announced that they cannot copy single keys, or within their store.
    """
    if source.uri == destination.uri:
        raise UsageError("source and destination are one secret.", fix="Name another destination.")
    if keys or source.uri.store == destination.uri.store:
        check_can(source.store, source.uri, "copied_keys")


def to_patch(values: Mapping[str, bytes], removes: Iterable[str], expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several patches. Raises `UsageError`."""
    return Wanted(upload_pb2.PURPOSE_PATCH, tuple(sorted({*values, *removes})), expected(expect)[0])


async def patch(  # noqa: PLR0917 - one call, from one place
    walk: Walk, target: Target, plaintext: bytes, remove: tuple[str, ...], expect: Expected, options: Options | None
) -> PutResult:
    """Set some keys of the secret at one target, drop others, and leave the rest: this client does not see it.

    Raises as `Walk.run`, and `RefusedError` where no key is asked for.
    """
    check_can(target.store, target.uri, "patchable")
    given = fitting(options, target)
    task = Task(target.uri, upload_pb2.PURPOSE_PATCH, plaintext, *expect, options=given, remove_keys=remove)
    return PutResult.of(task, await walk.run(task))


async def compare(walk: Walk, target: Target, plaintext: bytes, options: Options | None) -> Comparison:
    """Compare one encoded secret with one target; the answer holds no value. Raises as `Walk.run`."""
    task = Task(target.uri, upload_pb2.PURPOSE_COMPARE, plaintext, options=fitting(options, target))
    return Comparison.of(task, await walk.run(task))


def fitting(options: Options | None, target: Target) -> Options | None:
    """Return `options` if they are for stores of the target's type, else None."""
    return options if options is not None and are_for(options, target.store.type) else None


def to_delete(expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several deletions. Raises `UsageError`."""
    return Wanted(upload_pb2.PURPOSE_DELETE, expect=expected(expect)[0])


async def delete(walk: Walk, target: Target, expect: Expected, *, destroy: bool) -> Deletion:
    """Delete the secret at one target. Raises as `Walk.run`."""
    task = Task(target.uri, upload_pb2.PURPOSE_DELETE, b"", *expect, destroy=destroy)
    return Deletion.of(task, await walk.run(task), destroyed=destroy)


def to_undelete(expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several undeletions. Raises `UsageError`, also for ABSENT."""
    if expect is Expect.ABSENT:
        raise UsageError("what was never there cannot come back.", fix="Expect a deleted version, or leave it out.")
    return Wanted(upload_pb2.PURPOSE_UNDELETE, expect=expectation(expect)[0])


async def undelete(walk: Walk, target: Target, expect: Expected) -> Undeletion:
    """Undelete the secret at one target. Raises as `Walk.run`, and `RefusedError` where no key is asked for."""
    check_can(target.store, target.uri, "undeletable")
    task = Task(target.uri, upload_pb2.PURPOSE_UNDELETE, b"", *expect)
    return Undeletion.of(task, await walk.run(task))


def checked_version(to: str) -> str:
    """Return `to`. Raises `UsageError` if it can be no version."""
    if not is_version(to):
        raise UsageError(
            "the version to roll back to is not valid: 1 to 256 printable ASCII characters without spaces.",
            fix="Copy it from what `monoctl get secret --versions` shows.",
        )
    return to


async def rollback(walk: Walk, target: Target, to: str, expect: Expected, queries: Queries) -> Rollback:
    """Write the content of an earlier version again at one target.

    Raises as `Walk.run`, and `RefusedError` where no key is asked for.
    """
    check_can(target.store, target.uri, "rollbackable")
    to_version = await whole(to, target.uri, queries) if is_typed(to) else to
    task = Task(target.uri, upload_pb2.PURPOSE_ROLLBACK, b"", *expect, to_version=to_version)
    return Rollback.of(task, await walk.run(task))


async def generate(walk: Walk, target: Target, recipes: Recipes, expect: Expected, notes: Notes) -> Generated:
    """Have one secret generated at one target. Raises as `Walk.run`."""
    task = Task(target.uri, upload_pb2.PURPOSE_GENERATE, b"", *expect, notes=notes, recipes=recipes)
    return Generated.of(task, await walk.run(task))


async def import_secret(walk: Walk, target: Target) -> Import:
    """Have a receipt made for what is upstream at one target; nothing is written. Raises as `Walk.run`."""
    task = Task(target.uri, upload_pb2.PURPOSE_IMPORT)
    return Import.of(task, await walk.run(task))


async def verify(walk: Walk, target: Target, queries: Queries) -> Verification:
    """Verify that one target still holds what its newest receipt says. Raises as `Walk.run`.

    m8 gives the receipt to the reactor. The receipts that it shows and that it gave are compared, so that it cannot
    give an older one.

    Raises:
        ProofError: the reactor was given another receipt than m8 shows as the newest, before and after.
    """
    uri = str(target.uri)
    before = await _receipt_shown(queries, uri)
    task = Task(target.uri, upload_pb2.PURPOSE_VERIFY)
    result = await walk.run(task)
    compared = result.receipt.verified_sha256
    if before is not None and compared != before and compared != await _receipt_shown(queries, uri):
        raise ProofError(f"{uri}: the store was asked about another receipt than the newest that m8 shows")
    return Verification.of(task, result, newest=None if before is None else True)


async def _receipt_shown(queries: Queries, uri: str) -> bytes | None:
    """Return the SHA-256 of the receipt that m8 shows, None if it shows none."""
    import hashlib  # noqa: PLC0415 - a put does not need it

    secret = await queries.secret(uri)
    return hashlib.sha256(secret.receipt.content).digest() if secret.HasField("receipt") else None
