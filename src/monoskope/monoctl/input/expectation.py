"""What `--expect` and `--overwrite` say together."""

from __future__ import annotations

from monoskope.client.walk.given import Expect
from monoskope.errors import UsageError


def expectation(expect: str | None, *, overwrite: bool, must_exist: bool = False) -> Expect | str:
    """Return what must be upstream.

    Args:
        expect: The value of `--expect`.
        overwrite: Whether `--overwrite` is given.
        must_exist: Whether something must be there, as for a change of it.

    Raises:
        UsageError: both options are given, or `absent` where something must be there.
    """
    if overwrite and expect is not None:
        raise UsageError("--overwrite and --expect exclude each other.", fix="Give one of them.")
    if expect == "absent" and must_exist:
        raise UsageError("--expect absent makes no sense here: something must be there.", fix="Name a version.")
    if overwrite:
        return Expect.OVERWRITE
    if expect is None:
        return Expect.ANY
    return Expect.ABSENT if expect == "absent" else expect
