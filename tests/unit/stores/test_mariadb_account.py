"""Hashes, names and settings of the driver `mariadb-account`. No database is asked."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.settings import convert
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.mariadb_account.config import MariadbAccountConfig
from monoskope.stores.mariadb_account.hashes import ed25519
from monoskope.stores.mariadb_account.store import MariadbAccountStore

TABLE = {"host": "db:3306", "user": "m8", "password_file": "password"}


def store() -> MariadbAccountStore:
    config = convert(TABLE, MariadbAccountConfig, where="test")
    return MariadbAccountStore(config, None)  # type: ignore[arg-type] # it is not asked


def test_a_hash_is_the_one_that_mariadbs_manual_shows() -> None:
    """Of `secret`, on the page of the plugin ed25519."""
    assert ed25519(b"secret") == "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"


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
        ({"host": "db"}, "`host`"),
        ({"host": "mysql://db:3306"}, "`host`"),
        ({"user": "m8'@'%"}, "`user`"),
        ({"schema": "x`"}, "`schema`"),
        ({"schema": "mysql"}, "`schema`"),
        ({"account_host": "%' OR '"}, "`account_host`"),
        ({"user_host": "DB"}, "`user_host`"),
        ({"timeout_s": 31.0}, "`timeout_s`"),
    ],
)
def test_settings_that_could_reach_into_sql_or_elsewhere_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        convert(TABLE | changes, MariadbAccountConfig, where="test")
