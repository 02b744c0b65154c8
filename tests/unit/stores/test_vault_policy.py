"""The least policy, and what is kept of a wrapped secret id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monoskope.stores.vault.config import TokenFile, VaultConfig, kv1_policy, policy_of
from monoskope.stores.vault.logins import _Kept

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
