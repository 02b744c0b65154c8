"""The servers of these tests: a cluster under Patroni for `make ha`, one PostgreSQL for each change."""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Iterator

import pytest

from monoskope.testing.engines.patroni import Patroni
from monoskope.testing.engines.patroni_files import LOSSY
from tests.ha.world import ThreeM8

_NEEDS = "psycopg"
"""What Patroni speaks to PostgreSQL with; `make ha` installs it."""


def need_driver() -> None:
    if importlib.util.find_spec(_NEEDS) is None:
        pytest.fail(f"Patroni needs {_NEEDS}, which is not installed: run these tests with `make ha`.")


@pytest.fixture(scope="session")
def patroni() -> Iterator[Patroni]:
    need_driver()
    with Patroni() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def lossy() -> Iterator[Patroni]:
    """A cluster that replicates asynchronously, as none should that keeps an event log."""
    need_driver()
    with Patroni(mode=LOSSY) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def world(patroni: Patroni, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeM8]:
    with ThreeM8(tmp_path_factory.mktemp("ha"), patroni) as world:
        yield world


@pytest.fixture(scope="session")
def seed() -> int:
    """Printed, so that a run can be repeated: `make ha SEED=…`."""
    return int(os.environ.get("SEED", "") or random.randrange(1_000_000))
