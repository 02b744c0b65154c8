"""One scripted issuer a worker, honest at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import scripted_issuer
from tests.support.scripted_issuer import ScriptedIssuer


@pytest.fixture(scope="session")
def _scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedIssuer]:
    with scripted_issuer.serving(tmp_path_factory.mktemp("issuer")) as scripted:
        yield scripted


@pytest.fixture
def scripted(_scripted: ScriptedIssuer) -> ScriptedIssuer:
    """Return the issuer."""
    _scripted.reset()
    return _scripted
