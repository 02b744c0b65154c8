"""The least policy, and what is kept of a wrapped secret id."""

from __future__ import annotations

from pathlib import Path

import msgspec

from monoskope.stores.vault.config import TokenFile, VaultConfig, kv1_policy, least_policy, policy_of
from monoskope.stores.vault.logins import _Kept

CONFIG = VaultConfig(
    address="https://vault.example:8200", auth=TokenFile(token_file="/t"), mount="a/kv", prefix="team/m8"
)


def test_a_write_only_policy_cannot_read_values() -> None:
    assert least_policy(mount="kv", prefix="team/m8") == (
        'path "kv/data/team/m8/*" {\n  capabilities = ["create", "update"]\n}\n\n'
        'path "kv/metadata/team/m8/*" {\n  capabilities = ["read"]\n}\n'
    )


def test_reading_and_flagging_are_granted_on_demand() -> None:
    assert least_policy(readable=True, binary=True) == (
        'path "secret/data/*" {\n  capabilities = ["create", "update", "read"]\n}\n\n'
        'path "secret/metadata/*" {\n  capabilities = ["read", "create", "patch"]\n}\n'
    )


def test_patching_is_granted_without_reading() -> None:
    assert '"secret/data/*" {\n  capabilities = ["create", "update", "patch"]\n}' in least_policy(patchable=True)


def test_the_documentation_shows_this_policy() -> None:
    page = Path(__file__).parents[3] / "docs" / "stores" / "vault.md"
    assert least_policy(prefix="team/m8") in page.read_text(encoding="utf-8")


def test_deleting_is_granted_for_single_versions_alone() -> None:
    granted = least_policy(mount="kv", prefix="team/m8", delete=True)
    assert granted.startswith(least_policy(mount="kv", prefix="team/m8"))
    rest = granted.removeprefix(least_policy(mount="kv", prefix="team/m8"))
    assert rest == (
        '\npath "kv/delete/team/m8/*" {\n  capabilities = ["update"]\n}\n'
        '\npath "kv/destroy/team/m8/*" {\n  capabilities = ["update"]\n}\n'
    )


def test_undeleting_is_granted_for_single_versions_and_only_if_configured() -> None:
    before = least_policy(mount="kv", prefix="team/m8", delete=True)
    assert "undelete" not in before
    granted = least_policy(mount="kv", prefix="team/m8", delete=True, restore=True)
    assert granted.removeprefix(before) == '\npath "kv/undelete/team/m8/*" {\n  capabilities = ["update"]\n}\n'
    config = msgspec.structs.replace(CONFIG, restorable=True)
    assert policy_of(config) == least_policy(mount="a/kv", prefix="team/m8", restore=True)


def test_a_reactor_of_some_prefixes_is_granted_those_and_what_is_below() -> None:
    paths = [line for line in policy_of(CONFIG, [("app",), ("web", "tls")]).splitlines() if line.startswith("path")]
    assert paths == [
        f'path "a/kv/{part}/team/m8/{place}" {{'
        for part in ("data", "metadata")
        for place in ("app", "app/*", "web/tls", "web/tls/*")
    ]


def test_a_configuration_without_flags_is_granted_least() -> None:
    assert policy_of(CONFIG) == least_policy(mount="a/kv", prefix="team/m8")


def test_in_version_1_a_write_only_store_lists_names_and_reads_nothing() -> None:
    assert kv1_policy(CONFIG) == 'path "a/kv/team/m8/*" {\n  capabilities = ["create", "update", "list"]\n}\n'
    assert kv1_policy(CONFIG, [("app",)]) == (
        'path "a/kv/team/m8/app" {\n  capabilities = ["create", "update", "list"]\n}\n\n'
        'path "a/kv/team/m8/" {\n  capabilities = ["list"]\n}\n\n'
        'path "a/kv/team/m8/app/*" {\n  capabilities = ["create", "update", "list"]\n}\n'
    )


def test_the_secret_id_is_not_shown() -> None:
    assert "s3cret" not in repr(_Kept(wrapping_token_sha256="", secret_id="s3cret"))
