"""`[signers]` before everything is updated: nothing is written unsigned, and what ends says why.

The order is all m8, all reactors, the clients, then `[signers]` (docs/operate/signers.md). Each test breaks it once,
with programs from before there were signed requests. What an heir of before does is in tests/unit/reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from tests.e2e.ran import ok, refused
from tests.e2e.versions import add_to, unpack
from tests.support.ssh import keygen

pytestmark = pytest.mark.soak

COMMIT = "7c819845ece01b0e17f517a4f7ebc898ca439a52"
"""The last commit before signed requests."""
ANNA = "anna@example.org"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What makes a program one of before signed requests."""
    return {"PYTHONPATH": str(unpack(tmp_path_factory.mktemp("old"), COMMIT))}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("key") / "anna")


Started = Callable[[dict[str, str]], tuple[Cluster, User]]


@pytest.fixture
def started(tmp_path: Path, key: Path) -> Iterator[Started]:
    """Start m8, of another version if it is said so, and a reactor with `[signers]`; return both and anna."""
    with ExitStack() as stack:

        def start(m8: dict[str, str]) -> tuple[Cluster, User]:
            cluster = stack.enter_context(Cluster(tmp_path / "cluster", environments={"m8": m8}))
            cluster.start_m8()
            cluster.make_local_reactor("local")
            cluster.share_fingerprint_key("reactor-local")
            cluster.add_store("local")
            with_signers(cluster.folder / "reactor-local", key)
            return cluster, cluster.add_user("anna", prefixes=["local://t"])

        yield start


def with_signers(home: Path, key: Path) -> None:
    public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    write_private(home / "allowed_signers", f"{ANNA} {public}\n# end\n".encode(), replace=True)
    write_private(home / "revoked_keys", b"# end\n", replace=True)
    may = [{"principal": ANNA, "prefixes": ["t"], "purposes": ["upload"]}]
    add_to(home / "reactor.toml", signers={"file": "allowed_signers", "revoked": "revoked_keys", "may": may})


def put(user: User, *words: str, environment: dict[str, str] | None = None) -> Ran:
    arguments = ("put", "secret", "local://t/db", "--from-file", "password=-", "-o", "json", *words)
    return user.monoctl(*arguments, input=b"correct horse", environment=environment)


def written(cluster: Cluster) -> list[Path]:
    return [path for path in (cluster.folder / "reactor-local" / "secrets").rglob("*") if path.is_file()]


def test_an_m8_that_was_not_updated_gets_no_key_for_what_must_be_signed(
    started: Started, old: dict[str, str], key: Path
) -> None:
    cluster, anna = started(old)
    cluster.start_reactor("local")
    ran = put(anna, "--signing-key", str(key), "--timeout", "30")
    assert "Update in this order: every m8, every reactor, the clients; then set [signers]" in refused(ran, ran.code)
    assert ran.code not in {0, 9}
    assert written(cluster) == []


def test_a_client_that_was_not_updated_seals_nothing(started: Started, old: dict[str, str], key: Path) -> None:
    """It cannot read the grant, and says that; the page about the order names its sentence."""
    cluster, anna = started({})
    cluster.start_reactor("local")
    ran = put(anna, "--timeout", "30", environment=old)
    assert "malformed" in refused(ran, ran.code)
    assert ran.code not in {0, 9}
    assert written(cluster) == []
    assert ok(put(anna, "--signing-key", str(key))).json()["outcome"] == "UPLOADED"


def test_a_reactor_that_was_not_updated_does_not_start_with_the_table(started: Started, old: dict[str, str]) -> None:
    cluster, _ = started({})
    cluster.environments["reactor-local"] = old
    ran = cluster.run("m8", "reactor", "run", "reactor-local")
    assert ran.code != 0
    assert "signers" in ran.err


def test_a_reactor_that_was_not_updated_copies_nothing_to_a_store_that_takes_signed_requests(
    started: Started, old: dict[str, str], key: Path
) -> None:
    """As a client of the other store it cannot read the grant: it seals nothing, and the copy ends."""
    cluster, _ = started({})
    cluster.make_local_reactor("source")
    cluster.share_fingerprint_key("reactor-local", "reactor-source")
    cluster.allow_copy("source", "local")
    cluster.environments["reactor-source"] = old
    cluster.add_store("source")
    cluster.start_reactor("local")
    cluster.start_reactor("source")
    ben = cluster.add_user("ben", prefixes=["local://t", "source://t"])
    ok(ben.monoctl("put", "secret", "source://t/db", "--from-file", "password=-", input=b"correct horse"))
    ran = ben.monoctl("copy", "secret", "source://t/db", "local://t/db", "--timeout", "60", "-o", "json")
    assert "may not copy from here to there" in refused(ran, 3)
    assert written(cluster) == []


def test_an_m8_of_before_that_takes_over_such_a_log_gets_nothing_unsigned(
    started: Started, old: dict[str, str], key: Path
) -> None:
    """There is no way back: the reactor goes by the m8 that it meets now."""
    cluster, anna = started({})
    cluster.start_reactor("local")
    ok(put(anna, "--signing-key", str(key)))
    before = [path.read_bytes() for path in written(cluster)]
    cluster.reactors["reactor-local"].stop()
    cluster.m8.stop()
    cluster.m8.environment |= old
    cluster.start_m8()
    cluster.start_reactor("local")
    for words in ((), ("--signing-key", str(key))):
        ran = put(anna, "--overwrite", "--timeout", "30", *words)
        assert "Update in this order" in refused(ran, ran.code)
        assert ran.code not in {0, 9}
    assert [path.read_bytes() for path in written(cluster)] == before
