"""The reactor is killed while it generates or copies: what its heir says, and what the user is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from monoskope.exit_codes import ExitCode
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.cluster_commands import Ran, User
from tests.crash.conftest import LIFETIME_S, M8_TIMINGS, REACTOR_TIMINGS, Crash, dies, shorten


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao and the stores `vault` and `local`, of which the first may copy to the second."""
    with Cluster(tmp_path_factory.mktemp("life")) as cluster:
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        shorten(cluster.folder / "m8" / "m8.toml", timings=M8_TIMINGS)
        cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        cluster.make_local_reactor("local")
        cluster.share_fingerprint_key("reactor-vault", "reactor-local")
        cluster.allow_copy("vault", "local")
        for store in ("vault", "local"):
            cluster.add_store(store)
            limits = {"lifetime_s": LIFETIME_S}
            shorten(cluster.folder / f"reactor-{store}" / "reactor.toml", timings=REACTOR_TIMINGS, limits=limits)
            cluster.start_reactor(store)
        yield cluster


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


@pytest.mark.parametrize("place", ["before-started", "after-started", "after-write", "before-receipt"])
def test_a_generated_secret_has_the_public_half_that_its_user_was_shown(crash: Crash, place: str) -> None:
    part = crash.reactor(f"reactor.{place}=kill")
    uri = f"vault://{crash.team}/{place}"
    doing = Doing(crash.user, "generate", "secret", uri, "key=ed25519", "-o", "json")
    dies(part)
    crash.reactor()
    ran = doing.ended()
    assert ran.code == 0, ran.err
    read = crash.cluster.run_bao("kv", "get", f"-mount={MOUNT}", "-field=key", f"{PREFIX}/{crash.team}/{place}")
    public = load_pem_private_key(read.out.encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert ran.json()["public_values"] == {"key": pem}


@pytest.mark.parametrize(("place", "arrived"), [("after-started", False), ("before-receipt", True)])
def test_a_copy_whose_reactor_dies_is_unknown(crash: Crash, place: str, *, arrived: bool) -> None:
    prefixes = [f"{store}://{crash.team}" for store in ("vault", "local")]
    user = crash.cluster.add_user(f"copier-of-{crash.team}", prefixes=prefixes)
    source, destination = (f"{prefix}/db" for prefix in prefixes)
    put = user.monoctl("put", "secret", source, "--from-file", "password=-", "-o", "json", input=b"correct horse")
    assert put.code == 0, put.err
    part = crash.reactor(f"reactor.{place}=kill")
    doing = Doing(user, "copy", "secret", source, destination, "-o", "json")
    dies(part)
    crash.reactor()
    ran = doing.ended()
    assert ran.code == ExitCode.OUTCOME_UNKNOWN, ran.err
    assert "copied" in ran.err
    found = user.monoctl("get", "secret", destination, "-o", "json")
    assert found.code == (0 if arrived else ExitCode.NOT_FOUND)
    if arrived:
        assert found.json()["hash"] == put.json()["hash"]
    again = user.monoctl("copy", "secret", source, destination, "-o", "json")
    assert again.json()["outcome"] == ("UNCHANGED" if arrived else "UPLOADED")


def test_a_verification_or_an_import_whose_reactor_dies_is_asked_again(crash: Crash) -> None:
    uri = f"vault://{crash.team}/db"
    put = crash.user.monoctl("put", "secret", uri, "--from-file", "password=-", "-o", "json", input=b"correct horse")
    assert put.code == 0, put.err
    for verb, outcome in (("verify", "IN_SYNC"), ("import", "IMPORTED")):
        part = crash.reactor("reactor.before-receipt=kill")
        doing = Doing(crash.user, verb, "secret", uri, "-o", "json")
        dies(part)
        crash.reactor()
        ran = doing.ended()
        assert ran.code == 0, ran.err
        assert ran.json()["outcome"] == outcome
