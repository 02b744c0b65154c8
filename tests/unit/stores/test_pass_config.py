"""What the settings of a pass store may say."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.settings import convert
from monoskope.stores.password_store.config import PassConfig

GOOD: dict[str, Any] = {"folder": "/var/lib/password-store", "gpg_home": "/etc/monoskope/gnupg"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("folder", "relative"),
        ("gpg_home", "~/.gnupg"),
        ("prefix", "a//b"),
        ("layout", "json"),
        ("raw_key", "a key"),
        ("max_plaintext", 1000),
        ("timeout_s", 0),
        ("lock_timeout_s", 26),
        ("passphrase", "in the clear"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        convert(GOOD | {field: value}, PassConfig, where="reactor.toml")


def test_it_is_write_only_and_without_git_unless_said_otherwise() -> None:
    config = convert(GOOD | {"prefix": "team/m8"}, PassConfig, where="reactor.toml")
    assert (config.readable, config.git, config.layout, config.below) == (False, False, "pass", ("team", "m8"))
