"""One provider a worker, put back in order before each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import openid_provider
from tests.support.openid_provider import OpenIdProvider


@pytest.fixture(scope="session")
def _provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    with openid_provider.running(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture
def provider(_provider: OpenIdProvider) -> OpenIdProvider:
    _provider.change(down=False, clock_s=0, id_token_s=3600, grants={}, revoked=0)
    return _provider


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "login"
    folder.mkdir(mode=0o700)
    return folder / "m8.toml"
