"""What the settings of a barbican store may say."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.settings import convert
from monoskope.stores.barbican.config import ApplicationCredential, BarbicanConfig

LOGIN: dict[str, Any] = {
    "method": "application_credential",
    "auth_url": "https://keystone.example:5000/v3",
    "id": "c0ffee",
    "secret_file": "/etc/secret",
}
GOOD: dict[str, Any] = {"address": "https://barbican.example:9311", "auth": LOGIN}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "http://barbican.example:9311"),
        ("address", "https://barbican.example:9311/"),
        ("address", "https://user@barbican.example"),
        ("address", "https://barbican.example?x"),
        ("prefix", "/team"),
        ("prefix", "x/" * 70 + "x"),
        ("raw_key", "a key"),
        ("layout", "yaml"),
        ("keep_versions", 0),
        ("keep_versions", 51),
        ("max_secret_bytes", 999),
        ("timeout_s", 31),
        ("connect_timeout_s", 0),
        ("auth_url", "http://keystone.example/v3"),
        ("method", "token"),
        ("password", "in the clear"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    wrong = {"auth": LOGIN | {field: value}} if field in {"auth_url", "method", "password"} else {field: value}
    with pytest.raises(UsageError, match="method" if field == "method" else field):
        convert(GOOD | wrong, BarbicanConfig, where="reactor.toml")


def test_an_address_may_have_a_path() -> None:
    config = convert(GOOD | {"address": "https://cloud.example/key-manager"}, BarbicanConfig, where="reactor.toml")
    assert config.address == "https://cloud.example/key-manager"
    assert isinstance(config.auth, ApplicationCredential)


@pytest.mark.parametrize(
    ("most", "padded"),
    [(1_000, 512), (20_000, 8_192), (22_000, 16_384), (1_400_000, 1_048_576), (4_000_000, 1_048_576)],
)
def test_the_limit_follows_from_the_servers(most: int, padded: int) -> None:
    config = convert(GOOD | {"max_secret_bytes": most}, BarbicanConfig, where="reactor.toml")
    assert config.max_plaintext == padded
