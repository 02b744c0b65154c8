"""The driver `kubernetes` against the suite, on a contract server of ours: not on Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from tests.conformance.kubernetes_harness import KubernetesHarness
from tests.conformance.kubernetes_server import KubernetesServer


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, kubernetes: tuple[KubernetesServer, bytes], tmp_path: Path) -> Harness:
        return KubernetesHarness(*kubernetes, tmp_path, readable=True)


class TestWriteOnly(StoreDriverContract):
    @pytest.fixture
    def harness(self, kubernetes: tuple[KubernetesServer, bytes], tmp_path: Path) -> Harness:
        return KubernetesHarness(*kubernetes, tmp_path, readable=False)
