"""Names and settings of the driver `redis-account`, and the rights that it asks for. No node is asked."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.settings import convert
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.redis_account.config import RedisAccountConfig
from monoskope.stores.redis_account.store import RedisAccountStore

TABLE = {"nodes": ["a:6379", "b:6379"], "user": "m8", "password_file": "password"}
CONFIG = convert(TABLE, RedisAccountConfig, where="test")


@pytest.mark.parametrize("path", [("m8",), ("default",), ("a", "b"), ("x" * 65,), ("a b",)])
def test_what_is_no_account_is_refused_before_a_key_is_made(path: tuple[str, ...]) -> None:
    store = RedisAccountStore(CONFIG, None)  # type: ignore[arg-type] # it is not asked
    with pytest.raises(StoreRefusedError):
        store.check(path, None)
    store.check(("orders_a.B-2",), None)
    store.check(("Default",), None)


def test_the_policy_gives_three_rights_and_takes_all_others() -> None:
    rights = "nocommands resetkeys resetchannels clearselectors +acl|getuser +acl|setuser +acl|save"
    assert RedisAccountStore.policy(CONFIG, (("orders_*",),)) == f"ACL SETUSER m8 {rights}\nACL SAVE\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nodes": []}, "`nodes`"),
        ({"nodes": ["a:1", "a:1"]}, "`nodes`"),
        ({"nodes": ["redis://a:1"]}, "`nodes`"),
        ({"user": "m8\nFLUSHALL"}, "`user`"),
        ({"key_file": "key"}, "`key_file`"),
        ({"timeout_s": 31.0}, "`timeout_s`"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        convert(TABLE | changes, RedisAccountConfig, where="test")
