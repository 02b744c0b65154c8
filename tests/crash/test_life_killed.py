"""The reactor is killed while it generates or copies: what its heir says, and what the user is told."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from monoskope.exit_codes import ExitCode
from monoskope.failpoints import VARIABLE
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import Part, wait_until
from tests.crash.breaking import FIRST, dies, sessions
from tests.crash.conftest import M8_TIMINGS, shorten, shorten_reactor

LIKE_AFTER_STARTED = pytest.param("before-started", marks=pytest.mark.soak)
"""Nothing is written, and whoever comes after cannot say so."""
LIKE_BEFORE_RECEIPT = pytest.param("after-write", marks=pytest.mark.soak)
"""It is written, and whoever comes after finds it."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao and the stores `vault` and `local`, of which the first may copy to the second."""
    with Cluster(tmp_path_factory.mktemp("life")) as cluster:
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        shorten(cluster.folder / "m8" / "m8.toml", timings=dict(M8_TIMINGS))
        cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        cluster.make_local_reactor("local")
        cluster.share_fingerprint_key(FIRST, "reactor-local")
        cluster.allow_copy("vault", "local")
        for store in ("vault", "local"):
            cluster.add_store(store)
            shorten_reactor(cluster.folder / f"reactor-{store}")
            cluster.start_reactor(store)
        yield cluster


@dataclass(frozen=True, slots=True)
class Life:
    """A cluster, and a user with a team of its own in both stores."""

    cluster: Cluster
    user: User
    team: str

    def reactor(self, failpoints: str = "") -> Part:
        """Start the reactor of `vault` anew, armed, and return when it was attached."""
        part = self.cluster.reactors[FIRST]
        before = sessions(part)
        part.kill()
        part.start({VARIABLE: failpoints} if failpoints else None)
        wait_until(lambda: sessions(part) > before, what=f"{part.name} is attached")
        return part


_teams = itertools.count(1)


@pytest.fixture
def life(cluster: Cluster) -> Life:
    """A team that no other test knows."""
    team = f"team-{next(_teams)}"
    user = cluster.add_user(f"user-of-{team}", prefixes=[f"{store}://{team}" for store in ("vault", "local")])
    return Life(cluster, user, team)


class Doing:
    """A command under way."""

    def __init__(self, user: User, *words: str) -> None:
        self._done: list[Ran] = []
        self._thread = threading.Thread(target=lambda: self._done.append(user.monoctl(*words)), daemon=True)
        self._thread.start()

    def ended(self) -> Ran:
        self._thread.join(100)
        assert self._done, "monoctl still runs"
        return self._done[0]


@pytest.mark.parametrize(
    "place",
    [LIKE_AFTER_STARTED, pytest.param("after-started", marks=pytest.mark.soak), LIKE_BEFORE_RECEIPT, "before-receipt"],
)
def test_a_generated_secret_has_the_public_half_that_its_user_was_shown(life: Life, place: str) -> None:
    part = life.reactor(f"reactor.{place}=kill")
    uri = f"vault://{life.team}/{place}"
    words = ("generate", "secret", uri, "key=ed25519", "-o", "json")
    doing = Doing(life.user, *words)
    dies(part)
    life.reactor()
    ran = doing.ended()
    if place.endswith("started"):
        # The key's maker is gone: nobody who is left can say that nothing will be written.
        assert ran.code == ExitCode.OUTCOME_UNKNOWN, ran.err
        ran = life.user.monoctl(*words)
    assert ran.code == 0, ran.err
    read = life.cluster.run_bao("kv", "get", f"-mount={MOUNT}", "-field=key", f"{PREFIX}/{life.team}/{place}")
    public = load_pem_private_key(read.out.encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert ran.json()["public_values"] == {"key": pem}


@pytest.mark.parametrize(("place", "arrived"), [("after-started", False), ("before-receipt", True)])
def test_a_copy_whose_reactor_dies_is_unknown(life: Life, place: str, *, arrived: bool) -> None:
    user, source, destination = life.user, f"vault://{life.team}/db", f"local://{life.team}/db"
    put = user.monoctl("put", "secret", source, "--from-file", "password=-", "-o", "json", input=b"correct horse")
    assert put.code == 0, put.err
    part = life.reactor(f"reactor.{place}=kill")
    doing = Doing(user, "copy", "secret", source, destination, "-o", "json")
    dies(part)
    life.reactor()
    ran = doing.ended()
    assert ran.code == ExitCode.OUTCOME_UNKNOWN, ran.err
    assert "copied" in ran.err
    found = user.monoctl("get", "secret", destination, "-o", "json")
    assert found.code == (0 if arrived else ExitCode.NOT_FOUND)
    if arrived:
        assert found.json()["hash"] == put.json()["hash"]
    again = user.monoctl("copy", "secret", source, destination, "-o", "json")
    assert again.json()["outcome"] == ("UNCHANGED" if arrived else "UPLOADED")


def test_a_verification_or_an_import_whose_reactor_dies_is_unknown_and_asked_again(life: Life) -> None:
    uri = f"vault://{life.team}/db"
    put = life.user.monoctl("put", "secret", uri, "--from-file", "password=-", "-o", "json", input=b"correct horse")
    assert put.code == 0, put.err
    for verb, outcome in (("verify", "IN_SYNC"), ("import", "IMPORTED")):
        part = life.reactor("reactor.before-receipt=kill")
        doing = Doing(life.user, verb, "secret", uri, "-o", "json")
        dies(part)
        life.reactor()
        ran = doing.ended()
        assert ran.code == ExitCode.OUTCOME_UNKNOWN, ran.err
        assert "Nothing was written" in ran.err
        ran = life.user.monoctl(verb, "secret", uri, "-o", "json")
        assert ran.code == 0, ran.err
        assert ran.json()["outcome"] == outcome
