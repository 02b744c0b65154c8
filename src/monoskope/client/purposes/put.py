"""What is done with a value that this client seals: put, patch and compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.checks import Wanted
from monoskope.client.walk.given import Expect, Notes, encoded, expectation, expected
from monoskope.client.walk.results import Comparison, PutResult
from monoskope.client.walk.target import Target, check_patchable
from monoskope.client.walk.task import Task
from monoskope.errors import UsageError
from monoskope.protocol.notes import are_for
from monoskope.protocol.payload import MAX_KEYS, check_key
from monoskope.protocol.request import Options

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk


def to_put(values: Mapping[str, bytes], expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several puts."""
    return Wanted(upload_pb2.PURPOSE_UPLOAD, tuple(sorted(values)), expectation(expect)[0])


async def put(  # noqa: PLR0917 - one call, from one place
    walk: Walk, target: Target, plaintext: bytes, expect: Expect | str, options: Options | None, notes: Notes
) -> PutResult:
    """Put one encoded secret at one target. Raises as `Walk.run`."""
    kind, version = expectation(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_UPLOAD,
        plaintext=plaintext,
        expect=kind,
        expect_version=version,
        options=_fitting(options, target),
        labels=notes.labels,
        expires_on=notes.expires_on,
        keep_labels=notes.keep_labels,
        keep_expires_on=notes.keep_expires_on,
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


def to_patch(values: Mapping[str, bytes], expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several patches."""
    return Wanted(upload_pb2.PURPOSE_PATCH, tuple(sorted(values)), expected(expect)[0])


async def patch(  # noqa: PLR0917 - one call, from one place
    walk: Walk, target: Target, plaintext: bytes, remove: tuple[str, ...], expect: Expect | str, options: Options | None
) -> PutResult:
    """Set some keys of the secret at one target, drop others, and leave the rest: this client does not see it.

    Raises as `Walk.run`, and `RefusedError` where no key is asked for.
    """
    check_patchable(target.store, target.uri)
    kind, version = expected(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_PATCH,
        plaintext=plaintext,
        expect=kind,
        expect_version=version,
        options=_fitting(options, target),
        remove_keys=remove,
    )
    return PutResult.of(task, await walk.run(task))


async def compare(walk: Walk, target: Target, plaintext: bytes, options: Options | None) -> Comparison:
    """Compare one encoded secret with one target; the answer holds no value. Raises as `Walk.run`."""
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_COMPARE,
        plaintext=plaintext,
        options=_fitting(options, target),
    )
    return Comparison.of(task, await walk.run(task))


def _fitting(options: Options | None, target: Target) -> Options | None:
    """Return `options` if they are for stores of the target's type, else None."""
    return options if options is not None and are_for(options, target.store.type) else None
