"""What the settings of a vault store may say."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.settings import convert
from monoskope.stores.vault_config import AppRole, TokenFile, VaultConfig

GOOD: dict[str, Any] = {
    "address": "https://vault.example:8200",
    "auth": {"method": "approle", "role_id": "r", "wrapped_secret_id_file": "/w"},
}


def read(**changes: Any) -> VaultConfig:
    return convert(GOOD | changes, VaultConfig, where="reactor.toml")


def test_defaults_are_the_cautious_ones() -> None:
    config = read()
    assert (config.mount, config.prefix, config.readable, config.ca_file) == ("secret", "", False, None)
    assert config.auth == AppRole(role_id="r", wrapped_secret_id_file="/w")


def test_a_token_file_is_the_other_way_to_log_in() -> None:
    assert read(auth={"method": "token", "token_file": "/t"}).auth == TokenFile(token_file="/t")


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example",
        "vault.example:8200",
        "https://",
        "https://a/b",
        "https://a?b",
        "https://u:p@a",
        "https://a ",
    ],
)
def test_only_a_plain_https_address_is_taken(address: str) -> None:
    with pytest.raises(UsageError, match="address"):
        read(address=address)


@pytest.mark.parametrize("address", ["https://127.0.0.1:8200", "https://[::1]:8200", "https://a-b.c"])
def test_names_and_numbers_are_addresses(address: str) -> None:
    assert read(address=address).address == address


@pytest.mark.parametrize("field", ["mount", "prefix"])
@pytest.mark.parametrize("value", ["../sys", "a//b", "/a", "a/", "a%2Fb", "a b", "ä", "a/../b", "."])
def test_no_mount_or_prefix_reaches_elsewhere(field: str, value: str) -> None:
    with pytest.raises(UsageError, match=field):
        read(**{field: value})


@pytest.mark.parametrize(
    "auth",
    [
        {"method": "approle", "role_id": "r"},
        {"method": "approle", "role_id": "r", "secret_id_file": "/s", "wrapped_secret_id_file": "/w"},
        {"method": "approle", "role_id": "r", "secret_id": "in the settings"},
        {"method": "approle", "role_id": "r", "secret_id_file": "/s", "mount": "../token"},
        {"method": "token"},
        {"method": "token", "token": "in the settings"},
        {"method": "kerberos"},
        {},
    ],
)
def test_a_login_is_described_in_exactly_one_way(auth: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"reactor\.toml"):
        read(auth=auth)


@pytest.mark.parametrize("size", [0, 256, 1000, 2_097_152, -512])
def test_the_largest_plaintext_is_a_padded_size(size: int) -> None:
    with pytest.raises(UsageError, match="max_plaintext"):
        read(max_plaintext=size)


@pytest.mark.parametrize("field", ["timeout_s", "connect_timeout_s"])
@pytest.mark.parametrize("value", [0, -1, 31])
def test_no_timeout_outlives_a_write(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=field):
        read(**{field: value})


def test_a_misspelt_field_is_named() -> None:
    with pytest.raises(UsageError, match="readable"):
        read(readble=True)
