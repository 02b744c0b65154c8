"""The driver `kubernetes` against the suite, on a contract server of ours: not on Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.patches import PatchPromises
from monoskope.testing.drivers.versions import VersionPromises
from tests.conformance.kubernetes_harness import KubernetesHarness
from tests.conformance.kubernetes_server import KubernetesServer


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, kubernetes: tuple[KubernetesServer, bytes], tmp_path: Path) -> Harness:
        return KubernetesHarness(*kubernetes, tmp_path, readable=True)


class TestWriteOnly(VersionPromises, PatchPromises):
    """What differs where nothing can be read; `make soak` runs the whole suite."""

    test_the_readable_flag_is_honest = StoreDriverContract.test_the_readable_flag_is_honest

    @pytest.fixture
    def harness(self, kubernetes: tuple[KubernetesServer, bytes], tmp_path: Path) -> Harness:
        return KubernetesHarness(*kubernetes, tmp_path, readable=False)


@pytest.mark.soak
class TestAllOfWriteOnly(TestWriteOnly, StoreDriverContract):
    """The whole suite."""
