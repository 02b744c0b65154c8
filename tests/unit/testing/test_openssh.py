"""The OpenSSH of tests is the real one: its agent signs with each kind of key, and ssh-keygen believes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.errors import UnavailableError
from monoskope.testing.engines import openssh
from monoskope.testing.engines.openssh import Agent, KeyType, make_key, run
from monoskope.testing.parts import needed
from tests.support.ssh import need_security_key

NAMESPACE = "request@monoskope"
MESSAGE = b"m8/signed-request/v1\0and what follows"


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    with Agent() as found:
        yield found


def verified(folder: Path, public: Path, signature: str) -> str:
    """What `ssh-keygen -Y verify` says of a signature of anna's."""
    (folder / "allowed").write_text(f"anna@example.org {public.read_text()}")
    (folder / "signature").write_text(signature)
    files = ("-f", str(folder / "allowed"), "-s", str(folder / "signature"))
    return run("ssh-keygen", "-Y", "verify", "-I", "anna@example.org", "-n", NAMESPACE, *files, data=MESSAGE)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "ed25519-sk", "ecdsa-sk"])
def test_an_agent_signs_with_it_and_the_file_is_gone(tmp_path: Path, agent: Agent, kind: KeyType) -> None:
    need_security_key(kind)
    public = make_key(tmp_path / "id", kind)
    agent.add(tmp_path / "id")
    assert public.read_text().split()[1] in "\n".join(agent.held())
    (tmp_path / "id").unlink()
    signing = ("ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(public))
    assert "Good" in verified(tmp_path, public, run(*signing, environment=agent.environment, data=MESSAGE))
    agent.forget()
    assert agent.held() == []


def test_an_agent_that_is_gone_left_nothing() -> None:
    with Agent() as agent:
        assert agent.socket.exists()
    assert not agent.socket.parent.exists()


def test_what_openssh_refuses_is_said(tmp_path: Path) -> None:
    needed("ssh-keygen", "openssh-client")
    with pytest.raises(UnavailableError, match="ssh-keygen ended with"):
        make_key(tmp_path / "nowhere" / "id")


def test_a_machine_without_the_security_key_says_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openssh, "_MIDDLEWARES", (tmp_path / "none", tmp_path / "nowhere"))
    with pytest.raises(UnavailableError) as refused:
        openssh.middleware()
    assert "openssh-tests" in refused.value.fix
