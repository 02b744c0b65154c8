"""Finding drivers by their entry points."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from monoskope.errors import Error, NotFoundError, UsageError
from monoskope.stores import registry
from monoskope.stores.age.files import AgeStore
from monoskope.stores.vault.kv2 import VaultStore


def install(monkeypatch: pytest.MonkeyPatch, **values: list[str]) -> None:
    points = [EntryPoint(name, value, registry.GROUP) for name, each in values.items() for value in each]

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "monoskope.stores"
        return points

    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_ours_are_found_under_their_kinds() -> None:
    assert {"age", "vault"} <= set(registry.kinds())
    assert registry.find("vault") is VaultStore
    assert registry.find("age") is AgeStore
    assert {"aws-secretsmanager", "aws-ssm"} <= set(registry.kinds())


def test_the_extra_to_install_is_named_where_it_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, **{"aws-ssm": ["monoskope.stores.no_such_module:ParameterStore"]})
    with pytest.raises(registry.BrokenDriverError, match=r"monoskope\[aws\]"):
        registry.find("aws-ssm")


def test_an_unknown_kind_is_named_with_those_that_are_there() -> None:
    with pytest.raises(NotFoundError, match=r"'valt'.*age.*vault"):
        registry.find("valt")


def test_two_drivers_of_one_kind_are_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, vault=["monoskope.stores.vault.kv2:VaultStore", "other.package:Store"])
    with pytest.raises(UsageError, match=r"monoskope\.stores\.vault\.kv2:VaultStore and other\.package:Store"):
        registry.find("vault")


def test_one_driver_seen_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, vault=["monoskope.stores.vault.kv2:VaultStore"] * 2)
    assert registry.find("vault") is VaultStore


@pytest.mark.parametrize(
    "value",
    [
        "no_such_package.x:Store",
        "monoskope.stores.vault.kv2:NoSuchStore",
        "monoskope.stores.age.files:AgeStore",
        "json:loads",
    ],
)
def test_a_driver_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    install(monkeypatch, mine=[value])
    with pytest.raises(registry.BrokenDriverError, match="mine") as caught:
        registry.find("mine")
    assert value in str(caught.value)
    assert isinstance(caught.value, Error)


def test_nothing_of_a_driver_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys; from monoskope.stores import registry; registry.kinds();"
        "print([name for name in ('aiohttp', 'pyrage', 'monoskope.stores.vault.kv2') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
