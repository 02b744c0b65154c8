"""The settings of a vault store, and the policy that follows from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.settings import convert
from monoskope.stores.vault.config import (
    SERVICE_ACCOUNT_TOKEN,
    AppRole,
    ClientCertificate,
    Jwt,
    Kubernetes,
    TokenFile,
    VaultConfig,
    kv1_policy,
    policy_of,
)
from monoskope.stores.vault.logins import _Kept

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


def test_nothing_is_allowed_that_nobody_allowed() -> None:
    config = read()
    assert (config.patchable, config.deletable, config.binary, config.namespace) == (False, False, False, "")


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"method": "jwt", "role": "r", "jwt_file": "/j"}, Jwt("r", "/j", "jwt")),
        ({"method": "kubernetes", "role": "r"}, Kubernetes("r", SERVICE_ACCOUNT_TOKEN, "kubernetes")),
        (
            {"method": "cert", "certificate_file": "/c", "key_file": "/k", "mount": "by/cert"},
            ClientCertificate("/c", "/k", "", "by/cert"),
        ),
    ],
)
def test_every_method_has_fields_of_its_own(auth: dict[str, str], expected: object) -> None:
    assert read(auth=auth).auth == expected


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"method": "jwt", "role": "r", "jwt_file": "/j", "role_id": "r"}, "role_id"),
        ({"method": "jwt", "role": "r"}, "jwt_file"),
        ({"method": "kubernetes", "roel": "r", "role": "r"}, "roel"),
        ({"method": "kubernetes", "role": "r", "mount": "../jwt"}, "mount"),
        ({"method": "cert", "certificate_file": "/c"}, "key_file"),
        ({"method": "cert", "certificate_file": "/c", "key_file": "/k", "password": "in the settings"}, "password"),
        ({"method": "oidc"}, "oidc"),
    ],
)
def test_a_field_of_another_method_or_of_none_is_named(auth: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read(auth=auth)
    assert re.search(r"\$\.auth|in auth", str(caught.value))
    assert "in the settings" not in str(caught.value)


def test_a_misspelt_field_of_a_login_is_named_with_what_is_meant() -> None:
    with pytest.raises(UsageError, match="jwt_fil`") as caught:
        read(auth={"method": "jwt", "role": "r", "jwt_file": "/j", "jwt_fil": "/j"})
    assert caught.value.fix == "Did you mean 'jwt_file'?"


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


@pytest.mark.parametrize("field", ["mount", "prefix", "namespace"])
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


CONFIG = VaultConfig(
    address="https://vault.example:8200", auth=TokenFile(token_file="/t"), mount="a/kv", prefix="team/m8"
)


def granted_to(**fields: Any) -> str:
    """The policy of a store with these settings."""
    return policy_of(VaultConfig(address=CONFIG.address, auth=CONFIG.auth, **fields))


def test_a_write_only_policy_cannot_read_values() -> None:
    assert granted_to(mount="kv", prefix="team/m8") == (
        'path "kv/data/team/m8/*" {\n  capabilities = ["create", "update"]\n}\n\n'
        'path "kv/metadata/team/m8/*" {\n  capabilities = ["read"]\n}\n'
    )


def test_reading_and_flagging_are_granted_on_demand() -> None:
    assert granted_to(readable=True, binary=True) == (
        'path "secret/data/*" {\n  capabilities = ["create", "update", "read"]\n}\n\n'
        'path "secret/metadata/*" {\n  capabilities = ["read", "create", "patch"]\n}\n'
    )


def test_patching_is_granted_without_reading() -> None:
    assert '"secret/data/*" {\n  capabilities = ["create", "update", "patch"]\n}' in granted_to(patchable=True)


def test_the_documentation_shows_this_policy() -> None:
    page = Path(__file__).parents[3] / "docs" / "stores" / "vault.md"
    assert granted_to(prefix="team/m8") in page.read_text(encoding="utf-8")


def test_deleting_is_granted_for_single_versions_alone() -> None:
    granted = granted_to(mount="kv", prefix="team/m8", deletable=True)
    assert granted.startswith(granted_to(mount="kv", prefix="team/m8"))
    rest = granted.removeprefix(granted_to(mount="kv", prefix="team/m8"))
    assert rest == (
        '\npath "kv/delete/team/m8/*" {\n  capabilities = ["update"]\n}\n'
        '\npath "kv/destroy/team/m8/*" {\n  capabilities = ["update"]\n}\n'
    )


def test_undeleting_is_granted_for_single_versions_and_only_if_configured() -> None:
    before = granted_to(mount="kv", prefix="team/m8", deletable=True)
    assert "undelete" not in before
    granted = granted_to(mount="kv", prefix="team/m8", deletable=True, restorable=True)
    assert granted.removeprefix(before) == '\npath "kv/undelete/team/m8/*" {\n  capabilities = ["update"]\n}\n'


def test_a_reactor_of_some_prefixes_is_granted_those_and_what_is_below() -> None:
    paths = [line for line in policy_of(CONFIG, [("app",), ("web", "tls")]).splitlines() if line.startswith("path")]
    assert paths == [
        f'path "a/kv/{part}/team/m8/{place}" {{'
        for part in ("data", "metadata")
        for place in ("app", "app/*", "web/tls", "web/tls/*")
    ]


def test_in_version_1_a_write_only_store_lists_names_and_reads_nothing() -> None:
    assert kv1_policy(CONFIG) == 'path "a/kv/team/m8/*" {\n  capabilities = ["create", "update", "list"]\n}\n'
    assert kv1_policy(CONFIG, [("app",)]) == (
        'path "a/kv/team/m8/app" {\n  capabilities = ["create", "update", "list"]\n}\n\n'
        'path "a/kv/team/m8/" {\n  capabilities = ["list"]\n}\n\n'
        'path "a/kv/team/m8/app/*" {\n  capabilities = ["create", "update", "list"]\n}\n'
    )


def test_the_secret_id_is_not_shown() -> None:
    assert "s3cret" not in repr(_Kept(wrapping_token_sha256="", secret_id="s3cret"))
