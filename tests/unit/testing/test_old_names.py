"""What third parties import from `monoskope.testing` stays importable under its first name."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("driver_harness", "Harness"),
        ("driver_refusals", "RefusalPromises"),
        ("drivers", "StoreDriverContract"),
        ("logs", "EventLogContract"),
        ("cluster", "Cluster"),
        ("search", "look_below"),
    ],
)
def test_an_old_name_imports(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(f"monoskope.testing.{module}"), name)
