"""A real m8 and a real reactor, asked by their environment to write down the keys of their TLS connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User

VARIABLE = "SSLKEYLOGFILE"


class Overheard(Cluster):
    """Whoever starts its programs wants the keys of their TLS connections."""

    @property
    def key_log(self) -> Path:
        return self.folder / "tls-keys"

    def _environment(self, user: User | None) -> dict[str, str]:
        return {**super()._environment(user), VARIABLE: str(self.key_log)}


def test_no_program_writes_tls_keys_to_a_file_and_none_leaves_a_core(tmp_path: Path) -> None:
    with Overheard(tmp_path / "cluster") as cluster:
        cluster.start(stores=("vault",))
        user = cluster.add_user("anna", prefixes=["vault://team"])
        put = ("put", "secret", "vault://team/db", "--from-file", "password=-")
        assert user.monoctl(*put, input=b"correct horse").code == 0

        assert not cluster.key_log.exists()
        for log in ("m8/m8.log", "reactor-vault/reactor.log"):
            assert f"{VARIABLE} IS IGNORED" in (cluster.folder / log).read_text()
        for name in ("m8", "reactor-vault"):
            limits = Path(f"/proc/{cluster.pids[name]}/limits").read_text()
            (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
            assert core.split()[4:6] == ["0", "0"], name


@pytest.fixture(autouse=True)
def _on_linux() -> None:
    if not Path("/proc/self/limits").exists():
        pytest.skip("this system shows no limits of processes")
