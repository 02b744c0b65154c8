"""Patch a secret: set some keys, drop others, and leave the rest upstream as it is; this client does not see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.purposes.put import PutResult, fitting, result_of
from monoskope.client.walk.checks import Wanted
from monoskope.client.walk.given import Expect, encoded, expected
from monoskope.client.walk.target import Target, check_patchable
from monoskope.client.walk.task import ASK, Doubt, Task
from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_KEYS, check_key
from monoskope.protocol.request import Options

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_DOUBT = Doubt(
    "it may or may not have been patched {request}.",
    fix=f"{ASK} before you patch it again.",
    done="patched",
)


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
    """Patch the secret at one target. Raises as `Walk.run`, and `RefusedError` where no key is asked for."""
    check_patchable(target.store, target.uri)
    kind, version = expected(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_PATCH,
        doubt=_DOUBT,
        plaintext=plaintext,
        expect=kind,
        expect_version=version,
        options=fitting(options, target.store.type),
        remove_keys=remove,
    )
    return result_of(target, await walk.run(task))
