"""Hashes, names and settings of the driver `rabbitmq-account`. No server is asked."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.settings import convert
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.rabbitmq_account.config import RabbitmqAccountConfig
from monoskope.stores.rabbitmq_account.store import RabbitmqAccountStore, hashed

TABLE = {"address": "https://rabbitmq:15671", "user": "m8", "password_file": "password"}


def store() -> RabbitmqAccountStore:
    config = convert(TABLE, RabbitmqAccountConfig, where="test")
    return RabbitmqAccountStore(config, None)  # type: ignore[arg-type] # it is not asked


def test_a_hash_is_the_one_that_rabbitmqs_manual_shows() -> None:
    """Of `test12`, on the page Credentials and Passwords."""
    kept = hashed(b"test12", bytes.fromhex("908DC60A"))
    assert b64encode(kept) == b"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


@pytest.mark.parametrize("path", [("m8",), ("a", "b"), ("x" * 65,)])
def test_what_is_no_account_is_refused_before_a_key_is_made(path: tuple[str, ...]) -> None:
    with pytest.raises(StoreRefusedError):
        store().check(path, None)
    store().check(("orders_a.B-2",), None)


@pytest.mark.parametrize("values", [{"password": b"x" * 19}, {"username": b"x" * 20}])
def test_what_is_no_password_is_refused_before_it_is_compared(values: dict[str, bytes]) -> None:
    with pytest.raises(StoreRefusedError):
        store().check_payload(("orders_a",), Payload(values), remove=None, options=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"address": "http://rabbitmq:15672"}, "`address`"),
        ({"address": "https://rabbitmq:15671/"}, "`address`"),
        ({"address": "https://user:password@rabbitmq"}, "`address`"),
        ({"user": "m8:x"}, "`user`"),
        ({"user": "m8;reboot"}, "`user`"),
        ({"timeout_s": 31.0}, "`timeout_s`"),
    ],
)
def test_settings_that_could_reach_elsewhere_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        convert(TABLE | changes, RabbitmqAccountConfig, where="test")
