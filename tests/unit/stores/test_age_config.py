"""What the settings of an age store may say."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.settings import convert
from monoskope.stores.age.config import AgeConfig

GOOD: dict[str, Any] = {"folder": "/var/lib/store", "recipients": ["age1x"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("folder", "relative"),
        ("recipients", []),
        ("keep_versions", 0),
        ("keep_versions", 10_001),
        ("max_plaintext", 1000),
        ("lock_timeout_s", 0),
        ("lock_timeout_s", 26),
        ("identity", "AGE-SECRET-KEY-1"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        convert(GOOD | {field: value}, AgeConfig, where="reactor.toml")


def test_without_an_identity_it_is_write_only() -> None:
    config = convert(GOOD, AgeConfig, where="reactor.toml")
    assert (config.identity_file, config.keep_versions, config.max_plaintext) == (None, 10, 1_048_576)
