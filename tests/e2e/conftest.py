"""One real cluster a worker, and for each test a team of its own in it, so that tests do not meet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from tests.support import warm
from tests.support.quick_cluster import QuickCluster, events_of


@dataclass(frozen=True, slots=True)
class Team:
    """A path prefix in both stores, and a user who may do everything below it."""

    name: str
    user: User
    cluster: Cluster

    def uri(self, store: str, path: str = "db") -> str:
        return f"{store}://{self.name}/{path}"

    def put(self, *words: str, value: bytes = b"correct horse", user: User | None = None) -> Ran:
        arguments = ("put", "secret", *words, "--from-file", "password=-", "-o", "json")
        return (user or self.user).monoctl(*arguments, input=value)

    def compare(self, *words: str, value: bytes, user: User | None = None) -> Ran:
        arguments = ("compare", "secret", *words, "--from-file", "password=-", "-o", "json")
        return (user or self.user).monoctl(*arguments, input=value)

    def events(self, put: Ran) -> list[dict[str, Any]]:
        """What the log itself holds of the request that a put or compare printed, in its order."""
        stream = f"upload/{put.json()['request_id']}"
        return events_of(self.cluster, stream)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao and the stores `vault` (which the reactor can read) and `local`."""
    with QuickCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        # So that `start_m8` adds the issuers.
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        with warm.anew():  # some tests look into the memory of these parts
            cluster.start()
        yield cluster
        assert cluster.m8.pid is not None, f"m8 ended unasked: {cluster.m8.last_words()}"


_numbers = itertools.count(1)


@pytest.fixture
def team(cluster: Cluster) -> Team:
    """A team that no other test knows; its user knows both stores."""
    return _new_team(cluster)


@pytest.fixture(scope="module")
def patient(cluster: Cluster) -> Team:
    """One team for all tests of a module that change nothing, or only their own paths: a team takes time to make."""
    return _new_team(cluster)


def _new_team(cluster: Cluster) -> Team:
    name = f"team-{next(_numbers)}"
    user = cluster.add_user(f"user-of-{name}", prefixes=[f"{store}://{name}" for store in ("vault", "local")])
    return Team(name, user, cluster)
