"""Tests with OpenSSH's security key in software: they are skipped where it is missing, but fail in CI."""

from __future__ import annotations

import pytest

from monoskope.errors import UnavailableError
from monoskope.testing.engines import openssh


def has_security_key() -> bool:
    """Whether it is there."""
    try:
        openssh.middleware()
    except UnavailableError:
        return False
    return True


def need_security_key(kind: str) -> None:
    """Skip or fail a test with a key of `kind`, if that is one of a security key and there is none."""
    if "-sk" in kind and not has_security_key():
        pytest.skip("there is no sk-dummy.so, of Debian's package openssh-tests (.ci/run)")
